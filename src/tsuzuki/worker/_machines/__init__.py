"""One file for each kind of command or event that workflow code can cause or meet.

Each module has three tables: `EVENTS` (events that something else caused, with what to do), `COMMAND_EVENTS`
(events that record one of our commands) and `DESCRIPTIONS` (recorded events in words, for errors). They are
merged here; a new kind is a new file and a line in `_MODULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from . import (
    _activity,
    _child,
    _close,
    _execution,
    _external_cancel,
    _external_signal,
    _marker,
    _properties,
    _signal,
    _timer,
    _update,
    _workflow_task,
)

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

_MODULES: Final[tuple[Any, ...]] = (
    _execution,
    _workflow_task,
    _signal,
    _update,
    _activity,
    _timer,
    _child,
    _external_signal,
    _external_cancel,
    _marker,
    _properties,
    _close,
)

EVENTS: Final[dict[int, Callable[[WorkflowRun, HistoryEvent], None]]] = {
    event_type: handler for module in _MODULES for event_type, handler in module.EVENTS.items()
}

assert len(EVENTS) == sum(len(module.EVENTS) for module in _MODULES), "two modules take the same event"

_DESCRIPTIONS: Final[dict[int, Callable[[HistoryEvent], str]]] = {
    event_type: describe for module in _MODULES for event_type, describe in module.DESCRIPTIONS.items()
}

# Every event that records a command, ours to produce or not: a history with the others has taken a path that
# this code cannot take.
COMMAND_EVENTS: Final[frozenset[int]] = frozenset(
    event_type for module in _MODULES for event_type in module.COMMAND_EVENTS
) | frozenset(
    (
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED,
    )
)

# Recorded commands that, with the next command as it is, are passed over.
SKIPS: Final[dict[int, Callable[[WorkflowRun, HistoryEvent], bool]]] = {
    event_type: skip for module in (_marker, _properties) for event_type, skip in module.SKIPS.items()
}


def describe_event(event: HistoryEvent) -> str:
    """Return a recorded event in words, such as `ActivityTaskScheduled 'search'`."""
    describe = _DESCRIPTIONS.get(event.event_type)
    if describe is not None:
        return describe(event)
    words = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


__all__ = ["COMMAND_EVENTS", "EVENTS", "SKIPS", "describe_event"]
