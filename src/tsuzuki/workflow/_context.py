"""Time, chance, waiting, and what a workflow may know about itself.

Everything here is the same on every replay: time is the time of the current workflow task, chance is
seeded by the run, and waiting is a durable timer or a condition on the workflow's own state.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tsuzuki.converter import PayloadConverter

from ._info import Info
from ._runtime import UNSET, current_runtime, find_runtime


def info() -> Info:
    """Return facts about the running workflow.

    Raises:
        NotInWorkflowError: Called outside workflow code.
    """
    return current_runtime().info


def in_workflow() -> bool:
    """Tell whether the caller is workflow code."""
    return find_runtime() is not None


def instance() -> Any:
    """Return the instance of the workflow class; None for a workflow that is a plain function."""
    return current_runtime().workflow


def time_ns() -> int:
    """Nanoseconds since the epoch: when the current workflow task started."""
    return current_runtime().time_ns


def time() -> float:
    """Seconds since the epoch: when the current workflow task started."""
    return current_runtime().time_ns / 1e9


def now() -> datetime:
    """The time, in UTC, when the current workflow task started; it stands still between two waits."""
    return datetime.fromtimestamp(current_runtime().time_ns / 1e9, UTC)


def random() -> Random:
    """Return the run's random generator: the same numbers on every replay, other ones after a reset.

    Not for secrets: who knows the run id knows the numbers.
    """
    return current_runtime().random


def random_seed() -> int:
    """Return what `random()` is seeded with."""
    return current_runtime().random_seed


def uuid4() -> uuid.UUID:
    """Return a version 4 UUID drawn from `random()`."""
    return uuid.UUID(bytes=current_runtime().random.getrandbits(128).to_bytes(16, "big"), version=4)


def memo() -> Mapping[str, Any]:
    """Return the memo that the run was started with, decoded without type hints."""
    return current_runtime().memo


def memo_value(key: str, default: Any = UNSET, *, type_hint: Any = None) -> Any:
    """Return one value of the memo.

    Args:
        key: Its key.
        default: What to return when there is none; without it that is an error.
        type_hint: Type to decode it as.

    Raises:
        KeyError: No such key, and no default.
    """
    value = current_runtime().memo_value(key, default, type_hint)
    if value is UNSET:
        raise KeyError(f"the memo has no key {key!r}")
    return value


def payload_converter() -> PayloadConverter:
    """Return the converter of the worker, for workflows that handle values whose types they do not know."""
    return current_runtime().payload_converter


def cancellation_requested() -> bool:
    """Tell whether somebody asked for this workflow to be cancelled, even if the code went on since."""
    return current_runtime().cancel_reason is not None


def cancellation_reason() -> str | None:
    """Return the reason given with the cancel request, perhaps empty; None while nobody asked."""
    return current_runtime().cancel_reason


def is_failure_exception(error: BaseException) -> bool:
    """Tell whether an exception, leaving the workflow, would fail it (and not only the workflow task)."""
    return current_runtime().is_failure(error)


async def sleep(duration: float | timedelta, *, summary: str | None = None) -> None:
    """Sleep on a durable timer; it goes on counting while no worker runs.

    Args:
        duration: Seconds, or a timedelta; not negative.
        summary: One line about the timer for people who read the history.

    Raises:
        ValueError: The duration is negative.

    Source: `StartTimer`, `TimerStarted`.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    await current_runtime().sleep(seconds, summary)


async def wait_condition(
    fn: Callable[[], bool], *, timeout: timedelta | float | None = None, timeout_summary: str | None = None
) -> None:
    """Wait until a condition on the workflow's own state holds.

    Args:
        fn: The condition; called whenever the workflow has done something. It must change nothing.
        timeout: Seconds, or a timedelta; the default is no bound, and no timer.
        timeout_summary: One line about that timer for people who read the history.

    Raises:
        asyncio.TimeoutError: The condition did not hold in time.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    await current_runtime().wait_condition(fn, seconds, timeout_summary)
