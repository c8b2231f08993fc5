"""What a research run looks like from outside: its history and its description, folded into rows.

Everything here comes through the public client; nothing of the engine or the worker is touched. The
history says what is recorded, the description what is under way between two events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import PendingActivity, PendingActivityState
from tsuzuki.converter import DataConverter
from tsuzuki.demo import Search


class State(Enum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    RESTORED = "restored"
    FAILED = "failed"


@dataclass
class Step:
    """One activity of the run.

    Attributes:
        number: Number of the search; 0 for a step that is no search.
        seconds: How long the recorded attempt took, or the current one has taken so far.
        note: Why the last attempt failed.
    """

    number: int
    title: str
    state: State = State.WAITING
    attempt: int = 1
    seconds: float | None = None
    note: str = ""

    @property
    def recorded(self) -> bool:
        """Whether its result is in the history."""
        return self.state in (State.DONE, State.RESTORED)


_TITLES: Final = {"make_plan": "Read the texts and plan the searches", "write_report": "Write the report"}


class RunState:
    """The steps of a run in the order in which they were scheduled."""

    def __init__(self, converter: DataConverter = DataConverter.default) -> None:
        self._payloads: Final = converter.payload_converter
        self._steps: dict[int, Step] = {}  # by the id of the event that scheduled it
        self._by_activity: dict[str, Step] = {}
        self._started: dict[int, datetime] = {}
        self.stuck = ""

    @property
    def steps(self) -> Sequence[Step]:
        """All steps known so far."""
        return list(self._steps.values())

    @property
    def searches(self) -> Sequence[Step]:
        """The steps that are searches."""
        return [step for step in self._steps.values() if step.number]

    def recorded(self, state: State | None = None) -> int:
        """How many searches are recorded, or recorded in this way."""
        return sum(step.recorded and state in (None, step.state) for step in self.searches)

    def apply(self, event: HistoryEvent, restored: bool) -> None:
        """Take in one event of the history; `restored` if it was there before this process."""
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                name = scheduled.activity_type.name
                step = Step(0, _TITLES.get(name, name))
                if name == "search":
                    job = self._payloads.from_payloads(scheduled.input.payloads, [Search])[0]
                    step = Step(job.number, job.topic.title)
                self._steps[event.event_id] = self._by_activity[scheduled.activity_id] = step
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                self._steps[started.scheduled_event_id].attempt = started.attempt
                self._started[started.scheduled_event_id] = _time(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                scheduled_id = event.activity_task_completed_event_attributes.scheduled_event_id
                step = self._steps[scheduled_id]
                step.state = State.RESTORED if restored else State.DONE
                step.seconds = (_time(event) - self._started[scheduled_id]).total_seconds()
                step.note = ""
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                step = self._steps[failed.scheduled_event_id]
                step.state, step.note = State.FAILED, failed.failure.message
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                step = self._steps[timed_out.scheduled_event_id]
                step.state, step.note = State.FAILED, timed_out.failure.message
            case _:
                pass

    def observe(self, pending: Sequence[PendingActivity], now: datetime) -> None:
        """Take in what the run waits for right now."""
        for activity in pending:
            step = self._by_activity.get(activity.activity_id)
            if step is None or step.recorded:  # the history is ahead of the description, or behind it
                continue
            running = activity.state is not PendingActivityState.SCHEDULED
            step.attempt = activity.attempt
            step.state = State.RUNNING if running else State.RETRYING if activity.attempt > 1 else State.WAITING
            step.seconds = None
            if running and activity.last_started_time is not None:
                step.seconds = max(0.0, (now - activity.last_started_time).total_seconds())
            step.note = str(activity.last_failure) if activity.last_failure and not running else ""


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
