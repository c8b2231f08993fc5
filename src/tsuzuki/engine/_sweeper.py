"""What goes without anybody asking for each: closed runs past their retention, and all runs of deleted namespaces.

A step deletes a bounded number of runs and bytes in one transaction, and the next waits for its commit, so requests
are served meanwhile. A crash between two steps loses nothing: what is left is found again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from tsuzuki.core.times import SECOND
from tsuzuki.store import NamespaceRow, StoreError

from ._clock import Alarm
from ._namespaces import DELETED

if TYPE_CHECKING:
    from ._engine import Engine

logger = logging.getLogger("tsuzuki.engine")

LOOK_NS: Final = 60 * SECOND
"""How often it is looked for runs whose retention has passed; they go at most this much later."""
RUNS_MAX: Final = 100
"""Runs of one step."""
BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of history of one step, but for its first run."""


class Sweeper:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._alarm: Alarm | None = None
        self._gone: dict[str, list[asyncio.Future[None]]] = {}
        """Who waits for the end of a deleted namespace."""

    def look(self) -> None:
        """Look now, and from now on as long as there may be something to do."""
        self.stop()
        if any(row.state == DELETED or row.retention_ns for row in self._engine.namespaces):
            self._alarm = self._engine.clock.call_at(self._engine.clock.now_ns(), self._step)

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def gone(self, name: str) -> None:
        """Return when nothing is left of a deleted namespace; a failing store only makes it later."""
        namespaces = self._engine.namespaces
        while (row := namespaces.get(name)) is not None and row.state == DELETED:
            future: asyncio.Future[None] = self._engine.loop.create_future()
            self._gone.setdefault(name, []).append(future)
            await future

    def _step(self) -> None:
        self._alarm = None
        if not self._engine.writable:
            return  # when it takes writes again, everything is looked at anew
        try:
            more = any(self._sweep(row) for row in self._engine.namespaces)
        except StoreError as error:
            logger.error("what has to be deleted cannot be read and is looked for again: %s", error)
            more = False
        if more:
            self._engine.journal.when_durable(lambda error: None if error else self.look())
        else:
            self._alarm = self._engine.clock.call_at(self._engine.clock.now_ns() + LOOK_NS, self._step)

    def _sweep(self, row: NamespaceRow) -> bool:
        """Delete some of what has to go; True if there may be more."""
        engine = self._engine
        if row.state == DELETED:
            found = engine.store.any_runs(row.name, RUNS_MAX)
            if not found and engine.journal.is_idle:
                self._finish(row)
                return False
            self._delete(found)
            return True
        if not row.retention_ns:
            return False
        found = engine.store.closed_runs(row.name, engine.clock.now_ns() - row.retention_ns, RUNS_MAX)
        return self._delete(found) < len(found) or len(found) == RUNS_MAX

    def _delete(self, found: list[tuple[int, int]]) -> int:
        """Delete the first of them, as far as a step goes; how many that were."""
        left = BYTES_MAX
        for count, (run_key, history_bytes) in enumerate(found):
            if count and history_bytes > left:
                return count
            left -= history_bytes
            self._engine.runs.delete(run_key)
        return len(found)

    def _finish(self, row: NamespaceRow) -> None:
        self._engine.forget_namespace(row.name)
        for future in self._gone.pop(row.name, []):
            if not future.done():
                future.set_result(None)
