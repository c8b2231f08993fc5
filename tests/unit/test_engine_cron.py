"""Runs on a cron schedule: each waits for its time, across restarts, and is told of the one before."""

from __future__ import annotations

from datetime import timedelta

from engine_requests import HOUR, MINUTE, SECOND, retrying
from engine_site import Site
from temporalio.api.enums.v1 import ContinueAsNewInitiator
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow, fail_workflow

CRON = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
RETRY = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
WAITS = "Started"
DUE = "Started | WorkflowTaskScheduled"


def _started(server: LocalServer) -> WorkflowExecutionStartedEventAttributes:
    return server.history()[0].workflow_execution_started_event_attributes


def test_each_run_waits_for_its_time(server: LocalServer) -> None:
    first = server.start_workflow(cron_schedule="@every 1h")
    server.advance(HOUR - SECOND)
    assert server.notation() == WAITS
    server.advance(SECOND)
    assert server.notation() == DUE
    server.advance(MINUTE)
    server.complete_workflow_task(complete_workflow())
    started = _started(server)
    assert (started.continued_execution_run_id, started.first_execution_run_id) == (first, first)
    assert (started.initiator, started.attempt, started.cron_schedule) == (CRON, 1, "@every 1h")
    assert started.first_workflow_task_backoff.ToTimedelta() == HOUR - MINUTE
    server.advance(HOUR - MINUTE - SECOND)
    assert server.notation() == WAITS
    server.advance(SECOND)
    assert server.notation() == DUE


def test_a_schedule_goes_on_after_a_restart(site: Site) -> None:
    """Invariants 1, 9: the times while no engine was open are one late run, not many."""
    site.server.start_workflow(cron_schedule="@every 1h")
    server = site.restart(5 * HOUR + MINUTE)
    server.advance(timedelta(0))
    assert server.notation() == DUE
    server.complete_workflow_task(complete_workflow())
    assert _started(server).first_workflow_task_backoff.ToTimedelta() == HOUR - MINUTE
    server = site.restart(HOUR)
    server.advance(timedelta(0))
    assert server.notation() == DUE


def test_a_failure_is_retried_first_and_then_waits_for_the_schedule(server: LocalServer) -> None:
    server.start_workflow(cron_schedule="@every 1h", retry_policy=retrying(attempts=2))
    server.advance(HOUR)
    server.complete_workflow_task(fail_workflow("one"))
    retried = _started(server)
    assert (retried.initiator, retried.attempt, retried.continued_failure.message) == (RETRY, 2, "one")
    server.advance(SECOND)
    server.complete_workflow_task(fail_workflow("two"))
    scheduled = _started(server)
    assert (scheduled.initiator, scheduled.attempt, scheduled.continued_failure.message) == (CRON, 1, "two")
    assert scheduled.first_workflow_task_backoff.ToTimedelta() == HOUR  # counted from when the retry was due


def test_a_success_forgets_the_failure(server: LocalServer) -> None:
    server.start_workflow(cron_schedule="@every 1h")
    server.advance(HOUR)
    server.complete_workflow_task(fail_workflow("one"))
    assert _started(server).continued_failure.message == "one"
    server.advance(HOUR)
    server.complete_workflow_task(complete_workflow())
    assert not _started(server).HasField("continued_failure")
