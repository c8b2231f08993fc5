"""A store file and one engine after another over it, for the engine's traces."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import TracebackType

from tsuzuki.engine import Limits
from tsuzuki.store import SqliteStore, check_store
from tsuzuki.testing import LocalServer, VirtualClock


class Site:
    """A context manager: at its end the engine is closed and the store is checked.

    Attributes:
        server: The engine that is open now.
        clock: Goes on while no engine is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = VirtualClock()
        self.server = self._open(None, 10_000)

    def _open(self, limits: Limits | None, cached_runs_max: int) -> LocalServer:
        store = SqliteStore.open(self.path)
        return LocalServer(store, clock=self.clock, limits=limits, cached_runs_max=cached_runs_max)

    def restart(
        self, after: timedelta = timedelta(0), *, limits: Limits | None = None, cached_runs_max: int = 10_000
    ) -> LocalServer:
        """Close the engine, let time pass, open the next one. What ran in the first counts as lost."""
        self.server.close()
        self.check()
        self.clock.step(after)
        self.server = self._open(limits, cached_runs_max)
        return self.server

    def check(self) -> None:
        problems = check_store(self.path)
        assert not problems, "\n".join(map(str, problems))

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()
        if kind is None:
            self.check()
