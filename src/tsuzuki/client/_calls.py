"""Sending requests: errors translated, and repeated where repeating is safe.

A request is repeated as it is, with the request id it was made with, so that an engine that had applied the
lost one recognizes it. Every repetition is bounded by time; the clock and the sleep are injected.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from temporalio.api.errordetails.v1 import ResourceExhaustedFailure

from ..service import ServiceError, StatusCode
from ._errors import RPCError, WorkflowNotFoundError, client_error

Request = TypeVar("Request")
Response = TypeVar("Response")

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_FACTOR: Final = 2.0
BACKOFF_MAX_S: Final = 5.0

_TRANSIENT: Final = frozenset((StatusCode.UNAVAILABLE, StatusCode.ABORTED))


@dataclass(frozen=True)
class Calls:
    """How a client sends requests.

    Attributes:
        repeat_for_s: A repeatable call gives up this long after it was first sent.
        clock: Monotonic time in seconds.
        sleep: Waits for a number of seconds.
        jitter: A number from 0 to 1, drawn for each wait so that many clients do not knock at once.
    """

    repeat_for_s: float = 10.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    async def send(
        self,
        rpc: Callable[[Request], Awaitable[Response]],
        request: Request,
        *,
        not_found: type[RPCError] = WorkflowNotFoundError,
    ) -> Response:
        """Send a request that may be repeated: it only reads, or it carries a request id.

        Raises:
            RPCError: The subclass that fits.
        """
        try:
            return await rpc(request)
        except ServiceError as error:
            if not _is_transient(error):
                raise client_error(error, not_found) from error
            return await self._repeat(rpc, request, error, not_found)

    async def send_once(
        self,
        rpc: Callable[[Request], Awaitable[Response]],
        request: Request,
        *,
        not_found: type[RPCError] = WorkflowNotFoundError,
    ) -> Response:
        """Send a request that must not be repeated.

        Raises:
            RPCError: The subclass that fits.
        """
        try:
            return await rpc(request)
        except ServiceError as error:
            raise client_error(error, not_found) from error

    async def _repeat(
        self,
        rpc: Callable[[Request], Awaitable[Response]],
        request: Request,
        error: ServiceError,
        not_found: type[RPCError],
    ) -> Response:
        give_up_at = self.clock() + self.repeat_for_s
        backoff = BACKOFF_FIRST_S
        while self.clock() + backoff <= give_up_at:
            await self.sleep(backoff * (0.8 + 0.4 * self.jitter()))
            backoff = min(backoff * BACKOFF_FACTOR, BACKOFF_MAX_S)
            try:
                return await rpc(request)
            except ServiceError as again:
                error = again
                if not _is_transient(error):
                    break
        raise client_error(error, not_found) from error


def _is_transient(error: ServiceError) -> bool:
    # RESOURCE_EXHAUSTED without this detail is a message too large: no later time is better.
    busy = error.status is StatusCode.RESOURCE_EXHAUSTED and isinstance(error.detail, ResourceExhaustedFailure)
    return busy or error.status in _TRANSIENT
