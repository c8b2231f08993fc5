"""What all activities that ask a model share: signs of life while it thinks, and which of its errors are final."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from pydantic_ai import ModelHTTPError, UserError

from tsuzuki import activity
from tsuzuki.exceptions import ApplicationError

_MAY_PASS: Final = frozenset({408, 409, 425, 429})
"""HTTP errors of the client's side that the same request may not meet again."""


@contextmanager
def final_errors() -> Iterator[None]:
    """Turn errors of the model library that no repeat can help into such that are not repeated.

    Raises:
        ApplicationError: In place of `ModelHTTPError` and `UserError`, which are its type.
    """
    try:
        yield
    except ModelHTTPError as error:
        final = 400 <= error.status_code < 500 and error.status_code not in _MAY_PASS
        raise ApplicationError(str(error), type="ModelHTTPError", non_retryable=final) from error
    except UserError as error:
        raise ApplicationError(str(error), type="UserError", non_retryable=True) from error


@asynccontextmanager
async def beating() -> AsyncIterator[Callable[..., None]]:
    """Send a heartbeat three times in the activity's heartbeat timeout, whatever the block waits for.

    Gives a function that sends one at once. What it is given are the details of that one, and of those that follow.
    """
    details: tuple[Any, ...] = ()

    def beat(*news: Any) -> None:
        nonlocal details
        details = news
        activity.heartbeat(*details)

    async def go_on(every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            activity.heartbeat(*details)

    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield beat
        return
    going_on = asyncio.create_task(go_on(timeout.total_seconds() / 3))
    try:
        yield beat
    finally:
        going_on.cancel()
