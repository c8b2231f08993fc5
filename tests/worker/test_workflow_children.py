"""Child workflows against a scripted history: every end, every way to cancel, live and replayed."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import Any

import pytest
from left_behind import left_behind
from scripted_run import CONVERTER, RUN_ID, ScriptedRun, WorkflowTaskFailedError
from temporalio.api.enums.v1 import (
    RetryState,
    SignalExternalWorkflowExecutionFailedCause,
    StartChildWorkflowExecutionFailedCause,
)

from tsuzuki import activity, workflow
from tsuzuki.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    TsuzukiError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from tsuzuki.worker._loop import WorkflowLoop
from tsuzuki.worker._machines._child import RunningChild
from tsuzuki.worker._workflow_run import WorkflowRun
from tsuzuki.workflow import ChildWorkflowCancellationType as CancellationType

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])


@activity.defn
async def act(value: Any = None) -> Any:
    return value


@workflow.defn
class Child:
    @workflow.run
    async def run(self, value: int) -> list[int]:
        return [value]

    @workflow.signal(name="say it")
    def say(self, word: str) -> None:
        """Only its name counts here."""


class Children:
    """Plays the engine's part for the children of a run."""

    def __init__(self, run: ScriptedRun) -> None:
        self.run = run

    def _tell(self, event_type: str, initiated: int) -> Any:
        asked = self.run.events[initiated - 1].start_child_workflow_execution_initiated_event_attributes
        told = self.run.add(event_type)
        told.initiated_event_id = initiated
        told.workflow_type.CopyFrom(asked.workflow_type)
        told.namespace = "default"
        return told

    def start(self, initiated: int) -> None:
        started = self._tell("CHILD_WORKFLOW_EXECUTION_STARTED", initiated)
        asked = self.run.events[initiated - 1].start_child_workflow_execution_initiated_event_attributes
        started.workflow_execution.workflow_id = asked.workflow_id
        started.workflow_execution.run_id = f"run of {asked.workflow_id}"

    def refuse(self, initiated: int) -> None:
        failed = self._tell("START_CHILD_WORKFLOW_EXECUTION_FAILED", initiated)
        failed.cause = (
            StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
        )

    def complete(self, initiated: int, result: Any) -> None:
        completed = self._tell("CHILD_WORKFLOW_EXECUTION_COMPLETED", initiated)
        completed.result.payloads.extend(CONVERTER.to_payloads([result]))

    def fail(self, initiated: int, message: str) -> None:
        failed = self._tell("CHILD_WORKFLOW_EXECUTION_FAILED", initiated)
        failed.failure.message = message
        failed.failure.application_failure_info.type = "Broken"
        failed.retry_state = RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED

    def end(self, initiated: int, how: str) -> None:
        self._tell(f"CHILD_WORKFLOW_EXECUTION_{how}", initiated)


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, cancellation: int = 2) -> Any:
        handle = await workflow.start_child_workflow(
            Child.run, 3, id="child", cancellation_type=CancellationType(cancellation)
        )
        try:
            return [handle.id, handle.first_execution_run_id, await handle]
        except ChildWorkflowError as error:
            return [str(error), type(error.cause).__name__, error.started_event_id, is_cancelled_exception(error)]


def test_a_child_is_started_then_gives_its_result(cached: bool) -> None:
    run = ScriptedRun(Parent, cached=cached)
    children = Children(run)
    response = run.workflow_task()
    asked = response.commands[0].start_child_workflow_execution_command_attributes
    assert (asked.workflow_id, asked.workflow_type.name, asked.task_queue.name) == ("child", "Child", "queue")
    children.start(5)
    run.workflow_task()
    children.complete(5, [3])
    run.workflow_task()
    assert run.result == ["child", "run of child", [3]]


def test_start_and_end_in_one_workflow_task(cached: bool) -> None:
    run = ScriptedRun(Parent, cached=cached)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    children.complete(5, [3])
    run.workflow_task()
    assert run.result == ["child", "run of child", [3]]


