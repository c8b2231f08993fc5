"""Two places of asyncio where order depends on memory addresses, mended for workflow loops.

`asyncio.as_completed` puts the coroutines that it is given into a set before it makes tasks of them, and the
future of `asyncio.gather` hashes by its address. Neither goes through the event loop, so the loop cannot put
it right. Both changes look at the loop first and leave everything outside workflows as it was. The function
object of `as_completed` stays the same one, so that `from asyncio import as_completed` is mended too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any, Final

from ._loop import WorkflowLoop

_original_as_completed: Final = FunctionType(
    asyncio.as_completed.__code__, asyncio.as_completed.__globals__, "as_completed"
)
_original_as_completed.__kwdefaults__ = asyncio.as_completed.__kwdefaults__


def as_completed(fs: Iterable[Any], timeout: float | None) -> Iterator[Any]:
    """Start coroutines in the order given, when a workflow asks."""
    loop = asyncio._get_running_loop()
    if isinstance(loop, WorkflowLoop) and not asyncio.isfuture(fs) and not asyncio.iscoroutine(fs):
        fs = [asyncio.ensure_future(awaitable, loop=loop) for awaitable in dict.fromkeys(fs)]
    completed: Iterator[Any] = _original_as_completed(fs, timeout=timeout)
    return completed


# Runs with the globals of asyncio.tasks, hence the import inside.
def _enter_as_completed(fs, *, timeout=None):  # type: ignore[no-untyped-def]
    from tsuzuki.worker._asyncio_order import as_completed as ordered

    return ordered(fs, timeout)


def _hash_of_gathering(self: Any) -> int:
    loop = self.get_loop()
    if not isinstance(loop, WorkflowLoop):
        return object.__hash__(self)
    order: int | None = getattr(self, "_order", None)
    if order is None:
        order = self._order = loop.next_order()
    return order


def install() -> None:
    """Mend asyncio, once for the process."""
    asyncio.as_completed.__code__ = _enter_as_completed.__code__
    asyncio.tasks._GatheringFuture.__hash__ = _hash_of_gathering  # type: ignore[attr-defined]
