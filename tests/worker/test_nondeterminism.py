"""Workflow code that no longer fits its history: the error says what, where, and what to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import ScriptedRun, WorkflowTaskFailedError
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.query.v1 import WorkflowQuery

from tsuzuki import activity, workflow

BOUND = timedelta(seconds=10)
GUARD = (
    "If the code changed while this run was open, guard the change with "
    'workflow.get_version("...", workflow.DEFAULT_VERSION, 1).'
)


@activity.defn
async def search(query: str = "") -> str:
    return query


@activity.defn
async def fetch(query: str = "") -> str:
    return query


@workflow.defn(name="Changes")
async def before() -> str:
    await workflow.execute_activity(search, "x", start_to_close_timeout=BOUND)
    await asyncio.sleep(30)
    return "before"


def change_to(changed: Any, *, tasks: int = 2) -> str:
    """Run the old code for some workflow tasks, then the new code; the message of its failed task."""
    run = ScriptedRun(before, cached=False)
    run.workflow_task()
    if tasks > 1:
        run.complete_activity("1", "x")
        run.workflow_task()
        run.fire_timer("1")
    else:
        run.complete_activity("1", "x")
    run.processor = run.new_processor([changed])
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    response = caught.value.response
    assert response.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    assert response.failure.application_failure_info.type == "NondeterminismError"
    return response.failure.message


def line_of(function: Any, offset: int) -> str:
    return f"test_nondeterminism.py:{function.__code__.co_firstlineno + offset}"


@workflow.defn(name="Changes")
async def timer_first() -> None:
    await asyncio.sleep(30)


def test_another_command() -> None:
    assert change_to(timer_first) == (
        "history event 5 is ActivityTaskScheduled 'search' (activity 1), but "
        f"{line_of(timer_first, 2)} now produces StartTimer 30 s (timer 1). {GUARD}"
    )


@workflow.defn(name="Changes")
async def other_activity() -> None:
    await workflow.execute_activity(fetch, start_to_close_timeout=BOUND)


def test_another_activity_type() -> None:
    assert change_to(other_activity) == (
        "history event 5 is ActivityTaskScheduled 'search' (activity 1), but "
        f"{line_of(other_activity, 2)} now produces ScheduleActivityTask 'fetch' (activity 1). {GUARD}"
    )


@workflow.defn(name="Changes")
async def returns_early() -> str:
    await workflow.execute_activity(search, "x", start_to_close_timeout=BOUND)
    return "early"


def test_a_command_in_place_of_a_recorded_timer() -> None:
    assert change_to(returns_early) == (
        "history event 11 is TimerStarted 30 s (timer 1), but "
        f"{line_of(returns_early, 0)} now produces CompleteWorkflowExecution. {GUARD}"
    )


@workflow.defn(name="Changes")
async def does_less() -> None:
    await workflow.wait_condition(lambda: False)


def test_no_command_for_a_recorded_event() -> None:
    assert change_to(does_less) == (
        "history event 5 is ActivityTaskScheduled 'search' (activity 1), but "
        f"{line_of(does_less, 0)} now produces no further command. {GUARD}"
    )


@workflow.defn(name="Changes")
async def does_more() -> None:
    first = workflow.start_activity(search, "x", start_to_close_timeout=BOUND)
    second = workflow.start_activity(fetch, "x", start_to_close_timeout=BOUND)
    await asyncio.gather(first, second)


def test_a_command_that_history_does_not_have() -> None:
    assert change_to(does_more, tasks=1) == (
        "history records no such command in the workflow task before event 9, but "
        f"{line_of(does_more, 3)} now produces ScheduleActivityTask 'fetch' (activity 2). {GUARD}"
    )


@workflow.defn(name="Changes")
async def asks_helper() -> None:
    await helper()


async def helper() -> None:
    async with asyncio.timeout(30):
        await workflow.execute_activity(search, "x", start_to_close_timeout=BOUND)


def test_the_source_is_the_innermost_line_of_user_code() -> None:
    assert f"{line_of(helper, 1)} now produces StartTimer 30 s (timer 1)" in change_to(asks_helper)


@workflow.defn(name="Changes", failure_exception_types=[workflow.NondeterminismError])
async def gives_up() -> None:
    await workflow.execute_activity(fetch, start_to_close_timeout=BOUND)


@pytest.mark.parametrize(
    ("code", "types"), [(other_activity, [workflow.NondeterminismError]), (other_activity, [Exception]), (gives_up, [])]
)
def test_it_fails_the_workflow_where_that_was_chosen(code: Any, types: list[type[BaseException]]) -> None:
    """By the worker, or by the definition of the workflow; without one the run waits for code that fits."""
    run = ScriptedRun(before, cached=False, failure_exception_types=types)
    run.workflow_task()
    run.complete_activity("1", "x")
    run.processor = run.new_processor([code])
    response = run.workflow_task({"q": WorkflowQuery(query_type="__stack_trace")})
    (command,) = response.commands
    failure = command.fail_workflow_execution_command_attributes.failure
    assert failure.application_failure_info.type == "NondeterminismError"
    assert failure.message.startswith("history event 5 is ActivityTaskScheduled 'search' (activity 1), but ")
    assert response.query_results["q"].failure.message == failure.message


def test_the_run_goes_on_when_the_code_fits_again() -> None:
    run = ScriptedRun(before, cached=True)
    run.workflow_task()
    run.complete_activity("1", "x")
    run.processor = run.new_processor([other_activity])
    for _ in range(2):
        with pytest.raises(WorkflowTaskFailedError):
            run.workflow_task()
    run.processor = run.new_processor([before])
    run.run_to_end()
    assert run.result == "before"


@pytest.mark.parametrize("kind", ["MARKER_RECORDED", "START_CHILD_WORKFLOW_EXECUTION_INITIATED"])
def test_a_recorded_command_of_a_kind_that_the_code_never_produces(kind: str) -> None:
    run = ScriptedRun(before, cached=False)
    run.workflow_task()
    run.events.pop()
    run.add(kind)
    with pytest.raises(WorkflowTaskFailedError, match=r"history event 5 is .* now produces ScheduleActivityTask"):
        run.workflow_task()


def test_an_event_that_belongs_to_nothing() -> None:
    run = ScriptedRun(before, cached=False)
    run.workflow_task()
    run.add("TIMER_FIRED").started_event_id = 99
    with pytest.raises(WorkflowTaskFailedError, match=r"history event 6 is TimerFired, but .* produces nothing that"):
        run.workflow_task()


def test_an_unknown_event_is_skipped_only_when_it_says_so() -> None:
    run = ScriptedRun(before, cached=False)
    run.workflow_task()
    run.add("ACTIVITY_PROPERTIES_MODIFIED_EXTERNALLY")
    run.events[-1].worker_may_ignore = True
    run.workflow_task()
    run.add("ACTIVITY_PROPERTIES_MODIFIED_EXTERNALLY")
    with pytest.raises(WorkflowTaskFailedError, match="is ActivityPropertiesModifiedExternally"):
        run.workflow_task()
