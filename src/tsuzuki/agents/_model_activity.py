"""What all activities that ask a model share: signs of life while it thinks, and which of its errors are final."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from pydantic_ai import ModelHTTPError, UserError

from tsuzuki import activity
from tsuzuki.exceptions import ApplicationError

Result = TypeVar("Result")

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


async def beating(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for something, with a heartbeat three times in the activity's heartbeat timeout."""
    timeout = activity.info().heartbeat_timeout
    every_s = None if timeout is None else timeout.total_seconds() / 3
    working = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait({working}, timeout=every_s)
            if done:
                return working.result()
            activity.heartbeat()
    finally:
        working.cancel()
