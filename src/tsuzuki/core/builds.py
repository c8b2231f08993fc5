"""Which builds of the worker have decided for a run: each with the first workflow task that it completed.

What one build did wrong is undone by a reset to there, so these places are shown as reset points.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from temporalio.api.common.v1 import WorkerVersionStamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from .times import time_ns

BUILDS_MAX: Final = 20
"""Of a run, the last ones."""
_COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


class Build(NamedTuple):
    """One build.

    Attributes:
        build_id: Empty if its worker did not say.
        checksum: What older workers said instead.
        completed_event_id: Its first completed workflow task.
        completed_ns: When that was.
    """

    build_id: str
    checksum: str
    completed_event_id: int
    completed_ns: int


@dataclass(slots=True)
class Builds:
    """Those of a run, in the order in which they came, and what the last worker said of itself."""

    known: list[Build] = field(default_factory=list)
    latest: WorkerVersionStamp | None = None

    def note(self, event: HistoryEvent) -> None:
        """Take in a completed workflow task."""
        attributes = event.workflow_task_completed_event_attributes
        self.latest = attributes.worker_version if attributes.HasField("worker_version") else None
        build_id, checksum = "" if self.latest is None else self.latest.build_id, attributes.binary_checksum
        known = self.known
        if known and known[-1].build_id == build_id and known[-1].checksum == checksum:  # as a rule
            return
        for each in known:
            if each.build_id == build_id and each.checksum == checksum:
                return
        known.append(Build(build_id, checksum, event.event_id, time_ns(event.event_time)))
        if len(known) > BUILDS_MAX:
            del known[0]


def builds_of(events: Iterable[HistoryEvent]) -> Builds:
    """Read from history."""
    builds = Builds()
    for event in events:
        if event.event_type == _COMPLETED:
            builds.note(event)
    return builds
