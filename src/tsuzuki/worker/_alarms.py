"""Many deadlines, one sleeper: callbacks at given times, nearly all of which are cancelled before.

Setting or cancelling one costs no asyncio task; a task sleeps until the first of them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Final

from ._pace import Pace

_SWEEP_AT_MIN: Final = 64


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
        self._sweep_at = _SWEEP_AT_MIN

    def set(self, at_s: float, callback: Callable[[], object]) -> Alarm:
        """Call a function on the loop when `pace.now()` has reached a time, never before."""
        alarm = Alarm(callback)
        if len(self._set) >= self._sweep_at:
            self._sweep()
        heapq.heappush(self._set, (at_s, next(self._numbers), alarm))
        if at_s < self._wakes_s:
            self._sleep_until(at_s)
        return alarm

    def close(self) -> None:
        """Ring no more."""
        self._set.clear()
        if self._sleeper is not None:
            self._sleeper.cancel()

    def _sweep(self) -> None:
        """Forget the cancelled ones, which may be due in hours."""
        self._set = [entry for entry in self._set if not entry[2].cancelled]
        heapq.heapify(self._set)
        self._sweep_at = max(_SWEEP_AT_MIN, 2 * len(self._set))

    def _sleep_until(self, at_s: float) -> None:
        if self._sleeper is not None and self._sleeper is not asyncio.current_task():
            self._sleeper.cancel()
        self._wakes_s = at_s
        self._sleeper = asyncio.get_running_loop().create_task(self._sleep())

    async def _sleep(self) -> None:
        await self._pace.sleep(max(0.0, self._wakes_s - self._pace.now()))
        loop, now_s = asyncio.get_running_loop(), self._pace.now()
        while self._set and (self._set[0][0] <= now_s or self._set[0][2].cancelled):
            loop.call_soon(heapq.heappop(self._set)[2].ring)  # an error in one is not the end of the others
        self._wakes_s = float("inf")
        if self._set:
            self._sleep_until(self._set[0][0])
