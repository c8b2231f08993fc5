"""Time as the engine sees it: one wall clock and its alarms, handed in so that tests can own them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Alarm(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now_ns(self) -> int:
        """Unix nanoseconds. May step; the engine never lets event times decrease."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call back on the event loop at or (after a step of the clock) around a time."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    now_ns = staticmethod(time.time_ns)  # itself: it is asked a dozen times for each step of a workflow

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Alarm:
        return self._loop.call_later(max(0, when_ns - time.time_ns()) / 1e9, callback)
