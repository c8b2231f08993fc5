"""Markers: what workflow code had recorded for itself. Each name has a file of its own; this one finds it.

A marker's value is needed before its event is reached: the code asks for it in the workflow task that the
event belongs to. So before code runs on replay, the markers of its workflow task are shown ahead (`peek`).
Some markers may stand in history without a command on replay (`needs_no_command`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from . import _local_activity, _patch, _side_effect, _version

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

MARKER_RECORDED: Final = EventType.EVENT_TYPE_MARKER_RECORDED

_PEEKS: Final[Mapping[str, Callable[[WorkflowRun, HistoryEvent], None]]] = {
    **_version.PEEKS,
    **_patch.PEEKS,
    **_side_effect.PEEKS,
    **_local_activity.PEEKS,
}
_SKIPS: Final[Mapping[str, Callable[[WorkflowRun, HistoryEvent], bool]]] = {
    **_version.SKIPS,
    **_patch.SKIPS,
    **_side_effect.SKIPS,
    **_local_activity.SKIPS,
}


def peek(run: WorkflowRun, event: HistoryEvent) -> None:
    """Take note of a marker that the code is about to ask for."""
    take = _PEEKS.get(event.marker_recorded_event_attributes.marker_name)
    if take is not None:
        take(run, event)


def needs_no_command(run: WorkflowRun, event: HistoryEvent) -> bool:
    """Tell whether a recorded marker, with the next command as it is, is to be passed over."""
    skip = _SKIPS.get(event.marker_recorded_event_attributes.marker_name)
    return skip is not None and skip(run, event)


EVENTS: Final[dict[int, object]] = {}
COMMAND_EVENTS: Final = frozenset((MARKER_RECORDED,))
SKIPS: Final = {MARKER_RECORDED: needs_no_command}


def _describe(event: HistoryEvent) -> str:
    name = event.marker_recorded_event_attributes.marker_name
    describe = _local_activity.DESCRIPTIONS.get(name)
    return f"MarkerRecorded {name!r}" if describe is None else describe(event)


DESCRIPTIONS: Final = {MARKER_RECORDED: _describe}
