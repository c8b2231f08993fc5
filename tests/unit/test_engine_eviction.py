"""Memory is a cache: with room for two runs the engine does what it does with room for all."""

from __future__ import annotations

import pytest
from engine_requests import HOUR, MINUTE, SECOND, Refused, failure_of
from engine_site import Site

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow, schedule_activity, start_timer

RUNS = [f"w{number}" for number in range(12)]


@pytest.fixture
def small(site: Site) -> LocalServer:
    return site.restart(cached_runs_max=2)


def _work(server: LocalServer, *commands: object) -> None:
    while (task := server.poll_workflow_task()) is not None:
        server.answer_workflow_task(task, *commands)  # type: ignore[arg-type]


def test_evicted_runs_take_signals(small: LocalServer) -> None:
    for workflow_id in RUNS:
        small.start_workflow(workflow_id)
    _work(small)
    for workflow_id in RUNS:
        small.signal("s", workflow_id, request_id=f"r-{workflow_id}")
        small.signal("s", workflow_id, request_id=f"r-{workflow_id}")
    _work(small, complete_workflow())
    assert {small.notation(workflow_id) for workflow_id in RUNS} == {"Started | WFT | Signaled s | WFT | Completed"}


def test_timers_of_evicted_runs_fire(small: LocalServer) -> None:
    """Invariant 32."""
    for number, workflow_id in enumerate(RUNS):
        small.start_workflow(workflow_id)
        small.complete_workflow_task(start_timer("t", HOUR + number * MINUTE))
    small.advance(2 * HOUR)
    _work(small, complete_workflow())
    expected = "Started | WFT | TimerStarted t | TimerFired t | WFT | Completed"
    assert {small.notation(workflow_id) for workflow_id in RUNS} == {expected}


def test_attempts_of_evicted_runs_are_made_once(small: LocalServer) -> None:
    """Invariants 26, 29."""
    for workflow_id in RUNS:
        small.start_workflow(workflow_id)
    _work(small, schedule_activity("a"))
    taken = []
    while (task := small.poll_activity()) is not None:
        taken.append(task)
    assert sorted(task.workflow_execution.workflow_id for task in taken) == sorted(RUNS)
    for task in taken:
        small.fail_activity(task, failure_of())
    for workflow_id in RUNS:
        small.start_workflow(f"other {workflow_id}")
    small.advance(SECOND)
    again = []
    while (task := small.poll_activity()) is not None:
        again.append(task)
        small.complete_activity(task)
    assert sorted(task.workflow_execution.workflow_id for task in again) == sorted(RUNS)
    assert {task.attempt for task in again} == {2}


def test_the_oldest_idle_runs_leave_memory_and_the_busy_ones_stay(small: LocalServer) -> None:
    small.start_workflow("busy")
    task = small.take_workflow_task()
    for workflow_id in RUNS:
        small.start_workflow(workflow_id)
        small.complete_workflow_task()
    small.answer_workflow_task(task, complete_workflow())
    assert small.notation("busy") == "Started | WFT | Completed"


def test_closed_runs_that_are_looked_at_do_not_stay(site: Site) -> None:
    """Each would keep its input in memory, which may be 2 MiB."""
    server = site.restart()
    server.start_workflow("open")
    server.complete_workflow_task()
    for workflow_id in RUNS:
        run_id = server.start_workflow(workflow_id)
        _work(server, complete_workflow())
        server.describe(workflow_id)
        assert server.notation(workflow_id, run_id) == "Started | WFT | Completed"
        with Refused(StatusCode.NOT_FOUND, "no open run"):
            server.signal("s", workflow_id)
    server.signal("s", "open")
    assert [run.workflow_id for run in server.service._engine.runs.in_memory.values()] == ["open"]


def test_one_open_run_an_id_among_evicted_ones(small: LocalServer) -> None:
    """Invariant 34."""
    first = {workflow_id: small.start_workflow(workflow_id) for workflow_id in RUNS}
    _work(small)
    for workflow_id in RUNS:
        assert small.describe(workflow_id).workflow_execution_info.execution.run_id == first[workflow_id]
        small.terminate(workflow_id)
    second = {workflow_id: small.start_workflow(workflow_id) for workflow_id in RUNS}
    for workflow_id in RUNS:
        assert small.describe(workflow_id).workflow_execution_info.execution.run_id == second[workflow_id]
        assert small.notation(workflow_id, first[workflow_id]) == "Started | WFT | Terminated"
