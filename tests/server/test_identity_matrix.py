"""Every RPC with every kind of caller, against rules that are written down apart from the server's table.

The RPCs come from the descriptors. What each should need is told from its name here, so that a row in the wrong
place of the table is seen.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import PermissionDeniedFailure

from server._guarded import CALLERS, Guarded, guarded
from tsuzuki.server import Identity, Role
from tsuzuki.server._permissions import PERMISSIONS, Authorization
from tsuzuki.server._rpcs import RPCS, Rpc
from tsuzuki.service import ServiceError, StatusCode

ANONYMOUS: Final = "anonymous"

LOOKS: Final = ("Count", "Describe", "Get", "List", "Query", "Scan", "Validate", "PollActivityExecution")
LOOKS_TOO: Final = {"PollNexusOperationExecution", "PollWorkflowExecutionTimeSkipping", "PollWorkflowExecutionUpdate"}
WORKS: Final = ("FetchWorker", "PollWorkflowTask", "PollActivityTask", "PollNexusTask", "Record", "ResetSticky")
WORKS_TOO: Final = ("Respond", "ShutdownWorker")
FINISHES_AN_ACTIVITY: Final = ("RecordActivityTask", "RespondActivityTask")
OF_THE_SERVER: Final = (
    {"GetClusterInfo", "GetSearchAttributes", "RegisterNamespace", "DeleteNamespace", "ListNamespaces"}
    | {"AddOrUpdateRemoteCluster", "RemoveRemoteCluster", "ListClusters", "GetNexusEndpoint", "ListNexusEndpoints"}
    | {"CreateNexusEndpoint", "UpdateNexusEndpoint", "DeleteNexusEndpoint"}
)
SETS_UP: Final = ("BuildId", "VersioningRules", "Deployment", "SearchAttributes", "Namespace", "WorkerConfig")


def expected(rpc: Rpc) -> set[str]:
    """Who may call it."""
    name = rpc.name
    if name == "GetSystemInfo":
        return {ANONYMOUS, *CALLERS}
    looks = (name.startswith(LOOKS) or name in LOOKS_TOO) and not name.startswith("PollActivityTask")
    if name in OF_THE_SERVER:
        return {"server admin"}
    if looks:
        both = name in {"DescribeNamespace", "GetWorkflowExecutionHistory"}
        return {"reader", "writer", "admin", "server admin"} | ({"worker"} if both else set())
    if name.startswith((*WORKS, *WORKS_TOO)):
        both = name.startswith(FINISHES_AN_ACTIVITY)
        return {"worker", "admin", "server admin"} | ({"writer"} if both else set())
    if any(what in name for what in SETS_UP):
        return {"admin", "server admin"}
    return {"writer", "admin", "server admin"}


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path) as running:
        yield running


def request_bytes(rpc: Rpc, namespace: str) -> bytes:
    request = rpc.request()
    if "namespace" in rpc.request.DESCRIPTOR.fields_by_name:
        request.namespace = namespace  # type: ignore[attr-defined]
    return request.SerializeToString()


async def status_of(channel: grpc.aio.Channel, rpc: Rpc, data: bytes, server: Guarded, caller: str) -> grpc.StatusCode:
    call = channel.unary_unary(rpc.path)(data, metadata=server.metadata(caller), timeout=60)
    return await call.code()


def test_every_rpc_has_a_permission_and_every_permission_an_rpc() -> None:
    assert {rpc.name for rpc in RPCS.values()} == PERMISSIONS.keys()


async def test_every_rpc_with_every_caller(server: Guarded) -> None:
    wrong = []
    async with grpc.aio.insecure_channel(server.target) as channel:
        for rpc in RPCS.values():
            data = request_bytes(rpc, "default")
            callers = [ANONYMOUS, *CALLERS]
            codes = await asyncio.gather(*(status_of(channel, rpc, data, server, caller) for caller in callers))
            for caller, code in zip(callers, codes, strict=True):
                refusal = grpc.StatusCode.PERMISSION_DENIED if caller in CALLERS else grpc.StatusCode.UNAUTHENTICATED
                if (code is refusal) == (caller in expected(rpc)) or code is grpc.StatusCode.INTERNAL:
                    wrong.append(f"{rpc.name} by {caller}: {code.name}")
    assert wrong == []


def test_an_rpc_without_a_row_is_denied_to_everybody() -> None:
    known = RPCS["/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution"]
    gained = dataclasses.replace(known, name="StartSomethingNew")
    admin = Identity("admin", frozenset({"*"}), frozenset(Role))
    Authorization(known).check(admin, known.request())
    with pytest.raises(ServiceError, match="no permission is defined") as denied:
        Authorization(gained).check(admin, gained.request())
    assert denied.value.status is StatusCode.PERMISSION_DENIED


async def test_a_denial_is_told_as_temporal_tells_it(server: Guarded) -> None:
    rpc = RPCS["/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution"]
    async with grpc.aio.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="Request unauthorized") as denied:
            await channel.unary_unary(rpc.path)(request_bytes(rpc, "default"), metadata=server.metadata("reader"))
    status = GrpcStatus.FromString(dict(denied.value.trailing_metadata() or ())["grpc-status-details-bin"])
    failure = PermissionDeniedFailure()
    assert status.details[0].Unpack(failure)
    assert "none of the roles admin, write" in failure.reason


async def test_health_is_told_to_everybody(server: Guarded) -> None:
    async with grpc.aio.insecure_channel(server.target) as channel:
        answer = await HealthStub(channel).Check(HealthCheckRequest())
    assert answer.status == HealthCheckResponse.SERVING
