"""Which of the free slots of a worker poll, over a network: a few at a time, in turn.

The others wait here. One of them may be kept for a task that is about to come without a poll; then it gets that task,
or its place in line again. Invariant: a slot that is kept is handed a task or put back, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeAlias, TypeVar

Task = TypeVar("Task")

Kept: TypeAlias = "asyncio.Future[Task | None]"
"""A slot that is kept."""


class Turns(Generic[Task]):
    """Those of one source of tasks; `at_once` slots poll at a time."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[Kept[Task]] = deque()
        self._kept: set[Kept[Task]] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def take(self) -> Task | None:
        """Wait for a turn, to be ended by `end`: None. Or for a task in its place: then there is no turn."""
        if self._free > 0:
            self._free -= 1
            return None
        future: Kept[Task] = self._loop.create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result() is None:
                self.end()  # the turn had just come
            raise

    def end(self) -> None:
        """End a turn: the next in line has it."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():  # else it was cancelled
                future.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Keep no slot from now on; those that are kept have their turn when they are put back."""
        self._closed = True

    def is_kept(self, waiting_for: object) -> bool:
        """Whether this is what a kept slot waits for: it is not to be cancelled."""
        return waiting_for in self._kept

    def keep(self) -> Kept[Task] | None:
        """Keep the last slot in line for a task; None if all are busy, or poll."""
        while self._waiting and not self._closed:
            future = self._waiting.pop()
            if not future.done():
                self._kept.add(future)
                return future
        return None

    def hand(self, kept: Kept[Task], task: Task) -> None:
        """Give a kept slot the task."""
        self._kept.discard(kept)
        if not kept.done():  # else the loop is being torn down
            kept.set_result(task)

    def put_back(self, kept: Kept[Task]) -> None:
        """Let a kept slot go on waiting for its turn."""
        self._kept.discard(kept)
        if kept.done():
            return
        if self._free > 0 or self._closed:
            self._free -= 1
            kept.set_result(None)
        else:
            self._waiting.append(kept)
