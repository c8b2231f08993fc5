"""The four timeouts of an activity: none early, the right ones tried again, failures in the real server's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import MINUTE, SECOND, Refused, duration, failure_of, outcome

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import request_cancel_activity, schedule_activity

MILLISECOND = timedelta(milliseconds=1)
GIVEN_UP = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"


def _last_outcome(server: LocalServer) -> str:
    assert server.notation().endswith("ActivityTimedOut " + server.notation().split("ActivityTimedOut ")[-1])
    events = [event for event in server.history() if event.WhichOneof("attributes") == _TIMED_OUT]
    [timed_out] = events
    return outcome(timed_out)


_TIMED_OUT = "activity_task_timed_out_event_attributes"


def _message(server: LocalServer) -> str:
    [message] = [
        event.activity_task_timed_out_event_attributes.failure.message
        for event in server.history()
        if event.WhichOneof("attributes") == _TIMED_OUT
    ]
    return message


def test_start_to_close_does_not_fire_early(server: LocalServer) -> None:
    """Invariant 30."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=5 * SECOND, maximum_attempts=1))
    server.advance(MINUTE)  # waiting for a worker does not count
    server.take_activity()
    server.advance(5 * SECOND - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    assert server.notation().endswith("ActivityStarted #1 | ActivityTimedOut START_TO_CLOSE | WorkflowTaskScheduled")
    assert outcome(server.history()[6]) == "ActivityTaskTimedOut START_TO_CLOSE, MAXIMUM_ATTEMPTS_REACHED"
    assert _message(server) == "activity StartToClose timeout"


def test_start_to_close_is_of_one_attempt(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=5 * SECOND))
    server.take_activity()
    server.advance(5 * SECOND)
    assert server.poll_activity() is None  # it backs off
    server.advance(SECOND)
    second = server.take_activity()
    server.advance(4 * SECOND)
    server.complete_activity(second)
    started = server.history()[5].activity_task_started_event_attributes
    assert (started.attempt, started.last_failure.message) == (2, "activity StartToClose timeout")


def test_a_timeout_after_a_failure_names_it_as_its_cause(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=SECOND, maximum_attempts=2))
    first = server.take_activity()
    server.heartbeat(first, b"h")
    server.fail_activity(first, failure_of("boom"))
    server.advance(SECOND)
    server.take_activity()
    server.advance(SECOND)
    assert _last_outcome(server) == (
        "ActivityTaskTimedOut START_TO_CLOSE, MAXIMUM_ATTEMPTS_REACHED, cause 'boom', heartbeat b'h'"
    )


def test_a_timeout_after_a_timeout_names_it_as_its_cause(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=SECOND, maximum_attempts=2))
    server.take_activity()
    server.advance(2 * SECOND)
    server.take_activity()
    server.advance(SECOND)
    assert _last_outcome(server) == (
        "ActivityTaskTimedOut START_TO_CLOSE, MAXIMUM_ATTEMPTS_REACHED, cause 'activity StartToClose timeout'"
    )


