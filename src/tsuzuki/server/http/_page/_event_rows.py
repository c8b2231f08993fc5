"""Events of a history as rows: what a person sees of each in one line.

Which fields of an event say something is read from its descriptor, once for each type, so that a new type of event
has a row too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from ._marker_rows import shown
from ._preview import PREVIEW_CHARACTERS, failure_line, preview

_NAMES: Final = (
    ("activity_type", "name"),
    ("timer_id",),
    ("signal_name",),
    ("marker_name",),
    ("accepted_request", "input", "name"),
    ("request", "input", "name"),
    ("workflow_type", "name"),
    ("operation",),
    ("workflow_execution", "workflow_id"),
)
_REFERS: Final = ("scheduled_event_id", "initiated_event_id", "accepted_event_id", "started_event_id")
_IDS: Final = (("activity_id",), ("workflow_id",), ("workflow_execution", "workflow_id"), ("meta", "update_id"))
_PAYLOADS: Final = (
    ("input",),
    ("result",),
    ("details",),
    ("accepted_request", "input", "args"),
    ("outcome", "success"),
)
_FAILURES: Final = (("failure",), ("last_failure",), ("outcome", "failure"))
_CATEGORIES: Final = (
    ("WorkflowTask", "task"),
    ("Activity", "activity"),
    ("Timer", "timer"),
    ("StartChildWorkflow", "child"),
    ("ChildWorkflow", "child"),
    ("WorkflowExecutionSignaled", "signal"),
    ("WorkflowExecutionUpdate", "update"),
    ("Marker", "marker"),
    ("Nexus", "nexus"),
    ("SignalExternal", "external"),
    ("RequestCancelExternal", "external"),
    ("External", "external"),
)


@dataclass(frozen=True)
class _Kind:
    """How events of one type are read."""

    name: str
    category: str
    attributes: str
    named: Callable[[Any], str]
    refers: Callable[[Any], int]
    id: Callable[[Any], str]
    says: Callable[[Any], str]


def row(event: HistoryEvent) -> list[Any]:
    """An event as `[id, time in ms, type, category, name, event it refers to, id of the thing, text, attempt]`.

    One whose caller a server knew has the caller's name as one element more.
    """
    kind = _kind(event.event_type, event.WhichOneof("attributes") or "")
    attributes = getattr(event, kind.attributes) if kind.attributes else None
    time = event.event_time
    milliseconds = time.seconds * 1000 + time.nanos // 1_000_000
    special = shown(attributes)
    if special is not None:
        category, name, thing, text, attempt = special
        return [event.event_id, milliseconds, kind.name, category, name, kind.refers(attributes), thing, text, attempt]
    return [
        event.event_id,
        milliseconds,
        kind.name,
        kind.category,
        kind.named(attributes),
        kind.refers(attributes),
        kind.id(attributes),
        kind.says(attributes),
        getattr(attributes, "attempt", 0),
        *([event.principal.name] if event.HasField("principal") else ()),
    ]


def event_name(event_type: int) -> str:
    """`ActivityTaskScheduled` for its number."""
    try:
        words = EventType.Name(event_type).removeprefix("EVENT_TYPE_").split("_")  # type: ignore[arg-type]
    except ValueError:
        return f"event type {event_type}"
    return "".join(word.capitalize() for word in words)


@cache
def _kind(event_type: int, attributes: str) -> _Kind:
    name = event_name(event_type)
    category = next((category for prefix, category in _CATEGORIES if name.startswith(prefix)), "workflow")
    field = HistoryEvent.DESCRIPTOR.fields_by_name.get(attributes)
    descriptor = None if field is None else field.message_type
    return _Kind(
        name,
        category,
        attributes,
        named=_first(descriptor, _NAMES),
        refers=_reference(descriptor, category),
        id=_first(descriptor, _IDS),
        says=_saying(descriptor),
    )


def _path_exists(descriptor: Any, path: Sequence[str]) -> bool:
    for name in path:
        field = None if descriptor is None else descriptor.fields_by_name.get(name)
        if field is None:
            return False
        descriptor = field.message_type
    return True


def _reader(path: Sequence[str]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        for name in path:
            value = getattr(value, name)
        return value

    return read


def _first(descriptor: Any, paths: Sequence[Sequence[str]]) -> Callable[[Any], str]:
    for path in paths:
        if _path_exists(descriptor, path):
            return _reader(path)
    return lambda attributes: ""


def _reference(descriptor: Any, category: str) -> Callable[[Any], int]:
    for name in _REFERS:
        if _path_exists(descriptor, (name,)):
            return _reader((name,))
    return lambda attributes: 0


def _saying(descriptor: Any) -> Callable[[Any], str]:
    failures = [_reader(path) for path in _FAILURES if _path_exists(descriptor, path)]
    payloads = [_reader(path) for path in _PAYLOADS if _path_exists(descriptor, path)]
    reason = _reader(("reason",)) if _path_exists(descriptor, ("reason",)) else None
    fires = _reader(("start_to_fire_timeout",)) if _path_exists(descriptor, ("start_to_fire_timeout",)) else None

    def say(attributes: Any) -> str:
        if fires is not None:
            return f"{fires(attributes).ToTimedelta().total_seconds():g} s"
        for read in failures:
            failure = read(attributes)
            if isinstance(failure, Failure) and failure.ByteSize():
                return failure_line(failure)
        for read in payloads:
            given = read(attributes)
            if isinstance(given, Payloads) and given.payloads:
                return preview(given.payloads)
        return "" if reason is None else str(reason(attributes))[:PREVIEW_CHARACTERS]

    return say
