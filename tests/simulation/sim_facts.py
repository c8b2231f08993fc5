"""What clients and workers were told during a simulation, and whether the store keeps it.

A fact is noted the moment an answer arrives. What was asked without an answer is noted too: it may have been done
once or not at all, never twice.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowExecutionStatus, WorkflowTaskFailedCause
from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki.store import SqliteStore, StoredRun

RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
ACTIVITY_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
}
BY_ITS_OWN_WILL = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}
OUTSIDE = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_TIMER_FIRED,
}


@dataclass
class Facts:
    started: dict[str, str] = field(default_factory=dict)
    """Run id -> workflow id of acknowledged starts."""
    signalled: set[str] = field(default_factory=set)
    """Names of acknowledged signals; each name belongs to one request id."""
    asked_signals: set[str] = field(default_factory=set)
    sent_with_start: set[str] = field(default_factory=set)
    """Those that may start their run."""
    cancelled: set[str] = field(default_factory=set)
    """Run ids."""
    terminated: set[str] = field(default_factory=set)
    tasks: dict[str, tuple[str, bool | None, list[Any]]] = field(default_factory=dict)
    """Identity of a workflow task answer -> run id, taken (None: unknown), commands."""
    outcomes: dict[str, tuple[str, bool | None]] = field(default_factory=dict)
    """Identity of an activity outcome that ends the activity -> run id, taken (None: unknown)."""
    attempts: set[tuple[str, str, int]] = field(default_factory=set)
    """(run id, activity id, attempt) that a worker got."""
    not_before: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Such an attempt -> when its back-off after an acknowledged failure ends at the earliest."""
    beats: dict[tuple[str, str], int] = field(default_factory=dict)
    """Newest acknowledged heartbeat of an activity."""
    paused: dict[str, int] = field(default_factory=dict)
    """Runs of which a pause was acknowledged, and no unpause asked for since -> when it was acknowledged."""
    let_go_on: dict[str, int] = field(default_factory=dict)
    """Run id -> the number of the last unpause that was asked for."""
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    """The same of (run id, activity id) -> when it was acknowledged."""
    released: dict[tuple[str, str], int] = field(default_factory=dict)
    options: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Activity -> the maximum attempts that were acknowledged, if no others were asked for since; and since when."""
    tokens: set[bytes] = field(default_factory=set)
    """Of the attempts that a worker got."""
    heard: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Run id -> what attempts have said into its stream, and was acknowledged."""
    shown: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """Run id -> the events that somebody has seen."""
    broken: list[str] = field(default_factory=list)

    def broke(self, invariant: int, what: str) -> None:
        self.broken.append(f"invariant {invariant}: {what}")

    def show(self, run_id: str, events: list[HistoryEvent]) -> None:
        """A whole history was read."""
        seen = self.shown[run_id]
        new = [event.SerializeToString(deterministic=True) for event in events]
        if new[: len(seen)] != seen:
            self.broke(6, f"run {run_id}: of {len(seen)} events shown before, some changed or are gone")
        self.shown[run_id] = new


def runs_of(store: SqliteStore) -> Iterator[tuple[StoredRun, list[HistoryEvent], int]]:
    """Each run with its events, those that wait behind them, and the number of the first kind."""
    for run_key in range(1, store.last_run_key + 1):
        stored = store.run(run_key)
        if stored is not None:
            batches = store.history(run_key)
            events = list(History.FromString(b"".join(batch.events for batch in batches)).events)
            waiting = History.FromString(stored.update.buffered or b"").events
            yield stored, [*events, *waiting], len(events)


def copied_events(events: list[HistoryEvent]) -> int:
    """How many events of a run are those of the run that it was reset from."""
    return max(
        (event.event_id for event in events if event.workflow_task_failed_event_attributes.cause == RESET), default=0
    )


