"""The options of a local activity call, checked, in the units that its run counts in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tsuzuki.common import RetryPolicy
from tsuzuki.workflow import ActivityCancellationType

from ._option_types import check_option

LOCAL_RETRY_THRESHOLD: Final = timedelta(minutes=1)
_DEFAULT_POLICY: Final = RetryPolicy()
_MICROSECOND: Final = timedelta(microseconds=1)

_TIMEOUTS: Final = ("schedule_to_close_timeout", "schedule_to_start_timeout", "start_to_close_timeout")
_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(_TIMEOUTS, timedelta),
    "local_retry_threshold": timedelta,
    "retry_policy": RetryPolicy,
    "cancellation_type": ActivityCancellationType,
    "activity_id": str,
    "summary": str,
}


@dataclass(frozen=True, slots=True)
class LocalActivityOptions:
    """One call's options; a timeout is None where there is no bound.

    Attributes:
        schedule_to_close_ns: Bound over all attempts, also those after a timer.
        schedule_to_start_ns: Bound on the wait for a slot.
        start_to_close_ns: Bound of one attempt.
        retry_policy: When it is tried again.
        threshold_ns: Longest back-off that the worker waits itself.
        cancellation_type: What the cancellation of the call means.
        activity_id: As asked for; None for a number.
        summary: For people who read the history.
    """

    schedule_to_close_ns: int | None
    schedule_to_start_ns: int | None
    start_to_close_ns: int | None
    retry_policy: RetryPolicy
    threshold_ns: int
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    summary: str | None


def local_activity_options(name: str, options: Mapping[str, Any]) -> LocalActivityOptions:
    """Check the options of a call.

    Args:
        name: Activity type.
        options: As `LocalActivityConfig`.

    Raises:
        TypeError: An option is unknown or of the wrong type.
        ValueError: An option is out of its bounds, or no timeout bounds the activity.
    """
    for option, value in options.items():
        check_option("a local activity", _TYPES, option, value)
    close_ns, start_ns, attempt_ns = (_timeout_ns(name, option, options.get(option)) for option in _TIMEOUTS)
    if close_ns is None and attempt_ns is None:
        raise ValueError(
            f"local activity {name} has no bound: give start_to_close_timeout (one attempt) or "
            "schedule_to_close_timeout (all attempts)"
        )
    policy = options.get("retry_policy") or _DEFAULT_POLICY
    policy.validate()
    threshold = options.get("local_retry_threshold") or LOCAL_RETRY_THRESHOLD
    if attempt_ns is None or (close_ns is not None and attempt_ns > close_ns):
        attempt_ns = close_ns
    return LocalActivityOptions(
        schedule_to_close_ns=close_ns,
        schedule_to_start_ns=start_ns,
        start_to_close_ns=attempt_ns,
        retry_policy=policy,
        threshold_ns=threshold // _MICROSECOND * 1000,
        cancellation_type=options.get("cancellation_type", ActivityCancellationType.TRY_CANCEL),
        activity_id=options.get("activity_id") or None,
        summary=options.get("summary"),
    )


def _timeout_ns(name: str, option: str, timeout: timedelta | None) -> int | None:
    if timeout is None:
        return None
    if timeout <= timedelta(0):
        raise ValueError(f"local activity {name}: {option} is {timeout}; it must be more than zero")
    return timeout // _MICROSECOND * 1000
