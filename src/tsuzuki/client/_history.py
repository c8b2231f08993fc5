"""A workflow's recorded history, and its JSON form.

The JSON is that of the official command line and web page (`temporal workflow show --output json`), both
ways, so that histories move between their tools and ours. Older exports name enums in PascalCase; those are
read too, guided by the message descriptors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from temporalio.api.history.v1 import History, HistoryEvent


class WorkflowHistoryEventFilterType(IntEnum):
    """Which events of a history to fetch."""

    ALL_EVENT = 1
    CLOSE_EVENT = 2


@dataclass(frozen=True)
class WorkflowHistory:
    """The events of one run.

    Attributes:
        workflow_id: Which workflow.
        events: Its events, in order, from the first.
    """

    workflow_id: str
    events: Sequence[HistoryEvent]

    @property
    def run_id(self) -> str:
        """The run that these events were first recorded for.

        Raises:
            ValueError: The first event is not the start of the workflow.
        """
        first = self.events[0] if self.events else None
        if first is None or not first.HasField("workflow_execution_started_event_attributes"):
            raise ValueError(f"the history of {self.workflow_id!r} does not begin with WorkflowExecutionStarted")
        return first.workflow_execution_started_event_attributes.original_execution_run_id

    def to_json(self) -> str:
        """Write the events as JSON; the workflow id is not part of it."""
        return json_format.MessageToJson(History(events=self.events))

    def to_json_dict(self) -> dict[str, Any]:
        """Give the events as what `json.loads(to_json())` gives."""
        return json_format.MessageToDict(History(events=self.events))

    @staticmethod
    def from_json(workflow_id: str, history: str | Mapping[str, Any]) -> WorkflowHistory:
        """Read a history that this class, the official command line or web page wrote.

        Args:
            workflow_id: Which workflow; the JSON does not say.
            history: JSON text, or what `json.loads` gives.

        Raises:
            ValueError: It is not a history.
        """
        parsed = json.loads(history) if isinstance(history, str) else history
        if not isinstance(parsed, Mapping) or not isinstance(parsed.get("events"), list):
            raise ValueError('not a history: it must be a JSON object with a list "events"')
        try:
            message = json_format.ParseDict(
                _with_enum_names(parsed, History.DESCRIPTOR), History(), ignore_unknown_fields=True
            )
        except json_format.ParseError as error:
            raise ValueError(f"not a history: {error}") from error
        return WorkflowHistory(workflow_id, message.events)


def _with_enum_names(value: Mapping[str, Any], descriptor: Descriptor) -> dict[str, Any]:
    """Copy a message in JSON form with every enum under its full name."""
    return {key: _field(inner, descriptor.fields_by_camelcase_name.get(key)) for key, inner in value.items()}


def _field(value: Any, field: FieldDescriptor | None) -> Any:
    if field is None:
        return value
    if isinstance(value, list):
        return [_field(item, field) for item in value]
    if field.enum_type is not None:
        return _enum_name(value, field.enum_type)
    message = field.message_type
    if message is None or not isinstance(value, Mapping) or message.full_name.startswith("google."):
        return value
    if message.GetOptions().map_entry:
        return {key: _field(item, message.fields_by_name["value"]) for key, item in value.items()}
    return _with_enum_names(value, message)


def _enum_name(value: Any, enum: EnumDescriptor) -> Any:
    if not isinstance(value, str) or value in enum.values_by_name:
        return value
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    name = prefix + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value).upper()
    return name if name in enum.values_by_name else value
