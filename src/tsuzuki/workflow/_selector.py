"""Waiting for whichever of several things comes first, again and again: futures, channels, timers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from ._channels import SignalChannel
from ._context import sleep, wait_condition

Value = TypeVar("Value")

_Case = tuple[Callable[[], bool], Callable[[], Any], asyncio.Future[Any] | None]


class Selector:
    """Cases with what to do when they come about; each `select` does one of them.

    Of several that are ready the one added first goes. A future or timer counts once; a channel every time it
    has a signal. What a callback returns (or gives when awaited) is the result of `select`.

        selector = workflow.Selector()
        selector.add_receive(workflow.signal_channel("approve"), approved.append)
        selector.add_future(workflow.start_activity(search, start_to_close_timeout=MINUTE), take_result)
        selector.add_timer(timedelta(hours=1), give_up)
        await selector.select()
    """

    def __init__(self) -> None:
        self._cases: list[_Case] = []
        self._default: Callable[[], Any] | None = None

    def add_future(
        self, future: Awaitable[Value], callback: Callable[[asyncio.Future[Value]], Any] | None = None
    ) -> Selector:
        """Add something awaitable; a coroutine is started.

        Args:
            future: A task, an activity's or child's handle, or a coroutine.
            callback: Gets the future, which is done: its `result()` raises what it failed with. The default
                gives the result.
        """
        done = asyncio.ensure_future(future)
        self._cases.append((done.done, done.result if callback is None else lambda: callback(done), done))
        return self

    def add_receive(self, channel: SignalChannel[Value], callback: Callable[[Value], Any] | None = None) -> Selector:
        """Add a channel.

        Args:
            channel: Where signals come in.
            callback: Gets what the signal brought. The default gives it back.
        """

        def receive() -> Any:
            value = channel.receive_nowait()
            return value if callback is None else callback(value)

        self._cases.append((lambda: len(channel) > 0, receive, None))
        return self

    def add_timer(self, duration: float | timedelta, callback: Callable[[], Any] | None = None) -> asyncio.Task[None]:
        """Add a durable timer, which starts now.

        Args:
            duration: Seconds, or a timedelta.
            callback: Called when it fires.

        Returns:
            The timer as a task; cancelling it takes the case away.
        """
        timer = asyncio.ensure_future(sleep(duration))
        fired: Callable[[], bool] = lambda: timer.done() and not timer.cancelled()  # noqa: E731
        self._cases.append((fired, (lambda: None) if callback is None else callback, timer))
        return timer

    def add_default(self, callback: Callable[[], Any] | None = None) -> Selector:
        """Add what is done when nothing is ready; `select` waits for nothing then."""
        self._default = (lambda: None) if callback is None else callback
        return self

    def has_pending(self) -> bool:
        """Tell whether a case is ready now."""
        return any(ready() for ready, _, _ in self._cases)

    async def select(self) -> Any:
        """Wait until a case is ready, and do it.

        Returns:
            What its callback gives.

        Raises:
            RuntimeError: There is no case, so it would wait for ever.
        """
        if not self.has_pending():
            if self._default is not None:
                return await _finish(self._default())
            if not self._cases:
                raise RuntimeError("Selector.select() with no case would wait for ever; add one first")
            await wait_condition(self.has_pending)
        index, (_, act, future) = next((i, case) for i, case in enumerate(self._cases) if case[0]())
        if future is not None:
            del self._cases[index]
        return await _finish(act())


async def _finish(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given
