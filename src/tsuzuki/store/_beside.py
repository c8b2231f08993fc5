"""What must agree between a run's history and what is stored beside it (invariant 9), for the checker.

Owns the comparison of a folded history with the run's row and its pending activities, and of both with
the time at which somebody will look at the run again. Reads no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.message import DecodeError, Message
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Memo, Payloads, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, History
from temporalio.api.workflow.v1 import PendingActivityInfo

from tsuzuki.store._contract import ActivityRow, HistoryBatch, StoredRun
from tsuzuki.store._fold import Finding, Folded, nanoseconds

_BESIDE: Final = 9


def run_row_findings(run: StoredRun, folded: Folded, batches: Sequence[HistoryBatch]) -> Iterator[Finding]:
    """The run's row against its history."""
    new, update = run
    if folded.started is None:
        yield Finding(0, 7, "no WorkflowExecutionStarted in its history")
        return
    expected: list[tuple[str, object, object]] = [
        ("status", update.status, folded.status),
        ("closed_ns", update.closed_ns, folded.closed_ns),
        ("next_event_id", update.next_event_id, folded.last_event_id + 1),
        ("history_bytes", update.history_bytes, sum(len(batch.events) for batch in batches)),
        ("chain", update.chain, batches[-1].chain),
        ("workflow_type", new.workflow_type, folded.started.workflow_type.name),
        ("task_queue", new.task_queue, folded.started.task_queue.name),
        ("first_run_id", new.first_run_id, folded.started.first_execution_run_id),
        ("parent_workflow_id", new.parent_workflow_id, folded.started.parent_workflow_execution.workflow_id),
        ("parent_run_id", new.parent_run_id, folded.started.parent_workflow_execution.run_id),
        ("root_workflow_id", new.root_workflow_id, folded.started.root_workflow_execution.workflow_id),
        ("root_run_id", new.root_run_id, folded.started.root_workflow_execution.run_id),
    ]
    for column, row, history in expected:
        if row != history:
            yield Finding(0, _BESIDE, f"{column} is {row!r}, but its history gives {history!r}")
    yield from _workflow_task_findings(run, folded)


def _workflow_task_findings(run: StoredRun, folded: Folded) -> Iterator[Finding]:
    update = run.update
    scheduled = update.workflow_task_scheduled_ns is not None
    started = update.workflow_task_started_ns is not None
    shown = folded.workflow_task is not None and not folded.closed
    hidden = update.workflow_task_attempt > 1  # later attempts are not in history
    if started and not scheduled:
        yield Finding(0, _BESIDE, "a workflow task is started and not scheduled")
    if folded.closed and scheduled:
        yield Finding(0, _BESIDE, "a closed run has a workflow task")
    if shown and not scheduled:
        yield Finding(0, _BESIDE, f"history has workflow task {folded.workflow_task} open, the row has none")
    if scheduled and not shown and not folded.closed and not hidden:
        yield Finding(0, _BESIDE, "the row has a first attempt of a workflow task that history does not have")
    if shown and scheduled and not hidden and started != folded.workflow_task_started:
        yield Finding(0, _BESIDE, f"workflow task {folded.workflow_task} started: row {started}, history {not started}")
    if update.buffered is not None and not started:
        yield Finding(0, 17, "events are buffered, but no workflow task is started")


