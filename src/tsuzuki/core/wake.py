"""What will wake an execution without input: timers, timeouts, back-offs."""

from __future__ import annotations

from enum import IntEnum


class WakeKind(IntEnum):
    """Each kind is handled in one place; see `core.wakeup`."""

    TIMEOUT = 1
    """The end of the run's timeout or of the whole execution's, whichever comes first."""
    FIRST_WORKFLOW_TASK = 3
    """The end of a start delay, or of the back-off of a retry or cron run."""
    WORKFLOW_TASK_SCHEDULED = 4
    """The end of a workflow task's back-off, or of its patience with a sticky queue."""
    WORKFLOW_TASK_STARTED = 5
    ACTIVITY = 6
    """The earliest of an activity's timeouts and back-off; the subject is its scheduled event id."""
    TIMER = 7
    """The subject is the timer's started event id."""


WakeKey = tuple[WakeKind, int]
"""Kind and subject (0 for the kinds of which a run has one)."""
