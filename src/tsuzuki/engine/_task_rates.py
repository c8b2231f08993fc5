"""How fast tasks come to a queue and leave it for workers, over the last half minute.

Counted once per task on its way, so a count is a few operations on plain integers, and nothing runs in between.
"""

from __future__ import annotations

from typing import Final

from tsuzuki.core.times import SECOND

WINDOW_S: Final = 30
"""Rates are averages over this many seconds, the current one included; source: the real server's matching."""


class RecentCount:
    """How often something happened in each of the last `WINDOW_S` seconds."""

    __slots__ = ("_born_ns", "_by_second", "_second")

    def __init__(self, now_ns: int) -> None:
        self._born_ns = now_ns
        self._second = now_ns // SECOND
        self._by_second = [0] * WINDOW_S

    def count(self, now_ns: int) -> None:
        second = now_ns // SECOND
        if second > self._second:
            self._move_to(second)
        self._by_second[self._second % WINDOW_S] += 1  # the current one too if the clock was set back

    def per_second(self, now_ns: int) -> float:
        """The average rate; over less time where the count is younger, but at least over a second."""
        second = now_ns // SECOND
        if second > self._second:
            self._move_to(second)
        age_s = (now_ns - self._born_ns) / SECOND
        return sum(self._by_second) / min(max(age_s, 1.0), WINDOW_S)

    def _move_to(self, second: int) -> None:
        for passed in range(max(self._second, second - WINDOW_S) + 1, second + 1):
            self._by_second[passed % WINDOW_S] = 0
        self._second = second


class Flow:
    """Tasks of one priority level of a queue."""

    __slots__ = ("added", "dispatched")

    def __init__(self, now_ns: int) -> None:
        self.added = RecentCount(now_ns)
        """Became ready, whether a worker waited for them or not."""
        self.dispatched = RecentCount(now_ns)
        """Were handed to a worker that polled."""
