"""A handle: one workflow as a client sees it. It holds ids, no state of the workflow.

Two run ids matter. `run_id` pins every request to exactly that run; it is unset on the handle of a start,
so that a cancel reaches the run that is open then. `first_execution_run_id` keeps such a request within the
chain that was started, so that it never hits an unrelated workflow under the same id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast, overload

from temporalio.api.common.v1 import WorkflowExecution as ExecutionIds
from temporalio.api.history.v1 import HistoryEvent

from ..common import QueryRejectCondition
from ..workflow import QUERY, SIGNAL, UPDATE, UpdateMethod
from ._context import ClientContext
from ._describe import describe_execution, history_events
from ._end import send_cancel, send_pause, send_terminate, send_unpause
from ._execution import WorkflowExecutionDescription
from ._history import WorkflowHistory, WorkflowHistoryEventFilterType
from ._interceptor import (
    CancelWorkflowInput,
    DescribeWorkflowInput,
    FetchWorkflowHistoryEventsInput,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowUpdateInput,
    TerminateWorkflowInput,
)
from ._logs import LogLine, read_logs
from ._pending_activity import PendingActivityHandle
from ._query import query_workflow
from ._result import wait_for_result
from ._signal import send_signal
from ._stream import StreamEvent, read_stream
from ._update import WorkflowUpdateHandle, WorkflowUpdateStage, start_update
from ._validation import UNSET, arguments, check_name

SelfType = TypeVar("SelfType")
ReturnType = TypeVar("ReturnType")
ParamType = TypeVar("ParamType")
Answer = TypeVar("Answer")


class WorkflowHandle(Generic[SelfType, ReturnType]):
    """One workflow, by its id. Made by a client; costs no call.

    Attributes:
        id: Workflow id.
        run_id: The run that every request is meant for; None for the one that is open (else the latest).
        result_run_id: The run that `result` begins with; None for the latest.
        first_execution_run_id: First run of the chain that cancel and terminate must find; None for any.
    """

    def __init__(
        self,
        context: ClientContext,
        id: str,
        *,
        run_id: str | None = None,
        result_run_id: str | None = None,
        first_execution_run_id: str | None = None,
        result_type: Any = None,
    ) -> None:
        self._context = context
        self.id = id
        self.run_id = run_id
        self.result_run_id = result_run_id
        self.first_execution_run_id = first_execution_run_id
        self._result_type = result_type

    def __repr__(self) -> str:
        run_id = self.run_id or self.result_run_id
        return f"<WorkflowHandle {self.id!r}{f' run {run_id}' if run_id else ''}>"

    async def result(self, *, follow_runs: bool = True) -> ReturnType:
        """Wait until the workflow closes, however long that takes, and give its result.

        Args:
            follow_runs: True to wait on when another run takes over: continue-as-new, a retry of the
                workflow, the next run of a cron schedule (whose result is that of the last one).

        Raises:
            WorkflowFailureError: It closed without a result; `cause` says why.
            WorkflowContinuedAsNewError: It continued as new and `follow_runs` is false.
            WorkflowNotFoundError: No such run, or past its retention.
            PayloadDecodeError: The result does not fit the expected type.
            ServiceUnavailableError: No answer for 10 s. Waiting again is safe.

        Source: `GetWorkflowExecutionHistory`, waiting for the close event.
        """
        result = await wait_for_result(
            self._context,
            self.id,
            self.result_run_id,
            follow_runs=follow_runs,
            result_type=self._result_type,
        )
        return cast("ReturnType", result)

    async def describe(self) -> WorkflowExecutionDescription:
        """Ask for the state of the run: status, times, memo, everything that it waits for.

        When its workflow task fails again and again, the reason is looked up in its history.

        Raises:
            WorkflowNotFoundError: No such run, or past its retention.
            ServiceUnavailableError: No answer; asking again is safe.

        Source: `DescribeWorkflowExecution`.
        """
        context = self._context
        if context.outbound is None:
            return await describe_execution(context, self._execution())
        return await context.outbound.describe_workflow(DescribeWorkflowInput(self.id, self.run_id))

    async def fetch_history(
        self,
        *,
        event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
    ) -> WorkflowHistory:
        """Fetch the events recorded so far.

        Args:
            event_filter_type: All events, or only the close event (for an open run, its last one so far).

        Raises:
            WorkflowNotFoundError: No such run, or past its retention.
            ServiceUnavailableError: No answer; asking again is safe.

        Source: `GetWorkflowExecutionHistory`.
        """
        events = [event async for event in self.fetch_history_events(event_filter_type=event_filter_type)]
        return WorkflowHistory(self.id, events)

    async def fetch_history_events(
        self,
        *,
        page_size: int | None = None,
        wait_new_event: bool = False,
        event_filter_type: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
    ) -> AsyncIterator[HistoryEvent]:
        """Yield the events recorded so far, and on request those to come.

        Args:
            page_size: Most events of one answer; the default is the engine's.
            wait_new_event: True to go on with each new event until the run closes.
            event_filter_type: All events, or only the close event.

        Raises:
            WorkflowNotFoundError: No such run, or past its retention.
            ServiceUnavailableError: No answer; asking again is safe.

        Source: `GetWorkflowExecutionHistory`.
        """
        context = self._context
        run_id = self.run_id or self.result_run_id
        if context.outbound is None:
            events = history_events(context, self.id, run_id or "", page_size or 0, wait_new_event, event_filter_type)
        else:
            events = context.outbound.fetch_workflow_history_events(
                FetchWorkflowHistoryEventsInput(self.id, run_id, page_size, wait_new_event, event_filter_type)
            )
        async for event in events:
            yield event

    async def read_stream(
        self, *, after: str = "", wait: bool = True, follow_runs: bool = True
    ) -> AsyncIterator[StreamEvent]:
        """Yield what the run's activities say while they run (`activity.open_stream`), until the workflow has closed.

        Events come in one order for all readers, and each comes once. When an attempt dies half way, what it has said
        stays; the next one begins with an event of kind `BEGIN`, which supersedes it. The stream outlives crashes of
        workers and of the engine, and is kept as long as the run.

        On a Temporal cluster, which keeps no streams, this reads the newest events from heartbeats, and tells with an
        event of kind `GAP` when some were missed; the end of a stream may be missed too. The results of the activities
        are complete in any case.

        Args:
            after: The `id` of the last event that was seen, which names the run too; the default begins with the first.
            wait: False to stop with the newest event instead of waiting for more.
            follow_runs: True to go on with the stream of the run that takes over, as `result` does.

        Raises:
            InvalidArgumentError: `after` is no position of a stream.
            WorkflowNotFoundError: No such run, or past its retention.
            ServiceUnavailableError: No answer for 10 s; reading on with `after` is safe.
            PayloadDecodeError: An event cannot be read.

        Source: `QueryWorkflow` with a query of a reserved type; on other servers `DescribeWorkflowExecution`.
        """
        run_id = self.run_id or self.result_run_id or ""
        async for event in read_stream(self._context, self.id, run_id, after, wait=wait, follow_runs=follow_runs):
            yield event

    async def read_logs(
        self, *, after: str = "", last: int | None = None, wait: bool = False, follow_runs: bool = True
    ) -> AsyncIterator[LogLine]:
        """Yield what the run's code and its activities have logged (`workflow.logger`, `activity.logger`).

        Workers keep it from `Worker(run_log_level=...)` on, best effort: lines that were not sent when a process died
        are lost, and rarely one comes twice. The log is kept as long as the run, up to 8 MiB; the oldest go first.

        Args:
            after: The `id` of the last line that was seen, which names the run too; the default begins with the first.
            last: Begin with that many of the newest lines.
            wait: True to wait for more until the workflow has closed.
            follow_runs: True to go on, when it waits, with the log of the run that takes over.

        Raises:
            InvalidArgumentError: `after` is no position of a log.
            WorkflowNotFoundError: No such run, or past its retention.
            RPCError: UNIMPLEMENTED: a Temporal cluster keeps no logs.
            PayloadDecodeError: Lines cannot be read.

        Source: `QueryWorkflow` with a query of a reserved type.
        """
        run_id = self.run_id or self.result_run_id or ""
        lines = read_logs(self._context, self.id, run_id, after, last=last, wait=wait, follow_runs=follow_runs)
        async for line in lines:
            yield line

    async def cancel(self, *, reason: str = "") -> None:
        """Ask the workflow to stop: its code is cancelled, may clean up, and decides how it ends.

        No effect on a workflow that was asked before or has closed.

        Args:
            reason: Recorded with the request.

        Raises:
            WorkflowNotFoundError: No such run, or past its retention.
            ServiceUnavailableError: No answer. The request may be recorded; asking again is safe.

        Source: `RequestCancelWorkflowExecution`.
        """
        context, first = self._context, self.first_execution_run_id
        if context.outbound is None:
            await send_cancel(context, self._execution(), first, reason)
        else:
            await context.outbound.cancel_workflow(CancelWorkflowInput(self.id, self.run_id, first, reason))

    async def terminate(self, *args: Any, reason: str | None = None) -> None:
        """End the workflow at once; its code is not told and does not clean up.

        Args:
            args: Details for the reader of the failure.
            reason: Recorded with the event.

        Raises:
            WorkflowNotFoundError: No such run, or it has closed.
            ServiceUnavailableError: No answer. It may be terminated; a second call then finds it closed.

        Source: `TerminateWorkflowExecution`.
        """
        context, first = self._context, self.first_execution_run_id
        if context.outbound is None:
            await send_terminate(context, self._execution(), first, args, reason)
        else:
            await context.outbound.terminate_workflow(TerminateWorkflowInput(self.id, self.run_id, first, args, reason))

    async def pause(self, *, reason: str = "") -> None:
        """Hold the workflow: its code does not run and no activity attempt starts until it is unpaused.

        Signals, results and timers are recorded and wait; timeouts count on. Queries and updates are refused.

        Args:
            reason: Recorded with the event; at most 1000 characters.

        Raises:
            RPCError: It is paused already (FAILED_PRECONDITION).
            WorkflowNotFoundError: No open run matches.
            ServiceUnavailableError: No answer. It may be paused; describe it to know.

        Source: `PauseWorkflowExecution`. A Temporal cluster may have it switched off.
        """
        await send_pause(self._context, self._execution(), reason)

    async def unpause(self, *, reason: str = "") -> None:
        """Let a paused workflow go on, with all that came meanwhile.

        Args:
            reason: Recorded with the event; at most 1000 characters.

        Raises:
            RPCError: It is not paused (FAILED_PRECONDITION).
            WorkflowNotFoundError: No open run matches.
            ServiceUnavailableError: No answer. It may go on; a second call then finds it unpaused.

        Source: `UnpauseWorkflowExecution`.
        """
        await send_unpause(self._context, self._execution(), reason)

    def pending_activity(self, activity_id: str) -> PendingActivityHandle:
        """Make a handle for one of the activities that this workflow waits for. No call is made.

        Args:
            activity_id: Its id within the run, as in `pending_activities` of `describe`.

        Raises:
            InvalidArgumentError: The id is empty or too long.
        """
        return PendingActivityHandle(self._context, self.id, self.run_id, activity_id)

    async def signal(
        self,
        signal: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        request_id: str | None = None,
    ) -> None:
        """Append a signal to the open run's history; its handler may run later.

        Args:
            signal: The `@workflow.signal` method, or the name of the signal, at most 1000 characters.
            arg: The handler's argument, if it takes one.
            args: The handler's arguments, if it takes several; together at most 2 MiB once encoded.
            request_id: The same id is recorded once in a run; the default is a new random one.

        Raises:
            WorkflowNotFoundError: No open run matches; closed runs take no signals.
            ServiceUnavailableError: No answer. The signal may be recorded; sending it again with the same
                request id is safe.

        Source: `SignalWorkflowExecution`.
        """
        name, _ = SIGNAL.name_and_result_type(signal)
        check_name("the signal name", name)
        context, given = self._context, arguments(arg, args)
        if context.outbound is None:
            await send_signal(context, self._execution(), name, given, request_id)
        else:
            await context.outbound.signal_workflow(
                SignalWorkflowInput(self.id, self.run_id, name, given, {}, request_id)
            )

    @overload
    async def query(
        self, query: Callable[[SelfType], Answer], *, reject_condition: QueryRejectCondition | None = None
    ) -> Answer: ...
    @overload
    async def query(
        self,
        query: Callable[[SelfType, ParamType], Answer],
        arg: ParamType,
        *,
        reject_condition: QueryRejectCondition | None = None,
    ) -> Answer: ...
    @overload
    async def query(
        self,
        query: Callable[..., Answer],
        *,
        args: Sequence[Any],
        reject_condition: QueryRejectCondition | None = None,
    ) -> Answer: ...
    @overload
    async def query(
        self,
        query: str,
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        result_type: Any = None,
        reject_condition: QueryRejectCondition | None = None,
    ) -> Any: ...
    async def query(
        self,
        query: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        result_type: Any = None,
        reject_condition: QueryRejectCondition | None = None,
    ) -> Any:
        """Ask the workflow's code, open or closed. Nothing is recorded; the answer sees all that was acknowledged.

        Args:
            query: The `@workflow.query` method, or the name of the query, at most 1000 characters.
            arg: The handler's argument, if it takes one.
            args: The handler's arguments, if it takes several.
            result_type: Expected type of the answer; the default is the method's type hint, and plain values for a
                name.
            reject_condition: Which closed runs not to ask; the default is to ask all.

        Raises:
            WorkflowQueryFailedError: The workflow has no such query (the message names those it has), or the
                handler raised (its exception is the cause).
            WorkflowQueryRejectedError: The run's status meets the condition.
            WorkflowNotFoundError: No such run, or past its retention.
            PayloadDecodeError: The answer does not fit the expected type.
            ServiceUnavailableError: No worker answered in time, or the engine did not. Asking again is safe.

        Source: `QueryWorkflow`.
        """
        name, hint = QUERY.name_and_result_type(query)
        check_name("the query name", name)
        context, given = self._context, arguments(arg, args)
        ret_type = hint if result_type is None else result_type
        if context.outbound is None:
            return await query_workflow(
                context, self._execution(), name, given, reject_condition=reject_condition, result_type=ret_type
            )
        return await context.outbound.query_workflow(
            QueryWorkflowInput(self.id, self.run_id, name, given, reject_condition, {}, ret_type)
        )

    @overload
    async def execute_update(
        self,
        update: UpdateMethod[Awaitable[Answer]],
        arg: Any = ...,
        *,
        args: Sequence[Any] = ...,
        id: str | None = None,
    ) -> Answer: ...
    @overload
    async def execute_update(
        self, update: UpdateMethod[Answer], arg: Any = ..., *, args: Sequence[Any] = ..., id: str | None = None
    ) -> Answer: ...
    @overload
    async def execute_update(
        self, update: str, arg: Any = ..., *, args: Sequence[Any] = ..., id: str | None = None, result_type: Any = None
    ) -> Any: ...
    async def execute_update(
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: Any = None,
    ) -> Any:
        """Send an update and wait for its result; `start_update` and `WorkflowUpdateHandle.result` in one.

        Args:
            update: See `start_update`.
            arg: See `start_update`.
            args: See `start_update`.
            id: See `start_update`.
            result_type: See `start_update`.

        Raises:
            WorkflowUpdateFailedError: It was rejected, or failed; `cause` says why.
            WorkflowNotFoundError: No open run matches.
        """
        handle = await self._start_update(update, arg, args, id, WorkflowUpdateStage.COMPLETED, result_type)
        return await handle.result()

    @overload
    async def start_update(
        self,
        update: UpdateMethod[Awaitable[Answer]],
        arg: Any = ...,
        *,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = ...,
        id: str | None = None,
    ) -> WorkflowUpdateHandle[Answer]: ...
    @overload
    async def start_update(
        self,
        update: UpdateMethod[Answer],
        arg: Any = ...,
        *,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = ...,
        id: str | None = None,
    ) -> WorkflowUpdateHandle[Answer]: ...
    @overload
    async def start_update(
        self,
        update: str,
        arg: Any = ...,
        *,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = ...,
        id: str | None = None,
        result_type: Any = None,
    ) -> WorkflowUpdateHandle[Any]: ...
    async def start_update(
        self,
        update: str | Callable[..., Any],
        arg: Any = UNSET,
        *,
        wait_for_stage: WorkflowUpdateStage,
        args: Sequence[Any] = (),
        id: str | None = None,
        result_type: Any = None,
    ) -> WorkflowUpdateHandle[Any]:
        """Send an update and return once it is accepted (or done).

        Args:
            update: The `@workflow.update` method, or the name of the update, at most 1000 characters.
            arg: The handler's argument, if it takes one.
            wait_for_stage: `ACCEPTED` or `COMPLETED`; a worker must be running for either.
            args: The handler's arguments, if it takes several; together at most 2 MiB once encoded.
            id: Update id: the same id counts once in a run, and gives the same outcome. The default is a new one.
            result_type: Expected type of the result; the default is the method's type hint, and plain values for a
                name.

        Raises:
            WorkflowNotFoundError: No open run matches; closed runs take no updates.
            ResourceExhaustedError: 10 updates of the run are in flight.
            ServiceUnavailableError: No answer. The update may be accepted; sending it again with the same id is safe.

        Source: `UpdateWorkflowExecution`.
        """
        return await self._start_update(update, arg, args, id, wait_for_stage, result_type)

    async def _start_update(
        self,
        update: str | Callable[..., Any],
        arg: Any,
        args: Sequence[Any],
        id: str | None,
        stage: WorkflowUpdateStage,
        result_type: Any,
    ) -> WorkflowUpdateHandle[Any]:
        name, hint = UPDATE.name_and_result_type(update)
        context, given = self._context, arguments(arg, args)
        ret_type = hint if result_type is None else result_type
        if context.outbound is None:
            return await start_update(
                context,
                self._execution(),
                name,
                given,
                update_id=id,
                stage=stage,
                first_execution_run_id=self.first_execution_run_id or "",
                result_type=ret_type,
            )
        return await context.outbound.start_workflow_update(
            StartWorkflowUpdateInput(
                id=self.id,
                run_id=self.run_id,
                first_execution_run_id=self.first_execution_run_id,
                update_id=id,
                update=name,
                args=given,
                wait_for_stage=stage,
                headers={},
                ret_type=ret_type,
            )
        )

    def get_update_handle(
        self, id: str, *, workflow_run_id: str | None = None, result_type: Any = None
    ) -> WorkflowUpdateHandle[Any]:
        """Make a handle for an update by its id. No call is made; the update need not exist.

        Args:
            id: Update id.
            workflow_run_id: The run that has it; the default is the run of this handle.
            result_type: Expected type of the result; the default is plain values.
        """
        check_name("the update id", id)
        run_id = workflow_run_id or self.run_id
        return WorkflowUpdateHandle(self._context, id, self.id, workflow_run_id=run_id, result_type=result_type)

    def get_update_handle_for(
        self, update: Callable[..., Any], id: str, *, workflow_run_id: str | None = None
    ) -> WorkflowUpdateHandle[Any]:
        """Make a handle for an update whose result type its handler says.

        Args:
            update: The `@workflow.update` method.
            id: Update id.
            workflow_run_id: The run that has it; the default is the run of this handle.
        """
        _, hint = UPDATE.name_and_result_type(update)
        return self.get_update_handle(id, workflow_run_id=workflow_run_id, result_type=hint)

    def _execution(self) -> ExecutionIds:
        return ExecutionIds(workflow_id=self.id, run_id=self.run_id or "")
