"""What a restart owes at once, without waiting for a timeout."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sim_store import Disk
from temporalio.api.failure.v1 import Failure

from tsuzuki.service import ServiceError
from tsuzuki.testing import Fault, LocalServer, Moment, Point, VirtualClock, notation
from tsuzuki.testing._local_server import complete_workflow, schedule_activity


def test_a_workflow_task_of_a_dead_process_is_handed_out_at_once() -> None:
    disk, clock = Disk(None), VirtualClock()
    with LocalServer(disk.open(), clock=clock) as before:
        before.start_workflow()
        assert before.poll_workflow_task() is not None
    with LocalServer(disk.open(), clock=clock) as after:
        task = after.poll_workflow_task()
        assert task is not None
        after.answer_workflow_task(task, complete_workflow())
        assert after.notation() == (
            "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut START_TO_CLOSE | "
            "WFT | Completed"
        )
    disk.store.close()


def test_a_back_off_goes_on_through_a_restart_and_a_lost_attempt_has_none() -> None:
    disk, clock = Disk(None), VirtualClock()
    with LocalServer(disk.open(), clock=clock) as before:
        before.start_workflow()
        before.complete_workflow_task(schedule_activity("a", initial_interval=timedelta(seconds=10)))
        before.fail_activity(before.take_activity(), _failure())
    clock.step(timedelta(seconds=9))
    with LocalServer(disk.open(), clock=clock) as middle:
        assert middle.poll_activity() is None
        middle.advance(timedelta(seconds=1))
        assert middle.take_activity().attempt == 2
    with LocalServer(disk.open(), clock=clock) as after:
        assert after.take_activity().attempt == 3
    disk.store.close()


def test_after_a_failed_commit_a_worker_is_given_whole_histories() -> None:
    """It may remember what was never written: a workflow task that ran ahead of the commit."""
    store = Disk(None).open()
    with LocalServer(store) as server:
        server.start_workflow()
        server.complete_workflow_task(sticky_queue="sticky")
        assert server.poll_workflow_task("sticky", sticky=True) is None
        store.strike_next({Moment(Point.BEFORE_COMMIT, store.passed[Point.BEFORE_COMMIT] + 1): Fault.FAILED})
        with pytest.raises(ServiceError, match="outcome is unknown"):
            server.signal("lost")

        server.advance(timedelta(seconds=2))
        assert server.poll_workflow_task("sticky", sticky=True) is None
        server.signal("kept")
        task = server.poll_workflow_task()
        assert task is not None
        assert notation(list(task.history.events)) == "Started | WFT | Signaled kept | " + (
            "WorkflowTaskScheduled | WorkflowTaskStarted"
        )
    store.inner.close()


def _failure() -> Failure:
    failure = Failure(message="no")
    failure.application_failure_info.type = "No"
    return failure