@pytest.mark.parametrize(
    ("how", "message", "cause"),
    [
        ("CANCELED", "Child Workflow execution cancelled", "CancelledError"),
        ("TIMED_OUT", "Child Workflow execution timed out", "TimeoutError"),
        ("TERMINATED", "Child Workflow execution terminated", "TerminatedError"),
    ],
)
def test_every_bad_end_is_a_child_workflow_error(cached: bool, how: str, message: str, cause: str) -> None:
    run = ScriptedRun(Parent, cached=cached)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    run.workflow_task()
    children.end(5, how)
    run.workflow_task()
    assert run.result == [message, cause, 6, how == "CANCELED"]


def test_a_failed_child_is_a_child_workflow_error(cached: bool) -> None:
    run = ScriptedRun(Parent, cached=cached)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    children.fail(5, "broken")
    run.workflow_task()
    assert run.result == ["Child Workflow execution failed", "ApplicationError", 6, False]


@workflow.defn
class Refused:
    @workflow.run
    async def run(self) -> Any:
        try:
            await workflow.execute_child_workflow(Child.run, 3, id="taken")
        except WorkflowAlreadyStartedError as error:
            return [error.workflow_id, error.workflow_type]


def test_an_id_in_use(cached: bool) -> None:
    run = ScriptedRun(Refused, cached=cached)
    run.workflow_task()
    Children(run).refuse(5)
    run.workflow_task()
    assert run.result == ["taken", "Child"]


@workflow.defn
class Fans:
    @workflow.run
    async def run(self) -> Any:
        return await asyncio.gather(*(workflow.execute_child_workflow(Child.run, n, id=f"c{n}") for n in range(3)))


def test_children_side_by_side(cached: bool) -> None:
    run = ScriptedRun(Fans, cached=cached)
    children = Children(run)
    run.workflow_task()
    for initiated in (6, 5, 7):
        children.start(initiated)
    run.workflow_task()
    for initiated in (7, 5, 6):
        children.complete(initiated, [initiated])
        run.workflow_task()
    assert run.result == [[5], [6], [7]]


@workflow.defn
class Unnamed:
    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_child_workflow("Somebody")


def test_an_id_of_its_own_is_the_same_on_replay(cached: bool) -> None:
    run = ScriptedRun(Unnamed, cached=cached)
    response = run.workflow_task()
    assert len(response.commands[0].start_child_workflow_execution_command_attributes.workflow_id) == 36
    Children(run).start(5)
    run.workflow_task()
    Children(run).complete(5, "x")
    run.workflow_task()
    assert run.result == "x"


# ---- cancellation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CancellationType.WAIT_CANCELLATION_COMPLETED, CancellationType.TRY_CANCEL])
def test_a_cancelled_parent_asks_its_child(cached: bool, kind: CancellationType) -> None:
    run = ScriptedRun(Parent, int(kind), cached=cached)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    run.workflow_task()
    run.request_cancel()
    response = run.workflow_task()
    asked = response.commands[0].request_cancel_external_workflow_execution_command_attributes
    assert (asked.workflow_id, asked.run_id, asked.child_workflow_only) == ("child", "run of child", True)
    if kind is CancellationType.TRY_CANCEL:
        assert run.result == ["Child Workflow execution cancelled", "CancelledError", 6, True]
        return
    assert not run.closed
    run.add("EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED").initiated_event_id = len(run.events)
    run.workflow_task()
    children.end(5, "CANCELED")
    run.workflow_task()
    assert run.result == ["Child Workflow execution cancelled", "CancelledError", 6, True]


def test_an_abandoned_child_is_not_asked(cached: bool) -> None:
    run = ScriptedRun(Parent, int(CancellationType.ABANDON), cached=cached)
    run.workflow_task()
    Children(run).start(5)
    run.workflow_task()
    run.request_cancel()
    response = run.workflow_task()
    assert len(response.commands) == 1
    assert run.result == ["Child Workflow execution cancelled", "CancelledError", 6, True]


