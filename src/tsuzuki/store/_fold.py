"""What a run's history says, folded by simple code of its own.

The judge must not share a mistake with the judged: nothing here may come from `tsuzuki.core`. It knows
only what it needs to say which items are open, and notes what no history may contain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    HistoryEvent,
    WorkflowExecutionStartedEventAttributes,
)

CLOSED_AS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: (
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
    ),
}


_OUTCOMES: Final = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
    }
)
"""Of the events that waited for a workflow task these come last, as on the real server, so they may be earlier than
the others."""
_FROM_OUTSIDE: Final = _OUTCOMES | {
    EventType.EVENT_TYPE_TIMER_FIRED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
}
"""Events that may wait for a workflow task to end. They keep the time at which they came, as on the real server, so
they may be earlier than the end of that task, but not than its start."""
_STARTED_LATE: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
"""Written when the attempt has ended, with the time at which it began, as on the real server."""


class Finding(NamedTuple):
    """Something that a history says and must not."""

    event_id: int
    invariant: int
    what: str


@dataclass
class Folded:
    """What is open at the end of a history."""

    started: WorkflowExecutionStartedEventAttributes | None = None
    last_event_id: int = 0
    last_time_ns: int = 0
    last_outside_ns: int = 0
    """Time of the last event that came from outside, or of the last start of a workflow task."""
    last_outcome_ns: int = 0
    """Time of the last outcome of an activity, or of the last start of a workflow task."""
    status: int = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
    closed_ns: int | None = None
    successor: str = ""
    """The run that a closed run says it went on as."""
    activities: dict[int, ActivityTaskScheduledEventAttributes] = field(default_factory=dict)
    timers: dict[int, int] = field(default_factory=dict)
    """Started event id -> when it fires."""
    workflow_task: int | None = None
    """Scheduled event id."""
    workflow_task_started: bool = False
    workflow_tasks: int = 0
    reset_ns: int = 0
    """When the run began anew from a place in the middle, if it did."""
    paused: bool = False
    request_ids: set[str] = field(default_factory=set)
    reapplying: bool = False
    """A reset is telling the run again what came to others: their request ids are not its own."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        return self.closed_ns is not None

    def apply(self, event: HistoryEvent) -> None:
        """Fold one event in."""
        self._order(event)
        kind = event.event_type
        if kind in CLOSED_AS:
            self._close(event)
        elif kind in _FOLDS:
            _FOLDS[kind](self, event)
        self.last_event_id = event.event_id

    def end_what_waits(self, waiting: Iterable[HistoryEvent]) -> None:
        """Take away what is over though its end has no place in history yet: it waits for a workflow task."""
        for event in waiting:
            if event.event_type in _AT_ONCE:
                _FOLDS[event.event_type](self, event)

    def note(self, event: HistoryEvent, invariant: int, what: str) -> None:
        self.findings.append(Finding(event.event_id, invariant, what))

    def _order(self, event: HistoryEvent) -> None:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        if event.event_id != self.last_event_id + 1:
            self.note(event, 5, f"event id {event.event_id} follows {self.last_event_id}")
        first = event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
        if first != (self.last_event_id == 0):
            self.note(event, 7, f"event {event.event_id} is {name}")
        if self.closed:
            self.note(event, 7, f"{name} after the run was closed")
        if event.event_type != _STARTED_LATE:
            self._order_in_time(event, name)

    def _order_in_time(self, event: HistoryEvent, name: str) -> None:
        time_ns = event.event_time.ToNanoseconds()
        outside, outcome = event.event_type in _FROM_OUTSIDE, event.event_type in _OUTCOMES
        not_before_ns = self.last_time_ns
        if outside:
            not_before_ns = self.last_outcome_ns if outcome else self.last_outside_ns
        if time_ns < not_before_ns:
            self.note(event, 8, f"{name} is {not_before_ns - time_ns} ns earlier than the event before")
        started = event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
        waited = not _never_started(event)  # else the code may have cancelled it: what waited comes after that
        if (outside and waited) or started:
            self.last_outside_ns = max(time_ns, self.last_outside_ns)
        if (outcome and waited) or started:
            self.last_outcome_ns = max(time_ns, self.last_outcome_ns)
        self.last_time_ns = max(time_ns, self.last_time_ns)

    def _close(self, event: HistoryEvent) -> None:
        if not self.closed:
            self.status = CLOSED_AS[event.event_type]
            self.closed_ns = event.event_time.ToNanoseconds()
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        self.successor = getattr(attributes, "new_execution_run_id", "")


def _never_started(event: HistoryEvent) -> bool:
    cancelled = event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
    return cancelled and not event.activity_task_canceled_event_attributes.started_event_id


