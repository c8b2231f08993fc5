"""What a workflow tells other workflows: signals, and requests to cancel. Children are told the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CancelExternalWorkflowExecutionFailedCause as CancelFailedCause
from temporalio.api.enums.v1 import CommandType, EventType, WorkflowTaskFailedCause
from temporalio.api.enums.v1 import SignalExternalWorkflowExecutionFailedCause as SignalFailedCause

from .commands import Plan, carries_out
from .limits import check_id, too_large
from .outgoing import CancelOther, SignalOther
from .refusal import BadCommand, InvalidInput
from .workflow_task import schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

_BAD_SIGNAL: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
_BAD_CANCEL: Final = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES
)
SIGNAL_NOT_FOUND: Final = (
    SignalFailedCause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
)
SIGNAL_LIMIT: Final = SignalFailedCause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED
_CANCEL_NOT_FOUND: Final = (
    CancelFailedCause.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
)


def _elsewhere(workflow_id: str, namespace: str, run: Execution) -> str:
    return (
        f"workflow '{workflow_id}' is asked for in namespace '{namespace}', but this run is in '{run.namespace}'; "
        "commands do not cross namespaces. Let an activity do it with a client of that namespace."
    )


# ---- signal ------------------------------------------------------------------------------------------


def _check_signal(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked, limits = command.signal_external_workflow_execution_command_attributes, moment.limits
    if asked.namespace and asked.namespace != run.namespace:
        raise BadCommand(_BAD_SIGNAL, _elsewhere(asked.execution.workflow_id, asked.namespace, run))
    try:
        check_id("the signalled workflow id", asked.execution.workflow_id, limits)
        check_id("the signal name", asked.signal_name, limits)
    except InvalidInput as error:
        raise BadCommand(_BAD_SIGNAL, str(error)) from None
    size = asked.input.ByteSize()
    if size > limits.payload_bytes_max:
        what = f"the input of signal '{asked.signal_name}' to workflow '{asked.execution.workflow_id}'"
        raise BadCommand(_BAD_SIGNAL, too_large(what, size, limits.payload_bytes_max), ends_run=True)


@carries_out(CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, _check_signal)
def signal_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.signal_external_workflow_execution_command_attributes
    event = run.event(EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, moment.now_ns)
    attributes = event.signal_external_workflow_execution_initiated_event_attributes
    attributes.workflow_task_completed_event_id = completed_event_id
    attributes.namespace = asked.namespace or run.namespace
    attributes.workflow_execution.CopyFrom(asked.execution)
    attributes.signal_name = asked.signal_name
    attributes.control = asked.control
    attributes.child_workflow_only = asked.child_workflow_only
    if asked.HasField("input"):
        attributes.input.CopyFrom(asked.input)
    if asked.HasField("header"):
        attributes.header.CopyFrom(asked.header)
    event_id = run.record(event)
    run.outgoing.append(SignalOther(event_id, attributes))


def signalled(run: Execution, asked: SignalOther, now_ns: int) -> None:
    event = run.event(EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED, now_ns)
    attributes = event.external_workflow_execution_signaled_event_attributes
    attributes.initiated_event_id = asked.initiated_event_id
    attributes.namespace = asked.asked.namespace
    attributes.workflow_execution.CopyFrom(asked.asked.workflow_execution)
    attributes.control = asked.asked.control
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def signal_failed(
    run: Execution,
    asked: SignalOther,
    cause: SignalFailedCause.ValueType,
    now_ns: int,
) -> None:
    event = run.event(EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED, now_ns)
    attributes = event.signal_external_workflow_execution_failed_event_attributes
    attributes.cause = cause
    attributes.namespace = asked.asked.namespace
    attributes.workflow_execution.CopyFrom(asked.asked.workflow_execution)
    attributes.initiated_event_id = asked.initiated_event_id
    attributes.control = asked.asked.control
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


# ---- cancel ------------------------------------------------------------------------------------------


def _check_cancel(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked = command.request_cancel_external_workflow_execution_command_attributes
    if asked.namespace and asked.namespace != run.namespace:
        raise BadCommand(_BAD_CANCEL, _elsewhere(asked.workflow_id, asked.namespace, run))
    try:
        check_id("the workflow id to cancel", asked.workflow_id, moment.limits)
    except InvalidInput as error:
        raise BadCommand(_BAD_CANCEL, str(error)) from None
    if asked.workflow_id in plan.children:
        raise BadCommand(
            _BAD_CANCEL,
            f"child '{asked.workflow_id}' is to start and to be cancelled in one workflow task; that is not allowed. "
            "Wait for its start first, or do not start it.",
        )


@carries_out(CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, _check_cancel)
def cancel_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.request_cancel_external_workflow_execution_command_attributes
    event = run.event(EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, moment.now_ns)
    attributes = event.request_cancel_external_workflow_execution_initiated_event_attributes
    attributes.workflow_task_completed_event_id = completed_event_id
    attributes.namespace = asked.namespace or run.namespace
    attributes.workflow_execution.workflow_id = asked.workflow_id
    attributes.workflow_execution.run_id = asked.run_id
    attributes.control = asked.control
    attributes.child_workflow_only = asked.child_workflow_only
    attributes.reason = asked.reason
    event_id = run.record(event)
    run.outgoing.append(CancelOther(event_id, attributes))


def cancel_delivered(run: Execution, asked: CancelOther, now_ns: int) -> None:
    event = run.event(EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED, now_ns)
    attributes = event.external_workflow_execution_cancel_requested_event_attributes
    attributes.initiated_event_id = asked.initiated_event_id
    attributes.namespace = asked.asked.namespace
    attributes.workflow_execution.CopyFrom(asked.asked.workflow_execution)
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def cancel_failed(run: Execution, asked: CancelOther, now_ns: int) -> None:
    """There is no such run, or it is closed."""
    event = run.event(EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED, now_ns)
    attributes = event.request_cancel_external_workflow_execution_failed_event_attributes
    attributes.cause = _CANCEL_NOT_FOUND
    attributes.namespace = asked.asked.namespace
    attributes.workflow_execution.CopyFrom(asked.asked.workflow_execution)
    attributes.initiated_event_id = asked.initiated_event_id
    attributes.control = asked.asked.control
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)
