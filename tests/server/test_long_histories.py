"""Histories that do not fit into one message: workers get them page by page, and clients with the usual 4 MiB can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
import temporalio.client
import temporalio.worker
import temporalio.workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.engine._history_pages import PAGE_BYTES_MAX, PAGE_EVENTS_MAX
from tsuzuki.server import Server
from tsuzuki.worker import Worker

MIB = 1 << 20


@pytest_asyncio.fixture
async def stub(server: Server) -> AsyncIterator[WorkflowServiceStub]:
    """A client that takes 4 MiB, as any does that was told nothing else."""
    async with grpc.aio.insecure_channel(server.target) as channel:
        yield WorkflowServiceStub(channel)


async def start(stub: WorkflowServiceStub) -> None:
    request = rpc.StartWorkflowExecutionRequest(namespace="default", workflow_id="w", request_id="r")
    request.workflow_type.name, request.task_queue.name = "Adding", "q"
    await stub.StartWorkflowExecution(request)


async def signal(stub: WorkflowServiceStub, size: int) -> None:
    request = rpc.SignalWorkflowExecutionRequest(namespace="default", signal_name="add")
    request.workflow_execution.workflow_id = "w"
    request.input.payloads.add(metadata={"encoding": b"json/plain"}, data=b'"%s"' % (b"x" * size))
    await stub.SignalWorkflowExecution(request)


async def take(stub: WorkflowServiceStub) -> rpc.PollWorkflowTaskQueueResponse:
    request = rpc.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
    request.task_queue.name = "q"
    task: rpc.PollWorkflowTaskQueueResponse = await stub.PollWorkflowTaskQueue(request, timeout=60)
    return task


async def fail(stub: WorkflowServiceStub, task: rpc.PollWorkflowTaskQueueResponse) -> None:
    await stub.RespondWorkflowTaskFailed(
        rpc.RespondWorkflowTaskFailedRequest(namespace="default", task_token=task.task_token)
    )


async def pages_of(stub: WorkflowServiceStub, task: rpc.PollWorkflowTaskQueueResponse) -> list[list[HistoryEvent]]:
    pages, token = [list(task.history.events)], task.next_page_token
    while token:
        request = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", next_page_token=token)
        request.execution.CopyFrom(task.workflow_execution)
        page = await stub.GetWorkflowExecutionHistory(request)
        pages.append(list(page.history.events))
        token = page.next_page_token
    return pages


def ids(pages: list[list[HistoryEvent]]) -> list[int]:
    return [event.event_id for page in pages for event in page]


async def test_a_task_has_a_page_and_a_token_for_the_rest(stub: WorkflowServiceStub) -> None:
    await start(stub)
    for _ in range(9):
        await signal(stub, MIB // 2)
    task = await take(stub)
    pages = await pages_of(stub, task)
    assert ids(pages) == list(range(1, task.started_event_id + 1)) == list(range(1, 13))
    assert len(pages) == 3
    assert all(sum(event.ByteSize() for event in page) <= PAGE_BYTES_MAX for page in pages)


async def test_a_retry_shows_its_own_events_on_the_last_page_alone(stub: WorkflowServiceStub) -> None:
    await start(stub)
    for _ in range(6):
        await signal(stub, MIB // 2)
    await fail(stub, await take(stub))
    task = await take(stub)
    assert task.attempt == 2
    pages = await pages_of(stub, task)
    assert ids(pages) == list(range(1, task.started_event_id + 1))
    plain = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", execution=task.workflow_execution)
    plain.maximum_page_size = 5
    token = (await stub.GetWorkflowExecutionHistory(plain)).next_page_token
    assert ids(await pages_of(stub, rpc.PollWorkflowTaskQueueResponse(next_page_token=token)))[-1] == 10, "recorded"


async def test_pages_of_a_question_end_where_it_was_asked(stub: WorkflowServiceStub) -> None:
    """Also when the run has gone on meanwhile."""
    await start(stub)
    for _ in range(6):
        await signal(stub, MIB // 2)
    task = await take(stub)
    await stub.RespondWorkflowTaskCompleted(
        rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
    )
    request = rpc.QueryWorkflowRequest(namespace="default", execution=task.workflow_execution)
    request.query.query_type = "so_far"
    asking = asyncio.ensure_future(stub.QueryWorkflow(request))
    question = await take(stub)
    assert question.HasField("query")
    assert question.previous_started_event_id == task.started_event_id
    await signal(stub, 10)
    assert ids(await pages_of(stub, question)) == list(range(1, task.started_event_id + 2))
    asking.cancel()


async def test_the_pages_of_a_task_that_is_over_are_refused(stub: WorkflowServiceStub) -> None:
    """What comes now is another attempt's: nobody should replay it for an answer that is not taken."""
    await start(stub)
    for _ in range(6):
        await signal(stub, MIB // 2)
    task = await take(stub)
    await fail(stub, task)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await pages_of(stub, task)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_page_of_the_list_is_not_longer_than_clients_take(stub: WorkflowServiceStub) -> None:
    for number in range(5):
        request = rpc.StartWorkflowExecutionRequest(namespace="default", workflow_id=f"w{number}", request_id="r")
        request.workflow_type.name, request.task_queue.name = "W", "q"
        request.memo.fields["large"].data = b"x" * (MIB // 2)
        await stub.StartWorkflowExecution(request)
    listed, token = [], b""
    while True:
        page = await stub.ListWorkflowExecutions(
            rpc.ListWorkflowExecutionsRequest(namespace="default", next_page_token=token)
        )
        listed.append([info.execution.workflow_id for info in page.executions])
        token = page.next_page_token
        if not token:
            break
    assert listed == [["w4", "w3", "w2"], ["w1", "w0"]]


# ---- real workers ------------------------------------------------------------------------------------


@temporalio.workflow.defn(name="Adding")
class OfficialAdding:
    def __init__(self) -> None:
        self.count = 0

    @temporalio.workflow.run
    async def run(self) -> int:
        await temporalio.workflow.wait_condition(lambda: self.count >= LONG)
        return self.count

    @temporalio.workflow.signal
    def add(self, data: str) -> None:
        self.count += 1

    @temporalio.workflow.query
    def so_far(self) -> int:
        return self.count


@workflow.defn(name="Adding")
class OwnAdding:
    def __init__(self) -> None:
        self.count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.count >= LONG)
        return self.count

    @workflow.signal
    def add(self, data: str) -> None:
        self.count += 1

    @workflow.query
    def so_far(self) -> int:
        return self.count


LONG = 600
SIZE = 8_000
"""Together more than clients take by default, and three pages."""


async def long_run(server: Server) -> None:
    """Made behind gRPC, for speed."""
    engine = server.service
    request = rpc.StartWorkflowExecutionRequest(namespace="default", workflow_id="w", request_id="r")
    request.workflow_type.name, request.task_queue.name = "Adding", "q"
    await engine.start_workflow_execution(request)
    one = rpc.SignalWorkflowExecutionRequest(namespace="default", signal_name="add")
    one.workflow_execution.workflow_id = "w"
    one.input.payloads.add(metadata={"encoding": b"json/plain"}, data=b'"%s"' % (b"x" * SIZE))
    for _ in range(LONG):
        await engine.signal_workflow_execution(one)
    assert LONG * SIZE > 2 * PAGE_BYTES_MAX
    assert LONG < PAGE_EVENTS_MAX


async def test_the_official_worker_replays_a_long_run(server: Server) -> None:
    await long_run(server)
    client = await temporalio.client.Client.connect(server.target)
    handle = client.get_workflow_handle("w")
    async with official_worker(client):
        assert await handle.result() == LONG
    async with official_worker(client):  # knows nothing of the run
        assert await handle.query("so_far") == LONG, "a closed run, replayed for the question"


def official_worker(client: temporalio.client.Client) -> temporalio.worker.Worker:
    # With a cache: without one (max_cached_workflows=0) its shutdown was seen to wait forever after a query.
    runner = temporalio.worker.UnsandboxedWorkflowRunner()
    return temporalio.worker.Worker(
        client,
        task_queue="q",
        workflows=[OfficialAdding],
        workflow_runner=runner,
        debug_mode=True,  # a busy machine is no deadlock
    )


async def test_our_worker_replays_a_long_run(server: Server) -> None:
    await long_run(server)
    client = await Client.connect(server.target)
    async with client, Worker(client, task_queue="q", workflows=[OwnAdding], max_cached_workflows=0):
        handle = client.get_workflow_handle("w", result_type=int)
        assert await handle.result() == LONG
        assert await handle.query(OwnAdding.so_far) == LONG
