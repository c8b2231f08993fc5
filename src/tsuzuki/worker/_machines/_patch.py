"""Patches (`patched`, `deprecate_patch`): the marker that the core of the official SDKs writes.

History has a marker of the patch: `patched` is True on replay, and the marker is its event. History has
none: it is False on replay, True live. A marker that was written as deprecated needs no call any more; one
that was not is a nondeterminism without it. What a call has once answered it answers for the rest of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.history.v1 import HistoryEvent

from .._commands import PendingCommand
from .._source import find_source
from ._marker_command import RECORDED, detail, record_marker
from ._version import changes, upsert_changes

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

PATCH: Final = "core_patch"
_DATA: Final = "patch-data"


class PatchMachine:
    """The marker of one patch; it has no state: once recorded it is done."""

    __slots__ = ("patch_id",)

    def __init__(self, patch_id: str) -> None:
        self.patch_id = patch_id

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take MarkerRecorded."""
        ours = event.marker_recorded_event_attributes.marker_name == PATCH
        return None if ours and detail(event, _DATA)["id"] == self.patch_id else self.describe(event.event_type)

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"RecordMarker {PATCH!r} of {self.patch_id!r}"

    def forget(self) -> None:
        """Nothing to let go of."""


def patched(run: WorkflowRun, patch_id: str, *, deprecated: bool) -> bool:
    """Tell whether the run takes the new way, deciding it at the first call."""
    answers = run.markers.patch_answers
    answer = answers.get(patch_id)
    if answer is None:
        answer = answers[patch_id] = not run.replaying or patch_id in run.markers.patches
        if answer:
            _record(run, patch_id, deprecated)
    return answer


def _record(run: WorkflowRun, patch_id: str, deprecated: bool) -> None:
    message = record_marker(run, PATCH, {_DATA: {"id": patch_id, "deprecated": deprecated}})
    run.commands.append(PendingCommand(RECORDED, PatchMachine(patch_id), message, find_source(), optional=True))
    if not run.replaying:
        run.markers.patches.add(patch_id)
        upsert_changes(run, sorted(changes(run)))


# ---- history ---------------------------------------------------------------------------------------------


def _peek(run: WorkflowRun, event: HistoryEvent) -> None:
    run.markers.patches.add(detail(event, _DATA)["id"])


def _skips(run: WorkflowRun, event: HistoryEvent) -> bool:
    data = detail(event, _DATA)
    if not data.get("deprecated"):
        return False
    machine = run.commands[0].machine if run.commands else None
    return not (isinstance(machine, PatchMachine) and machine.patch_id == data["id"])


PEEKS: Final = {PATCH: _peek}
SKIPS: Final = {PATCH: _skips}
