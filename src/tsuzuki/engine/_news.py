"""Waiting until there may be something new of a run to read, beside its history."""

from __future__ import annotations

import asyncio

from tsuzuki.core.execution import Execution
from tsuzuki.core.refusal import NotFound

from ._engine import Engine
from ._refusals import service_error


async def after_news(engine: Engine, run: Execution, until_ns: int) -> Execution:
    """Return the run when something of it was committed, when the engine starts over, or when it is late.

    Raises:
        ServiceError: NOT_FOUND: it was deleted meanwhile.
    """
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    if not engine.when_writable(wake):
        run.waiters.append(wake)
    alarm = engine.clock.call_at(until_ns, wake)
    try:
        await future
    finally:
        alarm.cancel()
        if wake in run.waiters:
            run.waiters.remove(wake)
    found = engine.run(run.key)
    if found is None:
        raise service_error(NotFound(f"workflow '{run.workflow_id}', run {run.run_id}, was deleted."))
    return found


def tell_news(run: Execution) -> None:
    """Wake those who wait for something new of the run."""
    waiters, run.waiters = run.waiters, []
    for waiter in waiters:
        waiter()
