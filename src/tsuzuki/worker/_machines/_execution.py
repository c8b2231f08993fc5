"""The execution as a whole: started, asked to cancel, its handlers' tasks, and what the end of its code means.

An exception that leaves the workflow fails it, fails only the workflow task (a bug, which waits for mended code) or
cancels it; this file says which.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import read_headers
from tsuzuki.exceptions import CancelledError, is_cancelled_exception
from tsuzuki.workflow import ContinueAsNewError, HandlerDefinition

from .._handling import Handling
from .._workflow_arguments import decode_arguments
from .._workflow_interceptor import ExecuteWorkflowInput
from . import _close

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun


def prepare(run: WorkflowRun) -> list[Any]:
    """Decode the arguments and make the workflow's object, once, with the interceptors around it."""
    if run.arguments is None:
        if run.settings.intercept is not None:
            run.settings.intercept(run)
        definition = run.definition
        payloads = run.facts.started.input.payloads
        arguments = decode_arguments(definition, payloads, run.payload_converter)
        if definition.cls is not None:
            run.workflow = definition.cls(*arguments) if definition.init_takes_args else definition.cls()
        run.arguments = arguments
    return run.arguments


def start_workflow(run: WorkflowRun) -> None:
    """Job: start the workflow's first task."""
    definition = run.definition
    arguments = prepare(run)
    function: Callable[..., Any] = definition.run
    if run.inbound is not None:
        headers = read_headers(run.facts.started.header)
        arguments = [ExecuteWorkflowInput(definition.cls, function, arguments, headers)]
        function = run.inbound.execute_workflow
    elif definition.cls is not None:
        arguments = [run.workflow, *arguments]
    coroutine = _run_workflow(run, function, arguments)
    run.primary = run.loop.create_task(coroutine, name="run", context=contextvars.Context())


def start_handler(
    run: WorkflowRun,
    coroutine: Coroutine[Any, Any, None],
    name: str,
    context: contextvars.Context | None = None,
    order: int | None = None,
) -> asyncio.Task[None]:
    """Run a handler as a task of its own; see the loop's `create_task` for `order`."""
    context = contextvars.Context() if context is None else context
    return run.loop.create_task(_run_handler(run, coroutine), name=name, context=context, order=order)


@contextlib.contextmanager
def handling(run: WorkflowRun, kind: str, name: str, handler: HandlerDefinition, id: str) -> Iterator[None]:
    """Count a handler as running."""
    handling = Handling(kind, name, handler, id)
    run.running_handlers.append(handling)
    try:
        yield
    finally:
        handler_ended(run, handling)


def handler_ended(run: WorkflowRun, handling: Handling) -> None:
    """It runs no more."""
    for index, running in enumerate(run.running_handlers):
        if running is handling:
            del run.running_handlers[index]
            return


async def _run_handler(run: WorkflowRun, coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        await coroutine
    except ContinueAsNewError as asked:
        _continue_as_new(run, asked)
    except (Exception, asyncio.CancelledError) as error:
        if not run.evicting:
            _end_by(run, error)


async def _run_workflow(run: WorkflowRun, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        result = await function(*arguments)
        if run.shielded:
            await _finish_shielded(run)
        _close.complete(run, result)
    except ContinueAsNewError as asked:
        if run.shielded:
            await _finish_shielded(run)
        _continue_as_new(run, asked)
    except (Exception, asyncio.CancelledError) as error:
        if run.evicting:
            return
        if run.shielded and _is_end(run, error):
            await _finish_shielded(run)
        _end_by(run, error)


async def _finish_shielded(run: WorkflowRun) -> None:
    """Wait for work that the run may not close before, whoever cancels what."""
    while waiting := [work for work in run.shielded if not work.done()]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(waiting)


def _is_end(run: WorkflowRun, error: BaseException) -> bool:
    """Tell whether an exception that leaves the workflow ends it."""
    return isinstance(error, asyncio.CancelledError) or run.is_failure(error)


def _continue_as_new(run: WorkflowRun, asked: ContinueAsNewError) -> None:
    try:
        _close.continue_as_new(run, asked)
    except Exception as error:  # an option or argument that cannot be sent
        _end_by(run, error)


def _end_by(run: WorkflowRun, error: BaseException) -> None:
    """Decide what an exception that left the workflow means."""
    if run.cancel_reason is not None and is_cancelled_exception(error):
        _close.cancel(run)
        return
    if isinstance(error, asyncio.CancelledError):
        error = CancelledError(str(error)).with_traceback(error.__traceback__)
    if not run.is_failure(error):
        run.failed_by = error
        return
    try:
        _close.fail(run, error)
    except Exception as unreadable:  # details that cannot be encoded
        run.failed_by = unreadable


def cancel_workflow(run: WorkflowRun, reason: str) -> None:
    """Job: somebody asked for the workflow's cancellation."""
    run.cancel_reason = reason
    if run.primary is not None:
        # It may not have had its first turn; give it the chance to see the cancellation.
        run.loop.call_soon(run.primary.cancel, context=run.own_context)


def _on_started(run: WorkflowRun, event: HistoryEvent) -> None:
    run.set_time(event.event_time)
    run.jobs.append((start_workflow, run))


def _on_cancel_requested(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.workflow_execution_cancel_requested_event_attributes
    run.jobs.append((cancel_workflow, run, attributes.cause))


def _on_nothing_for_the_code(run: WorkflowRun, event: HistoryEvent) -> None:
    pass


EVENTS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _on_started,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _on_cancel_requested,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED: _on_nothing_for_the_code,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED: _on_nothing_for_the_code,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED: _on_nothing_for_the_code,
}
COMMAND_EVENTS: Final[frozenset[int]] = frozenset()
DESCRIPTIONS: Final[dict[int, object]] = {}
