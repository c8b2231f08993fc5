"""The command that records a marker, and its event, in the details that official SDKs write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import PayloadConverter

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

RECORDED: Final = EventType.EVENT_TYPE_MARKER_RECORDED

# What the SDK itself writes into markers is plain JSON, whatever the workflow's own converter makes of values.
_PLAIN: Final = PayloadConverter.default


def record_marker(run: WorkflowRun, name: str, details: Mapping[str, Any]) -> Command | None:
    """Return a RecordMarker command; None on replay.

    Args:
        run: The run.
        name: The marker's name.
        details: By key: payloads as they are, or one value to write as plain JSON.
    """
    if run.replaying:
        return None
    command = Command(command_type=CommandType.COMMAND_TYPE_RECORD_MARKER)
    attributes = command.record_marker_command_attributes
    attributes.marker_name = name
    for key, value in details.items():
        payloads = value if isinstance(value, list) else [plain(value)]
        attributes.details[key].payloads.extend(payloads)
    return command


def plain(value: Any) -> Payload:
    """Write a value as plain JSON."""
    return _PLAIN.to_payload(value)


def detail(event: HistoryEvent, key: str, default: Any = None) -> Any:
    """Read a value that an SDK wrote into a marker."""
    payloads = details(event, key)
    return _PLAIN.from_payload(payloads[0]) if payloads else default


def details(event: HistoryEvent, key: str) -> Sequence[Payload]:
    """The payloads under a key of a marker; empty when there are none."""
    found = event.marker_recorded_event_attributes.details
    return found[key].payloads if key in found else ()