def activity_findings(
    run: StoredRun, folded: Folded, activities: Sequence[ActivityRow], incarnation: int
) -> Iterator[Finding]:
    """The rows of pending activities against the activities that history has open."""
    rows = {row.scheduled_event_id: row for row in activities}
    scheduled = {} if folded.closed else folded.activities
    for event_id in scheduled.keys() - rows.keys():
        yield Finding(event_id, _BESIDE, "the activity is open in history and has no row")
    for event_id in rows.keys() - scheduled.keys():
        yield Finding(event_id, _BESIDE, "an activity row whose activity is not open in history")
    for event_id, row in rows.items():
        if row.attempt < 1:
            yield Finding(event_id, 29, f"activity attempt {row.attempt}")
        attributes = scheduled.get(event_id)
        if attributes is not None:
            most = attributes.retry_policy.maximum_attempts
            if most and row.attempt > most and not row.marks:  # people may want more than the policy
                yield Finding(event_id, 27, f"activity attempt {row.attempt} of at most {most}")
        if (row.incarnation or 0) > incarnation:
            yield Finding(event_id, _BESIDE, f"incarnation {row.incarnation}, but the store had {incarnation}")
        yield from _unreadable(event_id, "heartbeat_details", Payloads, row.heartbeat_details)
        yield from _unreadable(event_id, "last_failure", Failure, row.last_failure)
        yield from _unreadable(event_id, "pause", PendingActivityInfo.PauseInfo, row.pause)
        yield from _unreadable(event_id, "options", ActivityOptions, row.options)
        if not row.marks and (row.pause is not None or row.options is not None):
            yield Finding(event_id, _BESIDE, "the activity is paused or has other options, but nobody has touched it")


def row_findings(
    run: StoredRun, folded: Folded, activities: Sequence[ActivityRow], incarnation: int
) -> Iterator[Finding]:
    """What will wake the run, and whether the row's messages can be read."""
    update = run.update
    if (update.workflow_task_incarnation or 0) > incarnation:
        yield Finding(0, _BESIDE, f"incarnation {update.workflow_task_incarnation}, but the store had {incarnation}")
    yield from _unreadable(0, "buffered", History, update.buffered)
    yield from _unreadable(0, "failure", Failure, update.failure)
    yield from _unreadable(0, "memo", Memo, update.memo)
    yield from _unreadable(0, "search_attributes", SearchAttributes, update.search_attributes)
    if folded.closed or folded.started is None:
        return
    for wake_ns, event_id, what in _wakes(run, folded, activities):
        if update.due_ns is None or update.due_ns > wake_ns:
            when = "never" if update.due_ns is None else f"{update.due_ns - wake_ns} ns late"
            yield Finding(event_id, _BESIDE, f"{what} is looked at {when}")


_ANY_TIME: Final = 1 << 62


def _wakes(run: StoredRun, folded: Folded, activities: Sequence[ActivityRow]) -> Iterator[tuple[int, int, str]]:
    """(latest time to look, event id, why) of everything that is pending."""
    assert folded.started is not None
    update = run.update
    if update.workflow_task_scheduled_ns is not None:
        yield _ANY_TIME, folded.workflow_task or 0, "the pending workflow task"
    elif folded.workflow_tasks == 0 and not folded.paused:
        yield max(update.execution_ns, run.new.started_ns), 1, "the first workflow task, not yet scheduled"
    for event_id, fires_ns in folded.timers.items():
        yield fires_ns, event_id, "the open timer"
    for row in activities:
        attributes = folded.activities.get(row.scheduled_event_id)
        held = row.pause is not None or (folded.paused and row.started_ns is None)
        paused = held and row.incarnation is None
        if attributes is not None and not paused:
            yield _activity_wake_ns(row, attributes), row.scheduled_event_id, "the pending activity"
    run_timeout_ns = nanoseconds(folded.started.workflow_run_timeout)
    if run_timeout_ns:
        backoff_ns = nanoseconds(folded.started.first_workflow_task_backoff)
        began_ns = folded.reset_ns or run.new.started_ns + backoff_ns
        yield began_ns + run_timeout_ns, 1, "the run timeout"


def _activity_wake_ns(row: ActivityRow, attributes: ActivityTaskScheduledEventAttributes) -> int:
    if row.started_ns is None:
        return row.scheduled_ns  # to be handed out then
    if row.incarnation is not None:
        return 0  # dies with its process: a restart must look at once
    options = attributes if row.options is None else ActivityOptions.FromString(row.options)
    timeout_ns = nanoseconds(options.start_to_close_timeout)
    return row.started_ns + timeout_ns if timeout_ns else _ANY_TIME


def _unreadable(event_id: int, column: str, kind: type[Message], data: bytes | None) -> Iterator[Finding]:
    if data is None:
        return
    try:
        kind.FromString(data)
    except DecodeError:
        yield Finding(event_id, _BESIDE, f"{column} is not a serialized {kind.__name__}")
