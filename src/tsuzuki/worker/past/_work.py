"""What a run waits for at an event, read from its history: activities, timers, children, messages to others.

Folded from events and not from the run's machines, because between two workflow tasks history knows more
than the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent


class WorkKind(StrEnum):
    """What kind of work is pending."""

    ACTIVITY = "activity"
    TIMER = "timer"
    CHILD = "child workflow"
    SIGNAL = "signal to a workflow"
    CANCEL = "cancellation of a workflow"


@dataclass(frozen=True)
class PendingWork:
    """One thing that a run waits for.

    Attributes:
        event_id: The event that records the command.
        kind: What it is.
        name: Activity or workflow type, timer id, signal name or workflow id.
        id: Activity id, timer id or workflow id.
        started: True once it is known to have begun; of an activity history says so only when it ends.
    """

    event_id: int
    kind: WorkKind
    name: str
    id: str
    started: bool = False


def pending_work(events: Iterable[HistoryEvent]) -> tuple[PendingWork, ...]:
    """Fold events, from the first on, into what is pending after them, oldest first."""
    pending: dict[int, PendingWork] = {}
    for event in events:
        begin = _BEGINS.get(event.event_type)
        if begin is not None:
            pending[event.event_id] = begin(event)
            continue
        ended = _ENDS.get(event.event_type)
        if ended is not None:
            pending.pop(ended(event), None)
        elif event.event_type == _CHILD_STARTED:
            asked = event.child_workflow_execution_started_event_attributes.initiated_event_id
            if asked in pending:
                known = pending[asked]
                pending[asked] = PendingWork(known.event_id, known.kind, known.name, known.id, started=True)
    return tuple(pending.values())


def _activity(event: HistoryEvent) -> PendingWork:
    asked = event.activity_task_scheduled_event_attributes
    return PendingWork(event.event_id, WorkKind.ACTIVITY, asked.activity_type.name, asked.activity_id)


def _timer(event: HistoryEvent) -> PendingWork:
    asked = event.timer_started_event_attributes
    seconds = asked.start_to_fire_timeout.ToTimedelta().total_seconds()
    return PendingWork(event.event_id, WorkKind.TIMER, f"{seconds:g} s", asked.timer_id)


def _child(event: HistoryEvent) -> PendingWork:
    asked = event.start_child_workflow_execution_initiated_event_attributes
    return PendingWork(event.event_id, WorkKind.CHILD, asked.workflow_type.name, asked.workflow_id)


def _signal(event: HistoryEvent) -> PendingWork:
    asked = event.signal_external_workflow_execution_initiated_event_attributes
    return PendingWork(event.event_id, WorkKind.SIGNAL, asked.signal_name, asked.workflow_execution.workflow_id)


def _cancel(event: HistoryEvent) -> PendingWork:
    asked = event.request_cancel_external_workflow_execution_initiated_event_attributes
    workflow_id = asked.workflow_execution.workflow_id
    return PendingWork(event.event_id, WorkKind.CANCEL, workflow_id, workflow_id)


def _refers(attributes: str, field: str) -> Callable[[HistoryEvent], int]:
    def read(event: HistoryEvent) -> int:
        value: Any = getattr(getattr(event, attributes), field)
        return int(value)

    return read


def _ending(prefix: str, names: Iterable[str], field: str) -> dict[int, Callable[[HistoryEvent], int]]:
    return {
        EventType.Value(f"EVENT_TYPE_{prefix}_{name}"): _refers(f"{prefix}_{name}".lower() + "_event_attributes", field)
        for name in names
    }


_CHILD_STARTED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED

_BEGINS: Final[Mapping[int, Callable[[HistoryEvent], PendingWork]]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _activity,
    EventType.EVENT_TYPE_TIMER_STARTED: _timer,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _child,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: _signal,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: _cancel,
}

# Event type -> the event that asked for what has ended now.
_ENDS: Final[Mapping[int, Callable[[HistoryEvent], int]]] = {
    **_ending("ACTIVITY_TASK", ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED"), "scheduled_event_id"),
    **_ending("TIMER", ("FIRED", "CANCELED"), "started_event_id"),
    **_ending(
        "CHILD_WORKFLOW_EXECUTION",
        ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED", "TERMINATED"),
        "initiated_event_id",
    ),
    **_ending("START_CHILD_WORKFLOW_EXECUTION", ("FAILED",), "initiated_event_id"),
    **_ending("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", ("FAILED",), "initiated_event_id"),
    **_ending("EXTERNAL_WORKFLOW_EXECUTION", ("SIGNALED", "CANCEL_REQUESTED"), "initiated_event_id"),
    **_ending("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", ("FAILED",), "initiated_event_id"),
}