def check_facts(facts: Facts, store: SqliteStore) -> list[str]:
    """Everything that breaks a promise."""
    found = list(facts.broken)
    events: dict[str, list[HistoryEvent]] = {}
    rows: dict[str, StoredRun] = {}
    for stored, run_events, in_history in runs_of(store):
        run_id = stored.new.run_id
        events[run_id], rows[run_id] = run_events, stored
        shown = facts.shown.get(run_id, [])
        if [event.SerializeToString(deterministic=True) for event in run_events[:in_history]][: len(shown)] != shown:
            found.append(f"invariant 6: run {run_id}: events that were shown have changed or are gone")
        found += [f"{text} (run {run_id})" for text in _in_one_run(run_events, facts)]
        found += [f"{text} (run {run_id})" for text in _in_stream(facts.heard[run_id], store, stored.new.run_key)]
    for run_id in facts.started:
        if run_id not in rows:
            found.append(f"invariant 1: run {run_id} was acknowledged and is not there")
    found += _signals(facts, events)
    found += _asked_to_end(facts, events, rows)
    found += _answers(facts, events)
    return found


def _signals(facts: Facts, events: dict[str, list[HistoryEvent]]) -> Iterator[str]:
    total: Counter[str] = Counter()
    for run_id, run_events in events.items():
        names = Counter(
            event.workflow_execution_signaled_event_attributes.signal_name
            for event in run_events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        )
        total += names
        for name, count in names.items():
            if count > 1 and not copied_events(run_events):  # a reset brings together what a chain of runs has got
                yield f"invariant 22: signal {name} is {count} times in run {run_id}"
            if name not in facts.asked_signals:
                yield f"signal {name} comes from nowhere"
    for name in facts.signalled:
        if not total[name]:
            yield f"invariant 2: signal {name} was acknowledged and is lost"


def _asked_to_end(facts: Facts, events: dict[str, list[HistoryEvent]], rows: dict[str, StoredRun]) -> Iterator[str]:
    requested = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
    for run_id, run_events in events.items():
        count = sum(event.event_type == requested for event in run_events)
        if count > 1:
            yield f"invariant 37: {count} cancel requests in run {run_id}"
        if run_id in facts.cancelled and count != 1:
            yield f"invariant 37: the cancel request of run {run_id} was acknowledged and is lost"
    for run_id in facts.terminated:
        if rows[run_id].update.status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED:
            yield f"invariant 37: the termination of run {run_id} was acknowledged and is lost"


def _answers(facts: Facts, events: dict[str, list[HistoryEvent]]) -> Iterator[str]:
    tasks: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for run_events in events.values():
        for event in run_events[copied_events(run_events) :]:
            if event.event_type == TASK_COMPLETED:
                identity = event.workflow_task_completed_event_attributes.identity
                tasks[identity] += 1
                yield from _commands_done(facts.tasks.get(identity), event.event_id, run_events)
            elif event.event_type in ACTIVITY_ENDS:
                outcomes[getattr(event, str(event.WhichOneof("attributes"))).identity] += 1
    for what, asked, done in (("workflow task", facts.tasks, tasks), ("activity", facts.outcomes, outcomes)):
        for identity, (run_id, taken, *_) in asked.items():  # type: ignore[attr-defined]
            count = done[identity]
            if count > 1 or (taken is True and count != 1) or (taken is False and count):
                told = {True: "acknowledged", False: "refused", None: "not answered"}[taken]
                yield f"invariant 3, 4, 15: {what} answer {identity} was {told}, is there {count} times (run {run_id})"


def _commands_done(
    fact: tuple[str, bool | None, list[Any]] | None, task: int, events: list[HistoryEvent]
) -> Iterator[str]:
    """All commands of a task or none: each leaves an event that names the task."""
    if fact is None:
        return
    asked = Counter(_RECORDED[command.command_type] for command in fact[2] if command.command_type in _RECORDED)
    done: Counter[int] = Counter()
    for event in events[task:]:
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        if getattr(attributes, "workflow_task_completed_event_id", 0) == task and event.event_type in asked:
            done[event.event_type] += 1
    if asked != done:
        yield f"invariant 4: workflow task {task} asked for {dict(asked)}, done is {dict(done)}"


