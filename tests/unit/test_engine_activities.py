"""Activities: tried under their policy until one outcome is recorded, which is recorded once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine_requests import HOUR, MIB, MINUTE, SECOND, Refused, failure_of, outcome, payloads_of
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, schedule_activity, start_timer

MILLISECOND = timedelta(milliseconds=1)


def test_an_activity_runs_and_its_result_is_told_to_the_workflow(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.complete_activity(server.take_activity())
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | ActivityStarted #1 | ActivityCompleted | WFT | Completed"
    )


def test_an_attempt_is_handed_out_once(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.take_activity()
    assert server.poll_activity() is None


def test_a_failed_attempt_is_tried_again_and_history_shows_the_last_one(server: LocalServer) -> None:
    """Invariant 26."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    for message in ("one", "two"):
        server.fail_activity(server.take_activity(), failure_of(message))
        assert server.notation() == "Started | WFT | ActivityScheduled a"
        server.advance(HOUR)
    server.complete_activity(server.take_activity())
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | ActivityStarted #3 | ActivityCompleted | WorkflowTaskScheduled"
    )
    started = server.history()[5].activity_task_started_event_attributes
    assert started.last_failure.message == "two"


@pytest.mark.parametrize(("attempt", "wait"), [(1, 1), (2, 2), (3, 4), (4, 8), (7, 64), (8, 100), (12, 100)])
def test_no_attempt_starts_before_its_back_off_ends(server: LocalServer, attempt: int, wait: int) -> None:
    """Invariant 29, and the defaults: 1 s, doubled, at most 100 s."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    for _ in range(attempt):
        server.advance(100 * SECOND)
        server.fail_activity(server.take_activity(), failure_of())
    server.advance(wait * SECOND - MILLISECOND)
    assert server.poll_activity() is None
    server.advance(MILLISECOND)
    assert server.take_activity().attempt == attempt + 1


def test_the_next_retry_delay_of_a_failure_replaces_the_back_off(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    failure = failure_of()
    failure.application_failure_info.next_retry_delay.FromTimedelta(HOUR)
    server.fail_activity(server.take_activity(), failure)
    server.advance(HOUR - MILLISECOND)
    assert server.poll_activity() is None
    server.advance(MILLISECOND)
    assert server.take_activity().attempt == 2


@pytest.mark.parametrize("maximum", [1, 2, 3])
def test_the_maximum_of_attempts_holds(server: LocalServer, maximum: int) -> None:
    """Invariants 27, 41."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", maximum_attempts=maximum))
    for _ in range(maximum):
        server.advance(HOUR)
        server.fail_activity(server.take_activity(), failure_of())
    server.advance(HOUR)
    assert server.poll_activity() is None
    assert server.notation().endswith(f"ActivityStarted #{maximum} | ActivityFailed | WorkflowTaskScheduled")
    assert outcome(server.history()[6]) == "ActivityTaskFailed 'boom', MAXIMUM_ATTEMPTS_REACHED"


def test_failures_that_cannot_be_mended_are_not_tried_again(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("by type", non_retryable=("Fatal",)),
        schedule_activity("by itself"),
    )
    server.fail_activity(server.take_activity(), failure_of(error_type="Fatal"))
    server.fail_activity(server.take_activity(), failure_of(non_retryable=True))
    assert server.notation().endswith(
        "ActivityStarted #1 | ActivityFailed | WorkflowTaskScheduled | ActivityStarted #1 | ActivityFailed"
    )
    assert (
        outcome(server.history()[7])
        == outcome(server.history()[-1])
        == ("ActivityTaskFailed 'boom', NON_RETRYABLE_FAILURE")
    )


def test_a_retry_that_would_pass_schedule_to_close_is_not_made(server: LocalServer) -> None:
    """Invariant 30: schedule-to-close spans all attempts."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_close=3 * SECOND))
    server.fail_activity(server.take_activity(), failure_of("one"))
    server.advance(SECOND)
    server.fail_activity(server.take_activity(), failure_of("two"))  # the next would start at 3 s
    assert outcome(server.history()[6]) == "ActivityTaskFailed 'two', TIMEOUT"


def test_a_retry_that_just_fits_into_schedule_to_close_is_made(server: LocalServer) -> None:
    """Invariant 41: the other side of the limit."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_close=3 * SECOND + MILLISECOND))
    server.fail_activity(server.take_activity(), failure_of("one"))
    server.advance(SECOND)
    server.fail_activity(server.take_activity(), failure_of("two"))
    server.advance(2 * SECOND)
    assert server.take_activity().attempt == 3


