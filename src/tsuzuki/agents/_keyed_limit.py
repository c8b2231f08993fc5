"""At most so many at a time for each key, and at most so often: "three calls per provider, ten a minute".

Plain asyncio, without a clock or chance of its own, so that both work in activities (for a worker process) and in
workflow code (for a run, where waiting is durable).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final

from tsuzuki.exceptions import ApplicationError

_KEPT_MIN: Final = 1000
"""So many keys of a rate are kept without a look at which of them still matter."""


class WhenFull(StrEnum):
    """What happens to one too many."""

    QUEUE = "queue"
    """It waits for its turn, in order of arrival."""
    REJECT = "reject"
    """It is refused."""
    CANCEL_OLDEST = "cancel oldest"
    """The one that has been at it longest is cancelled for it."""


class ConcurrencyLimitError(ApplicationError):
    """There were as many at work already, and `WhenFull.REJECT`. An activity is tried again under its policy."""

    def __init__(self, key: Hashable, at_most: int) -> None:
        super().__init__(f"{at_most} at a time are at work for {key!r} already", type="ConcurrencyLimitError")


class DisplacedError(ApplicationError):
    """A newer one took this one's place: `WhenFull.CANCEL_OLDEST`. Not tried again."""

    def __init__(self, key: Hashable) -> None:
        super().__init__(f"a newer one for {key!r} took the place", type="DisplacedError", non_retryable=True)


class KeyedLimit:
    """At most so many at a time for each key.

        providers = KeyedLimit(3)

        @activity.defn
        async def ask(provider: str, prompt: str) -> str:
            async with providers.place(provider):
                ...

    Args:
        at_most: Places of each key; 1 or more.
        when_full: What happens to one too many.
    """

    def __init__(self, at_most: int, when_full: WhenFull = WhenFull.QUEUE) -> None:
        if at_most < 1:
            raise ValueError(f"at_most is {at_most}; it must be 1 or more")
        self._at_most = at_most
        self._when_full = when_full
        self._keys: dict[Hashable, _Places] = {}

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """Hold a place for the length of the block.

        Raises:
            ConcurrencyLimitError: All are taken, and one too many is rejected.
            DisplacedError: This one was cancelled for a newer one.
        """
        places = self._keys.setdefault(key, _Places())
        if places.taken < self._at_most:
            places.taken += 1
        else:
            await self._get_place(key, places)
        holder = _Holder(asyncio.current_task())
        places.holders.append(holder)
        try:
            yield
        except asyncio.CancelledError:
            if holder.displaced and (holder.task is None or holder.task.uncancel() == 0):
                raise DisplacedError(key) from None
            raise
        finally:
            places.holders.remove(holder)
            self._pass_on(key, places)

    async def _get_place(self, key: Hashable, places: _Places) -> None:
        """Come by a place that somebody gives up."""
        if self._when_full is WhenFull.REJECT:
            raise ConcurrencyLimitError(key, self._at_most)
        if self._when_full is WhenFull.CANCEL_OLDEST:
            places.displace_oldest(key)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        places.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in places.waiting:
                places.waiting.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:
                self._pass_on(key, places)  # it was this one's turn already
            raise

    def _pass_on(self, key: Hashable, places: _Places) -> None:
        """Give a place to the first who waits, or back."""
        turn = places.next_waiting()
        if turn is not None:
            turn.set_result(None)
            return
        places.taken -= 1
        if places.taken == 0:
            self._keys.pop(key, None)


class KeyedRate:
    """At most so often for each key: every turn is given, in order of arrival, and waited for.

    Args:
        per_minute: Turns a minute of each key; more than 0.
        burst: Turns that may come at once after a time without any; 1 or more.
    """

    def __init__(self, per_minute: float, *, burst: int = 1) -> None:
        if per_minute <= 0 or burst < 1:
            raise ValueError(f"per_minute is {per_minute} and burst {burst}; they must be more than 0, and 1 or more")
        self._interval_s = 60 / per_minute
        self._ahead_s = (burst - 1) * self._interval_s
        self._next_s: dict[Hashable, float] = {}
        self._kept_max = _KEPT_MIN

    async def turn(self, key: Hashable) -> None:
        """Wait for a turn. One whose wait is cancelled is not given to another."""
        now = asyncio.get_running_loop().time()
        at = max(self._next_s.get(key, now), now)
        self._next_s[key] = at + self._interval_s
        if len(self._next_s) > self._kept_max:
            self._next_s = {key: at for key, at in self._next_s.items() if at > now}  # those past are as good as new
            self._kept_max = max(2 * len(self._next_s), _KEPT_MIN)
        wait_s = at - self._ahead_s - now
        if wait_s > 0:
            await asyncio.sleep(wait_s)


class _Holder:
    """Who has a place."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self.task = task
        self.displaced = False

    def displace(self) -> None:
        self.displaced = True
        if self.task is not None:
            self.task.cancel()


class _Places:
    """The places of one key. `taken` counts those that were given to a waiter who has not run yet, too."""

    def __init__(self) -> None:
        self.taken = 0
        self.holders: deque[_Holder] = deque()
        self.waiting: deque[asyncio.Future[None]] = deque()

    def displace_oldest(self, key: Hashable) -> None:
        """Cancel whoever has been here longest; the place is free once that one has left."""
        for holder in self.holders:
            if not holder.displaced:
                holder.displace()
                return
        turn = self.next_waiting()
        if turn is not None:
            turn.set_exception(DisplacedError(key))

    def next_waiting(self) -> asyncio.Future[None] | None:
        """Take the first who still waits out of the line."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():  # else its wait was cancelled, and it has not run since
                return turn
        return None
