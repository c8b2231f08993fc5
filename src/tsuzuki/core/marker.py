"""Markers: what workflow code wants remembered (versions, side effects, local activities). They move no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, WorkflowTaskFailedCause

from .commands import Plan, carries_out
from .limits import too_large
from .refusal import BadCommand

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

_BAD: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES


def _check(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked = command.record_marker_command_attributes
    if not asked.marker_name:
        raise BadCommand(_BAD, "RecordMarker without a name; give the marker one.")
    size, limit = asked.ByteSize(), moment.limits.payload_bytes_max
    if size > limit:
        raise BadCommand(_BAD, too_large(f"marker '{asked.marker_name}'", size, limit), ends_run=True)


@carries_out(CommandType.COMMAND_TYPE_RECORD_MARKER, _check)
def record_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.record_marker_command_attributes
    event = run.event(EventType.EVENT_TYPE_MARKER_RECORDED, moment.now_ns)
    attributes = event.marker_recorded_event_attributes
    attributes.marker_name = asked.marker_name
    attributes.workflow_task_completed_event_id = completed_event_id
    for key, payloads in asked.details.items():
        attributes.details[key].CopyFrom(payloads)
    if asked.header.fields:
        attributes.header.CopyFrom(asked.header)
    if asked.HasField("failure"):
        attributes.failure.CopyFrom(asked.failure)
    if command.HasField("user_metadata"):
        event.user_metadata.CopyFrom(command.user_metadata)
    run.record(event)