def test_answers_of_an_old_attempt_are_not_found(server: LocalServer) -> None:
    """Invariant 28."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=SECOND))
    old = server.take_activity()
    server.advance(2 * SECOND)
    new = server.take_activity()
    assert (old.attempt, new.attempt) == (1, 2)
    for answer in (
        lambda: server.complete_activity(old),
        lambda: server.fail_activity(old, failure_of()),
        lambda: server.report_activity_cancelled(old),
        lambda: server.heartbeat(old),
    ):
        with Refused(StatusCode.NOT_FOUND, "the activity attempt is over .*attempt 1"):
            answer()
    server.complete_activity(new)
    assert server.notation().endswith(
        "ActivityScheduled a | ActivityStarted #2 | ActivityCompleted | WorkflowTaskScheduled"
    )


def test_one_outcome_is_recorded(server: LocalServer) -> None:
    """Invariants 3, 26: a doubled answer changes nothing."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    server.complete_activity(task)
    before = server.notation()
    for answer in (lambda: server.complete_activity(task), lambda: server.fail_activity(task, failure_of())):
        with Refused(StatusCode.NOT_FOUND, "the activity attempt is over"):
            answer()
    assert server.notation() == before


def test_answers_after_the_run_closed_are_not_found(server: LocalServer) -> None:
    """Invariant 7: nothing follows the close event."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b", queue="other"))
    task = server.take_activity()
    server.terminate()
    with Refused(StatusCode.NOT_FOUND, "(?s)over|does not exist"):
        server.complete_activity(task)
    assert server.poll_activity("other") is None
    assert server.notation().endswith("ActivityScheduled b | Terminated")


def test_an_activity_id_may_be_used_again_once_it_is_free(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.complete_activity(server.take_activity())
    server.complete_workflow_task(schedule_activity("a"))
    server.complete_activity(server.take_activity())
    assert server.notation().endswith(
        "ActivityScheduled a | ActivityStarted #1 | ActivityCompleted | WorkflowTaskScheduled"
    )


def test_a_pending_activity_id_is_taken(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.signal("go")
    with Refused(StatusCode.INVALID_ARGUMENT, "SCHEDULE_ACTIVITY_DUPLICATE_ID: .*'a'"):
        server.complete_workflow_task(schedule_activity("a"))


def test_outcomes_come_behind_what_else_came_during_a_workflow_task(server: LocalServer) -> None:
    """Invariant 17, with the exception that the real server makes: starts keep their place, outcomes come last."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"), start_timer("t", SECOND))
    a, b = server.take_activity(), server.take_activity()
    server.signal("s0")
    task = server.take_workflow_task()
    server.complete_activity(a)
    server.signal("s1")
    server.complete_activity(b)
    server.advance(SECOND)
    server.signal("s2")
    server.answer_workflow_task(task)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | ActivityScheduled b | TimerStarted t | Signaled s0 | WFT"
        " | ActivityStarted #1 | Signaled s1 | ActivityStarted #1 | TimerFired t | Signaled s2"
        " | ActivityCompleted | ActivityCompleted | WFT | Completed"
    )
    completed = [event.activity_task_completed_event_attributes for event in server.history()[16:18]]
    assert [(event.scheduled_event_id, event.started_event_id) for event in completed] == [(5, 12), (6, 14)]


def _by_id(activity_id: str) -> RespondActivityTaskCompletedByIdRequest:
    return RespondActivityTaskCompletedByIdRequest(namespace=NAMESPACE, workflow_id="w", activity_id=activity_id)


