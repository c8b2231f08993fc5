"""How a run ends: by its own command, by a client, or by a timeout; and the run that follows a failed one.

Invariant: the close event is the last one, and everything pending is gone with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Link, Payloads
from temporalio.api.enums.v1 import (
    CommandType,
    ContinueAsNewInitiator,
    EventType,
    RetryState,
    TimeoutType,
    WorkflowExecutionStatus,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History, HistoryEvent, WorkflowExecutionStartedEventAttributes

from . import cron, retry
from .activity import ActivityState
from .apply import applies
from .caller import sign
from .child_workflow import close_children
from .commands import Plan, Successor, carries_out
from .limits import too_large
from .links import attach
from .outgoing import TellParent
from .refusal import BadCommand
from .times import set_duration, time_ns
from .workflow_task import ENGINE_IDENTITY, WorkflowTask, WorkflowTaskState, record_failed

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
CANCELED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
TERMINATED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
CONTINUED_AS_NEW: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
TIMED_OUT: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT

STATUS_AFTER: Final[dict[int, WorkflowExecutionStatus.ValueType]] = {
    COMPLETED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    FAILED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
    CANCELED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
    TERMINATED: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
    CONTINUED_AS_NEW: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
    TIMED_OUT: WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
}


def _apply_close(run: Execution, event: HistoryEvent) -> None:
    run.status = STATUS_AFTER[event.event_type]
    run.is_open = False
    run.close_event_type = event.event_type
    run.closed_ns = time_ns(event.event_time)
    for activity in run.activities.values():
        if activity.state == ActivityState.STARTED:
            run.cancelled_activities.append((activity.scheduled_event_id, activity.attempt))
        run.forgotten_activities.add(activity.scheduled_event_id)
    close_children(run)
    if run.parent_workflow_id and run.successor is None:  # else the successor is the child now
        run.outgoing.append(TellParent(event))
    run.activities.clear()
    run.activity_ids.clear()
    run.touched_activities.clear()
    run.timers.clear()
    run.wakes.clear()
    run.workflow_task = WorkflowTask()
    run.ready_activities.clear()
    run.ready_workflow_task = False
    run.buffered.clear()
    run.buffered_bytes = 0


for _event_type in STATUS_AFTER:
    applies(_event_type)(_apply_close)


# ---- commands ----------------------------------------------------------------------------------------


def _check_complete(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    size = command.complete_workflow_execution_command_attributes.result.ByteSize()
    if size > moment.limits.payload_bytes_max:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES,
            too_large(f"the result of workflow '{run.workflow_id}'", size, moment.limits.payload_bytes_max),
            ends_run=True,
        )


@carries_out(CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, _check_complete, closes=True)
def complete_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.complete_workflow_execution_command_attributes
    event = run.event(COMPLETED, moment.now_ns)
    attributes = event.workflow_execution_completed_event_attributes
    if asked.HasField("result"):
        attributes.result.CopyFrom(asked.result)
    attributes.workflow_task_completed_event_id = completed_event_id
    if run.started.cron_schedule:
        attributes.new_execution_run_id = _make_scheduled(run, None, asked.result, moment)
    run.record(event)


def _check_fail(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    attributes = command.fail_workflow_execution_command_attributes
    bad = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES
    if not attributes.HasField("failure"):
        raise BadCommand(bad, "FailWorkflowExecution without a failure; say why the run failed.")
    size = attributes.failure.ByteSize()
    if size > moment.limits.payload_bytes_max:
        raise BadCommand(
            bad,
            too_large(f"the failure of workflow '{run.workflow_id}'", size, moment.limits.payload_bytes_max),
            ends_run=True,
        )


@carries_out(CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, _check_fail, closes=True)
def fail_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    """A run with a retry policy may be followed by another attempt."""
    failure = command.fail_workflow_execution_command_attributes.failure
    state, backoff_ns = _retry_of_run(run, failure, moment.now_ns)
    event = run.event(FAILED, moment.now_ns)
    attributes = event.workflow_execution_failed_event_attributes
    attributes.failure.CopyFrom(failure)
    attributes.retry_state = state
    attributes.workflow_task_completed_event_id = completed_event_id
    if state == retry.IN_PROGRESS:
        attributes.new_execution_run_id = _make_successor(run, failure, backoff_ns, moment)
    else:
        attributes.new_execution_run_id = _make_scheduled(run, failure, None, moment)
    run.record(event)


def _check_cancel(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    size = command.cancel_workflow_execution_command_attributes.details.ByteSize()
    if size > moment.limits.payload_bytes_max:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES,
            too_large(f"the details of workflow '{run.workflow_id}'", size, moment.limits.payload_bytes_max),
            ends_run=True,
        )


@carries_out(CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, _check_cancel, closes=True)
def cancel_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.cancel_workflow_execution_command_attributes
    event = run.event(CANCELED, moment.now_ns)
    attributes = event.workflow_execution_canceled_event_attributes
    attributes.workflow_task_completed_event_id = completed_event_id
    if asked.HasField("details"):
        attributes.details.CopyFrom(asked.details)
    run.record(event)


# ---- from outside ------------------------------------------------------------------------------------


def terminate(
    run: Execution, reason: str, details: Payloads | None, identity: str, moment: Moment, links: Sequence[Link] = ()
) -> None:
    """End the run at once; its code is not asked."""
    _abandon_workflow_task(run, moment)
    event = run.event(TERMINATED, moment.now_ns)
    attributes = event.workflow_execution_terminated_event_attributes
    attributes.reason = reason
    attributes.identity = identity
    if details is not None:
        attributes.details.CopyFrom(details)
    attach(event, links)
    sign(event, run.caller)
    run.record(event)


def time_out(run: Execution, moment: Moment) -> None:
    """The run's timeout (which another attempt may follow) or the whole execution's has passed."""
    failure = Failure(message="workflow timeout", source="Server")
    failure.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    expiration_ns = _expiration_ns(run)
    expired = expiration_ns is not None and expiration_ns <= moment.now_ns
    if expired:
        state, backoff_ns = RetryState.RETRY_STATE_TIMEOUT, 0
    else:
        state, backoff_ns = _retry_of_run(run, failure, moment.now_ns)
    _abandon_workflow_task(run, moment)
    event = run.event(TIMED_OUT, moment.now_ns)
    attributes = event.workflow_execution_timed_out_event_attributes
    attributes.retry_state = state
    if state == retry.IN_PROGRESS:
        attributes.new_execution_run_id = _make_successor(run, failure, backoff_ns, moment)
    elif not expired:
        attributes.new_execution_run_id = _make_scheduled(run, failure, None, moment)
    run.record(event)


def end_run_for(run: Execution, bad: BadCommand, failure: Failure, identity: str, moment: Moment) -> None:
    """Fail the workflow task and terminate the run, for a command that no retry could make good."""
    record_failed(run, moment.now_ns, cause=bad.cause, failure=failure, identity=identity)
    terminate(run, str(bad), None, ENGINE_IDENTITY, moment)


def _abandon_workflow_task(run: Execution, moment: Moment) -> None:
    """Before a close that no workflow task asked for: a started task counts no more, and what waited for it
    takes its place in history."""
    if run.workflow_task.state == WorkflowTaskState.STARTED:
        record_failed(
            run,
            moment.now_ns,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
            failure=None,
            identity=ENGINE_IDENTITY,
        )
    run.flush_buffered()


# ---- the run after -----------------------------------------------------------------------------------


def next_run_id(run: Execution) -> str:
    """The run in which one that has closed goes on; empty if none follows. Its last event is in memory."""
    [event] = History.FromString(run.tail[-1]).events
    return str(getattr(getattr(event, str(event.WhichOneof("attributes"))), "new_execution_run_id", ""))


def _retry_of_run(run: Execution, failure: Failure, now_ns: int) -> tuple[RetryState.ValueType, int]:
    """The retry state, and how long the next attempt waits."""
    started = run.started
    if not started.HasField("retry_policy"):
        return RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET, 0
    state, next_ns = retry.next_attempt(started.retry_policy, started.attempt, failure, now_ns, _expiration_ns(run))
    return state, max(0, next_ns - now_ns)


def _expiration_ns(run: Execution) -> int | None:
    """When the whole execution, all its runs, is over."""
    if not run.started.HasField("workflow_execution_expiration_time"):
        return None
    return time_ns(run.started.workflow_execution_expiration_time)


def _make_successor(run: Execution, failure: Failure, backoff_ns: int, moment: Moment) -> str:
    """Prepare the next attempt and return its run id; the shell creates it in the same commit."""
    started = _started_after(run, backoff_ns, moment)
    started.attempt = run.started.attempt + 1
    started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
    started.continued_failure.CopyFrom(failure)
    return started.original_execution_run_id


def _make_scheduled(run: Execution, failure: Failure | None, result: Payloads | None, moment: Moment) -> str:
    """Prepare the next run of the cron schedule and return its run id; without a schedule there is none.

    It is told how this run ended: its failure, or its result. A failure leaves the last result as it was.
    """
    backoff_ns = cron.backoff_ns(run.started.cron_schedule, run.execution_ns, moment.now_ns)
    if backoff_ns is None:
        return ""
    started = _started_after(run, backoff_ns, moment)
    started.attempt = 1
    started.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    if failure is not None:
        started.continued_failure.CopyFrom(failure)
    if result is not None:
        started.last_completion_result.CopyFrom(result)
    return started.original_execution_run_id


def _started_after(run: Execution, backoff_ns: int, moment: Moment) -> WorkflowExecutionStartedEventAttributes:
    """The start of the run after this one, as this one was started."""
    started = WorkflowExecutionStartedEventAttributes()
    started.CopyFrom(run.started)
    started.original_execution_run_id = moment.new_run_id()
    started.continued_execution_run_id = run.run_id
    started.ClearField("continued_failure")
    set_duration(started.first_workflow_task_backoff, backoff_ns)
    run.successor = Successor(started.original_execution_run_id, started)
    return started
