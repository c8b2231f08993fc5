"""From a changed execution to the rows that make the change durable."""

from __future__ import annotations

from temporalio.api.history.v1 import History
from temporalio.api.workflow.v1 import PendingActivityInfo

from tsuzuki.core import activity as activities
from tsuzuki.core.activity import ActivityState, Pause
from tsuzuki.core.execution import Execution
from tsuzuki.core.times import set_time
from tsuzuki.core.wake import WakeKind
from tsuzuki.core.workflow_task import WorkflowTaskState
from tsuzuki.store import (
    DUE_NOW,
    ActivityRow,
    Batch,
    CurrentRun,
    HistoryBatch,
    NewRun,
    RequestId,
    RunUpdate,
    StreamRow,
    chain,
)

from ._search_attributes import SearchAttributeRegister


def take_changes(run: Execution, batch: Batch, now_ns: int, register: SearchAttributeRegister) -> int:
    """Move what changed in `run` since the last call into the batch. Returns the last event id it holds."""
    key = run.key
    if run.is_new:
        run.is_new = False
        batch.new_runs.append(
            NewRun(
                key,
                run.namespace,
                run.workflow_id,
                run.run_id,
                run.workflow_type,
                run.task_queue,
                run.started.first_execution_run_id,
                run.start_request_id,
                run.started_ns,
                run.parent_workflow_id,
                run.parent_run_id,
                run.started.root_workflow_execution.workflow_id,
                run.started.root_workflow_execution.run_id,
            )
        )
        batch.currents.append(CurrentRun(run.namespace, run.workflow_id, key))
    if run.fresh:
        events = b"".join(run.fresh)
        run.chain = chain(run.chain, events)
        last = run.next_event_id - 1
        batch.histories.append(HistoryBatch(key, run.fresh_first_event_id, last, run.chain, events))
        run.fresh = []
        run.fresh_first_event_id = run.next_event_id
    batch.run_updates.append(_run_update(run, now_ns))
    if run.search_attributes is not run.indexed_attributes:
        register.index(run, batch)
    if run.touched_activities:
        for scheduled_event_id in run.touched_activities:
            batch.activities.append(_activity_row(run, scheduled_event_id))
        run.touched_activities.clear()
    if run.forgotten_activities:
        for scheduled_event_id in run.forgotten_activities:
            batch.activities_gone.append((key, scheduled_event_id))
        run.forgotten_activities.clear()
    if run.stream is not None and run.stream.fresh:
        batch.streams.extend(StreamRow(key, *said) for said in run.stream.fresh)
        run.stream.fresh.clear()
    if run.new_request_ids:
        for request_id in run.new_request_ids:
            batch.request_ids.append(RequestId(key, request_id))
        run.new_request_ids.clear()
    run.dirty = False
    return run.next_event_id - 1


def _run_update(run: Execution, now_ns: int) -> RunUpdate:
    task = run.workflow_task
    pending = task.state != WorkflowTaskState.NONE and not task.speculative
    started = pending and task.state == WorkflowTaskState.STARTED
    return RunUpdate(
        run.status,
        run.execution_ns,
        run.closed_ns,
        run.next_event_id,
        run.history_bytes,
        run.chain,
        due_ns(run, now_ns),
        task.attempt,
        task.scheduled_ns if pending else None,
        task.started_ns if started else None,
        task.incarnation if started else None,
        run.sticky_queue,
        run.sticky_timeout_ns,
        History(events=run.buffered).SerializeToString() if run.buffered else None,
        run.workflow_task_failure,
        run.memo.SerializeToString() if run.memo.fields else b"",
        run.search_attributes.SerializeToString() if run.search_attributes.indexed_fields else b"",
        run.key,
    )


def due_ns(run: Execution, now_ns: int) -> int | None:
    """When a restart must look at this run: at once if it has work to hand out or work that runs here."""
    if not run.is_open:
        return None
    task = run.workflow_task
    if not task.speculative:  # else it dies with this process, and so do the updates that it is for
        # Time alone does not tell: events keep their order when the clock is set back, so they may lie ahead of it.
        backs_off = task.scheduled_ns > now_ns and (WakeKind.WORKFLOW_TASK_SCHEDULED, 0) in run.wakes
        if task.state == WorkflowTaskState.SCHEDULED and not backs_off:
            return DUE_NOW
        if task.state == WorkflowTaskState.STARTED and task.incarnation is not None:
            return DUE_NOW
    for activity in run.activities.values():
        if activity.state == ActivityState.STARTED:
            if activity.incarnation is not None:
                return DUE_NOW
        elif activities.may_start(run, activity, now_ns):
            return DUE_NOW
    return min(run.wakes.values(), default=None)


def _activity_row(run: Execution, scheduled_event_id: int) -> ActivityRow:
    activity = run.activities[scheduled_event_id]
    details, failure, options = activity.heartbeat_details, activity.last_failure, activity.options
    return ActivityRow(
        run.key,
        scheduled_event_id,
        activity.attempt,
        activity.attempt_scheduled_ns,
        activity.started_ns,
        activity.incarnation,
        activity.identity,
        activity.request_id,
        activity.heartbeat_ns,
        details.SerializeToString() if details is not None else None,
        failure.SerializeToString() if failure is not None else None,
        activity.last_ended_ns,
        None if activity.pause is None else pause_info(activity.pause).SerializeToString(),
        None if options is None else options.SerializeToString(),
        int(activity.marks),
    )


def pause_info(pause: Pause) -> PendingActivityInfo.PauseInfo:
    info = PendingActivityInfo.PauseInfo()
    set_time(info.pause_time, pause.since_ns)
    info.manual.identity = pause.identity
    info.manual.reason = pause.reason
    return info
