"""The options of an activity call."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import TypedDict

from tsuzuki.common import Priority, RetryPolicy


class ActivityCancellationType(IntEnum):
    """What the workflow does when its wait for an activity is cancelled."""

    TRY_CANCEL = 0
    """Ask for the cancellation and go on at once."""
    WAIT_CANCELLATION_COMPLETED = 1
    """Ask for the cancellation and wait for what becomes of the activity."""
    ABANDON = 2
    """Ask for nothing and go on at once."""


class ActivityConfig(TypedDict, total=False):
    """Options of an activity call.

    Attributes:
        task_queue: Where its worker polls; the default is the workflow's own task queue.
        schedule_to_close_timeout: Bound over all attempts; this or `start_to_close_timeout` must be given.
        schedule_to_start_timeout: Bound on the wait for a worker; running out of it is not retried.
        start_to_close_timeout: Bound of one attempt.
        heartbeat_timeout: Longest silence of an attempt that heartbeats.
        retry_policy: The default retries with back-off, without end.
        cancellation_type: The default is `TRY_CANCEL`.
        activity_id: The default is a number that counts the run's activities.
        summary: One line about the call for people who read the history.
        priority: The default is the workflow's own.
    """

    task_queue: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    summary: str | None
    priority: Priority
