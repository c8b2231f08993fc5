"""The part of the client that makes runs: start, start and wait, start with an update, fork."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, Unpack, cast, overload
from uuid import uuid4

from ..service import WorkflowService
from ..workflow import UPDATE, name_and_result_type
from ._context import ClientContext
from ._fork import send_fork
from ._handle import WorkflowHandle
from ._interceptor import StartWorkflowInput, UpdateWithStartUpdateWorkflowInput
from ._start import StartWorkflowOptions, check_option_names, start_workflow
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage
from ._update_with_start import WithStartWorkflowOperation
from ._validation import UNSET, arguments

SelfType = TypeVar("SelfType")
ParamType = TypeVar("ParamType")
ReturnType = TypeVar("ReturnType")


class StartingClient:
    """See the module; `Client` is made of it."""

    _context: ClientContext
    _service: WorkflowService
    """As it was given, without the codec of the data converter."""

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
