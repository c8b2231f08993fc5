"""When the worker tries a local activity again: the rules of activities, applied by the worker itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.api.failure.v1 import Failure

from tsuzuki.common import RetryPolicy

MAXIMUM_INTERVAL_COEFFICIENT: Final = 100
_MICROSECOND: Final = timedelta(microseconds=1)


def backoff_ns(policy: RetryPolicy, attempt: int, failure: Failure) -> int | None:
    """Return how long to wait after a failed attempt (1, 2, ...); None when it was the last."""
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return None
    if failure.HasField("application_failure_info"):
        info = failure.application_failure_info
        if info.non_retryable or info.type in (policy.non_retryable_error_types or ()):
            return None
        if info.HasField("next_retry_delay"):
            return info.next_retry_delay.ToNanoseconds()
    first_ns = _nanoseconds(policy.initial_interval)
    bound = policy.maximum_interval
    bound_ns = first_ns * MAXIMUM_INTERVAL_COEFFICIENT if bound is None else _nanoseconds(bound)
    try:
        return min(int(first_ns * policy.backoff_coefficient ** (attempt - 1)), bound_ns)
    except OverflowError:
        return bound_ns


def _nanoseconds(interval: timedelta) -> int:
    return interval // _MICROSECOND * 1000
