"""Resets: what restarts, repeated requests and timeouts make of them. Histories are compared in `differential`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from engine_requests import HOUR, MINUTE, Refused, duration
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow, notation, schedule_activity, start_timer

TIMED_OUT = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "a.db")


def reset(server: LocalServer, event_id: int, run_id: str = "", request_id: str = "") -> str:
    request = ResetWorkflowExecutionRequest(namespace="default", reason="wrong way", request_id=request_id)
    request.workflow_execution.workflow_id, request.workflow_execution.run_id = "w", run_id
    request.workflow_task_finish_event_id = event_id
    return server.call(server.service.reset_workflow_execution(request)).run_id


def test_a_reset_run_goes_on_after_a_restart(site: Site) -> None:
    """Invariants 1, 9 and 12: both runs are whole, and what is pending has what wakes it."""
    with site:
        server = site.server
        old = server.start_workflow()
        server.complete_workflow_task(schedule_activity("a"), start_timer("t", HOUR))
        server.signal("s")
        server.complete_workflow_task()
        before = server.history(run_id=old)
        new = reset(server, 9)
        after = server.notation(run_id=new)
        server = site.restart()
        assert server.notation(run_id=new) == after
        assert server.history(run_id=old)[: len(before)] == before
        assert server.notation(run_id=old).endswith("WFT | Terminated")
        server.complete_activity(server.take_activity())
        server.advance(HOUR)
        server.complete_workflow_task(complete_workflow())
        assert "TimerFired t" in server.notation(run_id=new)
        assert server.notation(run_id=new).endswith("WorkflowTaskCompleted | Completed")


def test_the_same_request_gives_the_same_run(site: Site) -> None:
    """Invariant 4, also when it is sent again after a crash."""
    with site:
        site.server.start_workflow()
        site.server.complete_workflow_task(complete_workflow())
        new = reset(site.server, 4, request_id="once")
        assert reset(site.restart(), 4, request_id="once") == new
        assert reset(site.server, 4, request_id="twice") != new


def test_a_reset_run_has_its_run_timeout_again(site: Site) -> None:
    with site:
        site.server.start_workflow(workflow_run_timeout=duration(HOUR))
        site.server.complete_workflow_task()
        site.server.advance(HOUR - MINUTE)
        new = reset(site.server, 4)
        server = site.restart(2 * MINUTE)
        assert server.describe(run_id=new).workflow_execution_info.status == RUNNING
        server.advance(HOUR)
        assert server.describe(run_id=new).workflow_execution_info.status == TIMED_OUT


def test_the_timeout_of_the_whole_execution_stays(site: Site) -> None:
    with site:
        site.server.start_workflow(workflow_execution_timeout=duration(HOUR))
        site.server.complete_workflow_task()
        site.server.advance(HOUR - MINUTE)
        new = reset(site.server, 4)
        site.server.advance(2 * MINUTE)
        assert site.server.describe(run_id=new).workflow_execution_info.status == TIMED_OUT


def test_a_timer_that_is_overdue_fires_at_once(site: Site) -> None:
    with site:
        old = site.server.start_workflow()
        site.server.complete_workflow_task(start_timer("t", MINUTE))
        site.server.advance(2 * MINUTE)
        site.server.complete_workflow_task(complete_workflow())
        site.server.advance(timedelta(days=1))
        new = reset(site.server, 4, old)
        assert "TimerFired" not in site.server.notation(run_id=new)
        new = reset(site.server, 8, old)
        site.server.complete_workflow_task(complete_workflow())
        ending = "TimerFired t | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed RESET_WORKFLOW | WFT"
        assert site.server.notation(run_id=new).endswith(f"{ending} | Completed")


def test_a_closed_run_is_untouched(site: Site) -> None:
    """Invariant 12."""
    with site:
        old = site.server.start_workflow()
        site.server.complete_workflow_task(complete_workflow())
        before = site.server.history(run_id=old)
        reset(site.server, 4)
        assert site.server.history(run_id=old) == before


def test_nothing_changes_when_the_place_is_none(site: Site) -> None:
    with site:
        old = site.server.start_workflow()
        site.server.complete_workflow_task(start_timer("t", HOUR))
        with Refused(StatusCode.INVALID_ARGUMENT, "event 5 is no place to reset to"):
            reset(site.server, 5)
        assert site.server.describe().workflow_execution_info.execution.run_id == old
        assert site.server.notation() == "Started | WFT | TimerStarted t"


def test_what_others_reported_by_now_is_told_again(site: Site) -> None:
    """A signal to another run was delivered after the point: it is not sent twice, and the new run hears of it."""
    signal = Command(command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION)
    signal.signal_external_workflow_execution_command_attributes.execution.workflow_id = "other"
    signal.signal_external_workflow_execution_command_attributes.signal_name = "hey"
    with site:
        server = site.server
        server.start_workflow("other")
        server.complete_workflow_task()
        server.start_workflow()
        task = server.take_workflow_task()
        server.signal("early")
        server.answer_workflow_task(task, signal)
        assert [event.event_id for event in server.history() if "External" in notation([event])] == [5, 8]
        new = reset(server, 8)
        assert server.notation(run_id=new).endswith(
            "WorkflowTaskFailed RESET_WORKFLOW | ExternalWorkflowExecutionSignaled | WorkflowTaskScheduled"
        )
        assert server.notation("other").count("Signaled hey") == 1


def test_a_request_id_belongs_to_one_run_also_for_the_checker(site: Site) -> None:
    """As on the real server: the new run takes a signal that the old one has taken, sent again."""
    with site:
        server = site.server
        server.start_workflow()
        server.signal("s", request_id="r")
        server.complete_workflow_task()
        new = reset(server, 5)
        server.signal("s", request_id="r")
        assert server.notation(run_id=new).count("Signaled s") == 2


def test_what_waits_in_the_run_that_goes_on_is_applied_again(site: Site) -> None:
    onwards = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    onwards.continue_as_new_workflow_execution_command_attributes.SetInParent()
    with site:
        server = site.server
        first = server.start_workflow()
        server.complete_workflow_task(onwards)
        server.advance(MINUTE)
        server.take_workflow_task()
        server.signal("waits")
        new = reset(server, 4, first)
        assert server.notation(run_id=new).count("Signaled waits") == 1
