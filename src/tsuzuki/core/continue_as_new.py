"""Continue-as-new: a run ends and the next one of its chain starts, in the same commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message
from temporalio.api.command.v1 import Command, ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import (
    CommandType,
    ContinueAsNewInitiator,
    EventType,
    WorkflowTaskFailedCause,
)
from temporalio.api.history.v1 import (
    WorkflowExecutionContinuedAsNewEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)

from . import cron, retry
from .commands import Plan, Successor, carries_out
from .limits import check_id, too_large
from .pause_info import PAUSE_INFO
from .properties import check_in_command
from .refusal import BadCommand, InvalidInput
from .times import duration_ns, set_duration
from .workflow_task import NORMAL

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

CONTINUED_AS_NEW: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
_BAD: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES


def _check(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked, limits = command.continue_as_new_workflow_execution_command_attributes, moment.limits
    try:
        if asked.workflow_type.name:
            check_id("the workflow type", asked.workflow_type.name, limits)
        if asked.task_queue.name:
            check_id("the task queue", asked.task_queue.name, limits)
        if asked.HasField("retry_policy"):
            retry.normalize(asked.retry_policy, RetryPolicy())
        cron.check(asked.cron_schedule, moment.now_ns)
    except InvalidInput as error:
        raise BadCommand(_BAD, str(error)) from None
    size = asked.input.ByteSize()
    if size > limits.payload_bytes_max:
        what = f"the input that workflow '{run.workflow_id}' continues with"
        raise BadCommand(_BAD, too_large(what, size, limits.payload_bytes_max), ends_run=True)
    for name in ("workflow_run_timeout", "workflow_task_timeout", "backoff_start_interval"):
        if duration_ns(getattr(asked, name)) < 0:
            raise BadCommand(_BAD, f"ContinueAsNew: {name} is negative; expected 0 or more.")
    check_in_command(asked.search_attributes, run.namespace, moment)


@carries_out(CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, _check, closes=True)
def continue_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    """What the command leaves out stays as it is in this run."""
    asked = command.continue_as_new_workflow_execution_command_attributes
    event = run.event(CONTINUED_AS_NEW, moment.now_ns)
    attributes = event.workflow_execution_continued_as_new_event_attributes
    attributes.new_execution_run_id = moment.new_run_id()
    attributes.workflow_type.name = asked.workflow_type.name or run.workflow_type
    attributes.task_queue.name = asked.task_queue.name or run.task_queue
    attributes.task_queue.kind = NORMAL
    attributes.workflow_task_completed_event_id = completed_event_id
    attributes.inherit_build_id = asked.inherit_build_id
    run_ns = duration_ns(asked.workflow_run_timeout) or duration_ns(run.started.workflow_run_timeout)
    set_duration(attributes.workflow_run_timeout, run_ns)
    task_ns = duration_ns(asked.workflow_task_timeout) or run.workflow_task_timeout_ns
    set_duration(attributes.workflow_task_timeout, task_ns)
    backoff_ns = _backoff_ns(run, duration_ns(asked.backoff_start_interval), moment)
    if duration_ns(asked.backoff_start_interval):
        attributes.backoff_start_interval.CopyFrom(asked.backoff_start_interval)
    _copy(asked, attributes, "input", "header", "memo", "search_attributes", "last_completion_result", "failure")
    run.successor = Successor(attributes.new_execution_run_id, _successor_start(run, asked, attributes, backoff_ns))
    run.record(event)


def _backoff_ns(run: Execution, asked_ns: int, moment: Moment) -> int:
    """A chain of runs that do nothing must not spin: each run begins at least a second after the one before."""
    lifetime_ns = moment.now_ns - run.execution_ns
    least_ns = moment.limits.continue_as_new_interval_min_ns
    return asked_ns if lifetime_ns + asked_ns >= least_ns else least_ns - lifetime_ns


def _successor_start(
    run: Execution,
    asked: ContinueAsNewWorkflowExecutionCommandAttributes,
    closed: WorkflowExecutionContinuedAsNewEventAttributes,
    backoff_ns: int,
) -> WorkflowExecutionStartedEventAttributes:
    started = WorkflowExecutionStartedEventAttributes(
        workflow_id=run.workflow_id,
        attempt=1,
        identity=run.started.identity,
        first_execution_run_id=run.started.first_execution_run_id,
        original_execution_run_id=closed.new_execution_run_id,
        continued_execution_run_id=run.run_id,
        parent_workflow_namespace=run.started.parent_workflow_namespace,
        parent_initiated_event_id=run.started.parent_initiated_event_id,
        initiator=asked.initiator or ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
        cron_schedule=asked.cron_schedule,
    )
    _copy(closed, started, "workflow_type", "task_queue", "input", "header", "workflow_task_timeout")
    _copy(closed, started, "last_completion_result")
    started.workflow_run_timeout.CopyFrom(closed.workflow_run_timeout)
    if backoff_ns:
        set_duration(started.first_workflow_task_backoff, backoff_ns)
    started.memo.CopyFrom(asked.memo if asked.HasField("memo") else run.memo)
    kept = asked.search_attributes if asked.HasField("search_attributes") else run.search_attributes
    started.search_attributes.CopyFrom(kept)
    started.search_attributes.indexed_fields.pop(PAUSE_INFO, None)  # nothing of the next run is paused
    if asked.HasField("retry_policy"):
        retry.normalize(asked.retry_policy, started.retry_policy)
    _copy(run.started, started, "workflow_execution_timeout", "workflow_execution_expiration_time")
    _copy(run.started, started, "parent_workflow_execution", "root_workflow_execution", "priority")
    return started


def _copy(source: Message, target: Message, *names: str) -> None:
    for name in names:
        if source.HasField(name):
            getattr(target, name).CopyFrom(getattr(source, name))
