"""Where the worker gets time and chance from, and how fast it tries again.

Everything that waits or draws a random number in the worker's shell does it through a `Pace`, so that
tests own both. Workflow code never sees it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tsuzuki.service import ServiceError, StatusCode

Answer = TypeVar("Answer")
Request = TypeVar("Request")

RETRY_S_FIRST: Final = 0.05
RETRY_S_MAX: Final = 15.0
RETRY_EXPONENT_MAX: Final = 16  # beyond this the bound above holds anyway

TRANSIENT: Final = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.CANCELLED,
        StatusCode.UNKNOWN,
        StatusCode.INTERNAL,
        StatusCode.DATA_LOSS,
        StatusCode.OUT_OF_RANGE,
    }
)
"""Refusals that the same request may not meet again."""


def is_transient(error: ServiceError) -> bool:
    """Tell whether the same request may be answered when it is sent again."""
    return error.status in TRANSIENT and not is_about_size(error)


def is_about_size(error: ServiceError) -> bool:
    """Tell whether a request was refused because of its size, by a limit of the engine or of gRPC."""
    if error.status not in (StatusCode.INVALID_ARGUMENT, StatusCode.RESOURCE_EXHAUSTED):
        return False
    message = error.message.lower()
    return (
        any(words in message for words in ("exceed", "larger than", "too large"))
        and any(words in message for words in ("limit", "max", "too large", "bytes"))
        and "rate" not in message
        and "rps" not in message
    )


def is_about_message_size(error: ServiceError) -> bool:
    """Tell whether gRPC did not take a request because of its size; the engine has not seen it."""
    return error.status is StatusCode.RESOURCE_EXHAUSTED and is_about_size(error)


@dataclass(frozen=True)
class Pace:
    """Time and chance.

    Attributes:
        now: Monotonic seconds.
        sleep: Waits for some seconds.
        chance: Uniform in [0, 1).
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def retry_delay_s(self, failures: int) -> float:
        """Delay after the given number of failures in a row: doubling, at most 15 s, spread by 20 %."""
        delay_s = min(RETRY_S_FIRST * 2.0 ** min(failures - 1, RETRY_EXPONENT_MAX), RETRY_S_MAX)
        return delay_s * (0.8 + 0.2 * self.chance())


class Outage:
    """One stretch of time in which a call finds no answer, shared by all who make that call.

    Invariant: one warning when it begins and one line when it ends, however many pollers meet it.
    """

    def __init__(self, what: str, pace: Pace, logger: logging.Logger) -> None:
        self._what = what
        self._pace = pace
        self._logger = logger
        self._open = False

    async def wait(self, error: ServiceError, failures: int) -> None:
        """Note one more failure and wait before the next try."""
        if not self._open:
            self._open = True
            self._logger.warning(
                "%s got no answer (%s: %s); trying again until it does",
                self._what,
                error.status.name,
                error.message,
            )
        await self._pace.sleep(self._pace.retry_delay_s(failures))

    def over(self) -> None:
        """Note that an answer came."""
        if self._open:
            self._open = False
            self._logger.info("%s is answered again", self._what)


async def send_until(
    deadline_s: float,
    send: Callable[[Request], Awaitable[Answer]],
    request: Request,
    pace: Pace,
    refused: ServiceError | None = None,
) -> Answer:
    """Send a request again and again, unchanged, until it is answered or `deadline_s` (of `pace.now`) passes.

    Args:
        refused: The error of a first try that was already made.

    Raises:
        ServiceError: Refused for good, or the last refusal before the deadline.
    """
    failures = 0
    while True:
        if refused is not None:
            if not is_transient(refused):
                raise refused
            failures += 1
            delay_s = pace.retry_delay_s(failures)
            if pace.now() + delay_s >= deadline_s:
                raise refused
            await pace.sleep(delay_s)
        try:
            return await send(request)
        except ServiceError as error:
            refused = error
