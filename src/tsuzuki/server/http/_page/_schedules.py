"""The schedules of a namespace: what each starts, when it will, and what it started last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.schedule.v1 import ScheduleListEntry, ScheduleSpec
from temporalio.api.workflowservice.v1 import ListSchedulesRequest, ListSchedulesResponse

from .._answers import Caller
from ._moments import span

SCHEDULES_MAX: Final = 1000
RECENT: Final = 3


@dataclass(frozen=True)
class ShownSchedule:
    """A line of the list."""

    id: str
    type: str
    when: str
    paused: bool
    notes: str
    next: Timestamp | None
    recent: Sequence[WorkflowExecution]


async def schedules(caller: Caller, namespace: str) -> list[ShownSchedule]:
    """All of them, at most `SCHEDULES_MAX`."""
    asked = ListSchedulesRequest(namespace=namespace, maximum_page_size=SCHEDULES_MAX)
    listed = await caller.ask(asked, ListSchedulesResponse)
    return [_shown(entry) for entry in listed.schedules]


def _shown(entry: ScheduleListEntry) -> ShownSchedule:
    info = entry.info
    actions = list(info.recent_actions)[-RECENT:]
    return ShownSchedule(
        id=entry.schedule_id,
        type=info.workflow_type.name,
        when=_when(info.spec),
        paused=info.paused,
        notes=info.notes,
        next=info.future_action_times[0] if info.future_action_times and not info.paused else None,
        recent=[action.start_workflow_result for action in reversed(actions)],
    )


def _when(spec: ScheduleSpec) -> str:
    """When it acts, in few words."""
    parts = [*spec.cron_string, *(f"every {span(interval.interval)}" for interval in spec.interval)]
    calendars = len(spec.structured_calendar) + len(spec.calendar)
    named = [calendar.comment for calendar in spec.structured_calendar if calendar.comment]
    parts += named or ([f"{calendars} calendar{'s' if calendars > 1 else ''}"] if calendars else [])
    return ", ".join(parts)
