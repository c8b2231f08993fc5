"""Interceptors around a workflow: links before its handlers, and behind what its code asks for.

The shapes are those of `temporalio.worker`. Links run inside the workflow's event loop, live and on every replay, under
the same rules as workflow code: what they decide must follow from the history.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from temporalio.api.common.v1 import Payload

from tsuzuki.common import Priority, RetryPolicy, SearchAttributes, TypedSearchAttributes, WorkflowIDReusePolicy
from tsuzuki.workflow import (
    ActivityCancellationType,
    ActivityHandle,
    ChildWorkflowCancellationType,
    ChildWorkflowHandle,
    Info,
    ParentClosePolicy,
)

# ---- what comes in -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ExecuteWorkflowInput:
    """The start of the code.

    Attributes:
        type: The workflow's class; None for a workflow that is a plain function.
        run_fn: The function to run: unbound, for a class.
        args: Its arguments, decoded, without the object.
        headers: Headers that came with the start, not decoded.
    """

    type: type | None
    run_fn: Callable[..., Awaitable[Any]]
    args: Sequence[Any]
    headers: Mapping[str, Payload]


@dataclass(slots=True)
class HandleSignalInput:
    """A signal that has a handler: its name, arguments (decoded) and headers (not decoded)."""

    signal: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]


@dataclass(slots=True)
class HandleQueryInput:
    """A query that has a handler: what the service calls it, its name, arguments and headers."""

    id: str
    query: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]


@dataclass(slots=True)
class HandleUpdateInput:
    """An update that has a handler: its id, name, arguments (decoded) and headers (not decoded)."""

    id: str
    update: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]


class WorkflowInboundInterceptor:
    """A link before the code and the handlers of one run; made when the run's code first runs.

    `workflow.info()` and the rest of `tsuzuki.workflow` work in it, from `__init__` on.
    """

    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Take the links behind the code; wrap `outbound` to add one, and hand it on."""
        self.next.init(outbound)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """Run the workflow's function and return its result."""
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Call the handler of a signal."""
        await self.next.handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        """Call the handler of a query; must not wait, and change nothing."""
        return await self.next.handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        """Call the validator of an update, where there is one; not called on replay. Must change nothing."""
        self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        """Call the handler of an update and return its answer."""
        return await self.next.handle_update_handler(input)


# ---- what goes out -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class StartActivityInput:
    """An activity to start; the options are those of `ActivityConfig`.

    Attributes:
        activity: Its type.
        args: Its arguments.
        headers: Headers to send with it.
        ret_type: Type to decode the result as.
    """

    activity: str
    args: Sequence[Any]
    activity_id: str | None = None
    task_queue: str | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    start_to_close_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL
    headers: Mapping[str, Payload] = field(default_factory=dict)
    summary: str | None = None
    priority: Priority = Priority.default
    ret_type: Any = None


@dataclass(slots=True)
class StartLocalActivityInput:
    """A local activity to start; the options are those of `LocalActivityConfig`.

    Attributes:
        activity: Its type.
        args: Its arguments.
        headers: Headers for it.
        ret_type: Type to decode the result as.
    """

    activity: str
    args: Sequence[Any]
    activity_id: str | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    start_to_close_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    local_retry_threshold: timedelta | None = None
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL
    headers: Mapping[str, Payload] = field(default_factory=dict)
    summary: str | None = None
    ret_type: Any = None


@dataclass(slots=True)
class StartChildWorkflowInput:
    """A child workflow to start; the options are those of `ChildWorkflowConfig`.

    Attributes:
        workflow: Its type.
        args: Its arguments.
        id: Its workflow id; made up where the call gave none.
        headers: Headers to send with it.
        ret_type: Type to decode the result as.
    """

    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str | None = None
    cancellation_type: ChildWorkflowCancellationType = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    retry_policy: RetryPolicy | None = None
    cron_schedule: str = ""
    memo: Mapping[str, Any] | None = None
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None
    headers: Mapping[str, Payload] = field(default_factory=dict)
    static_summary: str | None = None
    static_details: str | None = None
    priority: Priority = Priority.default
    ret_type: Any = None


@dataclass(slots=True)
class SignalChildWorkflowInput:
    """A signal to a child."""

    signal: str
    args: Sequence[Any]
    child_workflow_id: str
    headers: Mapping[str, Payload] = field(default_factory=dict)


@dataclass(slots=True)
class SignalExternalWorkflowInput:
    """A signal to another workflow."""

    signal: str
    args: Sequence[Any]
    namespace: str
    workflow_id: str
    workflow_run_id: str | None
    headers: Mapping[str, Payload] = field(default_factory=dict)


@dataclass(slots=True)
class ContinueAsNewInput:
    """The next run of the chain; the options are those of `workflow.continue_as_new`, None where not given."""

    workflow: str | None
    args: Sequence[Any]
    task_queue: str | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    backoff_start_interval: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    memo: Mapping[str, Any] | None = None
    search_attributes: SearchAttributes | TypedSearchAttributes | None = None
    headers: Mapping[str, Payload] = field(default_factory=dict)


class WorkflowOutboundInterceptor:
    """A link behind the code of one run: each method stands for a function of `tsuzuki.workflow`."""

    def __init__(self, next: WorkflowOutboundInterceptor) -> None:
        self.next = next

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        """Stands for `workflow.continue_as_new`; raises what ends the run."""
        self.next.continue_as_new(input)

    def info(self) -> Info:
        """Stands for `workflow.info`."""
        return self.next.info()

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        """Stands for `ChildWorkflowHandle.signal`."""
        await self.next.signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        """Stands for `ExternalWorkflowHandle.signal`."""
        await self.next.signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        """Stands for `workflow.start_activity` and `execute_activity`, in all their forms."""
        return self.next.start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        """Stands for `workflow.start_local_activity` and its variants."""
        return self.next.start_local_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        """Stands for `workflow.start_child_workflow` and `execute_child_workflow`; returns once it has started."""
        return await self.next.start_child_workflow(input)