def test_an_activity_is_completed_from_outside_by_its_id(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.take_activity()
    server.call(server.service.respond_activity_task_completed_by_id(_by_id("a")))
    assert server.notation().endswith("ActivityStarted #1 | ActivityCompleted | WorkflowTaskScheduled")
    with Refused(StatusCode.NOT_FOUND, "no pending activity 'a'"):
        server.call(server.service.respond_activity_task_completed_by_id(_by_id("a")))


def test_an_activity_may_be_completed_by_id_before_an_attempt(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.call(server.service.respond_activity_task_completed_by_id(_by_id("a")))
    assert server.poll_activity() is None
    assert server.notation().endswith("ActivityStarted #1 | ActivityCompleted | WorkflowTaskScheduled")


def test_an_activity_may_be_completed_by_id_while_it_backs_off(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.fail_activity(server.take_activity(), failure_of())
    server.call(server.service.respond_activity_task_completed_by_id(_by_id("a")))
    server.advance(HOUR)
    assert server.poll_activity() is None
    assert server.notation().endswith("ActivityStarted #2 | ActivityCompleted | WorkflowTaskScheduled")


def test_only_a_running_attempt_fails_by_id(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    request = RespondActivityTaskFailedByIdRequest(
        namespace=NAMESPACE, workflow_id="w", activity_id="a", failure=failure_of(non_retryable=True)
    )
    with Refused(StatusCode.NOT_FOUND, "the activity attempt is over"):
        server.call(server.service.respond_activity_task_failed_by_id(request))
    server.take_activity()
    server.call(server.service.respond_activity_task_failed_by_id(request))
    assert server.notation().endswith("ActivityStarted #1 | ActivityFailed | WorkflowTaskScheduled")


def test_an_attempt_fails_with_an_application_failure_only(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    failure = Failure(message="stopped")
    failure.canceled_failure_info.SetInParent()
    with Refused(StatusCode.INVALID_ARGUMENT, "activity 'Activity' \\(id 'a'\\) has no ApplicationFailureInfo"):
        server.fail_activity(task, failure)
    server.complete_activity(task)


@pytest.mark.parametrize(("size", "event"), [(2 * MIB, "ActivityCompleted"), (2 * MIB + 1, "ActivityFailed")])
def test_a_result_over_the_limit_fails_the_activity_for_good(server: LocalServer, size: int, event: str) -> None:
    """Invariant 41."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    request = RespondActivityTaskCompletedRequest(
        task_token=server.take_activity().task_token, result=payloads_of(size)
    )
    server.call(server.service.respond_activity_task_completed(request))
    assert server.notation().endswith(f"ActivityStarted #1 | {event} | WorkflowTaskScheduled")
    if event == "ActivityFailed":
        assert outcome(server.history()[6]).startswith("ActivityTaskFailed 'the result of activity 'Activity' (id 'a')")
        assert "has 2,097,153 bytes, the limit is 2,097,152" in outcome(server.history()[6])
        assert outcome(server.history()[6]).endswith("NON_RETRYABLE_FAILURE")


def test_a_failure_over_the_limit_is_cut_and_not_tried_again(server: LocalServer) -> None:
    """Invariant 41."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    request = RespondActivityTaskFailedRequest(
        task_token=server.take_activity().task_token, failure=failure_of("x" * (2 * MIB), "Big")
    )
    server.call(server.service.respond_activity_task_failed(request))
    failed = server.history()[6].activity_task_failed_event_attributes
    assert "the failure of activity 'Activity' (id 'a') has 2,097," in failed.failure.message
    assert failed.failure.cause.message == "x" * 1000
    assert failed.failure.cause.application_failure_info.type == "Big"
    assert outcome(server.history()[6]).split(", ")[-2] == "NON_RETRYABLE_FAILURE"


def test_queues_are_apart(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", queue="one"), schedule_activity("b", queue="two"))
    assert server.poll_activity() is None
    assert server.take_activity("two").activity_id == "b"
    assert server.take_activity("one").activity_id == "a"


def test_activities_are_handed_out_in_the_order_of_their_schedule(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(*(schedule_activity(str(n)) for n in range(20)))
    assert [server.take_activity().activity_id for _ in range(20)] == [str(n) for n in range(20)]


def test_a_task_carries_what_the_attempt_needs(server: LocalServer) -> None:
    run_id = server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_close=MINUTE, heartbeat=SECOND))
    server.fail_activity(server.take_activity(), failure_of())
    server.advance(SECOND)
    task = server.take_activity()
    assert (task.activity_id, task.activity_type.name, task.attempt) == ("a", "Activity", 2)
    assert (task.workflow_execution.workflow_id, task.workflow_execution.run_id) == ("w", run_id)
    assert (task.workflow_type.name, task.workflow_namespace) == ("Workflow", NAMESPACE)
    assert task.heartbeat_timeout.ToTimedelta() == SECOND
    assert task.start_to_close_timeout.ToTimedelta() == 10 * SECOND
    assert task.schedule_to_close_timeout.ToTimedelta() == MINUTE
    assert task.retry_policy.maximum_interval.ToTimedelta() == 100 * SECOND
    waited = task.current_attempt_scheduled_time.ToNanoseconds() - task.scheduled_time.ToNanoseconds()
    assert waited == 1_000_000_000
