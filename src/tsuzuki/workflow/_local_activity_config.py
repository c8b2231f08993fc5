"""The options of a local activity call."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from tsuzuki.common import RetryPolicy

from ._activity_config import ActivityCancellationType


class LocalActivityConfig(TypedDict, total=False):
    """Options of a local activity call.

    Attributes:
        schedule_to_close_timeout: Bound over all attempts; this or `start_to_close_timeout` must be given.
        schedule_to_start_timeout: Bound on the wait for a free slot of the worker; running out of it is not retried.
        start_to_close_timeout: Bound of one attempt; the default is `schedule_to_close_timeout`.
        retry_policy: The default retries with back-off, without end.
        local_retry_threshold: Back-off up to which the worker waits itself; before a later attempt the workflow task
            ends, and a timer is set. The default is one minute.
        cancellation_type: The default is `TRY_CANCEL`.
        activity_id: The default is a number that counts the run's activities.
        summary: One line about the call for people who read the history.
    """

    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    local_retry_threshold: timedelta | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    summary: str | None
