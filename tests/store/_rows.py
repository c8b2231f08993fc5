"""Rows and histories for the store's tests: a small run with real events, and what can be varied in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.common.v1 import ActivityType, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue

from tsuzuki.store import (
    DUE_NOW,
    ActivityRow,
    Batch,
    CurrentRun,
    HistoryBatch,
    LogRow,
    NamespaceRow,
    NewRun,
    RunUpdate,
    StreamRow,
    chain,
)

SECOND: Final = 1_000_000_000
T0: Final = 1_700_000_000 * SECOND
NAMESPACE: Final = "default"


def event(event_id: int, kind: str, *, time_ns: int | None = None, **attributes: Any) -> HistoryEvent:
    """Event `kind`, as in `TimerStarted`, with its attributes; one second after the event before."""
    name = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in kind)[1:].upper()
    made = HistoryEvent(event_id=event_id, event_type=EventType.Value(f"EVENT_TYPE_{name}"))
    made.event_time.FromNanoseconds(T0 + event_id * SECOND if time_ns is None else time_ns)
    field = getattr(made, f"{name.lower()}_event_attributes")
    field.SetInParent()
    field.MergeFrom(type(field)(**attributes))
    return made


def stream_row(run_key: int, first_offset: int, kinds: str, **columns: Any) -> StreamRow:
    """A batch of the first attempt of the activity of event 5, unless said otherwise."""
    last = first_offset + len(kinds) - 1
    return StreamRow(run_key, first_offset, last, 5, 1, "s", first_offset, kinds, T0, "a", "search", b"x")._replace(
        **columns
    )


def log_row(run_key: int, first_offset: int, lines: int, bytes_through: int, size: int) -> LogRow:
    """Lines that have `size` bytes together."""
    return LogRow(run_key, first_offset, first_offset + lines - 1, T0, bytes_through, b"x" * size)


def started(run_key: int = 1, **attributes: Any) -> HistoryEvent:
    given: dict[str, Any] = {
        "workflow_type": WorkflowType(name="Research"),
        "task_queue": TaskQueue(name="queue"),
        "first_execution_run_id": f"run-{run_key}",
        **attributes,
    }
    return event(1, "WorkflowExecutionStarted", **given)


def task(first: int) -> list[HistoryEvent]:
    """One completed workflow task, of three events."""
    return [
        event(first, "WorkflowTaskScheduled"),
        event(first + 1, "WorkflowTaskStarted", scheduled_event_id=first),
        event(first + 2, "WorkflowTaskCompleted", scheduled_event_id=first, started_event_id=first + 1),
    ]


def activity_scheduled(event_id: int, **attributes: Any) -> HistoryEvent:
    kind = ActivityType(name="search")
    return event(event_id, "ActivityTaskScheduled", activity_id=str(event_id), activity_type=kind, **attributes)


def new_run(run_key: int = 1, **changes: Any) -> NewRun:
    run = NewRun(
        run_key=run_key,
        namespace=NAMESPACE,
        workflow_id=f"workflow-{run_key}",
        run_id=f"run-{run_key}",
        workflow_type="Research",
        task_queue="queue",
        first_run_id=f"run-{run_key}",
        start_request_id=f"start-{run_key}",
        started_ns=T0 + SECOND,
        parent_workflow_id="",
        parent_run_id="",
    )
    return run._replace(**changes)


def run_update(run_key: int = 1, **changes: Any) -> RunUpdate:
    update = RunUpdate(
        status=1,
        execution_ns=T0 + SECOND,
        closed_ns=None,
        next_event_id=2,
        history_bytes=0,
        chain=0,
        due_ns=None,
        workflow_task_attempt=1,
        workflow_task_scheduled_ns=None,
        workflow_task_started_ns=None,
        workflow_task_incarnation=None,
        sticky_queue=None,
        sticky_timeout_ns=0,
        buffered=None,
        failure=None,
        memo=b"",
        search_attributes=b"",
        run_key=run_key,
    )
    return update._replace(**changes)


def activity_row(run_key: int = 1, scheduled_event_id: int = 5, **changes: Any) -> ActivityRow:
    row = ActivityRow(
        run_key=run_key,
        scheduled_event_id=scheduled_event_id,
        attempt=1,
        scheduled_ns=T0 + scheduled_event_id * SECOND,
        started_ns=None,
        incarnation=None,
        worker_identity="",
        request_id="",
        heartbeat_ns=None,
        heartbeat_details=None,
        last_failure=None,
        last_ended_ns=None,
    )
    return row._replace(**changes)


def history_batches(run_key: int, *groups: Sequence[HistoryEvent]) -> list[HistoryBatch]:
    """The chained batches of a history, one for each group of events."""
    batches: list[HistoryBatch] = []
    link = 0
    for events in groups:
        data = History(events=events).SerializeToString()
        link = chain(link, data)
        batches.append(HistoryBatch(run_key, events[0].event_id, events[-1].event_id, link, data))
    return batches


def whole_run(
    *groups: Sequence[HistoryEvent],
    new: NewRun | None = None,
    activities: Sequence[ActivityRow] = (),
    **columns: Any,
) -> Batch:
    """A batch with a run whose row agrees with the given history, but for the columns given."""
    new = new or new_run()
    batches = history_batches(new.run_key, *groups)
    agreeing = {
        "next_event_id": batches[-1].last_event_id + 1,
        "history_bytes": sum(len(batch.events) for batch in batches),
        "chain": batches[-1].chain,
        "due_ns": DUE_NOW,
        **columns,
    }
    return Batch(
        new_runs=[new],
        run_updates=[run_update(new.run_key, **agreeing)],
        histories=batches,
        activities=list(activities),
        currents=[CurrentRun(new.namespace, new.workflow_id, new.run_key)],
        namespaces=[namespace_row(new.namespace)],
    )


def namespace_row(name: str = NAMESPACE, **changes: Any) -> NamespaceRow:
    return NamespaceRow(name, f"id of {name}", 1, 0, "", "", b"")._replace(**changes)


def execution(workflow_id: str, run_id: str) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
