"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_START_NS: Final = 1_750_000_000_000_000_000
_SETTLING_TURNS: Final = 25
"""Turns of the event loop between two alarms, so that what one set off is done before the next rings."""


class _Alarm:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """An engine clock for tests: `open_embedded(None, clock=VirtualClock())`.

    Time passes only in `advance`, and alarms ring in order of their times.
    """

    def __init__(self, start_ns: int = _START_NS) -> None:
        self._now_ns = start_ns
        self._alarms: list[tuple[int, int, _Alarm]] = []
        self._count = 0

    def now_ns(self) -> int:
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(callback)
        self._count += 1
        heapq.heappush(self._alarms, (when_ns, self._count, alarm))
        return alarm

    def step(self, by: timedelta) -> None:
        """Set the clock forward or back, as an administrator would: no alarm rings."""
        self._now_ns += round(by.total_seconds() * 1e9)

    async def advance(self, by: timedelta) -> None:
        """Let time pass; whatever is due happens, and what follows from it, before this returns."""
        until_ns = self._now_ns + round(by.total_seconds() * 1e9)
        await self.settle()
        while self._alarms and self._alarms[0][0] <= until_ns:
            when_ns, _, alarm = heapq.heappop(self._alarms)
            if alarm.callback is not None:
                self._now_ns = max(self._now_ns, when_ns)
                alarm.callback()
                await self.settle()
        self._now_ns = max(self._now_ns, until_ns)
        await self.settle()

    async def settle(self) -> None:
        """Let everything that is ready run."""
        for _ in range(_SETTLING_TURNS):
            await asyncio.sleep(0)