def _start(run: Folded, event: HistoryEvent) -> None:
    if run.started is None:
        run.started = event.workflow_execution_started_event_attributes


def _task_scheduled(run: Folded, event: HistoryEvent) -> None:
    if run.workflow_task is not None:
        run.note(event, 13, f"a second workflow task, while {run.workflow_task} is open")
    if run.paused:
        run.note(event, 13, "a workflow task was scheduled while the run was paused")
    run.workflow_task, run.workflow_task_started = event.event_id, False
    run.workflow_tasks += 1
    run.reapplying = False


def _task_started(run: Folded, event: HistoryEvent) -> None:
    scheduled = event.workflow_task_started_event_attributes.scheduled_event_id
    if run.workflow_task != scheduled or run.workflow_task_started:
        run.note(event, 13, f"workflow task {scheduled} started, but the open one is {run.workflow_task}")
    run.workflow_task_started = True


def _task_ended(run: Folded, event: HistoryEvent) -> None:
    scheduled = getattr(event, str(event.WhichOneof("attributes"))).scheduled_event_id
    if run.workflow_task != scheduled:
        run.note(event, 3, f"workflow task {scheduled} ended, but the open one is {run.workflow_task}")
    run.workflow_task, run.workflow_task_started = None, False
    failed = event.workflow_task_failed_event_attributes
    run.reapplying = bool(failed.new_run_id)
    if run.reapplying:
        run.request_ids.clear()  # those of another run, as the events before this one
    if failed.new_run_id and run.started is not None and run.started.first_execution_run_id != failed.new_run_id:
        run.reset_ns = event.event_time.ToNanoseconds()


def _activity_scheduled(run: Folded, event: HistoryEvent) -> None:
    run.activities[event.event_id] = event.activity_task_scheduled_event_attributes


def _activity_ended(run: Folded, event: HistoryEvent) -> None:
    scheduled = getattr(event, str(event.WhichOneof("attributes"))).scheduled_event_id
    if run.activities.pop(scheduled, None) is None:
        run.note(event, 3, f"activity {scheduled} ended, but it is not open: ended twice, or never scheduled")


def _timer_started(run: Folded, event: HistoryEvent) -> None:
    timeout = event.timer_started_event_attributes.start_to_fire_timeout
    run.timers[event.event_id] = event.event_time.ToNanoseconds() + nanoseconds(timeout)


def _timer_fired(run: Folded, event: HistoryEvent) -> None:
    fires_ns = run.timers.get(event.timer_fired_event_attributes.started_event_id, 0)
    if event.event_time.ToNanoseconds() < fires_ns:
        run.note(event, 32, f"the timer fired {fires_ns - event.event_time.ToNanoseconds()} ns early")
    _timer_ended(run, event)


def _timer_ended(run: Folded, event: HistoryEvent) -> None:
    started = getattr(event, str(event.WhichOneof("attributes"))).started_event_id
    if run.timers.pop(started, None) is None:
        run.note(event, 32, f"timer {started} ended, but it is not open: ended twice, or never started")


def _paused(run: Folded, event: HistoryEvent) -> None:
    if run.paused:
        run.note(event, 3, "the run was paused, and is paused again")
    run.paused, run.status = True, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


def _unpaused(run: Folded, event: HistoryEvent) -> None:
    if not run.paused:
        run.note(event, 3, "the run goes on, but was not paused")
    run.paused, run.status = False, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


def _signaled(run: Folded, event: HistoryEvent) -> None:
    request_id = event.workflow_execution_signaled_event_attributes.request_id
    if run.reapplying or not request_id:
        return
    if request_id in run.request_ids:
        run.note(event, 2, f"the signal with request id {request_id!r} is there twice")
    run.request_ids.add(request_id)


def nanoseconds(duration: Duration) -> int:
    return duration.seconds * 1_000_000_000 + duration.nanos


_FOLDS: Final[dict[int, Callable[[Folded, HistoryEvent], None]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _start,
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: _task_scheduled,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: _task_started,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: _task_ended,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _task_ended,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: _task_ended,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _activity_scheduled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _activity_ended,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: _activity_ended,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _activity_ended,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _activity_ended,
    EventType.EVENT_TYPE_TIMER_STARTED: _timer_started,
    EventType.EVENT_TYPE_TIMER_FIRED: _timer_fired,
    EventType.EVENT_TYPE_TIMER_CANCELED: _timer_ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _signaled,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED: _paused,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED: _unpaused,
}

_AT_ONCE: Final = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
        EventType.EVENT_TYPE_TIMER_FIRED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
    }
)
"""What counts from when it comes, though its place in history is decided later."""
