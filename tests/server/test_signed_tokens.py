"""Task and page tokens over the wire: signed, bound to a namespace, good after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from server._running import in_process
from server.test_calls import start_request
from tsuzuki.server import ServerOptions
from tsuzuki.server._signed_tokens import TokenSeal
from tsuzuki.service import ServiceError

QUEUE = TaskQueue(name="q")


@pytest_asyncio.fixture
async def stub(tmp_path: Path) -> AsyncIterator[WorkflowServiceStub]:
    async with (
        in_process(ServerOptions(db=tmp_path / "runs.db", port=0)) as server,
        grpc.aio.insecure_channel(server.target) as channel,
    ):
        yield WorkflowServiceStub(channel)


def complete(token: bytes, namespace: str = "default") -> rpc.RespondWorkflowTaskCompletedRequest:
    request = rpc.RespondWorkflowTaskCompletedRequest(task_token=token, namespace=namespace)
    command = request.commands.add(command_type="COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION")
    command.complete_workflow_execution_command_attributes.SetInParent()
    return request


async def refused(call: object) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return error.value.details() or ""


async def poll(stub: WorkflowServiceStub) -> rpc.PollWorkflowTaskQueueResponse:
    request = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=QUEUE)
    return await stub.PollWorkflowTaskQueue(request, timeout=60)


async def test_a_task_token_that_was_changed_reaches_nothing(stub: WorkflowServiceStub) -> None:
    await stub.StartWorkflowExecution(start_request("w"))
    token = (await poll(stub)).task_token
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 1
        assert "task token" in await refused(stub.RespondWorkflowTaskCompleted(complete(bytes(changed))))
    for other in (token[:-1], token + b"x", token[16:], b"\0"):
        assert "task token" in await refused(stub.RespondWorkflowTaskCompleted(complete(other)))
    said = await refused(stub.RespondWorkflowTaskCompleted(complete(token, "other")))
    assert said == "Operation requested with a token from a different namespace."
    await stub.RespondWorkflowTaskCompleted(complete(token))


async def test_the_namespace_of_a_task_may_be_left_out(stub: WorkflowServiceStub) -> None:
    await stub.StartWorkflowExecution(start_request("w"))
    await stub.RespondWorkflowTaskCompleted(complete((await poll(stub)).task_token, ""))


async def test_a_page_token_is_good_for_its_pages_only(stub: WorkflowServiceStub) -> None:
    await stub.StartWorkflowExecution(start_request("w"))
    request = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", maximum_page_size=1)
    request.execution.workflow_id = "w"
    token = (await stub.GetWorkflowExecutionHistory(request)).next_page_token
    request.next_page_token = token
    assert [event.event_id for event in (await stub.GetWorkflowExecutionHistory(request)).history.events] == [2]
    for other in (token[16:], token[:-1] + b"\xff", (await poll(stub)).task_token):
        request.next_page_token = other
        assert "NextPageToken" in await refused(stub.GetWorkflowExecutionHistory(request))


async def test_a_token_is_good_after_a_restart(tmp_path: Path) -> None:
    options = ServerOptions(db=tmp_path / "runs.db", port=0)
    request = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", maximum_page_size=1)
    request.execution.workflow_id = "w"
    async with in_process(options) as server, grpc.aio.insecure_channel(server.target) as channel:
        stub = WorkflowServiceStub(channel)
        await stub.StartWorkflowExecution(start_request("w"))
        request.next_page_token = (await stub.GetWorkflowExecutionHistory(request)).next_page_token
    async with in_process(options) as server, grpc.aio.insecure_channel(server.target) as channel:
        page = await WorkflowServiceStub(channel).GetWorkflowExecutionHistory(request)
    assert [event.event_id for event in page.history.events] == [2]


def test_another_secret_opens_nothing() -> None:
    sealed = TokenSeal(b"one").seal("task_token", "a", b"token")
    assert TokenSeal(b"one").open("task_token", "a", sealed) == ("a", b"token")
    with pytest.raises(ServiceError):
        TokenSeal(b"two").open("task_token", "a", sealed)
    with pytest.raises(ServiceError):
        TokenSeal(b"one").open("page_token", "a", sealed)