_RECORDED = {
    1: EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    3: EventType.EVENT_TYPE_TIMER_STARTED,
    4: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    5: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    6: EventType.EVENT_TYPE_TIMER_CANCELED,
    7: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    10: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    11: EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    12: EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
}
"""By command type; a request to cancel an activity may come too late to leave an event."""


# ---- what no history may say -------------------------------------------------------------------------


def _in_stream(heard: list[int], store: SqliteStore, run_key: int) -> Iterator[str]:
    """Each event once, each attempt's in the order in which it said them, none missing that was acknowledged."""
    said: dict[str, list[int]] = defaultdict(list)
    for row in store.stream(run_key, 0, 100_000):
        said[row.start] += json.loads(Payload.FromString(row.events).data)
    everything = [event for events in said.values() for event in events]
    if len(set(everything)) < len(everything) or any(events != sorted(events) for events in said.values()):
        yield f"the stream tells twice, or not in order: {dict(said)}"
    if lost := set(heard).difference(everything):
        yield f"acknowledged events of the stream are lost: {sorted(lost)}"


def _in_one_run(events: list[HistoryEvent], facts: Facts) -> Iterator[str]:
    yield from _sees_all_before_it_ends(events)
    yield from _waits_for_its_start(events, facts)
    yield from _no_timeout_is_early(events)


def _sees_all_before_it_ends(events: list[HistoryEvent]) -> Iterator[str]:
    if events[-1].event_type not in BY_ITS_OWN_WILL:
        return
    completed = next((event for event in reversed(events) if event.event_type == TASK_COMPLETED), None)
    if completed is None:
        return
    started = completed.workflow_task_completed_event_attributes.started_event_id
    unseen = [event.event_id for event in events[started:] if event.event_type in OUTSIDE]
    if unseen and events[-2].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        yield f"invariant 18: it ended past events {unseen}, which it had not seen"


def _waits_for_its_start(events: list[HistoryEvent], facts: Facts) -> Iterator[str]:
    delay_ns = events[0].workflow_execution_started_event_attributes.first_workflow_task_backoff.ToNanoseconds()
    cut = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
    first = next((event for event in events if event.event_type in cut), None)  # a cancel request does not wait
    with_start = {event.workflow_execution_signaled_event_attributes.signal_name for event in events}
    if (
        first is not None
        and first.event_type == cut[0]
        and not with_start & facts.sent_with_start  # they do not wait either
        and first.event_time.ToNanoseconds() < events[0].event_time.ToNanoseconds() + delay_ns
    ):
        yield "invariant 33: the first workflow task came before its time"


def _no_timeout_is_early(events: list[HistoryEvent]) -> Iterator[str]:
    for event in events:
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            continue
        attributes = event.activity_task_timed_out_event_attributes
        scheduled_event = events[attributes.scheduled_event_id - 1]
        scheduled = scheduled_event.activity_task_scheduled_event_attributes
        kind = attributes.failure.timeout_failure_info.timeout_type
        if "Not enough time" in attributes.failure.message or "was lost" in attributes.failure.message:
            continue
        if kind == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE:
            due_ns = scheduled_event.event_time.ToNanoseconds() + scheduled.schedule_to_close_timeout.ToNanoseconds()
        elif kind == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE and attributes.started_event_id:
            started = events[attributes.started_event_id - 1]
            due_ns = started.event_time.ToNanoseconds() + scheduled.start_to_close_timeout.ToNanoseconds()
        else:
            continue
        if event.event_time.ToNanoseconds() < due_ns:
            yield f"invariant 30: event {event.event_id} timed out {due_ns - event.event_time.ToNanoseconds()} ns early"
