"""The workflow task of a run: scheduled, started, completed, failed, timed out.

At most one is scheduled or started at a time. The first attempt is in history when it is scheduled and when it
starts; later ones are *transient*: they leave no events until one completes, so that a stuck run's history
does not grow. Invariant: state STARTED exactly while a worker holds the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import (
    EventType,
    SuggestContinueAsNewReason,
    TaskQueueKind,
    TimeoutType,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from .apply import applies
from .framing import frame
from .times import SECOND, set_duration, time_ns
from .wake import WakeKind

if TYPE_CHECKING:
    from .execution import Execution
    from .limits import Limits

SCHEDULED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
TIMED_OUT: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT

NORMAL: Final = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
STICKY: Final = TaskQueueKind.TASK_QUEUE_KIND_STICKY


_PAUSE_REQUESTED: Final = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED
)
ENGINE_IDENTITY: Final = "tsuzuki"
"""Who ended a task or a run when nobody asked for it."""


class WorkflowTaskState(IntEnum):
    NONE = 0
    SCHEDULED = 1
    STARTED = 2


WORKFLOW_TASK_MOVES: Final[Mapping[tuple[WorkflowTaskState, int], WorkflowTaskState]] = {
    (WorkflowTaskState.NONE, SCHEDULED): WorkflowTaskState.SCHEDULED,
    (WorkflowTaskState.SCHEDULED, STARTED): WorkflowTaskState.STARTED,
    (WorkflowTaskState.SCHEDULED, TIMED_OUT): WorkflowTaskState.NONE,  # nobody took it from the sticky queue
    (WorkflowTaskState.SCHEDULED, FAILED): WorkflowTaskState.NONE,  # the run was paused
    (WorkflowTaskState.STARTED, COMPLETED): WorkflowTaskState.NONE,
    (WorkflowTaskState.STARTED, FAILED): WorkflowTaskState.NONE,
    (WorkflowTaskState.STARTED, TIMED_OUT): WorkflowTaskState.NONE,
}


@dataclass(slots=True)
class WorkflowTask:
    """The one workflow task of a run; `attempt` is of the current task or, in state NONE, of the next one."""

    state: WorkflowTaskState = WorkflowTaskState.NONE
    attempt: int = 1
    scheduled_event_id: int = 0
    started_event_id: int = 0
    transient_at: int = 0
    """For a transient attempt: the next event id when it was scheduled. 0: the attempt is in history."""
    speculative: bool = False
    """A first attempt that history does not show (yet): it only brings updates, and those may all be rejected."""
    scheduled_ns: int = 0
    """When it may start; in the future while it backs off."""
    original_ns: int = 0
    """When the first of the tasks was scheduled that were answered early, one after another (heartbeats); 0: none was.
    Lost with the process, as is then the task."""
    started_ns: int = 0
    incarnation: int | None = None
    """The process incarnation whose worker holds it; None for a remote worker."""
    not_before_ns: int = 0
    """For a started transient attempt: the time of the last event before it."""
    stamp: int = 0
    """Part of the task token: each start gets another one."""
    on_sticky_queue: bool = False
    close_refused: bool = False
    """The task before this one was to end the run and could not, for there was news: let it end now."""
    identity: str = ""
    request_id: str = ""
    history_bytes: int = 0
    suggest_continue_as_new: tuple[SuggestContinueAsNewReason.ValueType, ...] = ()
    """Why the run should continue as new; empty when it need not."""

    def move(self, event_type: int) -> None:
        self.state = WORKFLOW_TASK_MOVES[self.state, event_type]


# ---- what history implies ----------------------------------------------------------------------------


@applies(SCHEDULED)
def apply_scheduled(run: Execution, event: HistoryEvent) -> None:
    task = run.workflow_task
    task.move(SCHEDULED)
    task.scheduled_event_id = event.event_id
    task.scheduled_ns = time_ns(event.event_time)
    task.original_ns = 0
    task.attempt = event.workflow_task_scheduled_event_attributes.attempt
    task.transient_at = 0
    task.speculative = False
    if run.first_workflow_task_pending:
        run.first_workflow_task_pending = False
        run.wake_no_more(WakeKind.FIRST_WORKFLOW_TASK)


@applies(STARTED)
def apply_started(run: Execution, event: HistoryEvent) -> None:
    task = run.workflow_task
    task.move(STARTED)
    task.started_event_id = event.event_id
    task.started_ns = time_ns(event.event_time)


@applies(COMPLETED)
def apply_completed(run: Execution, event: HistoryEvent) -> None:
    task = run.workflow_task
    task.move(COMPLETED)
    run.previous_started_event_id = task.started_event_id
    task.attempt = 1
    run.builds.note(event)


@applies(FAILED)
def apply_failed(run: Execution, event: HistoryEvent) -> None:
    run.workflow_task.move(FAILED)
    run.workflow_task.attempt += 1
    attributes = event.workflow_task_failed_event_attributes
    if attributes.new_run_id:
        run.reset_ns, run.base_run_id = time_ns(event.event_time), attributes.base_run_id
    if attributes.new_run_id and run.run_timeout_ns and run.started.first_execution_run_id != run.run_id:
        _time_again(run, time_ns(event.event_time))


def _time_again(run: Execution, reset_ns: int) -> None:
    """A run that was reset has its whole run timeout again, within that of its chain."""
    timeout_ns = reset_ns + run.run_timeout_ns
    if run.started.HasField("workflow_execution_expiration_time"):
        timeout_ns = min(timeout_ns, time_ns(run.started.workflow_execution_expiration_time))
    run.wake_at(WakeKind.TIMEOUT, timeout_ns)


@applies(TIMED_OUT)
def apply_timed_out(run: Execution, event: HistoryEvent) -> None:
    task = run.workflow_task
    task.move(TIMED_OUT)
    if event.workflow_task_timed_out_event_attributes.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE:
        task.attempt += 1


# ---- scheduling --------------------------------------------------------------------------------------


def schedule_if_needed(run: Execution, now_ns: int) -> None:
    """Something happened that the workflow should see."""
    if run.completing:  # there is more to come; who began the transition schedules at its end
        run.has_news = True
        return
    if (
        run.workflow_task.state == WorkflowTaskState.NONE
        and not run.first_workflow_task_pending
        and run.is_open
        and run.pause is None
    ):
        schedule(run, now_ns)


def end_delay(run: Execution, now_ns: int) -> None:
    """The first workflow task need not wait any longer, unless the run is paused."""
    if run.pause is None:
        schedule(run, now_ns)
    else:
        run.first_workflow_task_pending = False
        run.wake_no_more(WakeKind.FIRST_WORKFLOW_TASK)


def schedule(run: Execution, now_ns: int, *, backoff_ns: int = 0) -> None:
    """Schedule the next attempt. Only the first one is recorded."""
    task = run.workflow_task
    if task.attempt == 1:
        run.record(_scheduled_event(run, now_ns))
    else:
        task.move(SCHEDULED)
        task.transient_at = run.next_event_id
        task.scheduled_ns = now_ns + backoff_ns
        task.original_ns = 0
        run.dirty = True
    task.on_sticky_queue = run.sticky_queue is not None
    if task.on_sticky_queue:
        run.wake_at(WakeKind.WORKFLOW_TASK_SCHEDULED, now_ns + run.sticky_timeout_ns)
    if backoff_ns:
        run.wake_at(WakeKind.WORKFLOW_TASK_SCHEDULED, task.scheduled_ns)
    else:
        run.ready_workflow_task = True


def schedule_speculative(run: Execution, now_ns: int) -> None:
    """Schedule a first attempt that history shows only once it has done something, or something else has happened."""
    task = run.workflow_task
    if task.attempt > 1:
        schedule(run, now_ns)
        return
    task.move(SCHEDULED)
    task.speculative = True
    task.transient_at = run.next_event_id
    task.scheduled_ns = now_ns
    task.original_ns = 0
    task.on_sticky_queue = run.sticky_queue is not None
    if task.on_sticky_queue:
        run.wake_at(WakeKind.WORKFLOW_TASK_SCHEDULED, now_ns + run.sticky_timeout_ns)
    run.ready_workflow_task = True


def show(run: Execution) -> None:
    """Let history show an attempt that it does not as far as it has got: from here on it is one like any other."""
    task = run.workflow_task
    if task.state == WorkflowTaskState.STARTED:
        scheduled, started = _transient_events(run)
        task.state = WorkflowTaskState.NONE
        task.speculative = False
        run.record(scheduled)
        run.record(started)
    else:
        scheduled = _scheduled_event(run, task.scheduled_ns)
        task.state = WorkflowTaskState.NONE
        task.speculative = False
        run.record(scheduled)


def forget(run: Execution) -> None:
    """End a speculative attempt without a trace."""
    task = run.workflow_task
    assert task.speculative, f"the workflow task of {run!r} is in history"
    _leave_started(run)
    task.state = WorkflowTaskState.NONE
    task.speculative = False
    task.transient_at = 0


def _scheduled_event(run: Execution, now_ns: int) -> HistoryEvent:
    event = run.event(SCHEDULED, now_ns)
    attributes = event.workflow_task_scheduled_event_attributes
    queue = attributes.task_queue
    if run.sticky_queue is not None:
        queue.name = run.sticky_queue
        queue.kind = STICKY
        queue.normal_name = run.task_queue
    else:
        queue.name = run.task_queue
        queue.kind = NORMAL
    set_duration(attributes.start_to_close_timeout, run.workflow_task_timeout_ns)
    attributes.attempt = run.workflow_task.attempt
    return event


def _started_event(run: Execution, now_ns: int, scheduled_event_id: int) -> HistoryEvent:
    task = run.workflow_task
    event = run.event(STARTED, now_ns)
    attributes = event.workflow_task_started_event_attributes
    attributes.scheduled_event_id = scheduled_event_id
    attributes.identity = task.identity
    attributes.request_id = task.request_id
    attributes.history_size_bytes = task.history_bytes
    if task.suggest_continue_as_new:
        attributes.suggest_continue_as_new = True
        attributes.suggest_continue_as_new_reasons.extend(task.suggest_continue_as_new)
    return event


def _reasons_to_continue_as_new(run: Execution, limits: Limits) -> tuple[SuggestContinueAsNewReason.ValueType, ...]:
    reasons: list[SuggestContinueAsNewReason.ValueType] = []
    if run.history_bytes >= limits.history_bytes_suggest:
        reasons.append(SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_HISTORY_SIZE_TOO_LARGE)
    if run.next_event_id >= limits.history_events_suggest:
        reasons.append(SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_HISTORY_EVENTS)
    if (
        run.updates_accepted + len(run.updates) >= limits.updates_suggest  # at least as many, and cheap
        and run.updates_taken() >= limits.updates_suggest
    ):
        reasons.append(SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_UPDATES)
    return tuple(reasons)


# ---- starting ----------------------------------------------------------------------------------------


def start(
    run: Execution,
    now_ns: int,
    *,
    limits: Limits,
    identity: str,
    request_id: str,
    incarnation: int | None,
    stamp: int,
) -> None:
    """A worker takes the scheduled task."""
    task = run.workflow_task
    if task.transient_at and task.transient_at != run.next_event_id:
        # News since the failed attempt: this is a task of its own, and history shows it.
        task.state = WorkflowTaskState.NONE
        task.attempt = 1
        schedule(run, now_ns)
    run.ready_workflow_task = False
    run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
    task.identity = identity
    task.request_id = request_id
    task.incarnation = incarnation
    task.stamp = stamp
    task.history_bytes = run.history_bytes
    task.suggest_continue_as_new = _reasons_to_continue_as_new(run, limits)
    if task.transient_at:
        task.move(STARTED)
        task.started_ns = now_ns
        task.not_before_ns = run.last_event_ns
        run.last_event_ns = max(run.last_event_ns, now_ns)  # what comes now is written behind its start
        task.started_event_id = run.next_event_id + 1
        run.dirty = run.dirty or not task.speculative
    else:
        run.record(_started_event(run, now_ns, task.scheduled_event_id))
    run.wake_at(WakeKind.WORKFLOW_TASK_STARTED, now_ns + run.workflow_task_timeout_ns)


def _transient_events(run: Execution) -> tuple[HistoryEvent, HistoryEvent]:
    """As the worker is shown them, and as they are recorded if it completes the task: with the times that were."""
    task = run.workflow_task
    latest_ns, run.last_event_ns = run.last_event_ns, task.not_before_ns
    scheduled = _scheduled_event(run, task.scheduled_ns)
    started = _started_event(run, task.started_ns, run.next_event_id)
    run.last_event_ns = max(run.last_event_ns, latest_ns)
    return scheduled, started


def transient_frames(run: Execution) -> list[bytes]:
    """The scheduled and started events that history does not hold, for the worker to see."""
    task = run.workflow_task
    if not task.transient_at:
        return []
    scheduled, started = _transient_events(run)
    scheduled.event_id = run.next_event_id
    started.event_id = run.next_event_id + 1
    return [frame(scheduled.SerializeToString()), frame(started.SerializeToString())]


# ---- answered early ----------------------------------------------------------------------------------


def is_heartbeat(request: RespondWorkflowTaskCompletedRequest) -> bool:
    """Whether an answer only asks for the next task, as local activities take longer than this one."""
    return request.force_create_new_workflow_task and not request.commands and not request.messages


def has_taken_too_long(run: Execution, now_ns: int, limits: Limits) -> bool:
    """Whether a task has been answered early for so long that it counts as lost."""
    return now_ns - original_ns(run) > limits.workflow_task_heartbeats_max_ns


def original_ns(run: Execution) -> int:
    """When the work of the task at hand was scheduled first."""
    return run.workflow_task.original_ns or run.workflow_task.scheduled_ns


# ---- ending ------------------------------------------------------------------------------------------


def _leave_started(run: Execution) -> None:
    run.wake_no_more(WakeKind.WORKFLOW_TASK_STARTED)
    run.workflow_task.incarnation = None


def complete(run: Execution, request: RespondWorkflowTaskCompletedRequest, now_ns: int) -> int:
    """Record the completion and return its event id. The caller carries out the commands."""
    task = run.workflow_task
    if task.transient_at:
        show(run)
    _leave_started(run)
    run.workflow_task_failure = None
    task.close_refused = False
    event = run.event(COMPLETED, now_ns)
    attributes = event.workflow_task_completed_event_attributes
    attributes.scheduled_event_id = task.scheduled_event_id
    attributes.started_event_id = task.started_event_id
    attributes.identity = request.identity
    if request.HasField("sdk_metadata"):
        attributes.sdk_metadata.CopyFrom(request.sdk_metadata)
    if request.HasField("worker_version_stamp"):
        attributes.worker_version.CopyFrom(request.worker_version_stamp)
    if request.binary_checksum:
        attributes.binary_checksum = request.binary_checksum
    return run.record(event)


def first_command_event_id(run: Execution) -> int:
    """The id that the event of the first command will have, if `complete` ends the task."""
    unseen = 2 if run.workflow_task.transient_at else 0  # scheduled, started
    return run.next_event_id + unseen + 1


def fail(
    run: Execution,
    now_ns: int,
    *,
    cause: WorkflowTaskFailedCause.ValueType,
    failure: Failure | None,
    identity: str,
    limits: Limits,
) -> None:
    """End the started attempt as failed and schedule the next one, backing off from the third on."""
    record_failed(run, now_ns, cause=cause, failure=failure, identity=identity)
    _try_again(run, now_ns, limits)


def record_failed(
    run: Execution,
    now_ns: int,
    *,
    cause: WorkflowTaskFailedCause.ValueType,
    failure: Failure | None,
    identity: str,
    base_run_id: str = "",
) -> None:
    """End the started attempt as failed; history shows it if it shows the attempt.

    A base run id is of the run that this one was made from.
    """
    task = run.workflow_task
    if task.speculative:
        show(run)
    _leave_started(run)
    sticky = _leave_sticky(run)
    task.close_refused = cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    if failure is not None:
        run.workflow_task_failure = failure.SerializeToString()
    if task.transient_at:
        task.move(FAILED)
        task.attempt += 1
        run.dirty = True
        return
    event = run.event(FAILED, now_ns)
    attributes = event.workflow_task_failed_event_attributes
    attributes.scheduled_event_id = task.scheduled_event_id
    attributes.started_event_id = task.started_event_id
    attributes.cause = cause
    if failure is not None:
        attributes.failure.CopyFrom(failure)
    attributes.identity = identity
    if base_run_id:
        attributes.base_run_id = base_run_id
        attributes.new_run_id = run.run_id
    run.record(event)
    if sticky:
        task.attempt = 1


def withdraw(run: Execution, now_ns: int) -> None:
    """Before a pause: take back a scheduled task that no worker has. One of which history does not show the schedule
    leaves no trace, but for the one that was to bring an update, as on the real server."""
    task = run.workflow_task
    if task.state != WorkflowTaskState.SCHEDULED:
        return
    shown = task.speculative or not task.transient_at
    started_event_id = 0
    if task.speculative:
        show(run)
        started_event_id = run.record(_started_event(run, now_ns, task.scheduled_event_id))
    run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
    run.ready_workflow_task = False
    run.sticky_queue = None
    if shown:
        event = run.event(FAILED, now_ns)
        attributes = event.workflow_task_failed_event_attributes
        attributes.scheduled_event_id = task.scheduled_event_id
        attributes.started_event_id = started_event_id
        attributes.cause = _PAUSE_REQUESTED
        run.record(event)
    else:
        task.move(FAILED)
        run.dirty = True
    task.attempt = 1
    task.transient_at = 0


def _leave_sticky(run: Execution) -> bool:
    """True if the worker that failed was the sticky one: the first attempt of any other counts as the first."""
    sticky = run.sticky_queue is not None
    run.sticky_queue = None
    return sticky


def time_out(run: Execution, now_ns: int, limits: Limits) -> None:
    """The worker that started the task did not answer in time, or is known to be dead."""
    task = run.workflow_task
    if task.speculative:
        show(run)
    _leave_started(run)
    sticky = _leave_sticky(run)
    task.close_refused = False
    if task.transient_at:
        task.move(TIMED_OUT)
        task.attempt += 1
        run.dirty = True
    else:
        _record_timed_out(run, now_ns, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
        if sticky:
            task.attempt = 1
    _try_again(run, now_ns, limits)


def leave_sticky_queue(run: Execution, now_ns: int) -> None:
    """No worker took the task from the sticky queue in time: offer it to all workers."""
    task = run.workflow_task
    assert task.on_sticky_queue, f"the workflow task of {run!r} is not on a sticky queue"
    run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
    if task.speculative:
        show(run)
    run.sticky_queue = None
    if task.transient_at:
        task.on_sticky_queue = False
        run.ready_workflow_task = True
        return
    _record_timed_out(run, now_ns, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START)
    schedule(run, now_ns)


def _record_timed_out(run: Execution, now_ns: int, timeout_type: TimeoutType.ValueType) -> None:
    event = run.event(TIMED_OUT, now_ns)
    attributes = event.workflow_task_timed_out_event_attributes
    attributes.scheduled_event_id = run.workflow_task.scheduled_event_id
    if timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE:
        attributes.started_event_id = run.workflow_task.started_event_id
    attributes.timeout_type = timeout_type
    run.record(event)


def _try_again(run: Execution, now_ns: int, limits: Limits) -> None:
    if run.flush_buffered():
        run.workflow_task.attempt = 1
    if run.pause is not None:
        return
    attempt = run.workflow_task.attempt
    backoff_ns = 0
    if attempt > 2:
        backoff_ns = min(SECOND << min(attempt - 3, 20), limits.workflow_task_backoff_max_ns)
    schedule(run, now_ns, backoff_ns=backoff_ns)
