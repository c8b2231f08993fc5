"""Forks in the engine: what is pending keeps the time it had left, survives a restart, and is there wholly or not."""

from __future__ import annotations

import pytest
from engine_requests import HOUR, MIB, MINUTE, SECOND, Refused, duration
from engine_site import Site
from temporalio.api.common.v1 import Header
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest, ResetWorkflowExecutionRequest

from tsuzuki.core.fork import HEADER, RESULT_HEADER
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore, check_store
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import complete_workflow, schedule_activity, start_timer


def fork_header(server: LocalServer, event_id: int, source: str = "w", signal_bytes: int = 0) -> Header:
    execution = server.describe(source).workflow_execution_info.execution
    asked = ResetWorkflowExecutionRequest(workflow_execution=execution, workflow_task_finish_event_id=event_id)
    if signal_bytes:
        injected = asked.post_reset_operations.add().signal_workflow
        injected.signal_name = "go"
        injected.input.payloads.add().data = b"x" * signal_bytes
    header = Header()
    header.fields[HEADER].data = asked.SerializeToString()
    return header


def fork(server: LocalServer, event_id: int, *, source: str = "w", new_id: str = "fork", result: str = "") -> str:
    header = fork_header(server, event_id, source)
    if result:
        header.fields[RESULT_HEADER + result].data = b"another result"
    return server.start_workflow(new_id, header=header)


def test_a_timer_has_as_long_as_it_had_then(site: Site) -> None:
    site.server.start_workflow()
    site.server.complete_workflow_task(start_timer("t", HOUR), schedule_activity("a"))
    site.clock.step(40 * MINUTE)
    site.server.complete_activity(site.server.take_activity())
    site.server.terminate()
    last = len(site.server.history()) - 1
    site.clock.step(100 * HOUR)
    fork(site.server, last)
    server = site.restart()
    server.advance(19 * MINUTE)
    assert "TimerFired" not in server.notation("fork")
    server.advance(2 * MINUTE)
    assert "TimerFired" in server.notation("fork")


def test_a_pending_activity_is_scheduled_anew_with_all_its_attempts(site: Site) -> None:
    site.server.start_workflow()
    site.server.complete_workflow_task(
        schedule_activity("a", schedule_to_close=MINUTE, schedule_to_start=MINUTE, maximum_attempts=1)
    )
    site.server.terminate()
    site.clock.step(HOUR)
    fork(site.server, 5)
    server = site.restart(30 * SECOND)
    task = server.take_activity()
    assert task.attempt == 1
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())
    assert server.describe("fork").workflow_execution_info.status == 2  # COMPLETED


def test_a_fork_from_within_a_pause_goes_on(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.call(
        server.service.pause_workflow_execution(PauseWorkflowExecutionRequest(namespace="default", workflow_id="w"))
    )
    server.signal("one")
    fork(server, 7)
    server = site.restart()
    server.complete_activity(server.take_activity())
    server.complete_workflow_task(complete_workflow())
    assert "Paused | Signaled one | Unpaused | " in server.notation("fork")
    assert server.describe("fork").workflow_execution_info.status == 2  # COMPLETED
    assert server.describe("w").workflow_execution_info.status == 8  # PAUSED


def test_the_run_timeout_begins_again(site: Site) -> None:
    site.server.start_workflow(workflow_run_timeout=duration(HOUR), workflow_execution_timeout=duration(2 * HOUR))
    site.server.terminate()
    site.clock.step(50 * HOUR)
    fork(site.server, 2)
    site.server.advance(59 * MINUTE)
    assert site.server.describe("fork").workflow_execution_info.status == 1  # RUNNING
    site.server.advance(2 * MINUTE)
    assert site.server.describe("fork").workflow_execution_info.status == 7  # TIMED_OUT


def test_the_history_is_the_old_one_and_a_task_that_was_reset(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"))
    before = [event.SerializeToString() for event in server.history()]
    for event_id, taken in ((1, "Started"), (4, "Started | WFT | ActivityScheduled a | ActivityScheduled b")):
        fork(server, event_id, new_id=f"fork-{event_id}")
        assert server.notation(f"fork-{event_id}").startswith(taken)
        [failed] = [
            event.workflow_task_failed_event_attributes
            for event in server.history(f"fork-{event_id}")
            if event.HasField("workflow_task_failed_event_attributes")
        ]
        assert failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
        assert "forked from workflow 'w'" in failed.failure.message
    assert [event.SerializeToString() for event in server.history()] == before


def test_a_result_is_recorded_as_if_it_had_come(site: Site) -> None:
    site.server.start_workflow()
    site.server.complete_workflow_task(schedule_activity("a"), schedule_activity("b"))
    fork(site.server, 6, result="a")
    assert "ActivityStarted #1 | ActivityCompleted" in site.server.notation("fork")
    tasks = [site.server.take_activity() for _ in range(3)]
    assert sorted((task.workflow_execution.workflow_id, task.activity_id) for task in tasks) == [
        ("fork", "b"),
        ("w", "a"),
        ("w", "b"),
    ]


def test_a_refused_fork_leaves_no_run(site: Site) -> None:
    site.server.start_workflow()
    with Refused(StatusCode.INVALID_ARGUMENT, "there is no event 9 to fork from"):
        fork(site.server, 9)
    strange = Header()
    strange.fields[HEADER].data = b"\xff strange"
    with Refused(StatusCode.INVALID_ARGUMENT, "holds no ResetWorkflowExecutionRequest"):
        site.server.start_workflow("fork", header=strange)
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'fork'"):
        site.server.describe("fork")


def test_what_is_too_large_or_no_fork_at_all_is_refused_before_anything_is_made(server: LocalServer) -> None:
    """Invariant 41: at the limit it passes, over it not."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    garbage = Header()
    garbage.fields[HEADER].data = b"\xff\xff"
    with Refused(StatusCode.INVALID_ARGUMENT, "holds no ResetWorkflowExecutionRequest"):
        server.start_workflow("fork", header=garbage)
    for size, fits in ((2 * MIB - 5, True), (2 * MIB, False)):
        header = fork_header(server, 5)
        header.fields[RESULT_HEADER + "a"].data = b"x" * size
        if fits:
            server.start_workflow("fits", header=header)
        else:
            with Refused(StatusCode.INVALID_ARGUMENT, "the result of activity 'a'"):
                server.start_workflow("fork", header=header)
    with Refused(StatusCode.INVALID_ARGUMENT, "the input of signal 'go'"):
        server.start_workflow("fork", header=fork_header(server, 5, signal_bytes=2 * MIB + 1))
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'fork'"):
        server.describe("fork")


@pytest.mark.parametrize("point", [Point.BEFORE_WRITE, Point.AFTER_WRITE, Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
def test_a_failed_commit_leaves_all_of_a_fork_or_nothing(point: Point) -> None:
    inner = SqliteStore.open(None)
    store = FaultyStore(inner)
    with LocalServer(store) as server:
        server.start_workflow()
        server.complete_workflow_task(schedule_activity("a"))
        store.faults[Moment(point, store.passed[point] + 1)] = Fault.FAILED
        with Refused(StatusCode.UNAVAILABLE, "takes writes again"):
            fork(server, 5)
        server.advance(5 * SECOND)
        if point is Point.AFTER_COMMIT:
            assert "ActivityScheduled a" in server.notation("fork")
        else:
            with Refused(StatusCode.NOT_FOUND, "there is no workflow"):
                server.describe("fork")
        assert not check_store(inner)