@workflow.defn
class GoesOn:
    """Lets its child go, and hears of it all the same."""

    @workflow.run
    async def run(self, kind: int) -> str:
        handle = await workflow.start_child_workflow(Child.run, 3, id="child", cancellation_type=CancellationType(kind))
        handle.cancel()
        try:
            await handle
        except ChildWorkflowError:
            await workflow.execute_activity(act, start_to_close_timeout=timedelta(seconds=5))
            return "went on"
        return "?"


@pytest.mark.parametrize("kind", [CancellationType.ABANDON, CancellationType.TRY_CANCEL])
def test_what_becomes_of_a_child_that_was_let_go_changes_nothing(cached: bool, kind: CancellationType) -> None:
    run = ScriptedRun(GoesOn, int(kind), cached=cached)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    run.workflow_task()
    children.complete(5, [3])
    run.workflow_task()
    run.complete_activity("1")
    run.workflow_task()
    assert run.result == "went on"


@workflow.defn
class CancelsEarly:
    @workflow.run
    async def run(self, wait: float) -> str:
        starting = asyncio.create_task(workflow.execute_child_workflow(Child.run, 3, id="child"))
        await asyncio.sleep(wait)
        starting.cancel("never mind")
        try:
            await starting
        except ChildWorkflowError as error:
            return str(error)
        return "not cancelled"


def test_cancelled_before_it_is_sent_it_leaves_no_trace(cached: bool) -> None:
    run = ScriptedRun(CancelsEarly, 0, cached=cached)
    run.workflow_task()
    assert run.notation() == "Started | WFT | Completed"
    assert run.result == "Child Workflow Execution cancelled before scheduled: never mind"


def test_cancelled_before_it_is_started_it_is_asked_once_it_is(cached: bool) -> None:
    run = ScriptedRun(CancelsEarly, 5, cached=cached)
    children = Children(run)
    run.workflow_task()
    run.fire_timer("1")
    assert not run.workflow_task().commands
    children.start(5 + 1)
    response = run.workflow_task()
    assert response.commands[0].request_cancel_external_workflow_execution_command_attributes.workflow_id == "child"
    children.end(6, "CANCELED")
    run.workflow_task()
    assert run.result == "Child Workflow execution cancelled"


# ---- signals ---------------------------------------------------------------------------------------------


@workflow.defn
class Signals:
    @workflow.run
    async def run(self, external: bool) -> Any:
        if external:
            await workflow.get_external_workflow_handle("other", run_id="r").signal("hello", args=[1, 2])
        else:
            handle = await workflow.start_child_workflow(Child.run, 3, id="child")
            await handle.signal(Child.say, "word")
        return "sent"


def test_a_child_is_signalled_by_its_handler(cached: bool) -> None:
    run = ScriptedRun(Signals, False, cached=cached)
    run.workflow_task()
    Children(run).start(5)
    response = run.workflow_task()
    asked = response.commands[0].signal_external_workflow_execution_command_attributes
    assert (asked.signal_name, asked.execution.workflow_id, asked.child_workflow_only) == ("say it", "child", True)
    run.add("EXTERNAL_WORKFLOW_EXECUTION_SIGNALED").initiated_event_id = len(run.events)
    run.workflow_task()
    assert run.result == "sent"


def test_another_workflow_is_signalled(cached: bool) -> None:
    run = ScriptedRun(Signals, True, cached=cached)
    response = run.workflow_task()
    asked = response.commands[0].signal_external_workflow_execution_command_attributes
    assert (asked.signal_name, asked.execution.run_id, asked.child_workflow_only) == ("hello", "r", False)
    assert CONVERTER.from_payloads(asked.input.payloads) == [1, 2]
    run.add("EXTERNAL_WORKFLOW_EXECUTION_SIGNALED").initiated_event_id = 5
    run.workflow_task()
    assert run.result == "sent"


