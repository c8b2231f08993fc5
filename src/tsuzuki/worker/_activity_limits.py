"""Limits of single activity types: how many attempts run at a time, and how often one begins.

A service hands out tasks of a queue whatever their type, so a limited attempt waits here, after it was taken. Waiting,
it holds no slot of the worker (up to a bound): a flood of one type must not keep the others out. It heartbeats
meanwhile, and can be cancelled.

Invariant: of a type with `at_most` no more attempts run at a time in all workers that share the `ActivityLimits`, and
they begin in the order in which they were taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tsuzuki import activity
from tsuzuki.exceptions import ApplicationError, ApplicationErrorCategory

from ._interceptor import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

HEARTBEAT_S: Final = 5.0
"""Longest silence of an attempt that waits."""


@dataclass(frozen=True)
class ActivityLimit:
    """What holds for the attempts of one activity type.

    Attributes:
        at_most: So many run at a time; None for no bound of its own.
        per_second: So many begin a second, evenly; None for no bound.
        burst: So many may begin at once after a time without any.
        waiting_max: So many wait beside the worker's slots. Further ones hold a slot while they wait, so that the
            worker takes no more than it can run.
        wait_max: One that has waited so long fails its attempt (`ActivityLimitedError`) and is tried again after this
            time, here or elsewhere; None to wait until its own timeout. The time of waiting counts as its own.

    Raises:
        ValueError: A number is out of its bounds, or nothing is limited.
    """

    at_most: int | None = None
    per_second: float | None = None
    burst: int = 1
    waiting_max: int = 100
    wait_max: timedelta | None = None

    def __post_init__(self) -> None:
        if self.at_most is None and self.per_second is None:
            raise ValueError("the limit of an activity type needs at_most, per_second, or both")
        if self.at_most is not None and self.at_most < 1:
            raise ValueError(f"at_most is {self.at_most}; it must be 1 or more")
        if self.per_second is not None and self.per_second <= 0:
            raise ValueError(f"per_second is {self.per_second}; it must be more than 0")
        if self.burst < 1 or self.waiting_max < 0:
            raise ValueError(f"burst is {self.burst} and waiting_max {self.waiting_max}; at least 1 and 0 are needed")


class ActivityLimits:
    """Limits by activity type. Workers of one process that are given the same object share them.

    Args:
        limits: Activity type -> its limit. Others have none.
    """

    def __init__(self, limits: Mapping[str, ActivityLimit]) -> None:
        self.limits: Final = dict(limits)
        self._gates = {name: _Gate(name, limit) for name, limit in self.limits.items()}

    def gate(self, activity_type: str) -> _Gate | None:
        """The gate that attempts of a type pass; None for a type without a limit."""
        return self._gates.get(activity_type)


class ActivityLimitedError(ApplicationError):
    """An attempt has waited for the limit of its type for as long as it may; it is tried again under its policy."""

    def __init__(self, name: str, limit: ActivityLimit, waited: timedelta) -> None:
        super().__init__(
            f"activity {name!r} has waited {waited.total_seconds():g} s for its limit ({limit.at_most} at a time, "
            f"{limit.per_second} a second)",
            type="ActivityLimitedError",
            next_retry_delay=waited,
            category=ApplicationErrorCategory.BENIGN,
        )


class LimitingInterceptor(Interceptor):
    """Has each attempt of a limited type pass its gate.

    Args:
        limits: By activity type.
        step_aside: Called by an attempt that waits beside the slots: another one takes its slot.
    """

    def __init__(self, limits: ActivityLimits, step_aside: Callable[[], None]) -> None:
        self._limits = limits
        self._step_aside = step_aside

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Link(next, self._limits, self._step_aside)


class _Link(ActivityInboundInterceptor):
    def __init__(
        self, next: ActivityInboundInterceptor, limits: ActivityLimits, step_aside: Callable[[], None]
    ) -> None:
        super().__init__(next)
        self._limits = limits
        self._step_aside = step_aside

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        gate = self._limits.gate(info.activity_type)
        if gate is None:
            return await self.next.execute_activity(input)
        async with gate.passed(self._step_aside):
            return await self.next.execute_activity(input)


class _Gate:
    """The limit of one type, and who waits for it."""

    def __init__(self, name: str, limit: ActivityLimit) -> None:
        self._name = name
        self._limit = limit
        self._places = None if limit.at_most is None else asyncio.Semaphore(limit.at_most)
        self._turn = asyncio.Lock()
        """Held by the one whose turn is next: who gives up while waiting has used up nothing of the rate."""
        self._interval_s = 0.0 if limit.per_second is None else 1 / limit.per_second
        self._next_s = 0.0
        self._beside = 0

    @asynccontextmanager
    async def passed(self, step_aside: Callable[[], None]) -> AsyncIterator[None]:
        """Be one of those that run, for the length of the block.

        Raises:
            ActivityLimitedError: Its turn has not come within `wait_max`.
        """
        await self._enter(step_aside)
        try:
            yield
        finally:
            if self._places is not None:
                self._places.release()

    async def _enter(self, step_aside: Callable[[], None]) -> None:
        wait_max = self._limit.wait_max
        beside = self._has_to_wait() and self._beside < self._limit.waiting_max
        if beside:
            self._beside += 1
            step_aside()
        try:
            with _Heartbeats():
                async with asyncio.timeout(None if wait_max is None else wait_max.total_seconds()):
                    await self._wait()
        except TimeoutError:
            assert wait_max is not None, "without it there is no time limit"
            raise ActivityLimitedError(self._name, self._limit, wait_max) from None
        finally:
            self._beside -= beside

    def _has_to_wait(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        full = self._places is not None and self._places.locked()
        return full or self._turn.locked() or self._turn_in_s(now_s) > 0

    def _turn_in_s(self, now_s: float) -> float:
        return self._next_s - (self._limit.burst - 1) * self._interval_s - now_s

    async def _wait(self) -> None:
        if self._places is not None:
            await self._places.acquire()
        try:
            if self._interval_s:
                await self._take_turn()
        except BaseException:
            if self._places is not None:
                self._places.release()
            raise

    async def _take_turn(self) -> None:
        async with self._turn:
            now_s = asyncio.get_running_loop().time()
            self._next_s = max(self._next_s, now_s)
            if (turn_in_s := self._turn_in_s(now_s)) > 0:
                await asyncio.sleep(turn_in_s)
            self._next_s += self._interval_s


class _Heartbeats:
    """Reports, while an attempt waits, what an earlier attempt reported last."""

    def __enter__(self) -> None:
        self._again()

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        activity.heartbeat(*activity.info().heartbeat_details)
        self._again()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
