"""The client against the real server, with an official worker behind it: every call, every ending."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import temporalio.activity
import temporalio.client
import temporalio.exceptions
import temporalio.workflow
from temporalio.api.enums.v1 import EventType
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from differential import _real_server
from tsuzuki.client import (
    ActivityNotFoundError,
    AsyncActivityCancelledError,
    Client,
    InvalidArgumentError,
    NamespaceNotFoundError,
    PendingActivityState,
    ServiceUnavailableError,
    WorkflowContinuedAsNewError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHistory,
    WorkflowNotFoundError,
)
from tsuzuki.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from tsuzuki.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)

SHORT = timedelta(seconds=30)


class Moments:
    """What the activities tell the test about the moments that it waits for."""

    def __init__(self) -> None:
        self.second_attempt = asyncio.Event()
        self.token: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @temporalio.activity.defn
    async def fail_once(self) -> str:
        if temporalio.activity.info().attempt == 1:
            temporalio.activity.heartbeat({"done": 3})
            raise temporalio.exceptions.ApplicationError("no", {"why": "net"}, type="Offline")
        self.second_attempt.set()
        await asyncio.Event().wait()
        return "never"

    @temporalio.activity.defn
    async def hand_over(self) -> str:
        self.token.set_result(temporalio.activity.info().task_token)
        temporalio.activity.raise_complete_async()


@temporalio.workflow.defn
class Echo:
    @temporalio.workflow.run
    async def run(self, value: Any) -> Any:
        return value


@temporalio.workflow.defn
class Fail:
    @temporalio.workflow.run
    async def run(self) -> None:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise temporalio.exceptions.ApplicationError(
                "outer", 7, type="Outer", non_retryable=True
            ) from error


@temporalio.workflow.defn
class Stuck:
    @temporalio.workflow.run
    async def run(self) -> None:
        raise RuntimeError("this code is broken")


@temporalio.workflow.defn
class CountDown:
    @temporalio.workflow.run
    async def run(self, left: int) -> str:
        if left:
            temporalio.workflow.continue_as_new(left - 1)
        return temporalio.workflow.info().run_id


@temporalio.workflow.defn
class RunActivity:
    @temporalio.workflow.run
    async def run(self, name: str, attempts: int) -> Any:
        return await temporalio.workflow.execute_activity(
            name,
            start_to_close_timeout=SHORT,
            heartbeat_timeout=SHORT,
            cancellation_type=temporalio.workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=temporalio.common.RetryPolicy(
                initial_interval=timedelta(milliseconds=1), maximum_attempts=attempts
            ),
        )


@temporalio.workflow.defn
class Wait:
    def __init__(self) -> None:
        self.values: list[Any] = []

    @temporalio.workflow.run
    async def run(self) -> list[Any]:
        await temporalio.workflow.wait_condition(lambda: len(self.values) == 2)
        return self.values

    @temporalio.workflow.signal
    def add(self, value: Any) -> None:
        self.values.append(value)


class Scene:
    """A client and a worker on the real server."""

    def __init__(self, target: str, client: Client, moments: Moments) -> None:
        self.target = target
        self.client = client
        self.moments = moments
        self.id = f"w-{uuid.uuid4()}"

    async def start(self, name: str, *args: Any, **options: Any) -> Any:
        """Start a workflow of the worker."""
        given = {"id": self.id, "task_queue": "q", "execution_timeout": SHORT} | options
        return await self.client.start_workflow(name, args=args, **given)  # type: ignore[misc]


@pytest.fixture
async def scene(real_server: str) -> AsyncIterator[Scene]:
    """One of each, ended after the test."""
    moments = Moments()
    official = await temporalio.client.Client.connect(real_server)
    worker = Worker(
        official,
        task_queue="q",
        workflows=[Echo, Fail, Stuck, CountDown, RunActivity, Wait],
        activities=[moments.fail_once, moments.hand_over],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker, await Client.connect(real_server) as client:
        yield Scene(real_server, client, moments)


async def test_values_make_the_round(scene: Scene) -> None:
    value = {"text": "続き", "list": [1, 2.5, None, True], "nested": {"a": {}}}
    assert await (await scene.start("Echo", value)).result() == value
    assert await (await scene.start("Echo", None)).result() is None
    assert await (await scene.start("Echo", b"\x00\xff")).result() == b"\x00\xff"


async def test_a_failure_comes_with_its_facts_and_causes(scene: Scene) -> None:
    handle = await scene.start("Fail")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.type, cause.details, cause.non_retryable) == ("outer", "Outer", (7,), True)
    assert isinstance(cause.cause, ApplicationError)
    assert (cause.cause.type, cause.cause.message) == ("ValueError", "inner")


async def test_the_chain_of_continued_runs_is_followed(scene: Scene) -> None:
    handle = await scene.start("CountDown", 2)
    last = await handle.result()
    with pytest.raises(WorkflowContinuedAsNewError) as caught:
        await handle.result(follow_runs=False)
    assert last not in (handle.result_run_id, caught.value.new_execution_run_id)
    assert (await handle.describe()).run_id == last  # the handle of a start means the latest run


async def test_a_stuck_run_shows_why(scene: Scene) -> None:
    handle = await scene.start("Stuck")
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            break

    description = await handle.describe()

    task = description.pending_workflow_task
    assert description.status is WorkflowExecutionStatus.RUNNING
    assert task is not None
    assert task.attempt > 1
    assert isinstance(task.last_failure, ApplicationError)
    assert task.last_failure.message == "this code is broken"
    assert task.last_failure.failure is not None
    assert "test_client.py" in task.last_failure.failure.stack_trace
    await handle.terminate()


async def test_a_pending_activity_shows_its_attempts_and_last_failure(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "fail_once", 0)
    await scene.moments.second_attempt.wait()

    (pending,) = (await handle.describe()).pending_activities

    assert pending.activity_type == "fail_once"
    assert pending.state is PendingActivityState.STARTED
    assert pending.attempt == 2
    assert isinstance(pending.last_failure, ApplicationError)
    assert (pending.last_failure.type, pending.last_failure.details) == ("Offline", ({"why": "net"},))
    assert pending.heartbeat_details == [{"done": 3}]
    assert pending.last_started_time is not None
    await handle.terminate()


async def test_an_exhausted_activity_is_the_cause(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "fail_once", 1)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)


async def test_the_facts_of_a_start_are_described(scene: Scene) -> None:
    handle = await scene.start(
        "Wait",
        memo={"who": ["me"]},
        static_summary="one line",
        static_details="more",
    )
    description = await handle.describe()
    assert description.id == scene.id
    assert description.run_id == handle.result_run_id
    assert description.workflow_type == "Wait"
    assert description.task_queue == "q"
    assert description.close_time is None
    assert await description.memo() == {"who": ["me"]}
    assert await description.memo_value("who", type_hint=tuple[str]) == ("me",)
    assert await description.memo_value("other", None) is None
    assert await description.static_summary() == "one line"
    assert await description.static_details() == "more"
    with pytest.raises(KeyError):
        await description.memo_value("other")
    await handle.terminate()


async def test_signals_arrive_in_order_and_once_for_each_request_id(scene: Scene) -> None:
    handle = await scene.start("Wait")
    await handle.signal("add", 1, request_id="same")
    await handle.signal("add", 1, request_id="same")
    await handle.signal("add", args=[{"b": 2}])
    assert await handle.result() == [1, {"b": 2}]
    with pytest.raises(WorkflowNotFoundError):
        await handle.signal("add", 3)


async def test_cancel_is_cooperative_and_may_be_repeated(scene: Scene) -> None:
    handle = await scene.start("Wait")
    await handle.cancel(reason="not needed")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    await handle.cancel()  # a closed run takes it without effect


async def test_terminate_is_immediate_and_finds_nothing_afterwards(scene: Scene) -> None:
    handle = await scene.start("Wait")
    await handle.terminate("detail", 2, reason="too slow")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, TerminatedError)
    assert (caught.value.cause.message, caught.value.cause.details) == ("too slow", ("detail", 2))
    with pytest.raises(WorkflowNotFoundError):
        await handle.terminate()


async def test_a_run_out_of_time_says_so(scene: Scene) -> None:
    handle = await scene.start("Wait", run_timeout=timedelta(seconds=1))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, TimeoutError)


async def test_an_id_in_use_is_refused_or_shared_as_the_policies_say(scene: Scene) -> None:
    first = await scene.start("Wait")
    with pytest.raises(WorkflowAlreadyStartedError) as caught:
        await scene.start("Wait")
    assert (caught.value.workflow_id, caught.value.run_id) == (scene.id, first.result_run_id)

    shared = await scene.start("Wait", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    assert shared.result_run_id == first.result_run_id
    replaced = await scene.start("Wait", id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    assert replaced.result_run_id != first.result_run_id

    await replaced.terminate()
    with pytest.raises(WorkflowAlreadyStartedError):
        await scene.start("Wait", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)


async def test_the_same_start_request_gives_the_same_run(scene: Scene) -> None:
    first = await scene.start("Wait", request_id="start-1")
    again = await scene.start("Wait", request_id="start-1")
    assert again.result_run_id == first.result_run_id
    await first.terminate()


async def test_an_activity_is_finished_from_outside_by_its_token(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "hand_over", 1)
    outside = scene.client.get_async_activity_handle(task_token=await scene.moments.token)
    await outside.heartbeat("alive")
    await outside.complete({"answer": 42})
    assert await handle.result() == {"answer": 42}
    with pytest.raises(ActivityNotFoundError):
        await outside.complete(1)


async def test_an_activity_fails_from_outside_by_its_ids(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "hand_over", 1)
    await scene.moments.token
    outside = scene.client.get_async_activity_handle(workflow_id=scene.id, activity_id="1")
    await outside.fail(ApplicationError("declined", type="Declined"))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    declined = caught.value.cause.__cause__
    assert isinstance(declined, ApplicationError)
    assert declined.type == "Declined"


async def test_an_outside_activity_learns_of_its_cancellation(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "hand_over", 1)
    outside = scene.client.get_async_activity_handle(task_token=await scene.moments.token)
    await handle.cancel()
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED:
            break
    with pytest.raises(AsyncActivityCancelledError) as caught:
        await outside.heartbeat()
    assert caught.value.details is not None
    assert caught.value.details.cancel_requested
    await outside.report_cancellation("stopped half way")
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)


async def test_a_history_is_the_one_that_the_official_tools_show(scene: Scene) -> None:
    handle = await scene.start("Echo", "x")
    await handle.result()

    history = await handle.fetch_history()
    command = _real_server.binary()
    assert command is not None
    shown = await asyncio.to_thread(
        subprocess.run,
        [command, "workflow", "show", "--address", scene.target, "-w", scene.id, "--output", "json"],
        capture_output=True,
        check=True,
    )

    assert json.loads(shown.stdout) == history.to_json_dict()
    assert list(WorkflowHistory.from_json(scene.id, shown.stdout.decode()).events) == list(history.events)
    assert history.run_id == handle.result_run_id
    pages = [event async for event in handle.fetch_history_events(page_size=2)]
    assert pages == list(history.events)


async def test_a_missing_workflow_is_named(scene: Scene) -> None:
    missing = scene.client.get_workflow_handle("no-such")
    for call in (missing.describe(), missing.result(), missing.cancel(), missing.fetch_history()):
        with pytest.raises(WorkflowNotFoundError):
            await call


async def test_a_missing_namespace_is_named(real_server: str) -> None:
    async with await Client.connect(real_server, namespace="no-such") as client:
        with pytest.raises(NamespaceNotFoundError):
            await client.start_workflow("Echo", id="w", task_queue="q")


async def test_a_query_that_cannot_be_read_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidArgumentError):
        await scene.client.count_workflows("nonsense nonsense")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailableError, match=r"cannot connect to '127\.0\.0\.1:1'"):
        await Client.connect("127.0.0.1:1")
