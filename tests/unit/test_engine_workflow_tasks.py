"""Workflow tasks: one at a time, tried again until one is answered, never past news that the workflow has not seen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine_requests import HOUR, MIB, MINUTE, SECOND, Refused, payloads_of
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    cancel_timer,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    request_cancel_activity,
    schedule_activity,
    start_timer,
)


def test_a_run_is_started_worked_on_and_completed(server: LocalServer) -> None:
    """Invariants 5, 7."""
    server.start_workflow()
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WFT | Completed"
    assert [event.event_id for event in server.history()] == [1, 2, 3, 4, 5]


def test_one_workflow_task_at_a_time(server: LocalServer) -> None:
    """Invariant 13."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.signal("news")
    assert server.poll_workflow_task() is None
    server.answer_workflow_task(task)
    server.take_workflow_task()
    assert server.poll_workflow_task() is None


def test_a_task_brings_what_the_workflow_has_not_seen(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE))
    server.advance(MINUTE)
    task = server.take_workflow_task()
    assert (task.previous_started_event_id, task.started_event_id, task.attempt) == (3, 8, 1)
    assert [event.event_id for event in task.history.events] == list(range(1, 9))


def test_an_answered_task_takes_no_other_answer(server: LocalServer) -> None:
    """Invariant 15: a stale token changes nothing."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.answer_workflow_task(task, start_timer("t", MINUTE))
    before = server.notation()
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(task, complete_workflow())
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.fail_workflow_task(task)
    assert server.notation() == before == "Started | WFT | TimerStarted t"


def test_a_token_of_a_closed_run_is_stale(server: LocalServer) -> None:
    """Invariant 15."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.terminate()
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(task, complete_workflow())


def test_only_the_first_failure_is_written(server: LocalServer) -> None:
    """Invariant 16: a stuck run's history does not grow."""
    server.start_workflow()
    attempts = []
    for _ in range(5):
        server.advance(MINUTE)
        task = server.take_workflow_task()
        attempts.append(task.attempt)
        server.fail_workflow_task(task)
    assert attempts == [1, 2, 3, 4, 5]
    stuck = (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed WORKFLOW_WORKER_UNHANDLED_FAILURE"
    )
    assert server.notation() == stuck
    server.advance(MINUTE)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == f"{stuck} | WFT | Completed"
    scheduled = server.history()[4]
    assert scheduled.workflow_task_scheduled_event_attributes.attempt == 6


def test_a_later_attempt_shows_its_worker_events_that_history_does_not_hold(server: LocalServer) -> None:
    """Invariant 6: they are not shown as history, so history can go on otherwise."""
    server.start_workflow()
    first = server.take_workflow_task()
    server.fail_workflow_task(first)
    second = server.take_workflow_task()
    assert [event.event_id for event in second.history.events] == [1, 2, 3, 4, 5, 6]
    assert second.history.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
    assert second.started_event_id == 6
    assert len(server.history()) == 4


@pytest.mark.parametrize(("failures", "wait"), [(1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 10), (9, 10)])
def test_repeated_failures_back_off(server: LocalServer, failures: int, wait: int) -> None:
    server.start_workflow()
    for _ in range(failures):
        server.advance(MINUTE)
        task = server.take_workflow_task()
        server.fail_workflow_task(task)
    if wait:
        server.advance(wait * SECOND - timedelta(milliseconds=1))
        assert server.poll_workflow_task() is None
        server.advance(timedelta(milliseconds=1))
    assert server.poll_workflow_task() is not None


def test_a_task_that_is_not_answered_times_out_and_is_tried_again(server: LocalServer) -> None:
    """Invariants 15, 16, 30."""
    server.start_workflow()
    first = server.take_workflow_task()
    server.advance(10 * SECOND - timedelta(milliseconds=1))
    assert server.poll_workflow_task() is None
    server.advance(timedelta(milliseconds=1))
    second = server.take_workflow_task()
    assert second.attempt == 2
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(first, complete_workflow())
    server.advance(MINUTE)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE | WFT | Completed"
    )


