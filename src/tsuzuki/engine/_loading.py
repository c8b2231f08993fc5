"""From stored rows back to an execution: history is folded, then what history does not say is laid over it.

The same code loads a run after an eviction and after a crash. What ran in a process that is dead is found by its
incarnation, and is settled by `settle_lost_work`.
"""

from __future__ import annotations

from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Memo, Payloads, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.workflow.v1 import PendingActivityInfo

from tsuzuki.core import activity as activities
from tsuzuki.core import workflow_task
from tsuzuki.core.activity import Activity, ActivityState, Mark, Pause
from tsuzuki.core.activity_options import take
from tsuzuki.core.apply import APPLY
from tsuzuki.core.execution import OPEN, Execution
from tsuzuki.core.moment import Moment
from tsuzuki.core.times import time_ns
from tsuzuki.core.wake import WakeKind
from tsuzuki.core.workflow_task import WorkflowTaskState
from tsuzuki.store import ActivityRow, Store, StoredRun


def load(store: Store, stored: StoredRun, incarnation: int, moment: Moment) -> Execution:
    """Rebuild a run from the store. It may have work that is lost (see `settle_lost_work`) or due."""
    new, update = stored
    run = Execution(new.run_key, new.namespace, new.workflow_id, new.run_id, new.start_request_id)
    is_open = update.status in OPEN
    batches = store.history(new.run_key, 1, None if is_open else 1)
    history = History.FromString(b"".join(batch.events for batch in batches))
    for event in history.events if is_open else history.events[:1]:
        run.fold(event)
    run.status = update.status  # type: ignore[assignment]
    run.is_open = is_open
    run.closed_ns = update.closed_ns
    run.next_event_id = update.next_event_id
    run.history_bytes = update.history_bytes
    run.chain = update.chain
    run.fresh_first_event_id = run.tail_first_event_id = update.next_event_id
    run.durable_event_id = update.next_event_id - 1
    run.memo = Memo.FromString(update.memo)
    run.search_attributes = run.indexed_attributes = SearchAttributes.FromString(update.search_attributes)
    run.sticky_queue = update.sticky_queue
    run.sticky_timeout_ns = update.sticky_timeout_ns
    run.workflow_task_failure = update.failure
    run.touched_activities.clear()
    run.forgotten_activities.clear()
    run.ready_activities.clear()
    run.cancelled_activities.clear()
    if not is_open:
        run.wakes.clear()
        run.new_wakes.clear()
        return run
    for row in store.activities(new.run_key):
        _lay_over_activity(run, row)
    _lay_over_workflow_task(run, stored)
    if update.buffered is not None:
        for event in History.FromString(update.buffered).events:
            apply = APPLY.get(event.event_type)
            if apply is not None:
                apply(run, event)
            run.last_event_ns = max(run.last_event_ns, time_ns(event.event_time))
            run.buffered.append(event)
            run.buffered_bytes += event.ByteSize()
    for activity in run.activities.values():
        if activity.state == ActivityState.SCHEDULED and activities.may_start(run, activity, moment.now_ns):
            activities.offer(run, activity)
        else:
            activities.watch_deadline(run, activity)
    run.touched_activities.clear()
    run.forgotten_activities.clear()
    settle_lost_work(run, incarnation, moment)
    run.new_wakes = [(due_ns, key) for key, due_ns in run.wakes.items()]  # not those that history has seen pass
    return run


def _lay_over_activity(run: Execution, row: ActivityRow) -> None:
    activity = run.activities.get(row.scheduled_event_id)
    assert activity is not None, f"{run!r} has a row for activity {row.scheduled_event_id}, which is not pending"
    activity.attempt = row.attempt
    activity.attempt_scheduled_ns = row.scheduled_ns
    if row.started_ns is not None:
        activity.state = ActivityState.STARTED
        activity.started_ns = row.started_ns
        activity.handed_out = True
    activity.incarnation = row.incarnation
    activity.identity = row.worker_identity
    activity.request_id = row.request_id
    activity.heartbeat_ns = row.heartbeat_ns
    if row.heartbeat_details is not None:
        activity.heartbeat_details = Payloads.FromString(row.heartbeat_details)
    if row.last_failure is not None:
        activity.last_failure = Failure.FromString(row.last_failure)
    activity.last_ended_ns = row.last_ended_ns
    if row.marks:
        _lay_over_control(activity, row)


def _lay_over_control(activity: Activity, row: ActivityRow) -> None:
    """What people have done to the activity."""
    activity.marks = Mark(row.marks)
    if row.options is not None:
        take(activity, ActivityOptions.FromString(row.options))
    if row.pause is not None:
        info = PendingActivityInfo.PauseInfo.FromString(row.pause)
        activity.pause = Pause(time_ns(info.pause_time), info.manual.identity, info.manual.reason)


def _lay_over_workflow_task(run: Execution, stored: StoredRun) -> None:
    update, task = stored.update, run.workflow_task
    task.attempt = update.workflow_task_attempt
    if update.workflow_task_scheduled_ns is None:
        return
    task.scheduled_ns = update.workflow_task_scheduled_ns
    if task.state == WorkflowTaskState.NONE:  # an attempt that history does not show
        task.state = WorkflowTaskState.SCHEDULED
        task.transient_at = run.next_event_id
    if update.workflow_task_started_ns is not None:
        task.state = WorkflowTaskState.STARTED
        task.started_ns = update.workflow_task_started_ns
        task.incarnation = update.workflow_task_incarnation
        if task.transient_at:
            task.started_event_id = run.next_event_id + 1
        run.wake_at(WakeKind.WORKFLOW_TASK_STARTED, task.started_ns + run.workflow_task_timeout_ns)


def settle_lost_work(run: Execution, incarnation: int, moment: Moment) -> None:
    """Whatever ran in a process that is dead is over: its activities are tried again, its workflow task too.

    A worker's cache died with it, and mended code may have come, so a workflow task that backs off runs at once.
    """
    task = run.workflow_task
    if task.state == WorkflowTaskState.STARTED:
        # A start of an engine that is gone: its token is unknown here, even if a remote worker still has it.
        workflow_task.time_out(run, moment.now_ns, moment.limits)
    if task.state == WorkflowTaskState.SCHEDULED:
        task.on_sticky_queue = False
        run.sticky_queue = None
        if task.scheduled_ns > moment.now_ns:
            task.scheduled_ns = moment.now_ns
            run.dirty = True
        run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
        run.ready_workflow_task = True
    for activity in list(run.activities.values()):
        lost = activity.incarnation is not None and activity.incarnation != incarnation
        if activity.state == ActivityState.STARTED and lost:
            activities.lose_attempt(run, activity, moment.now_ns)
