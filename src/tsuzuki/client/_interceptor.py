"""Interceptors of a client: links before its calls, in the shapes of `temporalio.client`.

A client without interceptors makes no input objects and has no chain. Inputs take no other attributes than theirs: what
`temporalio` has and this package does not (`rpc_metadata`, ...) is refused when it is set, not silently lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from ..common import (
    Priority,
    QueryRejectCondition,
    RetryPolicy,
    SearchAttributes,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from ._execution import WorkflowExecution, WorkflowExecutionDescription
from ._history import WorkflowHistoryEventFilterType
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage
from ._visibility import WorkflowExecutionCount

if TYPE_CHECKING:
    from ._handle import WorkflowHandle
    from ._update_with_start import WithStartWorkflowOperation


@dataclass(slots=True)
class UpdateWithStartStartWorkflowInput:
    """The start that goes with an update; the options are those of `StartWorkflowOptions`.

    Attributes:
        workflow: Workflow type.
        args: Its arguments.
        headers: Headers to send with it.
        ret_type: Type to decode the result as; None for plain values.
    """

    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    id_reuse_policy: WorkflowIDReusePolicy | None = None
    id_conflict_policy: WorkflowIDConflictPolicy | None = None
    retry_policy: RetryPolicy | None = None
    cron_schedule: str | None = None
    memo: Mapping[str, Any] | None = None
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None
    start_delay: timedelta | None = None
    headers: Mapping[str, Payload] = field(default_factory=dict)
    request_id: str | None = None
    static_summary: str | None = None
    static_details: str | None = None
    priority: Priority | None = None
    ret_type: Any = None


@dataclass(slots=True)
class StartWorkflowInput(UpdateWithStartStartWorkflowInput):
    """A start; with `start_signal` its headers go to the signal too."""

    start_signal: str | None = None
    start_signal_args: Sequence[Any] = ()


@dataclass(slots=True)
class CancelWorkflowInput:
    """A request to stop."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None
    reason: str


@dataclass(slots=True)
class DescribeWorkflowInput:
    """A question for the state of a run."""

    id: str
    run_id: str | None


@dataclass(slots=True)
class FetchWorkflowHistoryEventsInput:
    """A reading of events; see `WorkflowHandle.fetch_history_events`."""

    id: str
    run_id: str | None
    page_size: int | None
    wait_new_event: bool
    event_filter_type: WorkflowHistoryEventFilterType


@dataclass(slots=True)
class ListWorkflowsInput:
    """A listing of runs."""

    query: str | None
    page_size: int
    limit: int | None


@dataclass(slots=True)
class CountWorkflowsInput:
    """A counting of runs."""

    query: str | None


@dataclass(slots=True)
class QueryWorkflowInput:
    """A query."""

    id: str
    run_id: str | None
    query: str
    args: Sequence[Any]
    reject_condition: QueryRejectCondition | None
    headers: Mapping[str, Payload]
    ret_type: Any


@dataclass(slots=True)
class SignalWorkflowInput:
    """A signal; the same `request_id` is recorded once in a run."""

    id: str
    run_id: str | None
    signal: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    request_id: str | None


@dataclass(slots=True)
class TerminateWorkflowInput:
    """An end at once."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None
    args: Sequence[Any]
    reason: str | None


@dataclass(slots=True)
class UpdateWithStartUpdateWorkflowInput:
    """The update that goes with a start."""

    update_id: str | None
    update: str
    args: Sequence[Any]
    wait_for_stage: WorkflowUpdateStage
    headers: Mapping[str, Payload]
    ret_type: Any


@dataclass(slots=True)
class StartWorkflowUpdateInput(UpdateWithStartUpdateWorkflowInput):
    """An update of an open run."""

    id: str
    run_id: str | None
    first_execution_run_id: str | None


@dataclass(slots=True)
class StartWorkflowUpdateWithStartInput:
    """An update and the start that goes with it, sent as one; `operation` is what its caller waits on."""

    start_workflow_input: UpdateWithStartStartWorkflowInput
    update_workflow_input: UpdateWithStartUpdateWorkflowInput
    operation: WithStartWorkflowOperation[Any, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AsyncActivityIDReference:
    """An activity, by the ids of its workflow and its own."""

    workflow_id: str
    run_id: str | None
    activity_id: str


@dataclass(slots=True)
class HeartbeatAsyncActivityInput:
    """A heartbeat from outside the worker."""

    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]


@dataclass(slots=True)
class CompleteAsyncActivityInput:
    """A result from outside the worker."""

    id_or_token: AsyncActivityIDReference | bytes
    result: Any


@dataclass(slots=True)
class FailAsyncActivityInput:
    """A failure from outside the worker."""

    id_or_token: AsyncActivityIDReference | bytes
    error: Exception
    last_heartbeat_details: Sequence[Any]


@dataclass(slots=True)
class ReportCancellationAsyncActivityInput:
    """A cancellation reported from outside the worker."""

    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]


class OutboundInterceptor:
    """A link before the calls of a client."""

    def __init__(self, next: OutboundInterceptor) -> None:
        self.next = next

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        """Stands for `Client.start_workflow` and `execute_workflow`."""
        return await self.next.start_workflow(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        """Stands for `Client.start_update_with_start_workflow` and `execute_...`."""
        return await self.next.start_update_with_start_workflow(input)

    def list_workflows(self, input: ListWorkflowsInput) -> AsyncIterator[WorkflowExecution]:
        """Stands for `Client.list_workflows`."""
        return self.next.list_workflows(input)

    async def count_workflows(self, input: CountWorkflowsInput) -> WorkflowExecutionCount:
        """Stands for `Client.count_workflows`."""
        return await self.next.count_workflows(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        """Stands for `WorkflowHandle.describe`."""
        return await self.next.describe_workflow(input)

    def fetch_workflow_history_events(self, input: FetchWorkflowHistoryEventsInput) -> AsyncIterator[HistoryEvent]:
        """Stands for `WorkflowHandle.fetch_history`, `fetch_history_events`, and the wait of `result`."""
        return self.next.fetch_workflow_history_events(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        """Stands for `WorkflowHandle.cancel`."""
        await self.next.cancel_workflow(input)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        """Stands for `WorkflowHandle.terminate`."""
        await self.next.terminate_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        """Stands for `WorkflowHandle.signal`."""
        await self.next.signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        """Stands for `WorkflowHandle.query`."""
        return await self.next.query_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        """Stands for `WorkflowHandle.start_update` and `execute_update`."""
        return await self.next.start_workflow_update(input)

    async def heartbeat_async_activity(self, input: HeartbeatAsyncActivityInput) -> None:
        """Stands for `AsyncActivityHandle.heartbeat`."""
        await self.next.heartbeat_async_activity(input)

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        """Stands for `AsyncActivityHandle.complete`."""
        await self.next.complete_async_activity(input)

    async def fail_async_activity(self, input: FailAsyncActivityInput) -> None:
        """Stands for `AsyncActivityHandle.fail`."""
        await self.next.fail_async_activity(input)

    async def report_cancellation_async_activity(self, input: ReportCancellationAsyncActivityInput) -> None:
        """Stands for `AsyncActivityHandle.report_cancellation`."""
        await self.next.report_cancellation_async_activity(input)


class Interceptor:
    """Stands before the calls of a client; one that is a `worker.Interceptor` too applies to the client's workers."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Return the link that stands before `next`; asked once a client."""
        return next
