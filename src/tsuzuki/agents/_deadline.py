"""Time limits of runs that can be paused: whether the time of a pause counts is said at the limit."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from types import TracebackType
from typing import Self

from tsuzuki.exceptions import is_cancelled_exception


class WhilePaused(StrEnum):
    """What a time limit does while its run is paused."""

    EXTEND = "extend"
    """It stands still from the signal `pause` to the signal `resume`."""
    KEEP_RUNNING = "keep running"
    """It goes on, and may run out in a pause."""


class Deadline:
    """`async with control.timeout(...)`: see there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left: float | None = None
        self._timeout = asyncio.timeout(None)
        self._cancelling = 0

    @property
    def expired(self) -> bool:
        """Tell whether the time has run out."""
        return self._timeout.expired()

    async def __aenter__(self) -> Self:
        self._cancelling = _cancelling()
        self._timeout = await asyncio.timeout(self._seconds).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
        # Cancelled activities and children come back as errors of their own, which asyncio.timeout lets pass.
        # A cancel request that came in the same moment stays one.
        if (
            self._timeout.expired()
            and error is not None
            and is_cancelled_exception(error)
            and _cancelling() <= self._cancelling
        ):
            raise TimeoutError from error

    def hold(self) -> None:
        """Let the time stand still."""
        when = self._timeout.when()
        if when is None or self._timeout.expired():
            return
        left = when - asyncio.get_running_loop().time()
        if left > 0:  # else it has run out, and only the news of it has not come
            self._left = left
            self._timeout.reschedule(None)

    def go_on(self) -> None:
        """Let the time go on."""
        if self._left is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)
            self._left = None


def _cancelling() -> int:
    """How many cancel requests the running task has not dealt with."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
