"""Search attributes and memo, changed by the workflow: they go out, and count for the run, at once."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.common import SearchAttributeValue
from tsuzuki.converter import decode_search_attributes, encode_search_attributes

from .._commands import PendingCommand
from .._source import find_source
from ._version import CHANGE_VERSION, UPSERTED, needs_no_command

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

MODIFIED: Final = EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED

_COMMAND_NAMES: Final[Mapping[int, str]] = {
    UPSERTED: "UpsertWorkflowSearchAttributes",
    MODIFIED: "ModifyWorkflowProperties",
}


class PropertiesMachine:
    """A change; it has no state of its own, because nothing answers it."""

    __slots__ = ()

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take the event that records it."""
        return None

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return _COMMAND_NAMES[event_type]

    def forget(self) -> None:
        """Nothing to let go of."""


_MACHINE: Final = PropertiesMachine()


def upsert_search_attributes(run: WorkflowRun, attributes: Any) -> None:
    """Produce UpsertWorkflowSearchAttributes.

    Raises:
        TypeError: A value is of no type that can be indexed.
        ValueError: The key is the engine's own.
    """
    command = Command(command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
    proto = command.upsert_workflow_search_attributes_command_attributes.search_attributes
    encode_search_attributes(attributes, proto)
    if not proto.indexed_fields:
        return
    if CHANGE_VERSION in proto.indexed_fields:
        raise ValueError(f"the search attribute {CHANGE_VERSION} is written by get_version and patched; choose another")
    known = cast("MutableMapping[str, SearchAttributeValue]", run.facts.info.search_attributes)
    for key, value in decode_search_attributes(proto).items():
        if value is None or value == []:
            known.pop(key, None)
            run.facts.search_attributes.pop(key, None)
        else:
            known[key] = value
            run.facts.search_attributes[key] = proto.indexed_fields[key]
    run.commands.append(PendingCommand(UPSERTED, _MACHINE, None if run.replaying else command, find_source()))


def upsert_memo(run: WorkflowRun, updates: Mapping[str, Any]) -> None:
    """Produce ModifyWorkflowProperties.

    Raises:
        PayloadEncodeError: A value has no payload form.
    """
    if not updates:
        return
    command = Command(command_type=CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES)
    fields = command.modify_workflow_properties_command_attributes.upserted_memo.fields
    for key, value in updates.items():
        fields[key].CopyFrom(run.payload_converter.to_payload(value))
    known = cast("MutableMapping[str, Payload]", run.facts.info.raw_memo)
    for key, value in updates.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = fields[key]
    run.facts.forget_memo()
    run.commands.append(PendingCommand(MODIFIED, _MACHINE, None if run.replaying else command, find_source()))


EVENTS: Final[dict[int, object]] = {}
COMMAND_EVENTS: Final = frozenset((UPSERTED, MODIFIED))
SKIPS: Final = {UPSERTED: needs_no_command}


def _describe_upserted(event: HistoryEvent) -> str:
    upserted = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    return f"UpsertWorkflowSearchAttributes {', '.join(sorted(upserted))}"


DESCRIPTIONS: Final = {UPSERTED: _describe_upserted}
