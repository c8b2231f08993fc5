"""Deleting, retention and reset, broken off at each write and commit: each is done wholly or not at all."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    RegisterNamespaceRequest,
    ResetWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tsuzuki.service import ServiceError
from tsuzuki.store import SqliteStore, check_store
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import complete_workflow, start_timer


def _register(server: LocalServer) -> None:
    request = RegisterNamespaceRequest(namespace="team")
    request.workflow_execution_retention_period.seconds = 3600
    server.call(server.service.register_namespace(request))
    started = StartWorkflowExecutionRequest(namespace="team", workflow_id="old", request_id="1")
    started.workflow_type.name, started.task_queue.name = "Workflow", "queue"
    server.call(server.service.start_workflow_execution(started))
    ended = TerminateWorkflowExecutionRequest(namespace="team")
    ended.workflow_execution.workflow_id = "old"
    server.call(server.service.terminate_workflow_execution(ended))


def _delete(server: LocalServer, workflow_id: str) -> None:
    request = DeleteWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = workflow_id
    server.call(server.service.delete_workflow_execution(request))


def _reset(server: LocalServer) -> None:
    request = ResetWorkflowExecutionRequest(namespace="default", workflow_task_finish_event_id=4, request_id="reset")
    request.workflow_execution.workflow_id = "w"
    server.call(server.service.reset_workflow_execution(request))


def _live(server: LocalServer) -> list[str]:
    """The scenario; the names of what was acknowledged, in order."""
    done: list[str] = []
    with suppress(ServiceError):
        _register(server)
        done.append("registered")
        server.start_workflow("w")
        server.complete_workflow_task(start_timer("t", timedelta(hours=9)))
        server.start_workflow("open")
        server.start_workflow("closed")
        server.terminate("closed")
        done.append("started")
        _reset(server)
        done.append("reset")
        _delete(server, "open")
        done.append("open deleted")
        _delete(server, "closed")
        done.append("closed deleted")
        server.complete_workflow_task(complete_workflow())
        for _ in range(3):
            server.advance(timedelta(minutes=61))
        done.append("swept")
    return done


def _ids(store: SqliteStore) -> dict[str, int]:
    """How many runs there are of each workflow id."""
    runs = [store.run(run_key) for run_key in range(1, store.last_run_key + 1)]
    ids = [run.new.workflow_id for run in runs if run is not None]
    return {workflow_id: ids.count(workflow_id) for workflow_id in ids}


def _passed(tmp_path: Path) -> dict[Point, int]:
    store = FaultyStore(SqliteStore.open(tmp_path / "whole.db"))
    with LocalServer(store) as server:
        assert _live(server)[-1] == "swept"
    assert check_store(tmp_path / "whole.db") == []
    return store.passed


@pytest.mark.parametrize("point", list(Point))
def test_broken_off_anywhere(tmp_path: Path, point: Point) -> None:
    for number in range(1, _passed(tmp_path)[point] + 1):
        path = tmp_path / f"{number}.db"
        inner = SqliteStore.open(path)
        server = LocalServer(FaultyStore(inner, {Moment(point, number): Fault.FAILED}))
        done = _live(server)
        inner.close()  # the process ends here
        where = f"{point.value} {number}, after {done}"
        assert check_store(path) == [], where
        with closing(SqliteStore.open(path)) as store:
            found = _ids(store)
        assert found.get("w", 0) == 2 or "reset" not in done, where
        assert "open" not in found or "open deleted" not in done, where
        assert "closed" not in found or "closed deleted" not in done, where
        assert "old" not in found or "swept" not in done, where
        assert found.get("w", 0) >= 1 or "started" not in done, where
