"""Group commit: changed runs go to the store in order, everything that waits as one transaction.

Owns: which runs changed, who waits for durability, the committing thread. Nothing is acknowledged before its
commit. Statements run on the loop's thread and only COMMIT (with its disk sync) runs on the other one: a thread
that ran the statements would hand the interpreter lock back and forth once per row, which costs far more. Where
the disk has lately been fast and hardly anything moves, COMMIT runs on the loop too: the way to a thread and back
then costs a sequential step more than the loop loses by waiting.

A workflow task on a worker in this process may run ahead of its commit: it has no side effects, and its answer
joins the same transaction. `ahead` holds the tasks that are out; a flush waits for them, for a bounded number of
turns of the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from tsuzuki.core.execution import Execution
from tsuzuki.store import Batch, Store

from ._clock import Clock
from ._rows import take_changes
from ._search_attributes import SearchAttributeRegister

logger = logging.getLogger("tsuzuki.engine")

_TURNS_MAX: Final = 8
"""How many turns of the loop a flush waits for workflow tasks that run ahead."""

_INLINE_RUNS_MAX: Final = 2
_INLINE_COMMIT_NS_MAX: Final = 1_000_000
_COMMITS_REMEMBERED: Final = 8

Callback = Callable[[Exception | None], None]


@dataclass(slots=True)
class _Flight:
    """The runs and waiters of one transaction."""

    runs: dict[int, Execution] = field(default_factory=dict)
    rows: list[Callable[[Batch], None]] = field(default_factory=list)
    """What is written besides runs: each puts its rows into the batch."""
    waiters: list[Callback | asyncio.Future[None]] = field(default_factory=list)
    """Told in this order. Futures stand here themselves: a callback for each would double the cost of a wait."""
    written: list[tuple[Execution, int]] = field(default_factory=list)
    """Each run with the last event id that this transaction makes durable."""

    @property
    def is_empty(self) -> bool:
        return not self.runs and not self.rows


class Journal:
    """See the module.

    `on_durable(run, last_event_id)` and `on_failed(error)` tell the engine; `told(error)` makes what the waiters of
    a failed transaction get.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        register: SearchAttributeRegister,
        on_durable: Callable[[Execution, int], None],
        on_failed: Callable[[Exception], None],
        told: Callable[[Exception], Exception],
    ) -> None:
        self._store = store
        self._clock = clock
        self._register = register
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._nothing_open: asyncio.Future[None] = self._loop.create_future()
        self._nothing_open.set_result(None)
        self._open = _Flight()
        self._flying: _Flight | None = None
        self._flush_scheduled = False
        self._turns = 0
        self._commit_ns = 2 * _INLINE_COMMIT_NS_MAX  # a disk is slow until it has shown otherwise
        self.ahead: set[int] = set()
        """Stamps of workflow tasks that run in this process ahead of their commit."""
        self._committer = None if store.commits_in_memory else _Committer(store, self._loop)

    # ---- what the engine tells ---------------------------------------------------------------------

    def touch(self, run: Execution) -> None:
        """`run` changed; it is part of the next transaction."""
        self._open.runs[run.key] = run
        if not self._flush_scheduled:
            self._schedule()

    def put(self, rows: Callable[[Batch], None]) -> None:
        """Rows that belong to no run are part of the next transaction, after those that were put before."""
        self._open.rows.append(rows)
        self._schedule()

    def when_durable(self, callback: Callback) -> None:
        """Call back when all changes so far are durable (with None), or may be lost (with the error)."""
        if not self._open.is_empty:
            self._open.waiters.append(callback)
        elif self._flying is not None:
            self._flying.waiters.append(callback)
        else:
            callback(None)

    def durable(self) -> asyncio.Future[None]:
        """To be awaited: done when all changes so far are durable, with an error if they may be lost."""
        flight = self._flying if self._open.is_empty else self._open
        if flight is None:
            return self._nothing_open
        future: asyncio.Future[None] = self._loop.create_future()
        flight.waiters.append(future)
        return future

    @property
    def is_idle(self) -> bool:
        return self._open.is_empty and self._flying is None

    def holds(self, run: Execution) -> bool:
        """Whether changes of the run are not yet durable."""
        return run.key in self._open.runs or (self._flying is not None and run.key in self._flying.runs)

    def fail(self, error: Exception) -> None:
        """Something else than a commit broke: what is not on its way to the disk is lost, as after a failed one."""
        lost, self._open = self._open, _Flight()
        self._on_failed(error)
        self._tell(lost.waiters, error)

    def reset(self) -> None:
        """Forget what was to be written: the engine starts over from the store."""
        self._open = _Flight()
        self.ahead.clear()

    def close(self) -> None:
        if self._committer is not None:
            self._committer.close()

    # ---- the transaction ---------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._flush_scheduled and self._flying is None:
            self._flush_scheduled = True
            self._turns = 0
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self.ahead and self._turns < _TURNS_MAX:
            self._turns += 1
            self._loop.call_soon(self._flush)
            return
        self._flush_scheduled = False
        flight = self._open
        if self._flying is not None or flight.is_empty:
            return
        self._open = _Flight()
        self._flying = flight
        batch = Batch()
        now_ns = self._clock.now_ns()
        flight.written = [(run, take_changes(run, batch, now_ns, self._register)) for run in flight.runs.values()]
        for put in flight.rows:
            put(batch)
        inline = self._committer is None or (
            len(flight.runs) <= _INLINE_RUNS_MAX and self._commit_ns < _INLINE_COMMIT_NS_MAX
        )
        try:
            self._store.write(batch)
            began_ns = time.perf_counter_ns()
            if inline:
                self._store.commit()
        except Exception as error:
            self._landed(error)
            return
        if inline or self._committer is None:
            self._took(time.perf_counter_ns() - began_ns)
            self._landed(None)
        else:
            self._committer.commit(self._committed)

    def _committed(self, error: Exception | None, took_ns: int) -> None:
        self._took(took_ns)
        self._landed(error)

    def _took(self, commit_ns: int) -> None:
        self._commit_ns += (commit_ns - self._commit_ns) // _COMMITS_REMEMBERED

    def _landed(self, error: Exception | None) -> None:
        flight, self._flying = self._flying, None
        assert flight is not None
        if error is not None:
            self._fail(flight, error)
            return
        for run, last_event_id in flight.written:
            self._on_durable(run, last_event_id)
        self._tell(flight.waiters, None)
        if not self._open.is_empty:
            self._schedule()

    def _fail(self, flight: _Flight, error: Exception) -> None:
        lost, self._open = self._open, _Flight()
        self._on_failed(error)
        for each in (flight, lost):
            self._tell(each.waiters, error)

    def _tell(self, waiters: list[Callback | asyncio.Future[None]], error: Exception | None) -> None:
        """Tell all; one that breaks does not keep the others waiting for ever."""
        for waiter in waiters:
            if not isinstance(waiter, asyncio.Future):
                try:
                    waiter(error)
                except Exception:
                    logger.critical("internal error after a commit", exc_info=True)
            elif waiter.done():
                pass  # its waiter was cancelled
            elif error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(self._told(error))


class _Committer:
    """The one thread that waits for the disk."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._requests: SimpleQueue[Callable[[Exception | None, int], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tsuzuki commit", daemon=True)
        self._thread.start()

    def commit(self, committed: Callable[[Exception | None, int], None]) -> None:
        """Commit, then call back on the loop with the error, if any, and the nanoseconds that it took."""
        self._requests.put(committed)

    def close(self) -> None:
        self._requests.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (committed := self._requests.get()) is not None:
            error: Exception | None = None
            began_ns = time.perf_counter_ns()
            try:
                self._store.commit()
            except Exception as caught:
                error = caught
            self._loop.call_soon_threadsafe(committed, error, time.perf_counter_ns() - began_ns)