@workflow.defn
class ReachesNobody:
    @workflow.run
    async def run(self, how: str) -> Any:
        handle = workflow.get_external_workflow_handle("other")
        try:
            await (handle.signal("hello") if how == "signal" else handle.cancel(reason="old"))
        except ApplicationError as error:
            return [error.message, error.type]


def test_a_signal_that_reaches_nobody(cached: bool) -> None:
    run = ScriptedRun(ReachesNobody, "signal", cached=cached)
    run.workflow_task()
    failed = run.add("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED")
    failed.initiated_event_id = 5
    failed.cause = SignalExternalWorkflowExecutionFailedCause.Value(
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"
    )
    run.workflow_task()
    assert run.result == [
        "Unable to signal external workflow because it was not found",
        "ExternalWorkflowExecutionNotFound",
    ]


def test_a_request_to_cancel_that_reaches_nobody(cached: bool) -> None:
    run = ScriptedRun(ReachesNobody, "cancel", cached=cached)
    asked = run.workflow_task().commands[0].request_cancel_external_workflow_execution_command_attributes
    assert asked.reason == f"Cancel requested by workflow with run id {RUN_ID} with reason: old"
    failed = run.add("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED")
    failed.initiated_event_id, failed.cause = 5, 1
    run.workflow_task()
    assert run.result == ["Unable to cancel external workflow because not found", "ExternalWorkflowExecutionNotFound"]


def test_a_finished_run_with_children_leaves_no_circles_to_the_garbage_collector(cached: bool) -> None:
    def finish() -> None:
        run = ScriptedRun(Fans, cached=cached)
        children = Children(run)
        run.workflow_task()
        for initiated in (5, 6, 7):
            children.start(initiated)
        run.workflow_task()
        for initiated in (5, 6, 7):
            children.complete(initiated, [])
        run.workflow_task()
        assert run.closed

    assert left_behind(finish, WorkflowRun, WorkflowLoop, RunningChild) == set()


def test_an_evicted_run_with_children_is_silent(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = ScriptedRun(Fans, cached=True)
    children = Children(run)
    run.workflow_task()
    children.start(5)
    run.workflow_task()
    run.processor.evict(RUN_ID)
    gc.collect()
    assert caplog.records == []


# ---- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taskqueue": "q"}, "a child workflow has no option taskqueue; did you mean task_queue?"),
        (
            {"run_timeout": 5},
            "the option run_timeout of child workflow 'Child' is 5 (int); it must be of type timedelta",
        ),
        ({"run_timeout": timedelta(0)}, "the run_timeout of a child workflow is 0:00:00; it must be more than zero"),
    ],
)
def test_a_wrong_option_is_named(cached: bool, options: dict[str, Any], message: str) -> None:
    @workflow.defn
    async def wrong() -> None:
        await workflow.execute_child_workflow(Child.run, 3, **options)

    run = ScriptedRun(wrong, cached=cached)
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    assert caught.value.response.failure.message == message


@workflow.defn(name="Parent")
class OtherChild:
    @workflow.run
    async def run(self, cancellation: int = 2) -> None:
        await workflow.start_child_workflow(Child.run, 3, id="another")


def test_another_child_than_recorded_is_a_nondeterminism(cached: bool) -> None:
    run = ScriptedRun(Parent, cached=False)
    run.workflow_task()
    run.processor = run.new_processor([OtherChild])
    Children(run).start(5)
    with pytest.raises(WorkflowTaskFailedError, match=r"ExecutionInitiated 'Child' \(workflow 'child'"):
        run.workflow_task()


def test_an_unmarked_signal_handler_is_refused(cached: bool) -> None:
    @workflow.defn
    async def wrong() -> None:
        await workflow.get_external_workflow_handle("other").signal(Child.run)

    run = ScriptedRun(wrong, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match="is no signal with a name"):
        run.workflow_task()


def test_handles_exist_only_in_workflows(cached: bool) -> None:
    with pytest.raises(TsuzukiError, match="only inside workflow code"):
        workflow.get_external_workflow_handle("x")
