"""The backlog of a queue that has seen a priority: lower levels first, and by turns among the fairness keys of a level.

Each task gets a ticket: one step of its key (1 / weight) after the key's last one, but not before what the level has
handed out already; so a key that was idle gains nothing, and one with twice the weight gets twice the turns.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator

from temporalio.api.common.v1 import Priority

from tsuzuki.core.priority import LEVEL_DEFAULT, WEIGHT_MAX, WEIGHT_MIN, level_of

ReadyTask = tuple[int, int]


class PriorityBacklog:
    """In place of the deque of a queue without priorities."""

    __slots__ = ("_heap", "_levels", "_numbers", "_tickets", "counts")

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, ReadyTask]] = []
        self._numbers = itertools.count()
        self._levels: dict[int, float] = {}
        """Level -> the ticket handed out last."""
        self._tickets: dict[tuple[int, str], float] = {}
        """Level and fairness key -> the ticket given last."""
        self.counts: Counter[int] = Counter()
        """Level -> how many wait."""

    def __bool__(self) -> bool:
        return bool(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[ReadyTask]:
        """The one that comes next, then the others in no order."""
        return (task for *_, task in self._heap)

    def append(self, task: ReadyTask, priority: Priority | None = None) -> None:
        level, key, weight = LEVEL_DEFAULT, "", 1.0
        if priority is not None:
            level = level_of(priority)
            key = priority.fairness_key
            weight = min(max(priority.fairness_weight or 1.0, WEIGHT_MIN), WEIGHT_MAX)
        last = max(self._tickets.get((level, key), 0.0), self._levels.get(level, 0.0))
        self._tickets[level, key] = ticket = last + 1 / weight
        self.counts[level] += 1
        heapq.heappush(self._heap, (level, ticket, next(self._numbers), task))

    def pop(self) -> tuple[int, ReadyTask]:
        """The next task with its level."""
        level, ticket, _, task = heapq.heappop(self._heap)
        self.counts[level] -= 1
        if self._heap:
            self._levels[level] = ticket
        else:
            self.clear()  # nobody waits: the next ones begin anew, and keys do not pile up
        return level, task

    def clear(self) -> None:
        self._heap.clear()
        self._levels.clear()
        self._tickets.clear()
        self.counts.clear()
