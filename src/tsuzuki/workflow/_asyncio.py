"""`asyncio.wait` and `asyncio.as_completed` with lists instead of sets.

The asyncio functions are safe in workflows too, because tasks and futures of a run hash by their order of
creation; these are for code that reads better with a list, and for code written for the official SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")
AnyFuture = TypeVar("AnyFuture", bound=asyncio.Future[Any])


def as_completed(fs: Iterable[Awaitable[Result]], *, timeout: float | None = None) -> Iterator[Awaitable[Result]]:
    """Return awaitables that give the results in order of completion; see `asyncio.as_completed`."""
    return asyncio.as_completed([asyncio.ensure_future(awaitable) for awaitable in fs], timeout=timeout)


async def wait(
    fs: Iterable[AnyFuture], *, timeout: float | None = None, return_when: str = asyncio.ALL_COMPLETED
) -> tuple[list[AnyFuture], list[AnyFuture]]:
    """Wait for futures or tasks; return those done and those pending, both in the order given."""
    futures = list(fs)
    done, _ = await asyncio.wait(futures, timeout=timeout, return_when=return_when)
    return [f for f in futures if f in done], [f for f in futures if f not in done]
