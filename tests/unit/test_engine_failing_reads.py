"""Reads that fail under a running engine: what is due on the disk is looked for again, and nothing is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    RegisterNamespaceRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tsuzuki.store import SqliteStore, StoreFailedError
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point, VirtualClock
from tsuzuki.testing._local_server import start_timer

FIRED = EventType.EVENT_TYPE_TIMER_FIRED


class FailingReads(FaultyStore):
    """A store in which each kind of read fails as many times as `failing` says."""

    def __init__(self, inner: SqliteStore, faults: Mapping[Moment, Fault] | None = None) -> None:
        super().__init__(inner, faults)
        self.failing: Counter[str] = Counter()

    def _fail(self, what: str) -> None:
        if self.failing[what]:
            self.failing[what] -= 1
            raise StoreFailedError("the disk does not answer (injected)")

    def due(self, until_ns: int, after: tuple[int, int] | None, limit: int) -> list[tuple[int, int]]:
        self._fail("due")
        return super().due(until_ns, after, limit)

    def closed_runs(self, namespace: str, until_ns: int, limit: int) -> list[tuple[int, int]]:
        self._fail("closed_runs")
        return super().closed_runs(namespace, until_ns, limit)

    def records(self, kind: str) -> Any:
        self._fail("records")
        return super().records(kind)


def _with_a_timer_on_disk(path: Path, clock: VirtualClock) -> None:
    with LocalServer(SqliteStore.open(path), clock=clock) as server:
        server.start_workflow("w")
        server.complete_workflow_task(start_timer("t", timedelta(hours=9)))


def test_a_timer_far_away_fires_though_the_reading_of_what_is_due_failed(tmp_path: Path) -> None:
    clock = VirtualClock()
    _with_a_timer_on_disk(tmp_path / "x.db", clock)
    store = FailingReads(SqliteStore.open(tmp_path / "x.db"))
    with LocalServer(store, clock=clock) as server:
        server.advance(timedelta(hours=8))
        store.failing["due"] = 3
        server.advance(timedelta(hours=2))
        assert not store.failing.total()
        assert FIRED in [event.event_type for event in server.history("w")]


def test_starting_over_is_tried_again_when_it_cannot_read(tmp_path: Path) -> None:
    clock = VirtualClock()
    _with_a_timer_on_disk(tmp_path / "x.db", clock)
    store = FailingReads(SqliteStore.open(tmp_path / "x.db"), {Moment(Point.BEFORE_COMMIT, 1): Fault.FAILED})
    with LocalServer(store, clock=clock) as server:
        with pytest.raises(Exception, match="failed"):
            server.start_workflow("another")
        store.failing.update(due=2, records=2)
        server.advance(timedelta(minutes=1))
        assert not store.failing.total()
        server.start_workflow("another")
        server.advance(timedelta(hours=10))
        assert FIRED in [event.event_type for event in server.history("w")]


def test_retention_goes_on_after_a_failed_read(tmp_path: Path) -> None:
    store = FailingReads(SqliteStore.open(tmp_path / "x.db"))
    with LocalServer(store) as server:
        request = RegisterNamespaceRequest(namespace="team")
        request.workflow_execution_retention_period.seconds = 3600
        server.call(server.service.register_namespace(request))
        started = StartWorkflowExecutionRequest(namespace="team", workflow_id="old", request_id="1")
        started.workflow_type.name, started.task_queue.name = "Workflow", "queue"
        server.call(server.service.start_workflow_execution(started))
        ended = TerminateWorkflowExecutionRequest(namespace="team")
        ended.workflow_execution.workflow_id = "old"
        server.call(server.service.terminate_workflow_execution(ended))
        server.advance(timedelta(minutes=50))
        store.failing["closed_runs"] = 2
        server.advance(timedelta(minutes=20))
        assert not store.failing.total()
        assert store.run(1) is None
