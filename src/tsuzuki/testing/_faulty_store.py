"""A store that fails, or is killed, at a chosen point: what crash and disk tests run the engine on.

Owns only the points and what happens there; what is kept is the wrapped store's business. A fault does
to the wrapped store what the real one would have met: before a commit nothing of the transaction stays,
after a commit all of it does, and the caller cannot tell the two apart.
"""

from __future__ import annotations

import enum
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, NoReturn

from tsuzuki.store import (
    ActivityRow,
    Batch,
    Condition,
    HistoryBatch,
    Lists,
    LogEnd,
    LogRow,
    NamespaceRow,
    Position,
    Record,
    SearchAttributeRow,
    Store,
    StoredRun,
    StoreFailedError,
    StoreFullError,
    StreamEnd,
    StreamRow,
)


class Point(enum.Enum):
    """A moment in the store's work that something can happen at."""

    BEFORE_WRITE = "before write"
    AFTER_WRITE = "after write"
    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"


class Moment(NamedTuple):
    """The `number`-th time, from 1, that a point is passed."""

    point: Point
    number: int


class Fault(enum.Enum):
    """What goes wrong at a moment."""

    FULL = "full"
    """`StoreFullError`: nothing was written. Not possible after a commit."""
    FAILED = "failed"
    """`StoreFailedError`: unknown outcome, and no more writes before `reopen`."""
    KILLED = "killed"
    """The process gets SIGKILL."""


class FaultyStore:
    """A `Store` around another one.

    Args:
        inner: The store that keeps what is written.
        faults: What goes wrong when; each happens once.
        on_moment: Called at every moment before its fault; may raise or kill.
    """

    def __init__(
        self,
        inner: Store,
        faults: Mapping[Moment, Fault] | None = None,
        on_moment: Callable[[Moment], None] | None = None,
    ) -> None:
        self.inner = inner
        self.faults = dict(faults or {})
        self.passed: dict[Point, int] = dict.fromkeys(Point, 0)
        """How often each point was passed: run once without faults to learn what a sweep must cover."""
        self._on_moment = on_moment
        self._failed = False
        self._left_open = False
        for moment, fault in self.faults.items():
            if moment.point is Point.AFTER_COMMIT and fault is Fault.FULL:
                raise ValueError("a full disk is noticed before a commit, never after it")

    def write(self, batch: Batch) -> None:
        self._refuse_after_failure()
        if self._left_open:
            self._undo()
        self._pass(Point.BEFORE_WRITE)
        self.inner.write(batch)
        self._pass(Point.AFTER_WRITE)

    def commit(self) -> None:
        self._refuse_after_failure()
        self._pass(Point.BEFORE_COMMIT)
        self.inner.commit()
        self._pass(Point.AFTER_COMMIT)

    def reopen(self) -> None:
        self._undo()
        self._failed = False

    def _undo(self) -> None:
        self.inner.reopen()
        self._left_open = False

    def close(self) -> None:
        self.inner.close()

    def _refuse_after_failure(self) -> None:
        if self._failed:
            raise StoreFailedError(f"store {self.name} failed before (injected) and takes no writes; reopen it.")

    def _pass(self, point: Point) -> None:
        self.passed[point] += 1
        moment = Moment(point, self.passed[point])
        if self._on_moment is not None:
            self._on_moment(moment)
        fault = self.faults.pop(moment, None)
        if fault is not None:
            self._strike(moment, fault)

    def _strike(self, moment: Moment, fault: Fault) -> NoReturn:
        at = f"injected {moment.point.value} {moment.number}"
        if fault is Fault.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if moment.point is Point.BEFORE_COMMIT and not self.commits_in_memory:
            self._left_open = True  # a commit may be on a thread of its own, which must not touch what others read
        elif moment.point is not Point.AFTER_COMMIT:
            self._undo()  # as the real store does; after a commit there is nothing to undo
        if fault is Fault.FULL:
            raise StoreFullError(f"store {self.name} is full ({at})")
        self._failed = True
        raise StoreFailedError(f"store {self.name} failed ({at}); the outcome is unknown")

    # -- everything else is the wrapped store's

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def incarnation(self) -> int:
        return self.inner.incarnation

    @property
    def last_run_key(self) -> int:
        return self.inner.last_run_key

    @property
    def commits_in_memory(self) -> bool:
        return self.inner.commits_in_memory

    def run(self, run_key: int) -> StoredRun | None:
        return self.inner.run(run_key)

    def find_run(self, namespace: str, workflow_id: str, run_id: str) -> StoredRun | None:
        return self.inner.find_run(namespace, workflow_id, run_id)

    def current_run(self, namespace: str, workflow_id: str) -> StoredRun | None:
        return self.inner.current_run(namespace, workflow_id)

    def history(self, run_key: int, first_event_id: int = 1, last_event_id: int | None = None) -> list[HistoryBatch]:
        return self.inner.history(run_key, first_event_id, last_event_id)

    def activities(self, run_key: int) -> list[ActivityRow]:
        return self.inner.activities(run_key)

    def stream(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[StreamRow]:
        return self.inner.stream(run_key, after, limit, bytes_max)

    def stream_ends(self, run_key: int) -> list[StreamEnd]:
        return self.inner.stream_ends(run_key)

    def log(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[LogRow]:
        return self.inner.log(run_key, after, limit, bytes_max)

    def log_end(self, run_key: int) -> LogEnd | None:
        return self.inner.log_end(run_key)

    def has_request_id(self, run_key: int, request_id: str) -> bool:
        return self.inner.has_request_id(run_key, request_id)

    def due(self, until_ns: int, after: tuple[int, int] | None, limit: int) -> list[tuple[int, int]]:
        return self.inner.due(until_ns, after, limit)

    def search_attributes(self) -> list[SearchAttributeRow]:
        return self.inner.search_attributes()

    def records(self, kind: str) -> list[Record]:
        return self.inner.records(kind)

    def brief(self) -> AbstractContextManager[None]:
        return self.inner.brief()

    def aside(self) -> Lists | None:
        return self.inner.aside()

    def matching_run_keys(self, namespace: str, condition: Condition, after: int, until: int, limit: int) -> list[int]:
        return self.inner.matching_run_keys(namespace, condition, after, until, limit)

    def list_runs(self, namespace: str, condition: Condition, before: Position | None, limit: int) -> list[StoredRun]:
        return self.inner.list_runs(namespace, condition, before, limit)

    def count_runs(self, namespace: str, condition: Condition) -> int:
        return self.inner.count_runs(namespace, condition)

    def count_runs_by_status(self, namespace: str, condition: Condition) -> list[tuple[int, int]]:
        return self.inner.count_runs_by_status(namespace, condition)

    def namespaces(self) -> list[NamespaceRow]:
        return self.inner.namespaces()

    def closed_runs(self, namespace: str, until_ns: int, limit: int) -> list[tuple[int, int]]:
        return self.inner.closed_runs(namespace, until_ns, limit)

    def any_runs(self, namespace: str, limit: int) -> list[tuple[int, int]]:
        return self.inner.any_runs(namespace, limit)
