"""Retry policies: when the next attempt comes, or why there is none."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from .refusal import InvalidInput
from .times import NEVER, SECOND, duration_ns, in_words, set_duration

INITIAL_INTERVAL_NS: Final = SECOND
COEFFICIENT: Final = 2.0
MAXIMUM_INTERVAL_COEFFICIENT: Final = 100

_RETRYABLE_TIMEOUTS: Final[dict[int, str]] = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "TemporalTimeout:StartToClose",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "TemporalTimeout:Heartbeat",
}
"""Timeouts that another attempt may avoid, by the name that excludes them in `non_retryable_error_types`."""

IN_PROGRESS: Final = RetryState.RETRY_STATE_IN_PROGRESS


def normalize(policy: RetryPolicy, into: RetryPolicy) -> None:
    """Check a policy and copy it with the defaults filled in.

    Raises:
        InvalidInput: A value is out of its bounds.
    """
    initial_ns = duration_ns(policy.initial_interval)
    maximum_ns = duration_ns(policy.maximum_interval)
    coefficient = policy.backoff_coefficient
    if initial_ns < 0:
        raise InvalidInput(f"RetryPolicy.initial_interval is {in_words(initial_ns)}; expected 0 or more.")
    if coefficient and not coefficient >= 1:  # nor is it NaN
        raise InvalidInput(f"RetryPolicy.backoff_coefficient is {coefficient:g}; expected 1 or more.")
    if maximum_ns < 0:
        raise InvalidInput(f"RetryPolicy.maximum_interval is {in_words(maximum_ns)}; expected 0 or more.")
    initial_ns = initial_ns or INITIAL_INTERVAL_NS
    if maximum_ns and maximum_ns < initial_ns:
        raise InvalidInput(
            f"RetryPolicy.maximum_interval is {in_words(maximum_ns)}, less than the initial interval of "
            f"{in_words(initial_ns)}."
        )
    if policy.maximum_attempts < 0:
        raise InvalidInput(
            f"RetryPolicy.maximum_attempts is {policy.maximum_attempts}; expected 1 or more, or 0 for no limit."
        )
    set_duration(into.initial_interval, initial_ns)
    into.backoff_coefficient = coefficient or COEFFICIENT
    set_duration(into.maximum_interval, maximum_ns or initial_ns * MAXIMUM_INTERVAL_COEFFICIENT)
    into.maximum_attempts = policy.maximum_attempts
    into.non_retryable_error_types.extend(policy.non_retryable_error_types)


def backoff_ns(policy: RetryPolicy, attempt: int) -> int:
    """The wait after attempt `attempt` (1, 2, ...) of a normalized policy."""
    maximum_ns = duration_ns(policy.maximum_interval)
    try:
        wait = int(duration_ns(policy.initial_interval) * policy.backoff_coefficient ** (attempt - 1))
    except OverflowError:
        return maximum_ns
    return min(wait, maximum_ns) if maximum_ns else wait


def next_attempt(
    policy: RetryPolicy,
    attempt: int,
    failure: Failure,
    ended_ns: int,
    expiration_ns: int | None,
    *,
    at_once: bool = False,
) -> tuple[RetryState.ValueType, int]:
    """Whether an attempt that ended with `failure` is followed by another.

    Returns:
        IN_PROGRESS and the time of the next attempt, or why there is none and 0.
    """
    if not is_retryable(policy, failure):
        return RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE, 0
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED, 0
    application = failure.application_failure_info
    if at_once:
        wait_ns = 0
    elif failure.HasField("application_failure_info") and application.HasField("next_retry_delay"):
        wait_ns = duration_ns(application.next_retry_delay)
    else:
        wait_ns = backoff_ns(policy, attempt)
    next_ns = ended_ns + wait_ns
    if next_ns >= (expiration_ns or NEVER):
        return RetryState.RETRY_STATE_TIMEOUT, 0
    return IN_PROGRESS, next_ns


def is_retryable(policy: RetryPolicy, failure: Failure) -> bool:
    kind = failure.WhichOneof("failure_info")
    if kind == "application_failure_info":
        info = failure.application_failure_info
        return not info.non_retryable and info.type not in policy.non_retryable_error_types
    if kind == "server_failure_info":
        return not failure.server_failure_info.non_retryable
    if kind == "timeout_failure_info":
        name = _RETRYABLE_TIMEOUTS.get(failure.timeout_failure_info.timeout_type)
        return name is not None and name not in policy.non_retryable_error_types
    return kind not in ("terminated_failure_info", "canceled_failure_info")
