"""The disk of the simulation: it fails when told, commits when told, and can be taken from a dead process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tsuzuki.store import Batch, SqliteStore, StoreFailedError
from tsuzuki.testing import Fault, FaultyStore, Moment


class Generation(FaultyStore):
    """The store as one process sees it. When the process is dead nothing of it reaches the disk any more.

    In memory a new generation goes on with the same database; in a file it opens the file anew.
    """

    def __init__(self, inner: SqliteStore, incarnation: int) -> None:
        super().__init__(inner)
        self._incarnation = incarnation
        self.dead = False

    @property
    def incarnation(self) -> int:
        return self._incarnation

    def strike_next(self, faults: Mapping[Moment, Fault]) -> None:
        self.faults = dict(faults)

    def write(self, batch: Batch) -> None:
        self._refuse_the_dead()
        super().write(batch)

    def commit(self) -> None:
        self._refuse_the_dead()
        super().commit()

    def reopen(self) -> None:
        self._refuse_the_dead()
        super().reopen()

    def close(self) -> None:
        """The disk outlives the process."""

    def _refuse_the_dead(self) -> None:
        if self.dead:
            raise StoreFailedError("this process is dead")


class Disk:
    """One database, through all its generations."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.store = SqliteStore.open(path)
        self._generations = 0

    def open(self) -> Generation:
        self._generations += 1
        if self._generations > 1:
            if self._path is None:
                self.store.reopen()  # what was not committed is gone
                self.store._begin_incarnation()
            else:
                self.store.close()
                self.store = SqliteStore.open(self._path)
        return Generation(self.store, self.store.incarnation)


class SlowCommitter:
    """Stands in for the journal's committing thread: a commit lands when the simulation says so."""

    def __init__(self, store: Generation) -> None:
        self._store = store
        self._landing: Callable[[Exception | None, int], None] | None = None

    @property
    def busy(self) -> bool:
        return self._landing is not None

    def commit(self, landing: Callable[[Exception | None, int], None]) -> None:
        assert self._landing is None, "two commits at a time"
        self._landing = landing

    def land(self) -> None:
        landing, self._landing = self._landing, None
        assert landing is not None
        error: Exception | None = None
        try:
            self._store.commit()
        except Exception as failed:
            error = failed
        landing(error, 1_000_000_000)

    def close(self) -> None:
        pass
