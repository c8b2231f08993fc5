"""What clients tell a run from outside: signals and the request to cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent, SignalExternalWorkflowExecutionInitiatedEventAttributes
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
)

from .apply import applies
from .caller import sign
from .limits import check_id, too_large
from .links import attach, check_links
from .refusal import InvalidInput, NotFound, TooMuch
from .workflow_task import ENGINE_IDENTITY, WorkflowTaskState, end_delay, fail, schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution
    from .limits import Limits

SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
CANCEL_REQUESTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED


@applies(SIGNALED)
def apply_signaled(run: Execution, event: HistoryEvent) -> None:
    run.signal_count += 1


@applies(CANCEL_REQUESTED)
def apply_cancel_requested(run: Execution, event: HistoryEvent) -> None:
    run.cancel_requested = True


def check_signal(request: SignalWorkflowExecutionRequest, limits: Limits) -> None:
    """Refuse a signal that no state would accept."""
    check_id("the signal name", request.signal_name, limits)
    size = request.input.ByteSize()
    if size > limits.payload_bytes_max:
        what = f"the input of signal '{request.signal_name}'"
        raise InvalidInput(too_large(what, size, limits.payload_bytes_max))
    check_links(request.links)


def signal(
    run: Execution,
    request: SignalWorkflowExecutionRequest,
    now_ns: int,
    limits: Limits,
    *,
    cuts_delay: bool = False,
) -> None:
    """Append a signal. The caller has found its request id to be new.

    Args:
        run: The run.
        request: The signal.
        now_ns: The time.
        limits: The bounds.
        cuts_delay: True to end a start delay: the sender of a signal-with-start wants the run to go.
    """
    check_signal(request, limits)
    if not run.is_open:
        raise NotFound(closed_message(run))
    _check_room(run, now_ns, limits)
    event = run.event(SIGNALED, now_ns)
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.signal_name = request.signal_name
    attributes.identity = request.identity
    attributes.request_id = request.request_id
    if request.HasField("input"):
        attributes.input.CopyFrom(request.input)
    if request.header.fields:
        attributes.header.CopyFrom(request.header)
    attach(event, request.links)
    sign(event, run.caller)
    note_request_id(run, request.request_id)
    run.record_or_buffer(event)
    if cuts_delay and run.first_workflow_task_pending:
        end_delay(run, now_ns)
    else:
        schedule_if_needed(run, now_ns)


def signal_from(
    run: Execution,
    source: Execution,
    asked: SignalExternalWorkflowExecutionInitiatedEventAttributes,
    initiated_event_id: int,
    now_ns: int,
    limits: Limits,
) -> None:
    """Append a signal that another workflow sent; `run` is open."""
    _check_room(run, now_ns, limits)
    event = run.event(SIGNALED, now_ns)
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.signal_name = asked.signal_name
    attributes.identity = "history-service"
    attributes.request_id = f"{source.run_id}:{initiated_event_id}"
    if asked.HasField("input"):
        attributes.input.CopyFrom(asked.input)
    if asked.HasField("header"):
        attributes.header.CopyFrom(asked.header)
    attributes.external_workflow_execution.workflow_id = source.workflow_id
    attributes.external_workflow_execution.run_id = source.run_id
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def _check_room(run: Execution, now_ns: int, limits: Limits) -> None:
    if run.signal_count >= limits.signals_max:
        raise InvalidInput(
            f"run {run.run_id} of workflow '{run.workflow_id}' has {run.signal_count} signals, which is the limit; "
            "continue as new to take more."
        )
    task = run.workflow_task
    if task.close_refused and task.state == WorkflowTaskState.STARTED:
        raise TooMuch(
            f"workflow '{run.workflow_id}' is about to end, and would have but for news that it had not seen; "
            "send the signal again in a moment."
        )
    make_room(run, now_ns, limits)


def request_cancel(run: Execution, request: RequestCancelWorkflowExecutionRequest, now_ns: int, limits: Limits) -> None:
    """Ask the workflow to stop. Nothing happens if it has been asked before or is closed.

    Raises:
        InvalidInput: A link is none.
    """
    check_links(request.links)
    if not run.is_open or run.cancel_requested:
        return
    make_room(run, now_ns, limits)
    event = run.event(CANCEL_REQUESTED, now_ns)
    attributes = event.workflow_execution_cancel_requested_event_attributes
    attributes.cause = request.reason
    attributes.identity = request.identity
    attach(event, request.links)
    sign(event, run.caller)
    note_request_id(run, request.request_id)
    run.record_or_buffer(event)
    _show_at_once(run, now_ns)


def cancel_from(run: Execution, source: Execution, initiated_event_id: int, reason: str, now_ns: int) -> None:
    """Another workflow asks this one to stop; nothing happens if it has been asked before or is closed."""
    if not run.is_open or run.cancel_requested:
        return
    event = run.event(CANCEL_REQUESTED, now_ns)
    attributes = event.workflow_execution_cancel_requested_event_attributes
    attributes.cause = reason
    attributes.external_initiated_event_id = initiated_event_id
    attributes.external_workflow_execution.workflow_id = source.workflow_id
    attributes.external_workflow_execution.run_id = source.run_id
    attributes.identity = "history-service"
    run.record_or_buffer(event)
    _show_at_once(run, now_ns)


def _show_at_once(run: Execution, now_ns: int) -> None:
    """Unlike a signal, a cancel request cuts a start delay short, and the back-off of a retry or of cron."""
    if run.first_workflow_task_pending:
        end_delay(run, now_ns)
    else:
        schedule_if_needed(run, now_ns)


def note_request_id(run: Execution, request_id: str) -> None:
    if request_id:
        run.request_ids.add(request_id)
        run.new_request_ids.append(request_id)


def make_room(run: Execution, now_ns: int, limits: Limits) -> None:
    """Before input: if as much waits for the workflow task as may wait, the task is over and what waits is recorded."""
    if len(run.buffered) >= limits.buffered_events_max or run.buffered_bytes >= limits.buffered_bytes_max:
        fail(
            run,
            now_ns,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
            failure=None,
            identity=ENGINE_IDENTITY,
            limits=limits,
        )


def closed_message(run: Execution) -> str:
    return f"workflow '{run.workflow_id}' has no open run: run {run.run_id} is closed."
