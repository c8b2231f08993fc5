"""Every call and every ending, as the client sees it: on the real server with an official worker, and on ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import temporalio.client
import temporalio.worker
from temporalio.api.enums.v1 import EventType

from differential import _real_server
from tsuzuki.client import (
    ActivityNotFoundError,
    AsyncActivityCancelledError,
    Client,
    InvalidArgumentError,
    NamespaceNotFoundError,
    PendingActivityState,
    ServiceUnavailableError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHistory,
    WorkflowNotFoundError,
)
from tsuzuki.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from tsuzuki.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from tsuzuki.worker import Worker

SHORT = timedelta(seconds=30)


class Scene:
    """A client, a worker, and the moments of the worker's program."""

    def __init__(self, client: Client, program: dict[str, Any]) -> None:
        self.client = client
        self.program = program
        self.id = f"w-{uuid.uuid4()}"

    async def start(self, name: str, *args: Any, **options: Any) -> Any:
        """Start a workflow of the worker."""
        given: dict[str, Any] = {"id": self.id, "task_queue": "q", "execution_timeout": SHORT} | options
        return await self.client.start_workflow(name, args=args, **given)


def load(package: str) -> dict[str, Any]:
    """Run the program with `package` in place of `temporalio`."""
    path = Path(__file__).with_name("_client_program.py")
    module = ModuleType(f"client_program_{package}")
    sys.modules[module.__name__] = module  # type hints are resolved through it
    source = path.read_text().replace("from temporalio", f"from {package}")
    exec(compile(source, str(path), "exec"), module.__dict__)
    return vars(module)


def definitions(program: dict[str, Any]) -> dict[str, Any]:
    """What a worker of either package registers."""
    workflows = ("Echo", "Fail", "Stuck", "RunActivity", "FailFirstRun", "Wait")
    return {
        "task_queue": "q",
        "workflows": [program[name] for name in workflows],
        "activities": [program["fail_once"], program["hand_over"]],
    }


@asynccontextmanager
async def on_the_real_server(target: str) -> AsyncIterator[Scene]:
    """The reference: official worker, real server."""
    program = load("temporalio")
    async with await Client.connect(target, wait=20) as client:
        official = await temporalio.client.Client.connect(target)
        runner = temporalio.worker.UnsandboxedWorkflowRunner()
        async with temporalio.worker.Worker(official, workflow_runner=runner, **definitions(program)):
            yield Scene(client, program)


@asynccontextmanager
async def on_our_engine() -> AsyncIterator[Scene]:
    """Everything ours, in this process."""
    program = load("tsuzuki")
    async with await Client.connect("sqlite://") as client, Worker(client, **definitions(program)):
        yield Scene(client, program)


