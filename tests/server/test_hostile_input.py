"""Input that nobody should send: refused in so many words, never an internal error, never a hang.

`TSUZUKI_SEED` repeats a run, `TSUZUKI_ROUNDS` makes it longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Rejection
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from server._hostile import Hostile
from server._running import in_process
from server.test_calls import start_request
from tsuzuki.server import Server, ServerOptions
from tsuzuki.server._calls import WAITS_S_MAX
from tsuzuki.server._nesting import CAUSES_MAX
from tsuzuki.server._rpcs import RPCS, Rpc
from tsuzuki.store import check_store

SEED: Final = int(os.environ.get("TSUZUKI_SEED") or random.SystemRandom().randrange(2**32))
ROUNDS: Final = int(os.environ.get("TSUZUKI_ROUNDS") or 40)
ENDING = ("DeleteNamespace", "DeprecateNamespace", "UpdateNamespace")
"""A request that makes sense may end the namespace of the others."""
WAITING: Final = {*WAITS_S_MAX, "QueryWorkflow"}
"""They may wait for something that does not come, and end with their caller's deadline."""
NEVER: Final = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
QUEUE: Final = TaskQueue(name="q")
LONG_S: Final = 30.0


@pytest_asyncio.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.target) as opened:
        yield opened


class World:
    """A server with runs in it, and what a caller may know of them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.stub = WorkflowServiceStub(channel)
        self.ids = [f"w{number}" for number in range(8)]

    async def refresh(self) -> dict[str, Any]:
        """Make sure that the runs are open; values for the fields of requests."""
        runs, tokens = [WorkflowExecution(workflow_id="nobody")], []
        for workflow_id in self.ids:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self.stub.StartWorkflowExecution(start_request(workflow_id), timeout=LONG_S)
            runs.append(WorkflowExecution(workflow_id=workflow_id))
        for number in range(5):
            poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=QUEUE)
            task_token = await self._taken(self.stub.PollWorkflowTaskQueue, poll)
            if number < 2 and task_token:
                tokens += await self._schedule_activities(task_token)
            tokens.append(task_token)
        return {
            "namespace": ["default"] * 20 + ["other", ""],
            "workflow_id": [*self.ids, "nobody"],
            "execution": runs,
            "workflow_execution": runs,
            "task_queue": [QUEUE],
            "workflow_type": [WorkflowType(name="Any")],
            "activity_id": ["a1", "a2"],
            "task_token": [*tokens, b"x" * 40],
            "next_page_token": [b"", b"", b"x" * 30],
        }

    async def _schedule_activities(self, task_token: bytes) -> list[bytes]:
        """Complete a workflow task with two activities, and take one of them."""
        done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task_token)
        for name in ("a1", "a2"):
            command = done.commands.add(command_type="COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK")
            asked = command.schedule_activity_task_command_attributes
            asked.activity_id, asked.activity_type.name, asked.task_queue.name = name, "A", "q"
            asked.start_to_close_timeout.seconds = 60
            asked.heartbeat_timeout.seconds = 60
        try:
            await self.stub.RespondWorkflowTaskCompleted(done)
        except grpc.aio.AioRpcError:  # the hostile requests got in between
            return []
        poll = rpc.PollActivityTaskQueueRequest(namespace="default", task_queue=QUEUE)
        return [await self._taken(self.stub.PollActivityTaskQueue, poll)]

    async def _taken(self, poll: Callable[..., Any], request: object) -> bytes:
        """The token of a task, if there is one; on a busy machine the caller's second may end before the answer."""
        try:
            return bytes((await poll(request, timeout=1)).task_token)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            return b""


def offered(server: Server) -> list[Rpc]:
    """The RPCs that are answered with more than UNIMPLEMENTED."""
    return [each for each in RPCS.values() if hasattr(server.service, each.method) and each.name not in ENDING]


async def code_of(
    channel: grpc.aio.Channel, each: Rpc, data: bytes, *, may_wait: bool = True
) -> tuple[grpc.StatusCode, str]:
    deadline_s = 0.1 if may_wait and each.name in WAITING else LONG_S
    call = channel.unary_unary(each.path)(data, timeout=deadline_s)
    code = await asyncio.wait_for(call.code(), 2 * LONG_S)
    return code, await call.details() or ""


