"""What was told of runs that have to do with each other, and whether the store keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sim_facts import Facts, copied_events, runs_of
from temporalio.api.enums.v1 import EventType, ParentClosePolicy, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.core.child_workflow import ENDS, INITIATED, START_FAILED, STARTED
from tsuzuki.store import SqliteStore

SECOND = 1_000_000_000
INTERVAL_NS = 20 * SECOND
_ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
_SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
_TERMINATED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
_CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


@dataclass
class Relations:
    asked_updates: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(run id, update id) -> how often it was asked."""
    accepted_updates: set[tuple[str, str]] = field(default_factory=set)
    outcomes: dict[tuple[str, str], bytes] = field(default_factory=dict)
    rejected_updates: set[tuple[str, str]] = field(default_factory=set)
    reset_from: dict[str, str] = field(default_factory=dict)
    """Run id of an acknowledged reset -> the run that was reset."""
    signalled_run: dict[str, str] = field(default_factory=dict)
    """Signal name -> the run that is said to have it."""
    batches: set[str] = field(default_factory=set)
    schedules: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Id -> when its creation was acknowledged, and whether it starts a run at each of its times."""
    schedules_gone: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Id -> when its end was asked for, and acknowledged."""

    def told_of_update(self, answer: Any, facts: Facts) -> None:
        key = (answer.update_ref.workflow_execution.run_id, answer.update_ref.update_id)
        outcome = answer.outcome
        if outcome.HasField("success"):
            data = outcome.success.payloads[0].data
            if self.outcomes.setdefault(key, data) != data:
                facts.broke(25, f"update {key} ended as {data!r}, and before as {self.outcomes[key]!r}")
        elif outcome.HasField("failure"):
            if outcome.failure.application_failure_info.type == "AcceptedUpdateCompletedWorkflow":
                self.accepted_updates.add(key)
            else:
                self.rejected_updates.add(key)
        elif answer.stage == UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
            self.accepted_updates.add(key)


@dataclass
class _Run:
    workflow_id: str
    run_id: str
    events: list[HistoryEvent]

    @property
    def started(self) -> Any:
        return self.events[0].workflow_execution_started_event_attributes

    @property
    def last(self) -> HistoryEvent:
        return self.events[-1]

    @property
    def closed_ns(self) -> int:
        return self.last.event_time.ToNanoseconds()

    @property
    def goes_on_as(self) -> str:
        return str(getattr(_attributes(self.last), "new_execution_run_id", ""))

    @property
    def is_reset(self) -> bool:
        return bool(copied_events(self.events))


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, str(event.WhichOneof("attributes")))


def check_relations(relations: Relations, facts: Facts, store: SqliteStore) -> Iterator[str]:
    """Everything that breaks a promise; all runs have come to their end."""
    runs = {
        stored.new.run_id: _Run(stored.new.workflow_id, stored.new.run_id, events)
        for stored, events, _ in runs_of(store)
    }
    for run in runs.values():
        yield from _updates_of(run, relations)
        yield from _children_of(run, runs)
    yield from _resets(relations, runs)
    yield from _schedules(relations, runs)
    for name, run_id in relations.signalled_run.items():
        if name not in _signals(runs[run_id]):
            yield f"invariant 23: signal {name} was acknowledged in run {run_id} and is not there"


def _updates_of(run: _Run, relations: Relations) -> Iterator[str]:
    accepted: Counter[str] = Counter()
    completed: dict[str, bytes] = {}
    for event in run.events:
        if event.event_type == _ACCEPTED:
            accepted[event.workflow_execution_update_accepted_event_attributes.protocol_instance_id] += 1
        elif event.event_type == _COMPLETED:
            attributes = event.workflow_execution_update_completed_event_attributes
            update_id = attributes.meta.update_id
            if update_id in completed or not accepted[update_id]:
                yield f"invariant 25: update {update_id} of run {run.run_id} ended twice, or was never accepted"
            completed[update_id] = attributes.outcome.success.payloads[0].data
    for update_id, count in accepted.items():
        if count > 1:
            yield f"invariant 25: update {update_id} was accepted {count} times in run {run.run_id}"
    for run_id, update_id in relations.accepted_updates:
        if run_id == run.run_id and not accepted[update_id]:
            yield f"invariant 25: update {update_id} of run {run_id} was told to be accepted and is not there"
    for (run_id, update_id), data in relations.outcomes.items():
        if run_id == run.run_id and completed.get(update_id) != data:
            yield f"invariant 25: update {update_id} of run {run_id} ended as {data!r}; in history {completed}"
    for run_id, update_id in relations.rejected_updates:
        once = relations.asked_updates[run_id, update_id] == 1
        if run_id == run.run_id and once and accepted[update_id] and not run.is_reset:
            yield f"invariant 25: update {update_id} of run {run_id} was rejected and left an event"


def _signals(run: _Run) -> Counter[str]:
    return Counter(
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in run.events
        if event.event_type == _SIGNALED
    )


