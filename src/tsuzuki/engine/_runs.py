"""The runs in memory: a cache of the store, and the one way to a run.

Owns: which runs are in memory, under which keys and ids they are found there, and which of them make room. A run is
here exactly once, so that two transitions never see two states of it. Between a failed commit and the opening that
follows it runs are read from the store to be looked at, and none is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsuzuki.core.activity import ActivityState
from tsuzuki.core.execution import Execution
from tsuzuki.core.times import SECOND
from tsuzuki.core.wake import WakeKey
from tsuzuki.core.workflow_task import WorkflowTaskState
from tsuzuki.store import StoredRun

from ._loading import load

if TYPE_CHECKING:
    from ._engine import Engine

HORIZON_NS: Final = 60 * SECOND
"""Runs that are due within this time are in memory; later ones wait on disk."""


class Runs:
    """See the module.

    Attributes:
        in_memory: By run key, the longest known first.
        evicted: Keys of open runs that were here and are not; a wake-up of any other run that is not here is of a
            closed one.
    """

    def __init__(self, engine: Engine, cached_max: int) -> None:
        self._engine = engine
        self._store = engine.store
        self._cached_max = self._evict_at = cached_max
        self.in_memory: dict[int, Execution] = {}
        self.evicted: set[int] = set()
        self._by_run_id: dict[tuple[str, str, str], Execution] = {}
        self._current: dict[tuple[str, str], Execution] = {}
        self._deleting: set[int] = set()
        """Runs that the store shows until their deletion is committed."""
        self._next_key = self._store.last_run_key + 1
        self._evicting = False

    def get(self, run_key: int) -> Execution | None:
        """A run by its key, loaded if need be."""
        run = self.in_memory.get(run_key)
        if run is None and run_key not in self._deleting:
            stored = self._store.run(run_key)
            run = None if stored is None else self._load(stored)
        return run

    def find(self, namespace: str, workflow_id: str, run_id: str) -> Execution | None:
        """A run by its ids; without a run id the newest one of the workflow id."""
        if not run_id:
            run = self._current.get((namespace, workflow_id))
            if run is not None:
                return run
            stored = self._store.current_run(namespace, workflow_id)
        else:
            run = self._by_run_id.get((namespace, workflow_id, run_id))
            if run is not None:
                return run
            stored = self._store.find_run(namespace, workflow_id, run_id)
        if stored is None or stored.new.run_key in self._deleting:
            return None
        run = self.in_memory.get(stored.new.run_key) or self._load(stored)
        if not run_id and self._engine.recovery.failure is None:
            self._current[namespace, workflow_id] = run
        return run

    def create(self, namespace: str, workflow_id: str, run_id: str, start_request_id: str) -> Execution:
        """A new, empty run; the caller records its start and settles it."""
        run = Execution(self._next_key, namespace, workflow_id, run_id, start_request_id)
        self._next_key += 1
        run.is_new = True
        self._remember(run)
        self._current[namespace, workflow_id] = run
        return run

    def _load(self, stored: StoredRun) -> Execution:
        engine = self._engine
        run = load(self._store, stored, engine.incarnation, engine.moment(stored.new.namespace))
        if engine.recovery.failure is not None or run.key in engine.left_alone:
            return run  # to be looked at, not to be changed now
        if engine.recovery.started_over:
            run.sticky_queue = None  # what its worker has in memory may never have been written
        engine.ready_tasks.loaded(run)
        self._remember(run)
        if not run.is_open:
            engine.loop.call_soon(self.let_go, run)  # whoever looks at it has it
        engine.settle(run)
        return run

    def _remember(self, run: Execution) -> None:
        self.in_memory[run.key] = run
        self.evicted.discard(run.key)
        self._by_run_id[run.namespace, run.workflow_id, run.run_id] = run
        if len(self.in_memory) > self._evict_at and not self._evicting:
            # Not now: somebody is about to change this very run, or another one that looks idle.
            self._evicting = True
            self._engine.loop.call_soon(self._evict)

    # ---- out of memory -----------------------------------------------------------------------------

    def forget(self, run: Execution) -> None:
        """Take a run out of memory; the store has all of it."""
        self.in_memory.pop(run.key, None)
        self._by_run_id.pop((run.namespace, run.workflow_id, run.run_id), None)
        if self._current.get((run.namespace, run.workflow_id)) is run:
            del self._current[run.namespace, run.workflow_id]

    def let_go(self, run: Execution) -> None:
        """Take a closed run out of memory, with its input, unless somebody waits for what comes beside its history."""
        if run.is_open or run.waiters or run.dirty or self._engine.journal.holds(run):
            return
        if self.in_memory.get(run.key) is run:
            self.forget(run)

    def delete(self, run_key: int) -> None:
        """Forget a run for good, with the next commit. Nobody is told: terminate it before if somebody should be."""
        run = self.in_memory.get(run_key)
        if run is not None:
            self.forget(run)
        self.evicted.discard(run_key)
        self._deleting.add(run_key)
        journal = self._engine.journal
        journal.put(lambda batch: batch.runs_gone.append(run_key))
        journal.when_durable(lambda error: self._deleting.discard(run_key))

    def forget_all(self) -> list[Execution]:
        """Memory is ahead of the disk: drop it. Returns the runs that it held."""
        dropped = list(self.in_memory.values())
        self.in_memory.clear()
        self.evicted.clear()
        self._by_run_id.clear()
        self._current.clear()
        self._deleting.clear()
        return dropped

    def _evict(self) -> None:
        """Make room: the longest known runs, as far as nothing is under way in them."""
        self._evicting = False
        surplus = len(self.in_memory) - self._cached_max * 9 // 10
        idle = [run for run in self.in_memory.values() if self._is_idle(run)]
        for run in idle[:surplus]:
            self.forget(run)
            if run.wakes:
                self.evicted.add(run.key)
        # If most are busy, do not look through all of them again for the next few.
        self._evict_at = max(self._cached_max, len(self.in_memory) + self._cached_max // 10)

    def _is_idle(self, run: Execution) -> bool:
        return (
            not run.dirty
            and not self._engine.journal.holds(run)  # else the store has an older state of it
            and run.workflow_task.state == WorkflowTaskState.NONE
            and not run.waiters
            and all(activity.state == ActivityState.SCHEDULED for activity in run.activities.values())
        )

    # ---- wake-ups ----------------------------------------------------------------------------------

    def awaits(self, run_key: int, key: WakeKey, due_ns: int) -> bool:
        """Whether a run still wants to be woken so, as far as that is known without reading it."""
        run = self.in_memory.get(run_key)
        if run is None:
            return run_key in self.evicted and due_ns <= self._engine.clock.now_ns() + HORIZON_NS
        return run.wakes.get(key) == due_ns