async def test_generated_requests_never_break_a_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a run: afterwards all of them can be read, and the store is sound."""
    print(f"TSUZUKI_SEED={SEED} TSUZUKI_ROUNDS={ROUNDS} pytest tests/server/test_hostile_input.py -k generated")
    db = tmp_path / "runs.db"
    with caplog.at_level(logging.ERROR):
        async with (
            in_process(ServerOptions(db=db, port=0)) as server,
            grpc.aio.insecure_channel(server.target) as channel,
        ):
            wrong = await send_generated(server, channel)
            await read_everything(channel)
            await still_serves(channel)
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR and "tsuzuki" in record.name]
    assert not wrong, wrong[0] + "".join(str(record.exc_text) for record in logged[:1])
    assert logged == []
    assert check_store(db) == []


async def send_generated(server: Server, channel: grpc.aio.Channel) -> list[str]:
    """Rounds of one request for each RPC; what went wrong."""
    hostile, world = Hostile(random.Random(SEED)), World(channel)
    wrong: list[str] = []
    codes: dict[str, Counter[str]] = {}
    for number in range(ROUNDS):
        if number % 2 == 0:
            hostile.known = await world.refresh()
        for each in offered(server):
            data = hostile.request(each.request).SerializeToString()
            if hostile.random.random() < 0.15:
                data = hostile.spoiled(data)
            code, said = await code_of(channel, each, data)
            codes.setdefault(each.name, Counter())[code.name] += 1
            late = code is grpc.StatusCode.DEADLINE_EXCEEDED and each.name not in WAITING
            if code in NEVER or late:
                wrong.append(f"round {number} {each.name}: {code.name} {said} on {data!r}")
    print(codes)
    return wrong


async def read_everything(channel: grpc.aio.Channel) -> None:
    """List, describe and read every run, page by page."""
    stub = WorkflowServiceStub(channel)
    listing = rpc.ListWorkflowExecutionsRequest(namespace="default", page_size=7)
    while True:
        listed = await stub.ListWorkflowExecutions(listing)
        for info in listed.executions:
            describe = rpc.DescribeWorkflowExecutionRequest(namespace="default", execution=info.execution)
            assert (await stub.DescribeWorkflowExecution(describe)).HasField("workflow_execution_info")
            history = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", execution=info.execution)
            assert (await stub.GetWorkflowExecutionHistory(history)).history.events[0].event_id == 1
        listing.next_page_token = listed.next_page_token
        if not listing.next_page_token:
            return


async def still_serves(channel: grpc.aio.Channel) -> None:
    """A new run is started, polled and completed."""
    stub = WorkflowServiceStub(channel)
    request = start_request("after all")
    request.task_queue.name = "after"
    await stub.StartWorkflowExecution(request)
    poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name="after"))
    task = await stub.PollWorkflowTaskQueue(poll, timeout=LONG_S)
    done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
    command = done.commands.add(command_type="COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION")
    command.complete_workflow_execution_command_attributes.SetInParent()
    await stub.RespondWorkflowTaskCompleted(done)


# ---- one by one --------------------------------------------------------------------------------------


def failure_with(causes: int) -> Failure:
    failure = Failure(message="the first")
    for _ in range(causes):
        outer = Failure(message="and then")
        outer.cause.CopyFrom(failure)
        failure = outer
    return failure


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


@pytest.mark.parametrize("causes", [CAUSES_MAX + 1, 97, 98, 99, 1000])
async def test_a_failure_too_deep_to_be_read_again_is_refused(channel: grpc.aio.Channel, causes: int) -> None:
    """98 and 99 fit into the request, and not into the history that would repeat them."""
    data = b""
    for _ in range(causes + 1):  # the request holds its failure as a failure its cause, by the number of the field
        data = b"\x22" + _varint(len(data)) + data
    request = b"\x12" + data[1:] + rpc.RespondActivityTaskFailedByIdRequest(namespace="default").SerializeToString()
    call = channel.unary_unary("/temporal.api.workflowservice.v1.WorkflowService/RespondActivityTaskFailed")
    code, said = await refusal(call(request, timeout=LONG_S))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Cut the chain" in said or "MaxDepth" in said


@pytest.mark.parametrize("causes", [0, CAUSES_MAX])
async def test_the_deepest_failure_allowed_is_read_again(server: Server, causes: int) -> None:
    stub_target = server.target
    async with grpc.aio.insecure_channel(stub_target) as channel:
        stub = WorkflowServiceStub(channel)
        await stub.StartWorkflowExecution(start_request("w"))
        poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=QUEUE)
        task = await stub.PollWorkflowTaskQueue(poll, timeout=LONG_S)
        done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
        command = done.commands.add(command_type="COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION")
        command.fail_workflow_execution_command_attributes.failure.CopyFrom(failure_with(causes))
        await stub.RespondWorkflowTaskCompleted(done)
        await read_everything(channel)


async def test_what_is_packed_and_cannot_be_read_is_refused(channel: grpc.aio.Channel) -> None:
    stub = WorkflowServiceStub(channel)
    request = rpc.RespondWorkflowTaskCompletedRequest(namespace="default")
    body = request.messages.add(id="m", protocol_instance_id="u").body
    body.type_url, body.value = "type.googleapis.com/temporal.api.update.v1.Rejection", b"\xff\xff"
    code, said = await refusal(stub.RespondWorkflowTaskCompleted(request))
    assert (code, "is no temporal.api.update.v1.Rejection" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    body.Pack(Rejection(failure=failure_with(CAUSES_MAX + 1)))
    code, said = await refusal(stub.RespondWorkflowTaskCompleted(request))
    assert (code, "Cut the chain" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_bytes_that_are_no_message_are_refused_by_every_rpc(channel: grpc.aio.Channel) -> None:
    for each in RPCS.values():
        for data in (b"\xff" * 40, b"\x0a\x7f", b"\x0b" * 200):
            code, _ = await code_of(channel, each, data, may_wait=False)
            assert code is grpc.StatusCode.INVALID_ARGUMENT, (each.name, data)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
