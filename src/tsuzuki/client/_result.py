"""Waiting for a workflow's outcome: a long poll for the close event, run after run.

Each way to close has one row. Runs that another run takes over from (continue-as-new, retry, cron) are
followed by the id that their close event names, never by asking for "the latest run": that could be an
unrelated one started later under the same workflow id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

from ..exceptions import CancelledError, TerminatedError, TimeoutError, TimeoutType
from ._context import ClientContext
from ._errors import WorkflowContinuedAsNewError, WorkflowFailureError
from ._history import WorkflowHistoryEventFilterType
from ._interceptor import FetchWorkflowHistoryEventsInput

_CLOSE_EVENT: Final = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT


async def wait_for_result(
    context: ClientContext, workflow_id: str, run_id: str | None, *, follow_runs: bool, result_type: Any
) -> Any:
    """Wait until the workflow closes and give its result.

    Args:
        context: Of the client.
        workflow_id: Which workflow.
        run_id: Which of its runs to begin with; None for the latest.
        follow_runs: True to go on with the run that takes over.
        result_type: Expected type of the result; None for plain values.

    Raises:
        WorkflowFailureError: It closed without a result.
        WorkflowContinuedAsNewError: It continued as new, and runs are not followed.
    """
    while True:
        event = await context.decoded(await _close_event(context, workflow_id, run_id or ""))
        field, outcome = _OUTCOMES[event.event_type]
        attributes = getattr(event, field)
        next_run_id = getattr(attributes, "new_execution_run_id", "")
        if not (follow_runs and next_run_id):
            try:
                return outcome(context, attributes, workflow_id, result_type)
            except WorkflowFailureError as error:
                error.new_execution_run_id = next_run_id
                raise
        run_id = next_run_id


async def next_run_id(context: ClientContext, workflow_id: str, run_id: str) -> str:
    """Wait until a run closes, and give the id of the run that takes over; empty for none."""
    event = await _close_event(context, workflow_id, run_id)
    return getattr(getattr(event, _OUTCOMES[event.event_type][0]), "new_execution_run_id", "")


async def _close_event(context: ClientContext, workflow_id: str, run_id: str) -> HistoryEvent:
    if context.outbound is not None:
        wanted = FetchWorkflowHistoryEventsInput(
            workflow_id, run_id or None, None, True, WorkflowHistoryEventFilterType.CLOSE_EVENT
        )
        async for event in context.outbound.fetch_workflow_history_events(wanted):
            if event.event_type in _OUTCOMES:
                return event
        raise AssertionError("an interceptor ended the wait for the close event before there was one")
    request = GetWorkflowExecutionHistoryRequest()
    request.namespace = context.namespace
    request.execution.workflow_id = workflow_id
    request.execution.run_id = run_id
    request.wait_new_event = True
    request.history_event_filter_type = _CLOSE_EVENT
    request.skip_archival = True
    while True:
        answer = await context.calls.send(context.service.get_workflow_execution_history, request)
        events = answer.history.events
        if events and (event := events[-1]).event_type in _OUTCOMES:
            return event
        if answer.next_page_token:  # an empty answer only ends the long poll
            asked, request = request, GetWorkflowExecutionHistoryRequest()
            request.CopyFrom(asked)
            request.next_page_token = answer.next_page_token


def _completed(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> Any:
    payloads = attributes.result.payloads
    return context.payloads.from_payloads(payloads[:1], (result_type,))[0] if payloads else None


def _failed(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> NoReturn:
    raise WorkflowFailureError(cause=context.exception_from(attributes.failure), workflow_id=workflow_id)


def _cancelled(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> NoReturn:
    details = context.payloads.from_payloads_wrapper(attributes.details)
    cause = CancelledError("Workflow cancelled", *details)
    raise WorkflowFailureError(cause=cause, workflow_id=workflow_id)


def _terminated(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> NoReturn:
    details = context.payloads.from_payloads_wrapper(attributes.details)
    cause = TerminatedError(attributes.reason or "Workflow terminated", *details)
    raise WorkflowFailureError(cause=cause, workflow_id=workflow_id)


def _timed_out(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> NoReturn:
    cause = TimeoutError("Workflow timed out", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
    raise WorkflowFailureError(cause=cause, workflow_id=workflow_id)


def _continued(context: ClientContext, attributes: Any, workflow_id: str, result_type: Any) -> NoReturn:
    raise WorkflowContinuedAsNewError(attributes.new_execution_run_id)


_Outcome = Callable[[ClientContext, Any, str, Any], Any]
_OUTCOMES: Final[Mapping[EventType.ValueType, tuple[str, _Outcome]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: (
        "workflow_execution_completed_event_attributes",
        _completed,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: ("workflow_execution_failed_event_attributes", _failed),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: (
        "workflow_execution_canceled_event_attributes",
        _cancelled,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: (
        "workflow_execution_terminated_event_attributes",
        _terminated,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: (
        "workflow_execution_timed_out_event_attributes",
        _timed_out,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: (
        "workflow_execution_continued_as_new_event_attributes",
        _continued,
    ),
}