def test_news_between_failed_attempts_makes_a_task_of_its_own(server: LocalServer) -> None:
    server.start_workflow()
    for _ in range(3):
        server.advance(MINUTE)
        task = server.take_workflow_task()
        server.fail_workflow_task(task)
    server.signal("news")
    server.advance(MINUTE)
    task = server.take_workflow_task()
    assert task.attempt == 1
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed WORKFLOW_WORKER_UNHANDLED_FAILURE"
        " | Signaled news | WFT | Completed"
    )


def test_signals_during_failing_attempts_are_each_in_history_once(server: LocalServer) -> None:
    """Invariants 2, 16, 17."""
    server.start_workflow()
    for name in ("a", "b", "c"):
        server.advance(MINUTE)
        task = server.take_workflow_task()
        server.signal(name)
        server.fail_workflow_task(task)
    server.complete_workflow_task(complete_workflow())
    failed = "WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert server.notation() == (
        f"Started | {failed} | Signaled a | {failed} | Signaled b | {failed} | Signaled c | WFT | Completed"
    )


def test_a_worker_may_ask_for_another_task(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token, force_create_new_workflow_task=True)
    server.call(server.service.respond_workflow_task_completed(request))
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WFT | WFT | Completed"


@pytest.mark.parametrize(
    "close", [complete_workflow(), fail_workflow(), cancel_workflow()], ids=["ok", "fail", "cancel"]
)
def test_a_run_does_not_end_past_what_it_has_not_seen(server: LocalServer, close: Command) -> None:
    """Invariant 18. None of the commands is carried out."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.signal("news")
    with Refused(StatusCode.INVALID_ARGUMENT, "UNHANDLED_COMMAND: .* past 1 events"):
        server.answer_workflow_task(task, start_timer("t", MINUTE), close)
    retried = server.take_workflow_task()
    assert retried.attempt == 1
    server.answer_workflow_task(retried, complete_workflow())
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed UNHANDLED_COMMAND"
        " | Signaled news | WFT | Completed"
    )


def test_news_before_the_task_started_do_not_keep_a_run_open(server: LocalServer) -> None:
    server.start_workflow()
    server.signal("seen")
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WorkflowTaskScheduled | Signaled seen | WorkflowTaskStarted" + (
        " | WorkflowTaskCompleted | Completed"
    )


def test_signals_are_refused_while_a_refused_close_is_retried(server: LocalServer) -> None:
    """Invariant 19: refused, and not acknowledged and dropped."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.signal("first")
    with Refused(StatusCode.INVALID_ARGUMENT, "UNHANDLED_COMMAND"):
        server.answer_workflow_task(task, complete_workflow())
    server.signal("before the retry started")
    retried = server.take_workflow_task()
    with Refused(StatusCode.RESOURCE_EXHAUSTED, "about to end"):
        server.signal("second")
    server.answer_workflow_task(retried, complete_workflow())
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed UNHANDLED_COMMAND | Signaled first"
        " | WorkflowTaskScheduled | Signaled before the retry started | WorkflowTaskStarted | WorkflowTaskCompleted"
        " | Completed"
    )


