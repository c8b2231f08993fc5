"""Signals that the workflow gets: handed to their handlers before anything else of the same workflow task.

A signal without a handler waits for one: a handler set later gets it. A handler runs as a task of its own;
an exception that leaves it counts as one that left the workflow.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionSignaledEventAttributes

from tsuzuki.converter import PayloadDecodeError, read_headers
from tsuzuki.workflow import SignalChannel, SignalDefinition

from .._handler_arguments import call_handler, handler_arguments, intercepted_arguments
from .._handling import Handling
from .._workflow_interceptor import HandleSignalInput
from ._execution import handler_ended, start_handler

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

_logger: Final = logging.getLogger("tsuzuki.worker")


def _on_signaled(run: WorkflowRun, event: HistoryEvent) -> None:
    run.signal_jobs.append((deliver, run, event.workflow_execution_signaled_event_attributes))


def deliver(run: WorkflowRun, signal: WorkflowExecutionSignaledEventAttributes) -> None:
    """Job: hand a signal to its handler, or keep it until there is one."""
    name = signal.signal_name
    handler = run.signal_handlers.get(name) or run.signal_handlers.get(None)
    if handler is None:
        run.waiting_signals.setdefault(name, []).append(signal)
        return
    try:
        arguments = handler_arguments(handler, name, signal.input.payloads, run.payload_converter)
    except PayloadDecodeError as error:
        if not run.replaying:
            _logger.error(
                "signal %r of workflow %r (run %s) is dropped, its arguments do not fit its handler: %s",
                name,
                run.workflow_id,
                run.run_id,
                error,
            )
        return
    inbound = run.inbound
    if handler.at_once and inbound is None:
        handler.fn(*arguments)
        return
    handling = Handling("signal", name, handler, "")
    run.running_handlers.append(handling)
    if inbound is None:
        coroutine = _handle(run, handler, arguments)
    else:
        args = intercepted_arguments(handler, arguments)
        coroutine = inbound.handle_signal(HandleSignalInput(name, args, read_headers(signal.header)))
    task = start_handler(run, coroutine, f"signal {name}")
    task.add_done_callback(lambda _: handler_ended(run, handling))


async def _handle(run: WorkflowRun, handler: SignalDefinition, arguments: list[Any]) -> None:
    result = call_handler(handler, run.workflow, arguments)
    if inspect.isawaitable(result):
        await result


def set_handler(run: WorkflowRun, name: str | None, handler: SignalDefinition | None) -> None:
    """Set or remove a handler; a new one gets the signals that waited for it."""
    if handler is None:
        run.signal_handlers.pop(name, None)
        return
    run.signal_handlers[name] = handler
    names = list(run.waiting_signals) if name is None else [name]
    for waiting in names:
        for signal in run.waiting_signals.pop(waiting, ()):
            deliver(run, signal)


def channel(run: WorkflowRun, name: str, arg_type: Any) -> SignalChannel[Any]:
    """Return the channel of a name; a new one gets the signals that waited."""
    handler = run.signal_handlers.get(name)
    known = getattr(handler.fn, "__self__", None) if handler is not None else None
    if isinstance(known, SignalChannel):
        return known
    made: SignalChannel[Any] = SignalChannel()
    definition = SignalDefinition(
        name=name, fn=made.put, bound=False, arg_types=(arg_type,), variadic=True, at_once=True
    )
    set_handler(run, name, definition)
    return made


EVENTS: Final = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _on_signaled}
COMMAND_EVENTS: Final[frozenset[int]] = frozenset()
DESCRIPTIONS: Final[dict[int, object]] = {}
