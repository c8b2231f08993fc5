"""The end of a client's chain of interceptors: each input sent as the call without interceptors would be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution as ExecutionIds
from temporalio.api.history.v1 import HistoryEvent

from ._async_activity import AsyncActivityHandle
from ._context import ClientContext
from ._describe import describe_execution, history_events
from ._end import send_cancel, send_terminate
from ._execution import WorkflowExecution, WorkflowExecutionDescription
from ._interceptor import (
    AsyncActivityIDReference,
    CancelWorkflowInput,
    CompleteAsyncActivityInput,
    CountWorkflowsInput,
    DescribeWorkflowInput,
    FailAsyncActivityInput,
    FetchWorkflowHistoryEventsInput,
    HeartbeatAsyncActivityInput,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    QueryWorkflowInput,
    ReportCancellationAsyncActivityInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    TerminateWorkflowInput,
)
from ._query import query_workflow
from ._signal import send_signal
from ._start import StartWorkflowOptions, start_workflow
from ._update import WorkflowUpdateHandle, start_update
from ._visibility import WorkflowExecutionCount, count_executions, list_executions

if TYPE_CHECKING:
    from ._handle import WorkflowHandle

_OPTIONS: Final = tuple(StartWorkflowOptions.__annotations__)


def chain_of(context: ClientContext, interceptors: Sequence[Interceptor]) -> OutboundInterceptor | None:
    """Return the first link of the chain, the first interceptor outermost; None without interceptors."""
    if not interceptors:
        return None
    outbound: OutboundInterceptor = _Outbound(context)
    for interceptor in reversed(interceptors):
        outbound = interceptor.intercept_client(outbound)
    return outbound


class _Outbound(OutboundInterceptor):
    def __init__(self, context: ClientContext) -> None:
        self._context = context

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        options = {name: value for name in _OPTIONS if (value := getattr(input, name)) is not None}
        return await start_workflow(self._context, input.workflow, input.args, options, input.ret_type, input.headers)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        return await input.operation.perform(self._context, input.start_workflow_input, input.update_workflow_input)

    def list_workflows(self, input: ListWorkflowsInput) -> AsyncIterator[WorkflowExecution]:
        return list_executions(self._context, input.query, input.page_size, input.limit)

    async def count_workflows(self, input: CountWorkflowsInput) -> WorkflowExecutionCount:
        return await count_executions(self._context, input.query)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        return await describe_execution(self._context, _ids(input))

    def fetch_workflow_history_events(self, input: FetchWorkflowHistoryEventsInput) -> AsyncIterator[HistoryEvent]:
        return history_events(
            self._context,
            input.id,
            input.run_id or "",
            input.page_size or 0,
            input.wait_new_event,
            input.event_filter_type,
        )

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        await send_cancel(self._context, _ids(input), input.first_execution_run_id, input.reason)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        await send_terminate(self._context, _ids(input), input.first_execution_run_id, input.args, input.reason)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        await send_signal(self._context, _ids(input), input.signal, input.args, input.request_id, input.headers)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        return await query_workflow(
            self._context,
            _ids(input),
            input.query,
            input.args,
            reject_condition=input.reject_condition,
            result_type=input.ret_type,
            headers=input.headers,
        )

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        return await start_update(
            self._context,
            _ids(input),
            input.update,
            input.args,
            update_id=input.update_id,
            stage=input.wait_for_stage,
            first_execution_run_id=input.first_execution_run_id or "",
            result_type=input.ret_type,
            headers=input.headers,
        )

    async def heartbeat_async_activity(self, input: HeartbeatAsyncActivityInput) -> None:
        await self._activity(input).send_heartbeat(input.details)

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        await self._activity(input).send_completion(input.result)

    async def fail_async_activity(self, input: FailAsyncActivityInput) -> None:
        await self._activity(input).send_failure(input.error, input.last_heartbeat_details)

    async def report_cancellation_async_activity(self, input: ReportCancellationAsyncActivityInput) -> None:
        await self._activity(input).send_cancellation(input.details)

    def _activity(self, input: Any) -> AsyncActivityHandle:
        address = input.id_or_token
        if isinstance(address, AsyncActivityIDReference):
            return AsyncActivityHandle(
                self._context,
                workflow_id=address.workflow_id,
                run_id=address.run_id,
                activity_id=address.activity_id,
            )
        return AsyncActivityHandle(self._context, task_token=address)


def _ids(input: Any) -> ExecutionIds:
    return ExecutionIds(workflow_id=input.id, run_id=input.run_id or "")
