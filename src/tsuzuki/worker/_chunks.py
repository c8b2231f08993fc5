"""History cut into the pieces that workflow code was run in.

A piece ends with the WorkflowTaskStarted of a workflow task that was completed, or that is being worked on
now; failed and timed-out attempts in between made no decision and belong to the piece of their retry.

A workflow task that was completed with nothing to show, and followed at once by another one, is the
heartbeat of a long local activity; it is no piece of its own. Which tasks count as such is a matter of the
version of the rule, which the first completed workflow task of the run records (core flag 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

CHUNKING_V2: Final = 4

_NO_DECISION: Final = frozenset(
    (
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    )
)
_OF_WORKFLOW_TASKS: Final = frozenset(
    (
        SCHEDULED,
        STARTED,
        COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    )
)


def next_chunk(types: Sequence[int], start: int, *, version_2: bool) -> tuple[int, bool]:
    """Find the piece that starts at an index.

    Args:
        types: Types of the events, up to the end of history.
        start: Index of the first event that is not processed yet.
        version_2: Which rule for heartbeats counts.

    Returns:
        The index after its last event, and whether code runs then: it ends with the start of a workflow task, and
        is not what is left behind the last one.
    """
    count = len(types)
    for index in range(start, count):
        if types[index] != STARTED:
            continue
        if index + 1 == count:
            return count, True
        following = types[index + 1]
        if following in _NO_DECISION:
            continue
        if (
            following == COMPLETED
            and index + 2 < count
            and types[index + 2] == SCHEDULED
            and (not version_2 or _OF_WORKFLOW_TASKS.issuperset(types[start:index]))
        ):
            continue
        return index + 1, True
    return count, False


def uses_version_2(events: Sequence[HistoryEvent]) -> bool:
    """Read the version of the rule from the first completed workflow task; a new run uses the second."""
    for event in events:
        if event.event_type == COMPLETED:
            attributes = event.workflow_task_completed_event_attributes
            return CHUNKING_V2 in attributes.sdk_metadata.core_used_flags
    return True
