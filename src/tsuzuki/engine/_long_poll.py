"""A worker's long poll: it waits in matching until it gets a task, its time is over, or its caller goes away.

Invariant: a task is never lost to a poll whose caller is gone; it is taken back and offered again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

from ._engine import Engine
from ._matching import Poll, QueueKey

Task = TypeVar("Task")


async def wait_for_task(
    engine: Engine,
    key: QueueKey,
    poll: Poll,
    *,
    wait_ns: int | None,
    take_back: Callable[[Task], None],
) -> Task:
    """Wait for what the poll gets: a task, or its empty answer after `wait_ns` (None: any time).

    `take_back` gets a task that was given to a caller who went away at that moment.
    """
    now_ns = engine.clock.now_ns()
    future = poll.future
    engine.matching.attach(key, poll, now_ns)
    alarm = None
    if wait_ns is not None and not future.done():
        alarm = engine.clock.call_at(now_ns + wait_ns, lambda: engine.matching.expire(key, poll))
    try:
        return cast("Task", await future)
    except asyncio.CancelledError:
        engine.matching.detach(key, poll)
        if future.done() and not future.cancelled() and future.exception() is None:
            take_back(cast("Task", future.result()))
        raise
    finally:
        if alarm is not None:
            alarm.cancel()
