"""Those who wait for something new of a run, and how they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tsuzuki.core.execution import Execution

if TYPE_CHECKING:
    from ._engine import Engine


async def wait_for_news(engine: Engine, run: Execution, until_ns: int | None) -> None:
    """Return when there is news of the run, when the engine starts over, or when it is late; None for never."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    if not engine.recovery.when_writable(wake):
        run.waiters.append(wake)
    alarm = None if until_ns is None else engine.clock.call_at(until_ns, wake)
    try:
        await future
    finally:
        if alarm is not None:
            alarm.cancel()
        if wake in run.waiters:
            run.waiters.remove(wake)
        engine.runs.let_go(run)


def tell_news(run: Execution) -> None:
    """Wake those who wait: more of the run is on disk, or something has changed that no event tells."""
    waiters, run.waiters = run.waiters, []
    for waiter in waiters:
        waiter()
