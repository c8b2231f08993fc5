"""Who makes the call at hand: said by whoever let the caller in, read where an RPC records what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from temporalio.api.common.v1 import Principal

CALLER: Final[ContextVar[Principal | None]] = ContextVar("tsuzuki-caller", default=None)


@contextmanager
def calling(principal: Principal) -> Iterator[None]:
    """Say who makes the calls of the service in this block.

    The events of starts, signals, updates, cancel requests, terminations, pauses and changed options keep it
    (`HistoryEvent.principal`), on disk as part of them.
    """
    token = CALLER.set(principal)
    try:
        yield
    finally:
        CALLER.reset(token)
