"""Versions (`get_version`): a marker as the Go SDK writes it, and the search attribute that finds its runs.

On replay no command is produced: the version is read from the marker ahead of its event, and the events are
passed over. So a call may be removed once one version is left, and its markers are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.workflow import DEFAULT_VERSION, UnsupportedVersionError

from .._commands import PendingCommand
from .._source import find_source
from ._marker_command import RECORDED, detail, plain, record_marker

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

VERSION: Final = "Version"
CHANGE_VERSION: Final = "TemporalChangeVersion"
UPSERTED: Final = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES

SEARCH_ATTRIBUTE_BYTES_MAX: Final = 2048
"""What servers take for one search attribute; beyond it the marker stands alone."""


class VersionMachine:
    """The marker of one change id; it has no state: once recorded it is done."""

    __slots__ = ("change_id",)

    def __init__(self, change_id: str) -> None:
        self.change_id = change_id

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take MarkerRecorded."""
        ours = event.marker_recorded_event_attributes.marker_name == VERSION
        return None if ours and detail(event, "change-id") == self.change_id else self.describe(event.event_type)

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"RecordMarker {VERSION!r} of {self.change_id!r}"

    def forget(self) -> None:
        """Nothing to let go of."""


class ChangeVersionMachine:
    """The search attribute that follows the marker of a version or a patch."""

    __slots__ = ()

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take UpsertWorkflowSearchAttributes."""
        return None if _is_ours(event) else self.describe(event.event_type)

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"UpsertWorkflowSearchAttributes {CHANGE_VERSION}"

    def forget(self) -> None:
        """Nothing to let go of."""


_CHANGE_VERSION_MACHINE: Final = ChangeVersionMachine()


def get_version(run: WorkflowRun, change_id: str, min_supported: int, max_supported: int) -> int:
    """Return the version of the run, deciding it at the first call.

    Raises:
        UnsupportedVersionError: It is outside the range.
        ValueError: The range is empty, or the id.
    """
    if not change_id or min_supported > max_supported:
        raise ValueError(f"get_version({change_id!r}, {min_supported}, {max_supported}): an id and a range are needed")
    versions = run.markers.versions
    version = versions.get(change_id)
    if version is None:
        if run.replaying:
            version = DEFAULT_VERSION
        else:
            version = max_supported
            _record(run, change_id, version)
        versions[change_id] = version
    if not min_supported <= version <= max_supported:
        error = UnsupportedVersionError(
            change_id=change_id,
            version=version,
            min_supported=min_supported,
            max_supported=max_supported,
            source=str(find_source() or run.source),
        )
        run.failed_by = error  # also if the code catches it: there is no branch that it could take
        raise error
    return version


def _record(run: WorkflowRun, change_id: str, version: int) -> None:
    value = _search_attribute([f"{change_id}-{version}", *changes(run)])
    details = {"change-id": change_id, "version": version}
    if value is None:
        details["version-search-attribute-updated"] = False
    machine = VersionMachine(change_id)
    run.commands.append(PendingCommand(RECORDED, machine, record_marker(run, VERSION, details), find_source()))
    if value is not None:
        _upsert(run, value)


def changes(run: WorkflowRun) -> Iterator[str]:
    """Everything that the run's search attribute names so far."""
    for change_id, version in run.markers.versions.items():
        yield f"{change_id}-{version}"
    yield from run.markers.patches


def upsert_changes(run: WorkflowRun, named: list[str]) -> None:
    """Produce the command that sets the search attribute, unless it would be too long."""
    value = _search_attribute(named)
    if value is not None:
        _upsert(run, value)


def _search_attribute(named: list[str]) -> Payload | None:
    payload = plain(named)
    if len(payload.data) >= SEARCH_ATTRIBUTE_BYTES_MAX:
        return None
    payload.metadata["type"] = b"KeywordList"
    return payload


def _upsert(run: WorkflowRun, value: Payload) -> None:
    command = Command(command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
    attributes = command.upsert_workflow_search_attributes_command_attributes
    attributes.search_attributes.indexed_fields[CHANGE_VERSION].CopyFrom(value)
    run.commands.append(PendingCommand(UPSERTED, _CHANGE_VERSION_MACHINE, command, find_source()))


# ---- history ---------------------------------------------------------------------------------------------


def _peek(run: WorkflowRun, event: HistoryEvent) -> None:
    run.markers.versions[detail(event, "change-id")] = int(detail(event, "version"))


def _skips(run: WorkflowRun, event: HistoryEvent) -> bool:
    return not (run.commands and isinstance(run.commands[0].machine, VersionMachine))


def _is_ours(event: HistoryEvent) -> bool:
    upserted = event.upsert_workflow_search_attributes_event_attributes
    return CHANGE_VERSION in upserted.search_attributes.indexed_fields


def needs_no_command(run: WorkflowRun, event: HistoryEvent) -> bool:
    """Pass over the search attribute on replay; its marker alone decides."""
    return _is_ours(event) and not (run.commands and run.commands[0].machine is _CHANGE_VERSION_MACHINE)


PEEKS: Final = {VERSION: _peek}
SKIPS: Final = {VERSION: _skips}
