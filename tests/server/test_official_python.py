"""The official Python SDK, worker and client, unmodified, against this server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, Worker

from server import _official_program as program

QUEUE = "official"


@pytest_asyncio.fixture
async def worker(client: Client) -> AsyncIterator[Worker]:
    async with Worker(client, task_queue=QUEUE, workflows=program.WORKFLOWS, activities=program.ACTIVITIES) as running:
        yield running


def new_id() -> str:
    return f"w-{uuid.uuid4()}"


@pytest.mark.usefixtures("worker")
async def test_an_activity_gives_its_result(client: Client) -> None:
    result = await client.execute_workflow(program.Greeting.run, "you", id=new_id(), task_queue=QUEUE)
    assert result == "Hello, you!"


@pytest.mark.usefixtures("worker")
async def test_activities_in_parallel_and_a_timer(client: Client) -> None:
    assert await client.execute_workflow(program.Many.run, 40, id=new_id(), task_queue=QUEUE) == 40


@pytest.mark.usefixtures("worker")
async def test_a_failing_activity_is_tried_again(client: Client) -> None:
    assert await client.execute_workflow(program.Retried.run, id=new_id(), task_queue=QUEUE) == 3


@pytest.mark.usefixtures("worker")
async def test_signals_queries_and_updates(client: Client) -> None:
    handle = await client.start_workflow(program.Counter.run, id=new_id(), task_queue=QUEUE)
    await handle.signal(program.Counter.add, 2)
    assert await handle.query(program.Counter.total_now) == 2
    assert await handle.execute_update(program.Counter.add_and_get, 3) == 5
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await handle.execute_update(program.Counter.add_and_get, -1)
    assert "negative" in str(rejected.value.cause)
    with pytest.raises(WorkflowQueryFailedError, match="no answer"):
        await handle.query(program.Counter.broken)
    await handle.signal(program.Counter.finish)
    assert await handle.result() == 5
    assert await handle.query(program.Counter.total_now) == 5, "of a closed run"


@pytest.mark.usefixtures("worker")
async def test_signal_with_start_and_update_with_start(client: Client) -> None:
    workflow_id = new_id()
    await client.start_workflow(
        program.Counter.run, id=workflow_id, task_queue=QUEUE, start_signal="add", start_signal_args=[7]
    )
    start = WithStartWorkflowOperation(
        program.Counter.run,
        id=workflow_id,
        task_queue=QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    assert (
        await client.execute_update_with_start_workflow(program.Counter.add_and_get, 1, start_workflow_operation=start)
        == 8
    )


@pytest.mark.usefixtures("worker")
async def test_children_and_continue_as_new(client: Client) -> None:
    greetings = await client.execute_workflow(program.Parent.run, ["a", "b"], id=new_id(), task_queue=QUEUE)
    assert greetings == ["Hello, a!", "Hello, b!"]
    handle = await client.start_workflow(program.Countdown.run, 3, id=new_id(), task_queue=QUEUE)
    assert await handle.result() != handle.first_execution_run_id


@pytest.mark.usefixtures("worker")
async def test_cancellation_reaches_a_heartbeating_activity(client: Client) -> None:
    handle = await client.start_workflow(program.Cancelled.run, id=new_id(), task_queue=QUEUE)
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_scheduled_event_attributes"):
            break
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, CancelledError)


@pytest.mark.usefixtures("worker")
async def test_a_failure_keeps_its_type_and_details(client: Client) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(program.Failing.run, id=new_id(), task_queue=QUEUE)
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.details) == ("Broken", ("detail",))


async def test_a_second_start_of_an_open_run_is_refused_with_its_run_id(client: Client) -> None:
    handle = await client.start_workflow(program.Counter.run, id="twice", task_queue=QUEUE)
    with pytest.raises(WorkflowAlreadyStartedError) as refused:
        await client.start_workflow(program.Counter.run, id="twice", task_queue=QUEUE)
    assert refused.value.run_id == handle.first_execution_run_id


async def test_what_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(RPCError) as missing:
        await client.get_workflow_handle("nobody").describe()
    assert missing.value.status is RPCStatusCode.NOT_FOUND


async def test_terminated_runs_show_as_such(client: Client) -> None:
    handle = await client.start_workflow(program.Counter.run, id=new_id(), task_queue=QUEUE)
    await handle.terminate("enough")
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


@pytest.mark.usefixtures("worker")
async def test_the_history_replays_on_the_official_replayer(client: Client) -> None:
    handle = await client.start_workflow(program.Many.run, 20, id=new_id(), task_queue=QUEUE)
    await handle.result()
    # debug_mode: a busy machine is no deadlock
    await Replayer(workflows=program.WORKFLOWS, debug_mode=True).replay_workflow(await handle.fetch_history())