def _children_of(run: _Run, runs: dict[str, _Run]) -> Iterator[str]:
    where = f"of run {run.run_id} of {run.workflow_id}"
    begun: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    initiated: dict[int, HistoryEvent] = {}
    first_runs: dict[int, str] = {}
    for event in run.events:
        if event.event_type == INITIATED:
            initiated[event.event_id] = event
        elif event.event_type in (STARTED, START_FAILED):
            begun[_attributes(event).initiated_event_id] += 1
            if event.event_type == STARTED:
                first_runs[_attributes(event).initiated_event_id] = _attributes(event).workflow_execution.run_id
        elif event.event_type in ENDS:
            ended[_attributes(event).initiated_event_id] += 1
    for event_id in initiated:
        if begun[event_id] > 1 or ended[event_id] > 1:
            yield f"invariant 39: child {event_id} {where} began {begun[event_id]} times, ended {ended[event_id]} times"
        elif not begun[event_id] and _asked_in(initiated[event_id]) != _asked_in(run.last):
            yield f"invariant 39: child {event_id} {where} was never started"
    for event_id, child_run_id in first_runs.items():
        child = runs.get(child_run_id)
        if child is None:
            yield f"invariant 39: child {event_id} {where} is run {child_run_id}, which does not exist"
            continue
        yield from _end_of_child(run, where, event_id, initiated[event_id], _chain(child, runs), ended, runs)


def _asked_in(event: HistoryEvent) -> int:
    """The workflow task in which something was asked for; what a task asks for that ends its run is not done."""
    return int(getattr(_attributes(event), "workflow_task_completed_event_id", 0))


def _chain(run: _Run, runs: dict[str, _Run]) -> list[_Run]:
    chain = [run]
    while chain[-1].goes_on_as:
        chain.append(runs[chain[-1].goes_on_as])
    return chain


def _end_of_child(
    parent: _Run,
    where: str,
    event_id: int,
    initiated: HistoryEvent,
    chain: list[_Run],
    ended: Counter[int],
    runs: dict[str, _Run],
) -> Iterator[str]:
    child = chain[-1]
    was_reset = any(
        other.is_reset and other.workflow_id in (parent.workflow_id, child.workflow_id) for other in runs.values()
    )
    if was_reset:
        return
    if child.closed_ns < parent.closed_ns and not ended[event_id]:
        yield f"invariant 39: child {event_id} {where} ended before it, and it was not told"
    if child.closed_ns > parent.closed_ns and ended[event_id]:
        yield f"invariant 39: child {event_id} {where} ended after it, and it was told"
    policy = initiated.start_child_workflow_execution_initiated_event_attributes.parent_close_policy
    if not ended[event_id] and policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE:
        reason = child.last.workflow_execution_terminated_event_attributes.reason
        if child.closed_ns > parent.closed_ns:
            yield f"invariant 38: child {event_id} {where} was to end with it, ended later ({reason})"
    if not ended[event_id] and policy == ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
        asked = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        if child.closed_ns > parent.closed_ns and not any(
            event.event_type == asked for each in chain for event in each.events
        ):
            yield f"invariant 38: child {event_id} {where} was never asked to cancel"


def _resets(relations: Relations, runs: dict[str, _Run]) -> Iterator[str]:
    for run_id, base_run_id in relations.reset_from.items():
        run, base = runs[run_id], runs[base_run_id]
        if missing := _signals(base) - _signals(run):
            yield f"invariant 2: run {run_id} was reset from {base_run_id}, without the signals {sorted(missing)}"
    for run in runs.values():
        copied = copied_events(run.events)
        if not copied:
            continue
        base_run_id = run.events[copied - 1].workflow_task_failed_event_attributes.base_run_id
        theirs = [event.SerializeToString(deterministic=True) for event in runs[base_run_id].events[: copied - 2]]
        ours = [
            event.SerializeToString(deterministic=True) for event in run.events[: copied - 2]
        ]  # the last may be the start of a task
        if theirs != ours:
            yield f"invariant 12: the first {copied - 2} events of run {run.run_id} are not those of {base_run_id}"


def _schedules(relations: Relations, runs: dict[str, _Run]) -> Iterator[str]:
    first: Counter[str] = Counter()
    for run in runs.values():
        is_first = not run.started.continued_execution_run_id and not run.is_reset
        if run.workflow_id.startswith("schedule-") and is_first:
            first[run.workflow_id] += 1
            schedule_id = run.workflow_id[: len("schedule-1")]
            gone = relations.schedules_gone.get(schedule_id)
            if gone is not None and run.events[0].event_time.ToNanoseconds() > gone[1]:
                yield f"invariant 40: {run.workflow_id} was started after the end of its schedule"
    for workflow_id, count in first.items():
        if count > 1:
            yield f"invariant 40: {workflow_id} was started {count} times"
    for schedule_id, (since_ns, allows_all) in relations.schedules.items():
        if not allows_all or schedule_id not in relations.schedules_gone:
            continue
        until_ns = relations.schedules_gone[schedule_id][0]
        times = until_ns // INTERVAL_NS - since_ns // INTERVAL_NS
        acted = sum(count for workflow_id, count in first.items() if workflow_id.startswith(schedule_id))
        if acted < times:
            yield f"invariant 40: {schedule_id} acted {acted} times, {times} were due"
