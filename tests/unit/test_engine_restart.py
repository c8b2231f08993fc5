"""What an engine finds in its store: everything acknowledged, and the lost work of the process before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine_requests import HOUR, MINUTE, SECOND, Refused, duration, failure_of, outcome
from engine_site import Site

from tsuzuki.service import StatusCode
from tsuzuki.testing._local_server import complete_workflow, request_cancel_activity, schedule_activity, start_timer

MILLISECOND = timedelta(milliseconds=1)


def test_an_acknowledged_start_is_there_to_be_worked_on(site: Site) -> None:
    """Invariant 1."""
    site.server.start_workflow()
    server = site.restart()
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WFT | Completed"


def test_an_acknowledged_completion_is_not_executed_again(site: Site) -> None:
    """Invariant 3."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a"))
    site.server.complete_activity(site.server.take_activity())
    server = site.restart()
    assert server.poll_activity() is None
    server.complete_workflow_task(complete_workflow())
    server = site.restart()
    assert server.poll_workflow_task() is None
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | ActivityStarted #1 | ActivityCompleted | WFT | Completed"
    )


def test_an_attempt_that_was_never_handed_out_is_not_lost(site: Site) -> None:
    """Invariant 9."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a"))
    assert site.restart().take_activity().attempt == 1


def test_a_lost_attempt_is_tried_again_at_once(site: Site) -> None:
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", initial_interval=HOUR))
    lost = site.server.take_activity()
    server = site.restart()
    with Refused(StatusCode.NOT_FOUND, "the activity attempt is over"):
        server.complete_activity(lost)
    task = server.take_activity()
    assert task.attempt == 2
    server.complete_activity(task)
    started = server.history()[5].activity_task_started_event_attributes
    assert started.last_failure.message.startswith("attempt 1 was lost: the process that ran it ended")


def test_the_only_attempt_is_not_made_twice(site: Site) -> None:
    """Invariant 27: across crashes too."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", maximum_attempts=1))
    site.server.take_activity()
    server = site.restart()
    assert server.poll_activity() is None
    assert server.notation().endswith("ActivityStarted #1 | ActivityTimedOut START_TO_CLOSE | WorkflowTaskScheduled")
    assert outcome(server.history()[6]) == "ActivityTaskTimedOut START_TO_CLOSE, MAXIMUM_ATTEMPTS_REACHED"


@pytest.mark.parametrize("restarts", [1, 2, 3])
def test_attempts_are_counted_across_processes(site: Site, restarts: int) -> None:
    """Invariant 29."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", maximum_attempts=3))
    attempts = []
    for _ in range(restarts):
        attempts.append(site.server.take_activity().attempt)
        site.restart()
    assert attempts == list(range(1, restarts + 1))
    assert (site.server.poll_activity() is None) is (restarts == 3)


def test_a_lost_attempt_is_tried_again_even_if_its_back_off_would_not_fit(site: Site) -> None:
    """It is made at once, so it fits into schedule-to-close."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", schedule_to_close=MINUTE, initial_interval=HOUR))
    site.server.take_activity()
    assert site.restart().take_activity().attempt == 2


def test_a_back_off_goes_on_over_a_restart(site: Site) -> None:
    """Invariant 29."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", initial_interval=HOUR))
    site.server.fail_activity(site.server.take_activity(), failure_of("boom"))
    server = site.restart(30 * MINUTE)
    server.advance(30 * MINUTE - MILLISECOND)
    assert server.poll_activity() is None
    server.advance(MILLISECOND)
    task = server.take_activity()
    assert task.attempt == 2
    server.complete_activity(task)
    assert server.history()[5].activity_task_started_event_attributes.last_failure.message == "boom"


def test_timeouts_that_passed_while_no_engine_was_open(site: Site) -> None:
    """Invariants 9, 30."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a", schedule_to_start=MINUTE))
    server = site.restart(HOUR)
    server.advance(timedelta(0))
    assert server.notation().endswith("ActivityTimedOut SCHEDULE_TO_START | WorkflowTaskScheduled")


def test_a_workflow_task_of_the_process_before_is_done_anew(site: Site) -> None:
    """Invariants 13, 15: its answer comes too late."""
    site.server.start_workflow()
    lost = site.server.take_workflow_task()
    server = site.restart()
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(lost, complete_workflow())
    task = server.take_workflow_task()
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.answer_workflow_task(lost, complete_workflow())
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE | WFT | Completed"
    )


def test_a_stuck_workflow_task_is_tried_at_once_after_a_restart(site: Site) -> None:
    """Mended code may have come."""
    site.server.start_workflow()
    for _ in range(6):
        site.server.advance(MINUTE)
        site.server.fail_workflow_task(site.server.take_workflow_task())
    assert site.server.poll_workflow_task() is None
    server = site.restart()
    task = server.take_workflow_task()
    assert task.attempt == 7
    server.answer_workflow_task(task, complete_workflow())


def test_an_outcome_that_waited_for_a_workflow_task_is_there(site: Site) -> None:
    """Invariants 3, 17, 26."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a"), start_timer("t", SECOND))
    running = site.server.take_activity()
    site.server.signal("go")
    site.server.take_workflow_task()
    site.server.complete_activity(running)
    site.server.advance(SECOND)
    server = site.restart()
    assert server.poll_activity() is None
    server.advance(HOUR)
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | TimerStarted t | Signaled go | WorkflowTaskScheduled"
        " | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE"
        " | ActivityStarted #1 | TimerFired t | ActivityCompleted | WorkflowTaskScheduled"
    )


def test_a_run_goes_on_where_it_was(site: Site) -> None:
    """Invariant 9: a longer life, with a restart after each step."""
    site.server.start_workflow(workflow_run_timeout=duration(2 * HOUR))
    site.restart().complete_workflow_task(schedule_activity("a"), start_timer("t", HOUR), schedule_activity("b"))
    site.restart().complete_activity(site.server.take_activity())
    site.restart().complete_workflow_task(request_cancel_activity(7))
    site.restart().complete_workflow_task()
    site.restart(HOUR).advance(timedelta(0))
    site.restart().complete_workflow_task(complete_workflow())
    server = site.restart()
    assert server.notation() == (
        "Started | WFT | ActivityScheduled a | TimerStarted t | ActivityScheduled b | ActivityStarted #1"
        " | ActivityCompleted | WFT | ActivityCancelRequested | ActivityCanceled | WFT | TimerFired t | WFT | Completed"
    )


def test_a_clock_that_was_set_back_meanwhile(site: Site) -> None:
    """Invariants 8, 29: event times do not decrease, and no attempt is forgotten."""
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a"))
    server = site.restart(-HOUR)
    task = server.take_activity()
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("ActivityCompleted | WFT | Completed")
