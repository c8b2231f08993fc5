"""Timeouts of a run and of the whole execution, the attempts of a workflow, and the end that a client imposes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from engine_requests import (
    HOUR,
    MINUTE,
    SECOND,
    Refused,
    duration,
    failure_of,
    outcome,
    payloads_of,
    retrying,
    times_of,
)
from engine_site import Site
from temporalio.api.common.v1 import Memo
from temporalio.api.enums.v1 import ContinueAsNewInitiator, RetryState
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import TerminateWorkflowExecutionRequest

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    NAMESPACE,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    schedule_activity,
    start_timer,
)

MILLISECOND = timedelta(milliseconds=1)


def _started(server: LocalServer, run_id: str = "") -> WorkflowExecutionStartedEventAttributes:
    return server.history("w", run_id)[0].workflow_execution_started_event_attributes


def _chain(server: LocalServer, run_id: str) -> Sequence[str]:
    """The histories of a run and of those that follow it."""
    histories = []
    while run_id:
        events = server.history("w", run_id)
        histories.append(server.notation("w", run_id))
        which = events[-1].WhichOneof("attributes")
        run_id = getattr(getattr(events[-1], str(which)), "new_execution_run_id", "")
    return histories


# ---- timeouts ----------------------------------------------------------------------------------------


def test_a_run_times_out_at_its_time_and_not_before(server: LocalServer) -> None:
    """Invariant 30."""
    server.start_workflow(workflow_run_timeout=duration(HOUR))
    server.complete_workflow_task(start_timer("t", 2 * HOUR), schedule_activity("a"))
    server.advance(HOUR - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    server.advance(2 * HOUR)
    assert server.notation().endswith("ActivityScheduled a | TimedOut")
    assert outcome(server.history()[-1]) == "WorkflowExecutionTimedOut, RETRY_POLICY_NOT_SET"


def test_a_timeout_ends_a_started_workflow_task_and_records_what_waited_for_it(server: LocalServer) -> None:
    server.start_workflow(workflow_run_timeout=duration(10 * SECOND), workflow_task_timeout=duration(MINUTE))
    server.advance(5 * SECOND)
    server.take_workflow_task()
    server.signal("s")
    server.advance(5 * SECOND)
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed FORCE_CLOSE_COMMAND"
        " | Signaled s | TimedOut"
    )


def test_the_execution_timeout_is_never_followed_by_another_attempt(server: LocalServer) -> None:
    run_id = server.start_workflow(workflow_execution_timeout=duration(MINUTE), retry_policy=retrying())
    server.advance(HOUR)
    assert _chain(server, run_id) == ["Started | WorkflowTaskScheduled | TimedOut"]
    assert outcome(server.history()[-1]) == "WorkflowExecutionTimedOut, TIMEOUT"


def test_a_run_timeout_begins_when_the_start_delay_ends(server: LocalServer) -> None:
    server.start_workflow(workflow_start_delay=duration(HOUR), workflow_run_timeout=duration(MINUTE))
    server.advance(2 * HOUR)
    assert server.notation() == "Started | WorkflowTaskScheduled | TimedOut"
    assert times_of(server) == [0.0, 3600.0, 3660.0]


def test_the_execution_timeout_includes_the_start_delay(server: LocalServer) -> None:
    server.start_workflow(workflow_start_delay=duration(HOUR), workflow_execution_timeout=duration(HOUR))
    started = server.history()[0]
    expires = started.workflow_execution_started_event_attributes.workflow_execution_expiration_time
    assert expires.ToNanoseconds() - started.event_time.ToNanoseconds() == 3_600_000_000_000
    described = server.describe().workflow_extended_info
    assert described.run_expiration_time == described.execution_expiration_time == expires
    server.advance(2 * HOUR)
    assert server.notation() == "Started | TimedOut"
    assert outcome(server.history()[-1]) == "WorkflowExecutionTimedOut, TIMEOUT"


def test_a_run_that_timed_out_while_no_engine_was_open(site: Site) -> None:
    site.server.start_workflow(workflow_run_timeout=duration(MINUTE))
    server = site.restart(HOUR)
    server.advance(timedelta(0))
    assert server.notation() == "Started | WorkflowTaskScheduled | TimedOut"


# ---- attempts ----------------------------------------------------------------------------------------


def test_a_failed_workflow_is_tried_again_under_its_policy(server: LocalServer) -> None:
    """Invariant 36."""
    first = server.start_workflow(retry_policy=retrying(attempts=3))
    for message in ("one", "two", "three"):
        server.complete_workflow_task(fail_workflow(message))
        server.advance(MINUTE)
    assert _chain(server, first) == ["Started | WFT | Failed"] * 3
    assert outcome(server.history()[-1]) == "WorkflowExecutionFailed 'three', MAXIMUM_ATTEMPTS_REACHED"
    last = _started(server)
    assert (last.attempt, last.first_execution_run_id) == (3, first)
    assert last.continued_failure.message == "two"


def test_what_the_next_attempt_inherits(server: LocalServer) -> None:
    memo = Memo()
    memo.fields["k"].data = b"v"
    first = server.start_workflow(
        retry_policy=retrying(),
        input=payloads_of(1000),
        memo=memo,
        workflow_start_delay=duration(HOUR),
        workflow_run_timeout=duration(HOUR),
    )
    server.advance(HOUR)
    server.complete_workflow_task(fail_workflow("one"))
    closed = server.history("w", first)[-1].workflow_execution_failed_event_attributes
    assert closed.retry_state == RetryState.RETRY_STATE_IN_PROGRESS
    before, after = _started(server, first), _started(server, closed.new_execution_run_id)
    assert after.original_execution_run_id == closed.new_execution_run_id
    assert after.continued_execution_run_id == after.first_execution_run_id == first
    assert after.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
    assert (after.input, after.memo, after.retry_policy) == (before.input, before.memo, before.retry_policy)
    assert after.workflow_run_timeout == before.workflow_run_timeout
    assert after.first_workflow_task_backoff.ToTimedelta() == SECOND


@pytest.mark.parametrize(("attempt", "wait"), [(1, 1), (2, 2), (3, 4)])
def test_attempts_back_off(server: LocalServer, attempt: int, wait: int) -> None:
    server.start_workflow(retry_policy=retrying())
    for _ in range(attempt):
        server.advance(MINUTE)
        server.complete_workflow_task(fail_workflow())
    server.advance(wait * SECOND - MILLISECOND)
    assert server.poll_workflow_task() is None
    server.advance(MILLISECOND)
    assert server.poll_workflow_task() is not None


def test_the_failure_may_say_when_the_next_attempt_begins(server: LocalServer) -> None:
    server.start_workflow(retry_policy=retrying())
    command = fail_workflow()
    failure = command.fail_workflow_execution_command_attributes.failure
    failure.application_failure_info.next_retry_delay.FromTimedelta(HOUR)
    server.complete_workflow_task(command)
    assert _started(server).first_workflow_task_backoff.ToTimedelta() == HOUR


def test_a_run_that_timed_out_is_tried_again(server: LocalServer) -> None:
    first = server.start_workflow(retry_policy=retrying(attempts=2), workflow_run_timeout=duration(MINUTE))
    server.advance(HOUR)
    assert _chain(server, first) == ["Started | WorkflowTaskScheduled | TimedOut"] * 2
    assert _started(server).continued_failure.message == "workflow timeout"
    assert outcome(server.history("w", first)[-1]) == "WorkflowExecutionTimedOut, IN_PROGRESS"
    assert outcome(server.history()[-1]) == "WorkflowExecutionTimedOut, MAXIMUM_ATTEMPTS_REACHED"


def test_the_execution_timeout_spans_all_attempts(server: LocalServer) -> None:
    first = server.start_workflow(
        retry_policy=retrying(),
        workflow_execution_timeout=duration(6 * SECOND),
        workflow_run_timeout=duration(3 * SECOND),
    )
    server.advance(HOUR)
    assert _chain(server, first) == ["Started | WorkflowTaskScheduled | TimedOut"] * 2
    assert (
        _started(server).workflow_execution_expiration_time
        == _started(server, first).workflow_execution_expiration_time
    )
    assert times_of(server)[-1] == 3.0  # 6 s after the first run began
    assert outcome(server.history()[-1]) == "WorkflowExecutionTimedOut, TIMEOUT"


def test_an_attempt_that_would_begin_after_the_execution_timeout_is_not_made(server: LocalServer) -> None:
    first = server.start_workflow(retry_policy=retrying(MINUTE), workflow_execution_timeout=duration(30 * SECOND))
    server.complete_workflow_task(fail_workflow())
    assert _chain(server, first) == ["Started | WFT | Failed"]
    assert outcome(server.history()[-1]) == "WorkflowExecutionFailed 'failed', TIMEOUT"


ENDS_FOR_GOOD = {
    "excluded type": (fail_workflow(), "WorkflowExecutionFailed 'failed', NON_RETRYABLE_FAILURE"),
    "completed": (complete_workflow(), "WorkflowExecutionCompleted"),
    "cancelled": (cancel_workflow(), "WorkflowExecutionCanceled"),
}


@pytest.mark.parametrize(("command", "ended"), ENDS_FOR_GOOD.values(), ids=ENDS_FOR_GOOD)
def test_not_every_end_is_followed_by_another_attempt(server: LocalServer, command: object, ended: str) -> None:
    first = server.start_workflow(retry_policy=retrying(non_retryable=["Error"]))
    server.complete_workflow_task(command)  # type: ignore[arg-type]
    server.advance(HOUR)
    assert len(_chain(server, first)) == 1
    assert outcome(server.history()[-1]) == ended


def test_the_next_attempt_and_the_close_are_one_commit(site: Site) -> None:
    """Invariant 36: after a restart there are both."""
    first = site.server.start_workflow(retry_policy=retrying(MINUTE))
    site.server.complete_workflow_task(fail_workflow())
    server = site.restart(30 * SECOND)
    assert server.poll_workflow_task() is None
    server.advance(30 * SECOND)
    server.complete_workflow_task(complete_workflow())
    assert _chain(server, first) == ["Started | WFT | Failed", "Started | WFT | Completed"]


def test_what_was_pending_does_not_follow_to_the_next_attempt(server: LocalServer) -> None:
    """Invariant 12."""
    server.start_workflow(retry_policy=retrying())
    server.complete_workflow_task(start_timer("t", MINUTE), schedule_activity("a"))
    server.signal("go")
    server.complete_workflow_task(fail_workflow())
    server.advance(HOUR)
    assert server.poll_activity() is None
    assert server.notation() == "Started | WorkflowTaskScheduled"


def test_a_signal_during_the_back_off_reaches_the_next_attempt(server: LocalServer) -> None:
    """Invariant 36: one of the two gets it."""
    first = server.start_workflow(retry_policy=retrying(MINUTE))
    server.complete_workflow_task(fail_workflow())
    server.signal("s")
    server.advance(MINUTE)
    assert _chain(server, first) == ["Started | WFT | Failed", "Started | Signaled s | WorkflowTaskScheduled"]


# ---- terminating -------------------------------------------------------------------------------------


def test_terminate_ends_at_once_and_for_good(server: LocalServer) -> None:
    """Invariants 7, 37."""
    first = server.start_workflow(retry_policy=retrying())
    server.complete_workflow_task(start_timer("t", MINUTE), schedule_activity("a"))
    server.terminate(reason="enough")
    server.advance(HOUR)
    assert server.poll_activity() is None
    assert _chain(server, first) == ["Started | WFT | TimerStarted t | ActivityScheduled a | Terminated"]
    assert server.history()[-1].workflow_execution_terminated_event_attributes.reason == "enough"


def test_terminate_ends_a_started_workflow_task_and_records_what_waited_for_it(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    server.signal("s")
    server.terminate()
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed FORCE_CLOSE_COMMAND"
        " | Signaled s | Terminated"
    )
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(task)


def test_terminate_during_a_later_attempt_writes_nothing_of_it(server: LocalServer) -> None:
    server.start_workflow()
    server.fail_workflow_task(server.take_workflow_task())
    server.take_workflow_task()
    server.signal("s")
    server.terminate()
    assert server.notation().endswith("WorkflowTaskFailed WORKFLOW_WORKER_UNHANDLED_FAILURE | Signaled s | Terminated")


def test_a_closed_run_is_not_found(server: LocalServer) -> None:
    """Invariant 37."""
    server.start_workflow()
    server.terminate()
    with Refused(StatusCode.NOT_FOUND, "workflow 'w' has no open run"):
        server.terminate()
    assert server.notation() == "Started | WorkflowTaskScheduled | Terminated"


def test_terminate_of_another_chain_is_an_error(server: LocalServer) -> None:
    server.start_workflow()
    request = TerminateWorkflowExecutionRequest(namespace=NAMESPACE, first_execution_run_id="another")
    request.workflow_execution.workflow_id = "w"
    with Refused(StatusCode.NOT_FOUND, "does not belong to the chain"):
        server.call(server.service.terminate_workflow_execution(request))


def test_of_a_completion_and_a_termination_one_wins(server: LocalServer) -> None:
    """Invariant 37."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.answer_workflow_task(task, complete_workflow())
    with Refused(StatusCode.NOT_FOUND, "no open run"):
        server.terminate()
    assert server.notation() == "Started | WFT | Completed"


def test_a_retry_of_an_activity_ends_with_the_run(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.fail_activity(server.take_activity(), failure_of())
    server.terminate()
    server.advance(HOUR)
    assert server.poll_activity() is None
