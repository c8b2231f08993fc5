"""Updates: validated, accepted or rejected, answered.

An update arrives as a message of the workflow task at hand, or, on replay, in the event that records its
acceptance, which is looked up ahead so that the code meets it where it did the first time. Accepting and answering
are a command each, with a message; a rejection is a message only, and history never shows it. One that a reset took
along is an event from its admission on: it arrives with the workflow task at hand, unless history says that it was
accepted.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import inspect
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import Message as AnyMessage
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response

from tsuzuki.converter import read_headers
from tsuzuki.exceptions import CancelledError, TsuzukiError
from tsuzuki.workflow import CURRENT_UPDATE, HandlerDefinition, ReadOnlyContextError, UpdateInfo

from .._commands import PendingCommand
from .._handler_arguments import call_handler, handler_arguments, intercepted_arguments
from .._workflow_interceptor import HandleUpdateInput
from ._execution import handling, start_handler

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

ACCEPTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED


class UnknownUpdateError(TsuzukiError):
    """The workflow has no handler of this name; the message says which it has."""


class Arrival(NamedTuple):
    """An update on its way in.

    Attributes:
        instance_id: What its messages and events are known by.
        request: What is asked.
        message_id: The message that brought it.
        sequencing_event_id: Where in history it arrived.
        validate: True the first time, False when history says that it was accepted.
    """

    instance_id: str
    request: Request
    message_id: str
    sequencing_event_id: int
    validate: bool


class UpdateMachine:
    """One update, from its acceptance to its outcome."""

    __slots__ = ("_arrival",)

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival

    def accept(self, run: WorkflowRun) -> None:
        """Produce the acceptance."""
        arrival = self._arrival
        self._send(
            run,
            ACCEPTED,
            "accept",
            Acceptance(
                accepted_request_message_id=arrival.message_id,
                accepted_request_sequencing_event_id=arrival.sequencing_event_id,
                accepted_request=arrival.request,
            ),
        )

    def complete(self, run: WorkflowRun, response: Response) -> None:
        """Produce the outcome."""
        response.meta.CopyFrom(self._arrival.request.meta)
        self._send(run, COMPLETED, "complete", response)

    def reject(self, run: WorkflowRun, error: BaseException) -> None:
        """Say no; nothing of it will be in history."""
        arrival = self._arrival
        rejection = Rejection(
            rejected_request_message_id=arrival.message_id,
            rejected_request_sequencing_event_id=arrival.sequencing_event_id,
            rejected_request=arrival.request,
        )
        run.failure_converter.to_failure(error, run.payload_converter, rejection.failure)
        run.messages.append(self._message("reject", rejection))

    def _send(self, run: WorkflowRun, event_type: int, word: str, body: AnyMessage) -> None:
        command = None
        if not run.replaying:
            message = self._message(word, body)
            run.messages.append(message)
            command = Command(command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE)
            command.protocol_message_command_attributes.message_id = message.id
        run.commands.append(PendingCommand(event_type, self, command, None))

    def _message(self, word: str, body: AnyMessage) -> Message:
        instance_id = self._arrival.instance_id
        message = Message(id=f"{instance_id}/{word}", protocol_instance_id=instance_id)
        message.body.Pack(body)
        return message

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take the event that records the acceptance or the outcome."""
        if event.event_type == ACCEPTED:
            found = event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
            expected = self._arrival.instance_id
        else:
            found = event.workflow_execution_update_completed_event_attributes.meta.update_id
            expected = self._arrival.request.meta.update_id
        return None if found == expected else self.describe(event.event_type)

    def forget(self) -> None:
        """Nothing to let go of."""

    def describe(self, event_type: int) -> str:
        """Return what leads to this type of event, in words."""
        verb = "acceptance" if event_type == ACCEPTED else "outcome"
        request = self._arrival.request
        return f"the {verb} of update '{request.input.name}' ({request.meta.update_id})"


# ---- arriving ------------------------------------------------------------------------------------------------


def from_message(message: Message) -> Arrival | None:
    """Read an update out of a message of the workflow task; None if it is something else."""
    request = Request()
    if not message.body.Unpack(request):
        return None
    return Arrival(message.protocol_instance_id, request, message.id, message.event_id, True)


def from_event(run: WorkflowRun, event: HistoryEvent) -> Arrival:
    """Read an update out of the event that records its acceptance; one that was admitted before, out of that."""
    accepted = event.workflow_execution_update_accepted_event_attributes
    admitted = run.admitted_updates.pop(accepted.protocol_instance_id, None)
    return Arrival(
        accepted.protocol_instance_id,
        accepted.accepted_request if admitted is None else admitted.request,
        accepted.accepted_request_message_id,
        accepted.accepted_request_sequencing_event_id,
        False,
    )


def take_admitted(run: WorkflowRun) -> list[Arrival]:
    """Those that history shows as admitted, and nothing more; they arrive now."""
    admitted = list(run.admitted_updates.values())
    run.admitted_updates.clear()
    return admitted


