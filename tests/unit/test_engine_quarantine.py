"""A transition that breaks one of the engine's own assertions harms one run, and nothing of it reaches the disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tsuzuki.core import signal, workflow_task
from tsuzuki.core.execution import Execution
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow, start_timer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def broken_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals to workflow 'bad' break after their event was recorded in memory."""

    def schedule_if_needed(run: Execution, now_ns: int) -> None:
        assert run.workflow_id != "bad", "made up"
        workflow_task.schedule_if_needed(run, now_ns)

    monkeypatch.setattr(signal, "schedule_if_needed", schedule_if_needed)


@pytest.mark.usefixtures("broken_signals")
def test_half_of_a_transition_never_reaches_the_disk(server: LocalServer) -> None:
    server.start_workflow("bad")
    with pytest.raises(ServiceError, match="internal error") as refused:
        server.signal("halfway", "bad")
    assert refused.value.status == StatusCode.INTERNAL
    server.advance(timedelta(seconds=2))
    assert server.notation("bad") == "Started | WorkflowTaskScheduled"


@pytest.mark.usefixtures("broken_signals")
def test_the_other_runs_go_on(server: LocalServer) -> None:
    server.start_workflow("good")
    server.complete_workflow_task(start_timer("t", timedelta(minutes=1)))
    server.start_workflow("bad")
    with pytest.raises(ServiceError):
        server.signal("halfway", "bad")
    server.advance(timedelta(minutes=2))
    server.complete_workflow_task(complete_workflow())
    assert server.notation("good") == "Started | WFT | TimerStarted t | TimerFired t | WFT | Completed"


@pytest.mark.usefixtures("broken_signals")
def test_a_quarantined_run_is_shown_but_not_changed(server: LocalServer) -> None:
    server.start_workflow("bad")
    with pytest.raises(ServiceError):
        server.signal("halfway", "bad")
    server.advance(timedelta(seconds=2))
    assert server.describe("bad").workflow_execution_info.history_length == 2
    with pytest.raises(ServiceError, match="left it alone"):
        server.terminate("bad")