@pytest.fixture(params=["real server", "our engine"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The same test on both: what the reference answers, ours answers."""
    opened = (
        on_the_real_server(request.getfixturevalue("real_server"))
        if request.param == "real server"
        else on_our_engine()
    )
    async with opened as opened_scene:
        yield opened_scene


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


async def test_the_runs_of_a_retried_workflow_are_followed(scene: Scene) -> None:
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3)
    handle = await scene.start("FailFirstRun", retry_policy=policy)
    assert await handle.result() == 3
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result(follow_runs=False)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.message == "run 1"
    assert (await handle.describe()).run_id != handle.result_run_id  # the handle of a start means the latest run


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
    assert "_client_program.py" in task.last_failure.failure.stack_trace
    await handle.terminate()


async def test_a_pending_activity_shows_its_attempts_and_last_failure(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "fail_once", 0)
    await scene.program["second_attempt"].wait()

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
    handle = await scene.start("Wait", memo={"who": ["me"]})
    description = await handle.describe()
    assert description.id == scene.id
    assert description.run_id == handle.result_run_id
    assert description.workflow_type == "Wait"
    assert description.task_queue == "q"
    assert description.close_time is None
    assert await description.memo() == {"who": ["me"]}
    assert await description.memo_value("who", type_hint=tuple[str]) == ("me",)
    assert await description.memo_value("other", None) is None
    assert await description.static_summary() is None
    with pytest.raises(KeyError):
        await description.memo_value("other")
    await handle.terminate()


async def test_texts_for_people_are_described(scene: Scene) -> None:
    handle = await scene.start("Wait", static_summary="one line", static_details="more")
    description = await handle.describe()
    assert await description.static_summary() == "one line"
    assert await description.static_details() == "more"


async def test_signals_are_recorded_in_order_and_once_for_each_request_id(scene: Scene) -> None:
    handle = await scene.start("Wait")
    await handle.signal("add", 1, request_id="same")
    await handle.signal("add", 1, request_id="same")
    await handle.signal("set", args=[{"b": 2}, "x"])
    await handle.signal("clear")
    signals = []
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signals.append(event.workflow_execution_signaled_event_attributes)
            if signals[-1].signal_name == "clear":
                break
    assert [signal.signal_name for signal in signals] == ["add", "set", "clear"]
    assert scene.client.data_converter.payload_converter.from_payloads_wrapper(signals[1].input) == [{"b": 2}, "x"]
    await handle.terminate()
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
    outside = scene.client.get_async_activity_handle(task_token=await scene.program["token"])
    await outside.heartbeat("alive")
    await outside.complete({"answer": 42})
    assert await handle.result() == {"answer": 42}
    with pytest.raises(ActivityNotFoundError):
        await outside.complete(1)


async def test_an_activity_fails_from_outside_by_its_ids(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "hand_over", 1)
    await scene.program["token"]
    outside = scene.client.get_async_activity_handle(workflow_id=scene.id, activity_id="1")
    await outside.fail(ApplicationError("declined", type="Declined"))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    declined = caught.value.cause.__cause__
    assert isinstance(declined, ApplicationError)
    assert declined.type == "Declined"


async def test_an_outside_activity_learns_of_its_cancellation(scene: Scene) -> None:
    handle = await scene.start("RunActivity", "hand_over", 1)
    outside = scene.client.get_async_activity_handle(task_token=await scene.program["token"])
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


async def test_a_history_reads_back_from_its_json_and_in_pages(scene: Scene) -> None:
    handle = await scene.start("Echo", "x")
    await handle.result()
    history = await handle.fetch_history()
    assert list(WorkflowHistory.from_json(scene.id, history.to_json()).events) == list(history.events)
    assert history.run_id == handle.result_run_id
    assert [event async for event in handle.fetch_history_events(page_size=2)] == list(history.events)


async def test_a_history_is_the_one_that_the_official_command_line_shows(real_server: str) -> None:
    async with on_the_real_server(real_server) as scene:
        handle = await scene.start("Echo", "x")
        await handle.result()
        history = await handle.fetch_history()
    command = _real_server.binary()
    assert command is not None
    shown = await asyncio.to_thread(
        subprocess.run,
        [command, "workflow", "show", "--address", real_server, "-w", scene.id, "--output", "json"],
        capture_output=True,
        check=True,
    )

    assert json.loads(shown.stdout) == history.to_json_dict()
    assert list(WorkflowHistory.from_json(scene.id, shown.stdout.decode()).events) == list(history.events)


async def test_a_missing_workflow_is_named(scene: Scene) -> None:
    missing = scene.client.get_workflow_handle("no-such")
    for call in (missing.describe(), missing.result(), missing.cancel(), missing.fetch_history()):
        with pytest.raises(WorkflowNotFoundError):
            await call


async def test_a_missing_namespace_is_named(scene: Scene) -> None:
    elsewhere = Client(scene.client.service, namespace="no-such")
    with pytest.raises(NamespaceNotFoundError):
        await elsewhere.start_workflow("Echo", id="w", task_queue="q")


async def test_a_query_that_cannot_be_read_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidArgumentError):
        await scene.client.count_workflows("nonsense nonsense")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailableError, match=r"cannot connect to '127\.0\.0\.1:1'"):
        await Client.connect("127.0.0.1:1")
