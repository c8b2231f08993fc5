"""What will wake runs: one heap of (due, run, key), one alarm for its head.

Entries are never taken out when a wake-up is cancelled: an entry counts only if the run still has that due time for
that key. When stale entries may outnumber live ones, the heap is rebuilt.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from tsuzuki.core.times import SECOND
from tsuzuki.core.wake import WakeKey

from ._clock import Alarm, Clock

_REBUILD_MIN: Final = 4096
_LOOK_NS: Final = 60 * SECOND
"""How often the head is looked at even if it is far: a machine that slept, or whose clock was set, wakes late runs
soon after."""


class WakeHeap:
    """Calls `on_due(run_key, [(key, due_ns), ...])` for all that has come due, each run once, in order of due time."""

    def __init__(
        self,
        clock: Clock,
        on_due: Callable[[int, list[tuple[WakeKey, int]]], None],
        is_live: Callable[[int, WakeKey, int], bool],
    ) -> None:
        self._clock = clock
        self._on_due = on_due
        self._is_live = is_live
        self._heap: list[tuple[int, int, WakeKey]] = []
        self._rebuild_at = _REBUILD_MIN
        self._alarm: Alarm | None = None
        self._alarm_ns = 0

    def push(self, due_ns: int, run_key: int, key: WakeKey) -> None:
        heapq.heappush(self._heap, (due_ns, run_key, key))
        if len(self._heap) >= self._rebuild_at:
            self._rebuild()
        if self._alarm is None or due_ns < self._alarm_ns:
            self._set_alarm()

    def clear(self) -> None:
        self._heap.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def __len__(self) -> int:
        return len(self._heap)

    def _rebuild(self) -> None:
        self._heap = [entry for entry in self._heap if self._is_live(entry[1], entry[2], entry[0])]
        heapq.heapify(self._heap)
        self._rebuild_at = max(_REBUILD_MIN, 2 * len(self._heap))

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap:
            self._alarm_ns = min(self._heap[0][0], self._clock.now_ns() + _LOOK_NS)
            self._alarm = self._clock.call_at(self._alarm_ns, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now_ns = self._clock.now_ns()
        due: dict[int, list[tuple[WakeKey, int]]] = {}
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, run_key, key = heapq.heappop(self._heap)
            due.setdefault(run_key, []).append((key, due_ns))
        for run_key, keys in due.items():
            self._on_due(run_key, keys)
        if self._alarm is None:
            self._set_alarm()
