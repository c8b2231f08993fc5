"""Looking at one run: its events, and its state with the reason why it does not get on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest

from ..exceptions import FailureError
from ._context import ClientContext
from ._execution import WorkflowExecutionDescription
from ._history import WorkflowHistoryEventFilterType


async def describe_execution(context: ClientContext, execution: WorkflowExecution) -> WorkflowExecutionDescription:
    """Ask for the state of a run; when its workflow task fails again and again, look up why.

    Raises:
        RPCError: The subclass that fits.
    """
    raw = await context.calls.send(
        context.service.describe_workflow_execution,
        DescribeWorkflowExecutionRequest(namespace=context.namespace, execution=execution),
    )
    failure = None
    if raw.pending_workflow_task.attempt > 1:
        found = raw.workflow_execution_info.execution
        failure = await _last_task_failure(context, found.workflow_id, found.run_id)
    return WorkflowExecutionDescription(raw, context, failure)


async def _last_task_failure(context: ClientContext, workflow_id: str, run_id: str) -> FailureError | None:
    last = None
    async for event in history_events(context, workflow_id, run_id):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            last = event.workflow_task_failed_event_attributes.failure
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            last = None
    return None if last is None else context.exception_from(last)


async def history_events(
    context: ClientContext,
    workflow_id: str,
    run_id: str,
    page_size: int = 0,
    wait_new_event: bool = False,
    event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
) -> AsyncIterator[HistoryEvent]:
    """Yield the events recorded so far, and on request those to come."""
    token = b""
    while True:
        page = await context.calls.send(
            context.service.get_workflow_execution_history,
            GetWorkflowExecutionHistoryRequest(
                namespace=context.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=page_size,
                next_page_token=token,
                wait_new_event=wait_new_event,
                history_event_filter_type=HistoryEventFilterType.ValueType(event_filter_type),
                skip_archival=wait_new_event,
            ),
        )
        for event in page.history.events:
            yield event
        unanswered = wait_new_event and not page.history.events and not page.next_page_token
        token = page.next_page_token or (token if unanswered else b"")
        if not token and not unanswered:
            return
