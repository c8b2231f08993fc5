"""Opening, and starting over after a failed commit: the same path, for opening is recovering.

Owns: whether the store takes writes, and bringing in the runs that are due. After a failed transaction memory is
ahead of the disk: all of it is dropped, nothing is written, and the store is opened anew every second until it takes
writes; then what is due is loaded as at any opening. A failed commit is never tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tsuzuki.core.times import SECOND
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import Batch, StoreError, StoreFullError

from ._clock import Alarm
from ._news import tell_news
from ._runs import HORIZON_NS

if TYPE_CHECKING:
    from ._engine import Engine

logger = logging.getLogger("tsuzuki.engine")

_CHUNK: Final = 100
_AGAIN_NS: Final = SECOND

Callback = Callable[[], None]


class Recovery:
    """See the module.

    Attributes:
        failure: Why the store takes no writes now; None while it does.
        started_over: A commit has failed before, so a worker in this process may have run ahead of the store.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock
        self.failure: Exception | None = None
        self.started_over = False
        self._until_writable: list[Callback] = []
        self._when_started_over: list[Callback] = []
        self._next: Alarm | None = None
        """The next chunk of what is due, or the next try to open the store."""
        self._refill: Alarm | None = None

    def when_writable(self, callback: Callback) -> bool:
        """Call back when the store takes writes again; False if it does so now."""
        if self.failure is None:
            return False
        self._until_writable.append(callback)
        return True

    def when_started_over(self, callback: Callback) -> None:
        """Call back each time that memory was dropped after a failed commit, once the store takes writes again."""
        self._when_started_over.append(callback)

    def stop(self) -> None:
        for alarm in (self._next, self._refill):
            if alarm is not None:
                alarm.cancel()

    # ---- what is due -------------------------------------------------------------------------------

    def recover(self) -> None:
        """Load what is due, a chunk a turn of the loop, so that new requests are served meanwhile."""
        self._load_due(None, self._clock.now_ns() + HORIZON_NS)
        self._schedule_refill()
        self._engine.sweeper.look()

    def _load_due(self, after: tuple[int, int] | None, until_ns: int) -> None:
        self._next = None
        try:
            due = self._store.due(until_ns, after, _CHUNK)
        except StoreError as error:
            logger.error("what is due cannot be read and is looked for again: %s", error)
            self._next = self._clock.call_at(self._clock.now_ns() + _AGAIN_NS, lambda: self._load_due(after, until_ns))
            return
        for _, run_key in due:
            try:
                self._engine.runs.get(run_key)
            except Exception:
                logger.critical("run with key %d cannot be loaded; it is left alone", run_key, exc_info=True)
        if len(due) == _CHUNK:
            last = due[-1]
            self._next = self._clock.call_at(self._clock.now_ns(), lambda: self._load_due(last, until_ns))

    def _schedule_refill(self) -> None:
        self._refill = self._clock.call_at(self._clock.now_ns() + HORIZON_NS // 2, self._refill_now)

    def _refill_now(self) -> None:
        """Bring in the runs that come due within the horizon and were left on disk."""
        if self.failure is None:
            self._load_due((1, 0), self._clock.now_ns() + HORIZON_NS)
        self._schedule_refill()

    # ---- a failed commit ---------------------------------------------------------------------------

    def start_over(self, error: Exception) -> None:
        """A transaction failed, wholly or with an unknown outcome: memory is ahead of the disk, so drop it."""
        first = self.failure is None
        self.failure = error
        self.started_over = True
        if first:
            level = logging.WARNING if isinstance(error, StoreFullError) else logging.ERROR
            logger.log(level, "the store %s does not take writes: %s", self._store.name, error)
        engine = self._engine
        engine.wakes.clear()
        engine.matching.forget_tasks()
        engine.journal.reset()
        for run in engine.runs.forget_all():
            tell_news(run)
        self._try_later()

    def _try_later(self) -> None:
        self.stop()
        self._next = self._clock.call_at(self._clock.now_ns() + _AGAIN_NS, self._try_again)

    def _try_again(self) -> None:
        engine = self._engine
        if engine.closed:
            return
        if not engine.journal.is_idle:  # the other thread still waits for the disk
            self._try_later()
            return
        try:
            self._store.reopen()
            self._store.write(Batch())
            self._store.commit()
            engine.namespaces.load()
            for callback in self._when_started_over:
                callback()
        except StoreError as error:
            self.failure = error
            self._try_later()
            return
        logger.warning("the store %s takes writes again", self._store.name)
        self.failure = None
        self.recover()
        waiting, self._until_writable = self._until_writable, []
        for callback in waiting:
            callback()


def unavailable(error: Exception) -> ServiceError:
    """What a write is refused with after `error`."""
    refused = ServiceError(
        StatusCode.UNAVAILABLE,
        f"{error} Nothing is written until the store takes writes again; it is tried every second.",
    )
    refused.__cause__ = error
    return refused
