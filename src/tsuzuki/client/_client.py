"""The client: where workflows are started, found and spoken to.

It holds a `WorkflowService` and does not know which side answers. It knows nothing of workers.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar, Unpack, cast, overload
from uuid import uuid4

from ..common import MetricMeter, SearchAttributeKey, SearchAttributes, TypedSearchAttributes
from ..converter import DataConverter
from ..service import TLSConfig, WorkflowService, behind_codec, metered
from ..workflow import UPDATE, name_and_result_type
from ._async_activity import AsyncActivityHandle
from ._calls import Calls
from ._connect import open_embedded_service, open_remote_service
from ._context import ClientContext
from ._execution import WorkflowExecution
from ._fork import send_fork
from ._handle import WorkflowHandle
from ._interceptor import (
    CountWorkflowsInput,
    Interceptor,
    ListWorkflowsInput,
    StartWorkflowInput,
    UpdateWithStartUpdateWorkflowInput,
)
from ._outbound import chain_of
from ._schedule import Schedule, ScheduleBackfill
from ._schedule_handle import ScheduleHandle, ScheduleListDescription, create_schedule, list_schedules
from ._search_attributes import add_search_attributes, registered_search_attributes
from ._start import StartWorkflowOptions, check_option_names, start_workflow
from ._target import EmbeddedTarget, parse_target
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage
from ._update_with_start import WithStartWorkflowOperation
from ._validation import UNSET, arguments, check_delay, check_name
from ._visibility import WorkflowExecutionCount, count_executions, list_executions

SelfType = TypeVar("SelfType")
ParamType = TypeVar("ParamType")
ReturnType = TypeVar("ReturnType")


class Client:
    """Starts workflows and speaks to them.

    Made by `Client.connect`, or around a service that someone else opened and closes. As an async context
    manager it closes what it opened.
    """

    def __init__(
        self,
        service: WorkflowService,
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        identity: str | None = None,
        calls: Calls | None = None,
        interceptors: Sequence[Interceptor] = (),
        metric_meter: MetricMeter | None = None,
    ) -> None:
        check_name("namespace", namespace)
        self._service = service if metric_meter is None else metered(service, metric_meter)
        self._context = ClientContext(
            service=behind_codec(self._service, data_converter.payload_codec),
            calls=calls or Calls(),
            namespace=namespace,
            identity=identity or default_identity(),
            data_converter=data_converter,
        )
        self._metric_meter = metric_meter
        self._interceptors = tuple(interceptors)
        self._context.outbound = chain_of(self._context, self._interceptors)
        self._close: Callable[[], Awaitable[None]] | None = None

    @classmethod
    async def connect(
        cls,
        target: str,
        *,
        namespace: str = "default",
        data_converter: DataConverter = DataConverter.default,
        identity: str | None = None,
        tls: bool | TLSConfig | None = None,
        api_key: str | None = None,
        rpc_metadata: Mapping[str, str] | None = None,
        wait: timedelta | float | None = None,
        interceptors: Sequence[Interceptor] = (),
        metric_meter: MetricMeter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Client:
        """Open the engine that a target names.

        Args:
            target: `sqlite:///file.db` for an engine in this process on that file (a fourth slash makes
                the path absolute), `sqlite://` for one in memory, `host:port` for a server.
            namespace: Namespace of every request.
            data_converter: The same as that of the workers.
            identity: Who calls, in histories; the default is `pid@host`.
            tls: For a server: True, or a `TLSConfig` with the certificate of its authority, a certificate and key
                of this client, or the name to expect. The default is on exactly when there is a key.
            api_key: For a server: sent as a bearer token.
            rpc_metadata: For a server: headers of every call, as a gateway in front of it may want.
            wait: For a server: seconds (or a timedelta) to wait for it to come up; the default is not to.
            interceptors: Stand before each call, the first outermost; those that are `worker.Interceptor`s too apply to
                the workers of this client. Without any there is no chain and no cost.
            metric_meter: Takes the metrics of requests, of this client's workers, and of `workflow.metric_meter()` and
                `activity.metric_meter()`, under the names of Temporal's SDKs. The default measures nothing, at no cost.
            clock: Monotonic time in seconds.
            sleep: Waits for a number of seconds.

        Raises:
            InvalidArgumentError: The target is none of the forms.
            ServiceUnavailableError: The server cannot be reached.
            StoreError: The database cannot be used; the class and message say why and what to do.
        """
        parsed = parse_target(target)
        identity = identity or default_identity()
        wait_s = wait.total_seconds() if isinstance(wait, timedelta) else float(wait or 0)
        check_delay("wait", timedelta(seconds=wait_s))
        service = (
            await open_embedded_service(parsed, namespace)
            if isinstance(parsed, EmbeddedTarget)
            else await open_remote_service(
                parsed,
                namespace=namespace,
                tls=tls,
                api_key=api_key,
                rpc_metadata=rpc_metadata,
                identity=identity,
                wait_s=wait_s,
                clock=clock,
                sleep=sleep,
            )
        )
        client = cls(
            service,
            namespace=namespace,
            data_converter=data_converter,
            identity=identity,
            calls=Calls(clock=clock, sleep=sleep),
            interceptors=interceptors,
            metric_meter=metric_meter,
        )
        client._close = service.close
        return client

    @property
    def service(self) -> WorkflowService:
        """Where requests go: payloads in it are as the codec of the data converter leaves them."""
        return self._service

    @property
    def namespace(self) -> str:
        """Namespace of every request."""
        return self._context.namespace

    @property
    def identity(self) -> str:
        """Who calls, in histories."""
        return self._context.identity

    @property
    def data_converter(self) -> DataConverter:
        """Values and failures to the wire and back."""
        return self._context.data_converter

    @property
    def interceptors(self) -> Sequence[Interceptor]:
        """What was given to it."""
        return self._interceptors

    @property
    def metric_meter(self) -> MetricMeter | None:
        """Where measurements go; None for nowhere."""
        return self._metric_meter

    async def close(self) -> None:
        """Close what `connect` opened: the connection, or the engine with its store. Safe to call twice."""
        close, self._close = self._close, None
        if close is not None:
            await close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # ---- workflows ---------------------------------------------------------------------------------

    @overload
    async def start_workflow(
        self,
        workflow: Callable[[SelfType], Awaitable[ReturnType]],
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[[SelfType, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[SelfType, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[[], Awaitable[ReturnType]],
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str | type[Any],
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, ReturnType]: ...
    @overload
    async def start_workflow(
        self,
        workflow: str | type[Any],
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, Any]: ...
    async def start_workflow(
        self,
        workflow: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        result_type: Any = None,
        **options: Unpack[StartWorkflowOptions],
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow and return once the start is durable.

        Args:
            workflow: The workflow class, its `@workflow.run` method, a plain workflow function, or a name.
            arg: Its argument, if it takes one.
            args: Its arguments, if it takes several; together at most 2 MiB once encoded.
            result_type: Expected type of the result; the default is the workflow's type hint, and plain
                values for a name.
            options: `id` and `task_queue` are required; see `StartWorkflowOptions` for all of them.

        Raises:
            WorkflowAlreadyStartedError: The id is taken, as far as the policies say.
            InvalidArgumentError: An id, timeout or policy is out of its bounds.
            PayloadEncodeError: An argument has no payload form.
            ServiceUnavailableError: No answer. The run may exist; starting again with the same
                `request_id` is safe.

        Source: `StartWorkflowExecution`, or `SignalWithStartWorkflowExecution` with `start_signal`.
        """
        workflow_type, hint = name_and_result_type(workflow)
        context, given = self._context, arguments(arg, args)
        ret_type = hint if result_type is None else result_type
        if context.outbound is None:
            return await start_workflow(context, workflow_type, given, options, ret_type)
        check_option_names(options)
        fields = cast("dict[str, Any]", options)
        return await context.outbound.start_workflow(
            StartWorkflowInput(workflow_type, given, ret_type=ret_type, **fields)
        )

    @overload
    async def execute_workflow(
        self,
        workflow: Callable[[SelfType], Awaitable[ReturnType]],
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[[SelfType, ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[[], Awaitable[ReturnType]],
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[[ParamType], Awaitable[ReturnType]],
        arg: ParamType,
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: Callable[..., Awaitable[ReturnType]],
        *,
        args: Sequence[Any],
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: str | type[Any],
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        result_type: type[ReturnType],
        **options: Unpack[StartWorkflowOptions],
    ) -> ReturnType: ...
    @overload
    async def execute_workflow(
        self,
        workflow: str | type[Any],
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        **options: Unpack[StartWorkflowOptions],
    ) -> Any: ...
    async def execute_workflow(
        self,
        workflow: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        result_type: Any = None,
        **options: Unpack[StartWorkflowOptions],
    ) -> Any:
        """Start a workflow and wait for its result; `start_workflow` and `WorkflowHandle.result` in one.

        Args:
            workflow: See `start_workflow`.
            arg: See `start_workflow`.
            args: See `start_workflow`.
            result_type: See `start_workflow`.
            options: See `StartWorkflowOptions`.

        Raises:
            WorkflowFailureError: The workflow closed without a result.
            WorkflowAlreadyStartedError: And the other errors of `start_workflow`.
        """
        start = cast("Callable[..., Awaitable[WorkflowHandle[Any, Any]]]", self.start_workflow)
        handle = await start(workflow, arg, args=args, result_type=result_type, **options)
        return await handle.result()

    def get_workflow_handle(
        self,
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
        result_type: Any = None,
    ) -> WorkflowHandle[Any, Any]:
        """Make a handle for a workflow by its id. No call is made; the workflow need not exist.

        Args:
            workflow_id: Which workflow.
            run_id: Which of its runs; the default is the one that is open, else the latest.
            first_execution_run_id: Cancel and terminate only find runs of the chain that began with it.
            result_type: Expected type of the result; the default is plain values.

        Raises:
            InvalidArgumentError: The id is empty, too long or contains NUL.
        """
        check_name("the workflow id", workflow_id)
        return WorkflowHandle(
            self._context,
            workflow_id,
            run_id=run_id,
            result_run_id=run_id,
            first_execution_run_id=first_execution_run_id,
            result_type=result_type,
        )

    def get_workflow_handle_for(
        self,
        workflow: Callable[..., Awaitable[ReturnType]] | type[Any],
        workflow_id: str,
        *,
        run_id: str | None = None,
        first_execution_run_id: str | None = None,
    ) -> WorkflowHandle[Any, ReturnType]:
        """Make a handle for a workflow whose result type its definition says.

        Args:
            workflow: The workflow class, its `@workflow.run` method, or a plain workflow function.
            workflow_id: Which workflow.
            run_id: See `get_workflow_handle`.
            first_execution_run_id: See `get_workflow_handle`.
        """
        _, hint = name_and_result_type(workflow)
        return self.get_workflow_handle(
            workflow_id, run_id=run_id, first_execution_run_id=first_execution_run_id, result_type=hint
        )

    def list_workflows(
        self, query: str | None = None, *, page_size: int = 1000, limit: int | None = None
    ) -> AsyncIterator[WorkflowExecution]:
        """Iterate over runs: open ones, the newest first, then closed ones, the last closed first.

        Args:
            query: List filter, such as `WorkflowType = 'Research' AND ExecutionStatus = 'Running'`; the
                default is all runs of the namespace.
            page_size: Most runs of one call.
            limit: Most runs in all.

        Raises:
            InvalidArgumentError: The query cannot be read, or a number is out of its bounds.

        Source: `ListWorkflowExecutions`.
        """
        context = self._context
        if context.outbound is None:
            return list_executions(context, query, page_size, limit)
        return context.outbound.list_workflows(ListWorkflowsInput(query, page_size, limit))

    async def count_workflows(self, query: str | None = None) -> WorkflowExecutionCount:
        """Count runs.

        Args:
            query: List filter, also with GROUP BY; the default is all runs of the namespace.

        Raises:
            InvalidArgumentError: The query cannot be read.

        Source: `CountWorkflowExecutions`.
        """
        context = self._context
        if context.outbound is None:
            return await count_executions(context, query)
        return await context.outbound.count_workflows(CountWorkflowsInput(query))

    async def add_search_attributes(self, *keys: SearchAttributeKey[Any]) -> None:
        """Register search attributes in the namespace, so that workflows may set them and be found by them.

        One that is registered already stays as it is, whatever its type.

        Args:
            keys: Their names and types.

        Raises:
            InvalidArgumentError: A name is reserved, or there are too many.

        Source: `AddSearchAttributes`, temporal.api.operatorservice.v1.
        """
        await add_search_attributes(self._context, keys)

    async def search_attributes(self) -> list[SearchAttributeKey[Any]]:
        """List the search attributes that the namespace has registered, in the order of their names.

        Source: `ListSearchAttributes`, temporal.api.operatorservice.v1.
        """
        return await registered_search_attributes(self._context)

    async def create_schedule(
        self,
        id: str,
        schedule: Schedule,
        *,
        trigger_immediately: bool = False,
        backfill: Sequence[ScheduleBackfill] = (),
        memo: Mapping[str, Any] | None = None,
        search_attributes: TypedSearchAttributes | SearchAttributes | None = None,
    ) -> ScheduleHandle:
        """Make a schedule, which starts workflows at its times.

        Args:
            id: Its id, 1 to 1000 characters.
            schedule: What it starts when, and how.
            trigger_immediately: It acts once now.
            backfill: Times of the past to act on.
            memo: Values shown with the schedule.
            search_attributes: Of the schedule, not of its workflows.

        Raises:
            ScheduleAlreadyRunningError: There is one of this id.
            InvalidArgumentError: The message names what is wrong in it.

        Source: `CreateSchedule`.
        """
        return await create_schedule(
            self._context,
            id,
            schedule,
            trigger_immediately=trigger_immediately,
            backfill=backfill,
            memo=memo,
            search_attributes=search_attributes,
        )

    def get_schedule_handle(self, id: str) -> ScheduleHandle:
        """Make a handle for a schedule. No call is made."""
        check_name("the schedule id", id)
        return ScheduleHandle(self._context, id)

    async def list_schedules(
        self, query: str | None = None, *, page_size: int = 1000
    ) -> AsyncIterator[ScheduleListDescription]:
        """Iterate over the schedules, the newest first: `async for each in await client.list_schedules()`.

        Args:
            query: List filter over ScheduleId, TemporalSchedulePaused and search attributes of schedules.
            page_size: Most schedules of one call.

        Source: `ListSchedules`.
        """
        return list_schedules(self._context, query or "", page_size)

    async def execute_update_with_start_workflow(
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: Any = None,
    ) -> Any:
        """Start a workflow unless it is open, update it, and wait for the update's result.

        Args:
            update: See `WorkflowHandle.start_update`.
            arg: See `WorkflowHandle.start_update`.
            start_workflow_operation: The start; its `workflow_handle()` gives the workflow's handle.
            args: See `WorkflowHandle.start_update`.
            id: See `WorkflowHandle.start_update`.
            result_type: See `WorkflowHandle.start_update`.

        Raises:
            WorkflowUpdateFailedError: It was rejected, or failed; the workflow is started all the same.
            WorkflowAlreadyStartedError: The id is taken, as far as the policies say.
        """
        handle = await self.start_update_with_start_workflow(
            update,
            arg,
            start_workflow_operation=start_workflow_operation,
            wait_for_stage=WorkflowUpdateStage.COMPLETED,
            args=args,
            id=id,
            result_type=result_type,
        )
        return await handle.result()

    async def start_update_with_start_workflow(
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: Any = None,
    ) -> WorkflowUpdateHandle[Any]:
        """Start a workflow unless it is open, and update it; return once the update is accepted (or done).

        Args:
            update: See `WorkflowHandle.start_update`.
            arg: See `WorkflowHandle.start_update`.
            start_workflow_operation: The start; its `workflow_handle()` gives the workflow's handle.
            wait_for_stage: `ACCEPTED` or `COMPLETED`.
            args: See `WorkflowHandle.start_update`.
            id: See `WorkflowHandle.start_update`.
            result_type: See `WorkflowHandle.start_update`.

        Raises:
            WorkflowAlreadyStartedError: The id is taken, as far as the policies say.
            ServiceUnavailableError: No answer. Both may have happened; the same ids make it safe to send again.

        Source: `ExecuteMultiOperation`.
        """
        name, hint = UPDATE.name_and_result_type(update)
        return await start_workflow_operation.send(
            self._context,
            UpdateWithStartUpdateWorkflowInput(
                update_id=id,
                update=name,
                args=arguments(arg, args),
                wait_for_stage=wait_for_stage,
                headers={},
                ret_type=hint if result_type is None else result_type,
            ),
        )

    async def fork_workflow(
        self,
        workflow_id: str,
        event_id: int,
        *,
        run_id: str | None = None,
        id: str | None = None,
        results: Mapping[str, Any] | None = None,
        signals: Sequence[tuple[str, Sequence[Any]]] = (),
        result_type: Any = None,
        request_id: str | None = None,
    ) -> WorkflowHandle[Any, Any]:
        """Start a new run that goes on from an event of an old one; the old run is not touched.

        Its history is that of the old run up to the event (and what was decided together with it), a workflow task
        that failed as reset, and what is changed. Activities that were under way are scheduled anew, timers keep the
        time that they had left, children and signals to other workflows are not sent again: their recorded outcome is
        taken over. It has no parent and no cron schedule; its memo says where it comes from (`tsuzuki_forked_from`).

        Args:
            workflow_id: Of the old run, open or closed.
            event_id: From 1; the close event means the last decision before it.
            run_id: The old run; the default is the open one, else the latest.
            id: Workflow id of the new run; the default is a new one.
            results: What activities are to have returned, by activity id: those under way at the event, and those
                whose outcome the code had not seen by then.
            signals: Names and arguments of signals to inject.
            result_type: Expected type of the result; the default is plain values.
            request_id: The same id gives the same new run.

        Raises:
            InvalidArgumentError: No such event or activity, the code has decided by this result, or a child has not
                ended yet; the message says from which event it works.
            WorkflowNotFoundError: No such old run.
            WorkflowAlreadyStartedError: An open run has the new id.
            RPCError: UNIMPLEMENTED; the target is a Temporal cluster, which cannot do this.

        Source: `StartWorkflowExecution`, with a header that engines of this package know.
        """
        new_id = id or f"{workflow_id}-fork-{uuid4().hex[:8]}"
        new_run_id = await send_fork(
            self._context,
            self._service,
            workflow_id,
            run_id or "",
            event_id,
            new_id=new_id,
            results=results or {},
            signals=signals,
            request_id=request_id,
        )
        return WorkflowHandle(
            self._context,
            new_id,
            result_run_id=new_run_id,
            first_execution_run_id=new_run_id,
            result_type=result_type,
        )

    # ---- activities --------------------------------------------------------------------------------

    def get_async_activity_handle(
        self,
        *,
        task_token: bytes | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
        activity_id: str | None = None,
    ) -> AsyncActivityHandle:
        """Make a handle for an activity that is finished from outside. No call is made.

        Args:
            task_token: Of the attempt, from `activity.info().task_token`.
            workflow_id: Instead: of the workflow that waits for it.
            run_id: And which of its runs; the default is the open one.
            activity_id: And of the activity within it.

        Raises:
            InvalidArgumentError: Neither, or both ways were given.
        """
        return AsyncActivityHandle(
            self._context,
            task_token=task_token,
            workflow_id=workflow_id,
            run_id=run_id,
            activity_id=activity_id,
        )


@functools.cache
def default_identity() -> str:
    """Name this process: `pid@host`."""
    return f"{os.getpid()}@{socket.gethostname()}"
