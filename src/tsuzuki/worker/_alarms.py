"""Many deadlines, one sleeper: callbacks at given times, nearly all of which are cancelled before.

Setting or cancelling one costs no asyncio task; a task sleeps until the first of them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from ._pace import Pace


class Alarm:
    """A callback that is due at some time; see `Alarms.set`."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback

    @property
    def cancelled(self) -> bool:
        """Whether it will never ring (again)."""
        return self._callback is None

    def cancel(self) -> None:
        """Do not call; harmless when it was called."""
        self._callback = None

    def ring(self) -> None:
        """Call, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Alarms:
    """The deadlines of one worker.

    Args:
        pace: Its time.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._set: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self._sleeper: asyncio.Task[None] | None = None
        self._wakes_s = float("inf")

    def set(self, at_s: float, callback: Callable[[], object]) -> Alarm:
        """Call a function on the loop when `pace.now()` has reached a time, never before."""
        alarm = Alarm(callback)
        heapq.heappush(self._set, (at_s, next(self._numbers), alarm))
        if at_s < self._wakes_s:
            self._sleep_until(at_s)
        return alarm

    def close(self) -> None:
        """Ring no more."""
        self._set.clear()
        if self._sleeper is not None:
            self._sleeper.cancel()

    def _sleep_until(self, at_s: float) -> None:
        if self._sleeper is not None and self._sleeper is not asyncio.current_task():
            self._sleeper.cancel()
        self._wakes_s = at_s
        self._sleeper = asyncio.get_running_loop().create_task(self._sleep())

    async def _sleep(self) -> None:
        await self._pace.sleep(max(0.0, self._wakes_s - self._pace.now()))
        self._wakes_s = float("-inf")  # while the due ones ring, none needs a sleeper of its own
        now_s = self._pace.now()
        while self._set and (self._set[0][0] <= now_s or self._set[0][2].cancelled):
            heapq.heappop(self._set)[2].ring()
        self._wakes_s = float("inf")
        if self._set:
            self._sleep_until(self._set[0][0])
