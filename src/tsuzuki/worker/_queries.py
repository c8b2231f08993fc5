"""Queries: the code is asked, and may only look.

A query runs inside the run's event loop, but no task and no callback runs with it: it is one call that returns.
What it must not do is refused while it runs (`WorkflowRun.read_only`), and a query that woke something all the
same spoils the run, which its owner then evicts.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import inspect
import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import QueryResultType
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.sdk.v1 import (
    EnhancedStackTrace,
    StackTrace,
    StackTraceFileLocation,
    StackTraceFileSlice,
    StackTraceSDKInfo,
    WorkflowDefinition,
    WorkflowInteractionDefinition,
    WorkflowMetadata,
)
from temporalio.api.workflowservice.v1 import (
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.converter import read_headers
from tsuzuki.exceptions import TsuzukiError
from tsuzuki.workflow import HandlerDefinition, ReadOnlyContextError

from ._handler_arguments import call_handler, handler_arguments, intercepted_arguments
from ._workflow_interceptor import HandleQueryInput

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun

ALONE: Final = "legacy_query"
"""What a query is called to interceptors that is a task of its own, as with the official SDK."""


class UnknownQueryError(TsuzukiError):
    """The workflow has no handler of this name; the message says which it has."""


class SpoiledByQueryError(ReadOnlyContextError):
    """A query changed what the workflow waits for: the run is of no use any more."""


def answer(run: WorkflowRun, query: WorkflowQuery, query_id: str = ALONE) -> WorkflowQueryResult:
    """Answer one query. An exception that leaves its handler is the answer too.

    Raises:
        SpoiledByQueryError: Evict the run; the answer is this error.
    """
    result = WorkflowQueryResult()
    try:
        value = _ask(run, query, query_id)
        payload = run.payload_converter.to_payloads((value,))
    except SpoiledByQueryError:
        raise
    except Exception as error:
        return refusal(run, error)
    result.result_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
    result.answer.payloads.extend(payload)
    return result


def refusal(run: WorkflowRun, error: BaseException) -> WorkflowQueryResult:
    """The answer to a query that failed."""
    result = WorkflowQueryResult(result_type=QueryResultType.QUERY_RESULT_TYPE_FAILED)
    run.failure_converter.to_failure(error, run.payload_converter, result.failure)
    result.error_message = result.failure.message
    return result


def _ask(run: WorkflowRun, query: WorkflowQuery, query_id: str) -> Any:
    name = query.query_type
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        return built_in(run)
    handler = run.query_handlers.get(name) or run.query_handlers.get(None)
    if handler is None:
        raise UnknownQueryError(_unknown(run, name))
    arguments = handler_arguments(handler, name, query.query_args.payloads, run.payload_converter)
    with run.looking_only(f"query {name!r}"):
        if run.inbound is None:
            value = call_handler(handler, run.workflow, arguments)
            if inspect.iscoroutine(value):
                value = _without_waiting(value, name)
        else:
            args = intercepted_arguments(handler, arguments)
            asked = HandleQueryInput(query_id, name, args, read_headers(query.header))
            value = contextvars.Context().run(_without_waiting, run.inbound.handle_query(asked), name)
    if run.loop.is_disturbed():
        raise SpoiledByQueryError(
            f"query {name!r} of workflow {run.workflow_type!r} woke code that was waiting; a query must only look"
        )
    return value


def _without_waiting(coroutine: Any, name: str) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    coroutine.close()
    raise ReadOnlyContextError(f"query {name!r} waits for something; a query must answer at once")


def _unknown(run: WorkflowRun, name: str) -> str:
    known = sorted([*BUILT_IN, *(known for known in run.query_handlers if known is not None)])
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"workflow {run.workflow_type!r} has no query {name!r}; "
        + (f"did you mean {near[0]!r}? " if near else "")
        + f"known queries: [{' '.join(known)}]"
    )


# ---- built in ------------------------------------------------------------------------------------------------


def frames_of(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The frames of a waiting task, outermost first; `Task.get_stack` has the outermost only."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _stack_trace(run: WorkflowRun) -> str:
    stacks = []
    for task in run.loop.waiting_tasks():
        frames = [
            traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
            for frame in frames_of(task)
        ]
        lines = "".join(traceback.format_list(frames))
        stacks.append(f"Stack for {task!r} (most recent call last):\n{lines}")
    return "\n\n".join(stacks)


def _enhanced_stack_trace(run: WorkflowRun) -> EnhancedStackTrace:
    from ._workflow_tasks import SDK_NAME, SDK_VERSION  # that module is made of this one

    trace = EnhancedStackTrace(sdk=StackTraceSDKInfo(name=SDK_NAME, version=SDK_VERSION))
    for task in run.loop.waiting_tasks():
        stack = StackTrace()
        for frame in frames_of(task):
            filename = frame.f_code.co_filename
            if filename not in trace.sources:
                slice_ = StackTraceFileSlice(line_offset=0, content="".join(linecache.getlines(filename)))
                trace.sources[filename].CopyFrom(slice_)
            stack.locations.append(
                StackTraceFileLocation(
                    file_path=filename, line=frame.f_lineno, column=-1, function_name=frame.f_code.co_name
                )
            )
        trace.stacks.append(stack)
    return trace


def _metadata(run: WorkflowRun) -> WorkflowMetadata:
    definition = WorkflowDefinition(
        type=run.workflow_type,
        query_definitions=_interactions(run.query_handlers, *BUILT_IN),
        signal_definitions=_interactions(run.signal_handlers),
        update_definitions=_interactions(run.update_handlers),
    )
    return WorkflowMetadata(definition=definition, current_details=run.current_details)


def _interactions(
    handlers: Mapping[str | None, HandlerDefinition], *others: str
) -> list[WorkflowInteractionDefinition]:
    described = {handler.name or "": handler.description for handler in handlers.values()}
    described.update(dict.fromkeys(others, ""))
    return [WorkflowInteractionDefinition(name=name, description=described[name]) for name in sorted(described)]


BUILT_IN: Final[Mapping[str, Callable[[WorkflowRun], Any]]] = {
    "__stack_trace": _stack_trace,
    "__enhanced_stack_trace": _enhanced_stack_trace,
    "__temporal_workflow_metadata": _metadata,
}


def let_queries_fail(
    response: RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest | RespondQueryTaskCompletedRequest,
    why: str,
) -> bool:
    """Put failures in place of the answers to queries that a response brings: a query must not end a run that it only
    looks at. False if there are none."""
    if isinstance(response, RespondQueryTaskCompletedRequest):
        if response.completed_type != QueryResultType.QUERY_RESULT_TYPE_ANSWERED:
            return False
        response.ClearField("query_result")
        response.completed_type, response.error_message = QueryResultType.QUERY_RESULT_TYPE_FAILED, why
        return True
    results = response.query_results if isinstance(response, RespondWorkflowTaskCompletedRequest) else {}
    answered = [
        result for result in results.values() if result.result_type == QueryResultType.QUERY_RESULT_TYPE_ANSWERED
    ]
    for result in answered:
        result.Clear()
        result.result_type, result.error_message = QueryResultType.QUERY_RESULT_TYPE_FAILED, why
    return bool(answered)