def test_a_policy_may_exclude_a_timeout(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("a", start_to_close=SECOND, non_retryable=("TemporalTimeout:StartToClose",))
    )
    server.take_activity()
    server.advance(SECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut START_TO_CLOSE, NON_RETRYABLE_FAILURE"


def test_a_timeout_whose_retry_would_pass_schedule_to_close_is_one_of_schedule_to_close(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("a", start_to_close=SECOND, schedule_to_close=4 * SECOND, initial_interval=5 * SECOND)
    )
    server.heartbeat(server.take_activity(), b"h")
    server.advance(SECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_CLOSE, TIMEOUT, heartbeat b'h'"
    assert _message(server) == GIVEN_UP


def test_heartbeat_timeout_counts_from_the_last_sign_of_life(server: LocalServer) -> None:
    """Invariant 30."""
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("a", start_to_close=MINUTE, heartbeat=3 * SECOND, maximum_attempts=1)
    )
    task = server.take_activity()
    for _ in range(3):
        server.advance(3 * SECOND - MILLISECOND)
        server.heartbeat(task, b"alive")
    server.advance(3 * SECOND - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    assert _last_outcome(server) == ("ActivityTaskTimedOut HEARTBEAT, MAXIMUM_ATTEMPTS_REACHED, heartbeat b'alive'")
    assert _message(server) == "activity Heartbeat timeout"


def test_an_attempt_that_never_beats_times_out(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=MINUTE, heartbeat=3 * SECOND))
    server.take_activity()
    server.advance(3 * SECOND + SECOND)
    assert server.take_activity().attempt == 2


def test_schedule_to_start_is_not_tried_again(server: LocalServer) -> None:
    """Invariant 30."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_start=SECOND))
    server.advance(SECOND - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    assert server.poll_activity() is None
    assert server.notation().endswith(
        "ActivityScheduled a | ActivityTimedOut SCHEDULE_TO_START | WorkflowTaskScheduled"
    )
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_START, TIMEOUT"
    assert _message(server) == "activity ScheduleToStart timeout"


def test_schedule_to_start_counts_from_the_end_of_the_back_off(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_start=2 * SECOND, initial_interval=10 * SECOND))
    server.fail_activity(server.take_activity(), failure_of("boom"))
    server.advance(12 * SECOND - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_START, TIMEOUT, cause 'boom'"


def test_an_activity_with_schedule_to_close_only_that_nobody_takes(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=None, schedule_to_close=SECOND))
    server.advance(SECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_START, TIMEOUT"


@pytest.mark.parametrize("maximum", [0, 1])
def test_schedule_to_close_ends_a_running_attempt(server: LocalServer, maximum: int) -> None:
    """Invariant 30."""
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("a", start_to_close=MINUTE, schedule_to_close=5 * SECOND, maximum_attempts=maximum)
    )
    server.advance(2 * SECOND)
    task = server.take_activity()
    server.advance(3 * SECOND - MILLISECOND)
    assert server.notation().endswith("ActivityScheduled a")
    server.advance(MILLISECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_CLOSE, TIMEOUT"
    assert _message(server) == GIVEN_UP
    with Refused(StatusCode.NOT_FOUND, "the activity attempt is over"):
        server.complete_activity(task)


def test_schedule_to_close_spans_all_attempts(server: LocalServer) -> None:
    """Invariant 30."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=SECOND, schedule_to_close=4 * SECOND))
    server.fail_activity(server.take_activity(), failure_of("boom"))
    server.advance(4 * SECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut SCHEDULE_TO_CLOSE, TIMEOUT, cause 'boom'"
    assert server.notation().endswith(
        "ActivityScheduled a | ActivityTimedOut SCHEDULE_TO_CLOSE | WorkflowTaskScheduled"
    )


def test_a_timed_out_attempt_that_was_to_be_cancelled_is_not_tried_again(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=2 * SECOND))
    server.take_activity()
    server.signal("stop it")
    server.complete_workflow_task(request_cancel_activity(5))
    server.advance(2 * SECOND)
    assert _last_outcome(server) == "ActivityTaskTimedOut START_TO_CLOSE, CANCEL_REQUESTED"


BOUNDED: Mapping[str, tuple[timedelta | None, Mapping[str, Any], tuple[int, int, int, int]]] = {
    "schedule-to-close fills the others": (
        None,
        {"start_to_close": None, "schedule_to_close": 9 * SECOND},
        (9, 9, 9, 0),
    ),
    "schedule-to-close bounds the others": (
        None,
        {
            "start_to_close": 20 * SECOND,
            "schedule_to_close": 9 * SECOND,
            "schedule_to_start": 15 * SECOND,
            "heartbeat": 40 * SECOND,
        },
        (9, 9, 9, 9),
    ),
    "the run's timeout bounds all": (5 * SECOND, {"start_to_close": 50 * SECOND, "heartbeat": MINUTE}, (5, 5, 5, 5)),
    "nothing is added without need": (None, {"start_to_close": 10 * SECOND}, (0, 0, 10, 0)),
}


@pytest.mark.parametrize(("run_timeout", "asked", "given"), BOUNDED.values(), ids=BOUNDED)
def test_timeouts_are_filled_in_and_bounded(
    server: LocalServer, run_timeout: timedelta | None, asked: Mapping[str, Any], given: tuple[int, int, int, int]
) -> None:
    server.start_workflow(**({"workflow_run_timeout": duration(run_timeout)} if run_timeout else {}))
    server.complete_workflow_task(schedule_activity("a", **asked))
    scheduled = server.history()[4].activity_task_scheduled_event_attributes
    assert (
        scheduled.schedule_to_close_timeout.seconds,
        scheduled.schedule_to_start_timeout.seconds,
        scheduled.start_to_close_timeout.seconds,
        scheduled.heartbeat_timeout.seconds,
    ) == given
