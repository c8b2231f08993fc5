"""The runs that are kept alive between their workflow tasks: bounded, the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict

from ._workflow_run import WorkflowRun


class RunCache:
    """Live runs by run id.

    Args:
        size_max: How many to keep; with 0 none is kept, and every workflow task is a full replay.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._runs: OrderedDict[str, WorkflowRun] = OrderedDict()
        self.evictions = 0
        """How often a run had to go for want of room."""

    def __len__(self) -> int:
        return len(self._runs)

    def take(self, run_id: str) -> WorkflowRun | None:
        """Remove a run and return it, if it is here."""
        return self._runs.pop(run_id, None)

    def keep(self, run_id: str, run: WorkflowRun) -> None:
        """Keep a run for its next workflow task; evict another one if there is no room.

        While one was in use a query may have made it a second time; the one that has come further stays.
        """
        other = self._runs.get(run_id)
        if self._size_max == 0 or (other is not None and other.history_length > run.history_length):
            run.evict()
            return
        if other is not None and other is not run:
            other.evict()
        self._runs[run_id] = run
        self._runs.move_to_end(run_id)
        if len(self._runs) > self._size_max:
            self.evictions += 1
            _, oldest = self._runs.popitem(last=False)
            oldest.evict()

    def clear(self) -> None:
        """Evict all."""
        while self._runs:
            self._runs.popitem()[1].evict()
