"""Timers: each fires once, never before its time, and not at all once it is cancelled."""

from __future__ import annotations

from datetime import timedelta

from engine_requests import HOUR, MINUTE, SECOND, Refused, failure_of, times_of
from engine_site import Site
from temporalio.api.command.v1 import Command

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import cancel_timer, complete_workflow, schedule_activity, start_timer

MILLISECOND = timedelta(milliseconds=1)


def test_a_timer_fires_at_its_time_and_not_before(server: LocalServer) -> None:
    """Invariant 32."""
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE))
    server.advance(MINUTE - MILLISECOND)
    assert server.notation() == "Started | WFT | TimerStarted t"
    server.advance(MILLISECOND)
    assert server.notation() == "Started | WFT | TimerStarted t | TimerFired t | WorkflowTaskScheduled"
    assert times_of(server)[-2] == 60.0


def test_a_timer_fires_once(server: LocalServer) -> None:
    """Invariant 32."""
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE))
    server.advance(HOUR)
    server.complete_workflow_task()
    server.advance(HOUR)
    assert server.notation() == "Started | WFT | TimerStarted t | TimerFired t | WFT"


def test_a_cancelled_timer_never_fires(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE))
    server.signal("abort")
    server.complete_workflow_task(cancel_timer("t"))
    server.advance(HOUR)
    assert server.notation() == "Started | WFT | TimerStarted t | Signaled abort | WFT | TimerCanceled t"


def test_a_timer_that_fired_during_the_task_that_cancels_it_is_taken_back(server: LocalServer) -> None:
    """The workflow has not seen it fire, so for it the cancellation came first."""
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", 5 * SECOND))
    server.signal("abort")
    task = server.take_workflow_task()
    server.advance(6 * SECOND)
    server.answer_workflow_task(task, cancel_timer("t"))
    assert server.notation().endswith("WFT | TimerCanceled t")


def test_a_timer_that_fired_cannot_be_cancelled(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", SECOND))
    server.advance(SECOND)
    with Refused(StatusCode.INVALID_ARGUMENT, "BAD_CANCEL_TIMER_ATTRIBUTES: .*names timer 't'"):
        server.complete_workflow_task(cancel_timer("t"))


def test_a_timer_id_may_be_used_again_once_it_is_free(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE), cancel_timer("t"), start_timer("t", HOUR))
    server.advance(HOUR)
    assert server.notation() == (
        "Started | WFT | TimerStarted t | TimerCanceled t | TimerStarted t | TimerFired t | WorkflowTaskScheduled"
    )
    assert server.history()[7].timer_fired_event_attributes.started_event_id == 7


def test_a_timer_of_no_time_fires_at_once(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", timedelta(0)))
    server.advance(timedelta(0))
    assert server.notation() == "Started | WFT | TimerStarted t | TimerFired t | WorkflowTaskScheduled"


def test_timers_fire_in_order_of_their_times(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(*(start_timer(str(n), n * SECOND) for n in (3, 1, 2)))
    server.advance(MINUTE)
    assert server.notation().endswith("TimerFired 1 | WorkflowTaskScheduled | TimerFired 2 | TimerFired 3")


def _restarted_after_a_task_in_which_a_timer_fired(site: Site, *commands: Command) -> LocalServer:
    """The timer is "t"; the commands are the answer of that workflow task."""
    site.server.start_workflow()
    site.server.complete_workflow_task(start_timer("t", SECOND))
    site.server.signal("another one")
    task = site.server.take_workflow_task()
    site.server.advance(SECOND)
    site.server.answer_workflow_task(task, *commands)
    return site.restart()


def test_a_timer_with_the_id_of_one_that_fires_meanwhile_fires_after_a_restart(site: Site) -> None:
    """Invariant 9: history has the end of the first one behind the beginning of the second."""
    server = _restarted_after_a_task_in_which_a_timer_fired(site, start_timer("t", HOUR))
    server.complete_workflow_task()
    server.advance(2 * HOUR)
    assert server.notation().endswith("TimerStarted t | TimerFired t | WFT | TimerFired t | WorkflowTaskScheduled")


def test_a_timer_with_that_id_that_is_cancelled_at_once_does_no_harm_to_a_restart(site: Site) -> None:
    server = _restarted_after_a_task_in_which_a_timer_fired(site, start_timer("t", HOUR), cancel_timer("t"))
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("TimerStarted t | TimerCanceled t | TimerFired t | WFT | Completed")


def test_overdue_timers_fire_after_a_restart(site: Site) -> None:
    """Invariant 32."""
    site.server.start_workflow()
    site.server.complete_workflow_task(start_timer("due", MINUTE), start_timer("later", HOUR))
    server = site.restart(30 * MINUTE)
    server.advance(timedelta(0))
    assert server.notation().endswith("TimerStarted later | TimerFired due | WorkflowTaskScheduled")
    server.advance(30 * MINUTE - MILLISECOND)
    assert server.notation().endswith("TimerFired due | WorkflowTaskScheduled")
    server.advance(MILLISECOND)
    assert server.notation().endswith("TimerFired due | WorkflowTaskScheduled | TimerFired later")


def test_a_timer_far_away_fires_in_a_later_process(site: Site) -> None:
    """Invariant 32: it waits on disk, not in memory."""
    site.server.start_workflow()
    site.server.complete_workflow_task(start_timer("t", timedelta(days=400)))
    server = site.restart(timedelta(days=1))
    server.advance(timedelta(days=1))
    assert server.notation().endswith("TimerStarted t")
    server = site.restart(timedelta(days=398) - MINUTE)
    server.advance(2 * MINUTE)
    assert server.notation().endswith("TimerStarted t | TimerFired t | WorkflowTaskScheduled")
    assert times_of(server)[-2] == 400 * 86_400


def test_a_clock_that_is_set_back_delays_timers_and_never_turns_event_times_back(server: LocalServer) -> None:
    """Invariants 8, 32."""
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", MINUTE))
    server.clock.step(-HOUR)
    server.signal("news")
    server.advance(MINUTE)
    assert "TimerFired" not in server.notation()
    server.advance(HOUR)
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("TimerFired t | WorkflowTaskStarted | WorkflowTaskCompleted | Completed")
    times = times_of(server)
    assert times == sorted(times)


def test_a_clock_that_is_set_forward_makes_timers_due(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", HOUR))
    server.clock.step(2 * HOUR)
    server.advance(MINUTE)
    assert server.notation().endswith("TimerFired t | WorkflowTaskScheduled")


def test_attempts_start_though_the_clock_was_set_back_after_their_schedule(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.clock.step(-HOUR)
    assert server.take_activity().attempt == 1


def test_a_retry_waits_again_when_the_clock_was_set_back_after_its_back_off(server: LocalServer) -> None:
    """Invariant 29: it is neither early nor forgotten."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=MINUTE))
    server.fail_activity(server.take_activity(), failure_of())
    server.advance(MINUTE)
    server.clock.step(-30 * SECOND)
    assert server.poll_activity() is None
    server.advance(30 * SECOND)
    assert server.take_activity().attempt == 2


def test_a_workflow_task_starts_though_the_clock_was_set_back_after_its_schedule(server: LocalServer) -> None:
    server.start_workflow()
    server.clock.step(-HOUR)
    server.complete_workflow_task(complete_workflow())
    times = times_of(server)
    assert times == sorted(times)