def test_signals_are_taken_again_once_the_run_did_not_end(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    server.signal("first")
    with Refused(StatusCode.INVALID_ARGUMENT, "UNHANDLED_COMMAND"):
        server.answer_workflow_task(task, complete_workflow())
    server.complete_workflow_task(start_timer("t", HOUR))
    server.signal("second")
    task = server.take_workflow_task()
    server.signal("third")
    server.answer_workflow_task(task)
    assert server.notation().endswith("TimerStarted t | Signaled second | WFT | Signaled third | WorkflowTaskScheduled")


def _with_policy(**fields: float) -> Command:
    command = schedule_activity("a")
    policy = command.schedule_activity_task_command_attributes.retry_policy
    for name, value in fields.items():
        if name.endswith("interval"):
            getattr(policy, name).FromTimedelta(timedelta(seconds=value))
        else:
            setattr(policy, name, value)
    return command


def _without_type() -> Command:
    command = schedule_activity("a")
    command.schedule_activity_task_command_attributes.activity_type.name = ""
    return command


def _failing_without_failure() -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
    command.fail_workflow_execution_command_attributes.SetInParent()
    return command


ACTIVITY = "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES"
START = "BAD_START_TIMER_ATTRIBUTES"
BAD_COMMANDS = {
    "activity without a timeout": (schedule_activity("a", start_to_close=None), ACTIVITY, "neither start_to_close"),
    "activity without an id": (schedule_activity(""), ACTIVITY, "activity id is empty"),
    "activity without a type": (_without_type(), ACTIVITY, "activity type is empty"),
    "long activity id": (schedule_activity("x" * 1001), ACTIVITY, "has 1001 characters"),
    "NUL in activity id": (schedule_activity("a\0"), ACTIVITY, "holds a NUL"),
    "negative timeout": (schedule_activity("a", start_to_close=-SECOND), ACTIVITY, "start_to_close_timeout is -1 s"),
    "negative heartbeat": (schedule_activity("a", heartbeat=-SECOND), ACTIVITY, "heartbeat_timeout is -1 s"),
    "coefficient under 1": (_with_policy(backoff_coefficient=0.5), ACTIVITY, "backoff_coefficient is 0.5"),
    "negative attempts": (_with_policy(maximum_attempts=-1), ACTIVITY, "maximum_attempts is -1"),
    "negative interval": (_with_policy(initial_interval=-1), ACTIVITY, "initial_interval is -1 s"),
    "short maximum interval": (
        _with_policy(initial_interval=5, maximum_interval=2),
        ACTIVITY,
        "maximum_interval is 2 s",
    ),
    "timer without an id": (start_timer("", SECOND), START, "timer id is empty"),
    "long timer id": (start_timer("x" * 1001, SECOND), START, "has 1001 characters"),
    "negative timer": (start_timer("t", -SECOND), START, "lasts -1 s"),
    "cancel of no timer": (cancel_timer("t"), "BAD_CANCEL_TIMER_ATTRIBUTES", "names timer 't'"),
    "cancel of no activity": (
        request_cancel_activity(77),
        "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES",
        "scheduled event 77, which is no activity",
    ),
    "cancel of another event": (
        request_cancel_activity(2),
        "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES",
        "scheduled event 2, which is no activity",
    ),
    "failing without a failure": (
        _failing_without_failure(),
        "BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES",
        "without a failure",
    ),
    "unknown command": (Command(), "FEATURE_DISABLED", "does not offer"),
    "command of tomorrow": (Command(command_type=99), "FEATURE_DISABLED", "of the unknown type 99"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("command", "cause", "words"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_fails_the_task_and_nothing_of_it_is_done(
    server: LocalServer, command: Command, cause: str, words: str
) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    with Refused(StatusCode.INVALID_ARGUMENT, f"{cause}: .*{words}"):
        server.answer_workflow_task(task, start_timer("good", MINUTE), command)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == (
        f"Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed {cause} | WFT | Completed"
    )
    failure = server.history()[3].workflow_task_failed_event_attributes.failure
    assert failure.HasField("server_failure_info")


DUPLICATES = {
    "activity": ((schedule_activity("a"), schedule_activity("a")), "SCHEDULE_ACTIVITY_DUPLICATE_ID"),
    "timer": ((start_timer("t", SECOND), start_timer("t", SECOND)), "START_TIMER_DUPLICATE_ID"),
    "cancel of a timer": (
        (start_timer("t", SECOND), cancel_timer("t"), cancel_timer("t")),
        "BAD_CANCEL_TIMER_ATTRIBUTES",
    ),
}


@pytest.mark.parametrize(("commands", "cause"), DUPLICATES.values(), ids=DUPLICATES)
def test_commands_are_checked_against_those_before_them(
    server: LocalServer, commands: tuple[Command, ...], cause: str
) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    with Refused(StatusCode.INVALID_ARGUMENT, cause):
        server.answer_workflow_task(task, *commands)
    assert server.notation().endswith(f"WorkflowTaskStarted | WorkflowTaskFailed {cause}")


def test_nothing_may_follow_the_command_that_ends_the_run(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    with Refused(StatusCode.INVALID_ARGUMENT, "command 2 is COMMAND_TYPE_START_TIMER, after COMMAND_TYPE_COMPLETE"):
        server.answer_workflow_task(task, complete_workflow(), start_timer("t", SECOND))
    assert server.describe().workflow_execution_info.history_length == 4


def test_a_huge_failure_of_a_task_is_cut(server: LocalServer) -> None:
    """Invariant 41."""
    server.start_workflow()
    task = server.take_workflow_task()
    request = RespondWorkflowTaskFailedRequest(
        task_token=task.task_token,
        cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
        failure=Failure(message="x" * 3_000_000),
    )
    server.call(server.service.respond_workflow_task_failed(request))
    failure = server.history()[3].workflow_task_failed_event_attributes.failure
    assert "has 3,000,005 bytes, the limit is 2,097,152" in failure.message
    assert failure.cause.message == "x" * 1000


@pytest.mark.parametrize(
    ("size", "history"),
    [
        (2 * MIB, "Started | WFT | Completed"),
        (
            2 * MIB + 1,
            "Started | WorkflowTaskScheduled | WorkflowTaskStarted"
            " | WorkflowTaskFailed BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES | Terminated",
        ),
    ],
    ids=["at the limit", "over the limit"],
)
def test_a_result_over_the_limit_ends_the_run(server: LocalServer, size: int, history: str) -> None:
    """Invariant 41: it would be too large again at every retry."""
    server.start_workflow()
    task = server.take_workflow_task()
    close = complete_workflow()
    close.complete_workflow_execution_command_attributes.result.CopyFrom(payloads_of(size))
    if size > 2 * MIB:
        with Refused(StatusCode.INVALID_ARGUMENT, "has 2,097,153 bytes, the limit is 2,097,152. Store the data"):
            server.answer_workflow_task(task, close)
        reason = server.history()[-1].workflow_execution_terminated_event_attributes.reason
        assert "the result of workflow 'w' has 2,097,153 bytes" in reason
    else:
        server.answer_workflow_task(task, close)
    assert server.notation() == history


# ---- answered early ----------------------------------------------------------------------------------


def keep_alive(server: LocalServer, task: PollWorkflowTaskQueueResponse) -> None:
    request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token, force_create_new_workflow_task=True)
    server.call(server.service.respond_workflow_task_completed(request))


def test_a_task_is_kept_alive_for_a_bounded_time(server: LocalServer) -> None:
    """Then it counts as timed out, as on the real server, and the next attempt has all of that time again."""
    server.start_workflow()
    started = server.describe().pending_workflow_task.original_scheduled_time
    for _ in range(360):  # of five seconds: half an hour, and not one too long
        server.advance(timedelta(seconds=5))
        keep_alive(server, server.take_workflow_task())
    assert server.describe().pending_workflow_task.original_scheduled_time == started
    server.advance(timedelta(seconds=5))
    with Refused(StatusCode.NOT_FOUND, "workflow task heartbeat timeout.*more than 1800 s"):
        keep_alive(server, server.take_workflow_task())
    assert server.notation().endswith("WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE")
    task = server.take_workflow_task()
    assert task.attempt == 2
    keep_alive(server, task)
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("WFT | WFT | Completed")


def test_work_between_begins_the_time_anew(server: LocalServer) -> None:
    server.start_workflow()
    for number in range(3):
        for _ in range(200):
            server.advance(timedelta(seconds=5))
            keep_alive(server, server.take_workflow_task())
        server.complete_workflow_task(start_timer(f"t{number}", timedelta(hours=9)))
        server.signal("s")
    assert "TimedOut" not in server.notation()