def arrive(run: WorkflowRun, arrival: Arrival) -> None:
    """Job: start the update as a task of its own; its handler may be set by a signal that came before it."""
    request = arrival.request
    context = contextvars.Context()
    context.run(CURRENT_UPDATE.set, UpdateInfo(request.meta.update_id, request.input.name))
    # One that is rejected leaves no trace in history, so its task may not move the order of those after it.
    order = zlib.crc32(request.meta.update_id.encode())
    start_handler(run, _run(run, arrival), f"update {request.input.name}", context, order)


async def _run(run: WorkflowRun, arrival: Arrival) -> None:
    name, machine = arrival.request.input.name, UpdateMachine(arrival)
    accepted = False
    try:
        handler = run.update_handlers.get(name) or run.update_handlers.get(None)
        if handler is None:
            raise UnknownUpdateError(_unknown(run, name))
        with handling(run, "update", name, handler, arrival.request.meta.update_id):
            arguments = _validated(run, handler, arrival)
            accepted = True
            machine.accept(run)
            if run.inbound is None:
                result = call_handler(handler, run.workflow, arguments)
            else:
                result = run.inbound.handle_update_handler(_input(arrival, handler, arguments))
            if inspect.isawaitable(result):
                result = await result
            response = Response()
            response.outcome.success.payloads.extend(run.payload_converter.to_payloads((result,)))
            machine.complete(run, response)
    except (Exception, asyncio.CancelledError) as error:
        if run.evicting:
            return
        _end_by(run, machine, error, accepted)


def _end_by(run: WorkflowRun, machine: UpdateMachine, error: BaseException, accepted: bool) -> None:
    if isinstance(error, asyncio.CancelledError):
        error = CancelledError(f"the update was cancelled: {error}").with_traceback(error.__traceback__)
    if isinstance(error, ReadOnlyContextError) or (accepted and not run.is_failure(error)):
        run.failed_by = error
    elif accepted:
        response = Response()
        run.failure_converter.to_failure(error, run.payload_converter, response.outcome.failure)
        machine.complete(run, response)
    else:
        machine.reject(run, error)


def _validated(run: WorkflowRun, handler: HandlerDefinition, arrival: Arrival) -> list[Any]:
    name, payloads = arrival.request.input.name, arrival.request.input.args.payloads
    if arrival.validate and handler.name is not None and len(payloads) < len(handler.arg_types):
        _require_enough(run, handler, name, len(payloads))
    if arrival.validate and handler.validator is not None:
        arguments = handler_arguments(handler, name, payloads, run.payload_converter)
        with run.looking_only(f"the validator of update {name!r}"):
            if run.inbound is not None:
                run.inbound.handle_update_validator(_input(arrival, handler, arguments))
            elif handler.bound:
                handler.validator(run.workflow, *arguments)
            else:
                handler.validator(*arguments)
    return handler_arguments(handler, name, payloads, run.payload_converter)  # fresh: the validator had the others


def _require_enough(run: WorkflowRun, handler: HandlerDefinition, name: str, count: int) -> None:
    """Say no to a call without arguments that the handler needs, before it is accepted.

    Afterwards the error would be one of the code, which waits for mended code: a caller could halt the workflow.
    """
    signature = inspect.signature(handler.fn)
    try:
        signature.bind(*(None,) * (count + handler.bound))
    except TypeError as error:
        raise TypeError(
            f"update {name!r} of workflow {run.workflow_type!r} was called with {count} argument(s): {error}. "
            f"It takes {signature}"
        ) from None


def _input(arrival: Arrival, handler: HandlerDefinition, arguments: list[Any]) -> HandleUpdateInput:
    request = arrival.request
    args = intercepted_arguments(handler, arguments)
    return HandleUpdateInput(request.meta.update_id, request.input.name, args, read_headers(request.input.header))


def _unknown(run: WorkflowRun, name: str) -> str:
    known = sorted(known for known in run.update_handlers if known is not None)
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"workflow {run.workflow_type!r} has no update {name!r}; "
        + (f"did you mean {near[0]!r}? " if near else "")
        + f"known updates: [{' '.join(known)}]"
    )


def set_handler(run: WorkflowRun, name: str | None, handler: HandlerDefinition | None) -> None:
    """Set or remove a handler."""
    if handler is None:
        run.update_handlers.pop(name, None)
    else:
        run.update_handlers[name] = handler


def _describe_accepted(event: HistoryEvent) -> str:
    accepted = event.workflow_execution_update_accepted_event_attributes
    return f"WorkflowExecutionUpdateAccepted {accepted.accepted_request.input.name!r}"


def _describe_completed(event: HistoryEvent) -> str:
    completed = event.workflow_execution_update_completed_event_attributes
    return f"WorkflowExecutionUpdateCompleted ({completed.meta.update_id})"


def _on_admitted(run: WorkflowRun, event: HistoryEvent) -> None:
    request = event.workflow_execution_update_admitted_event_attributes.request
    update_id = request.meta.update_id
    run.admitted_updates[update_id] = Arrival(update_id, request, f"{update_id}/request", event.event_id, True)


EVENTS: Final = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED: _on_admitted}
COMMAND_EVENTS: Final = frozenset((ACCEPTED, COMPLETED))
DESCRIPTIONS: Final = {ACCEPTED: _describe_accepted, COMPLETED: _describe_completed}
