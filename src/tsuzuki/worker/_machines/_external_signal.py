"""Signals to another workflow: a child, or one known by its id.

CREATED --SignalExternalInitiated--> INITIATED --Signaled, Failed--> DONE
   |                                    |
 cancel                               cancel: nothing can be done any more
   v                                    v
  DONE                              INITIATED
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.enums.v1 import SignalExternalWorkflowExecutionFailedCause as FailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import write_headers

from .._commands import PendingCommand
from .._source import find_source
from ._moves import CANCEL, next_state
from ._operation import outcome_of, refusal, settle

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

INITIATED: Final = EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
SIGNALED: Final = EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED
FAILED: Final = EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED


class ExternalSignalState(StrEnum):
    """Where a signal stands."""

    CREATED = "created"
    INITIATED = "initiated"
    DONE = "done"


EXTERNAL_SIGNAL_MOVES: Final[Mapping[tuple[ExternalSignalState, int], ExternalSignalState]] = {
    (ExternalSignalState.CREATED, INITIATED): ExternalSignalState.INITIATED,
    (ExternalSignalState.CREATED, CANCEL): ExternalSignalState.DONE,
    (ExternalSignalState.INITIATED, SIGNALED): ExternalSignalState.DONE,
    (ExternalSignalState.INITIATED, FAILED): ExternalSignalState.DONE,
    (ExternalSignalState.INITIATED, CANCEL): ExternalSignalState.INITIATED,
    (ExternalSignalState.DONE, CANCEL): ExternalSignalState.DONE,  # history was faster
}

_REASONS: Final[Mapping[int, str]] = {
    FailedCause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND: (
        "it was not found"
    ),
    FailedCause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_NAMESPACE_NOT_FOUND: "it was not found",
    FailedCause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED: (
        "The per-workflow signal limit was exceeded"
    ),
}


class ExternalSignalMachine:
    """One signal."""

    __slots__ = ("answered", "command", "signal", "state", "workflow_id")

    def __init__(self, workflow_id: str, signal: str, answered: asyncio.Future[None]) -> None:
        self.workflow_id = workflow_id
        self.signal = signal
        self.answered: asyncio.Future[None] | None = answered
        self.state = ExternalSignalState.CREATED
        self.command: PendingCommand | None = None

    def move(self, event_type: int) -> None:
        """Take an event or a cancellation."""
        self.state = next_state(
            EXTERNAL_SIGNAL_MOVES, self.state, event_type, f"signal {self.signal!r} to {self.workflow_id!r}"
        )

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take SignalExternalWorkflowExecutionInitiated."""
        initiated = event.signal_external_workflow_execution_initiated_event_attributes
        if initiated.signal_name != self.signal or initiated.workflow_execution.workflow_id != self.workflow_id:
            return self.describe(event.event_type)
        self.move(event.event_type)
        self.command = None
        run.by_event[event.event_id] = self
        return None

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"SignalExternalWorkflowExecution {self.signal!r} to workflow {self.workflow_id!r}"

    def forget(self) -> None:
        """Let go of the future and the command."""
        self.answered = self.command = None

    def request_cancel(self, run: WorkflowRun) -> None:
        """Take the signal back, if it is not sent yet."""
        before = self.state
        self.move(CANCEL)
        if before is ExternalSignalState.CREATED:
            assert self.command is not None
            run.commands.remove(self.command)
            self.command = None
            failure = Failure(message="Signal was cancelled before being sent")
            failure.canceled_failure_info.SetInParent()
            run.follow_up_jobs.append((self.answer, run, failure))

    def answer(self, run: WorkflowRun, failure: Failure | None) -> None:
        """Job: let the caller know."""
        answered, self.answered = self.answered, None
        if answered is not None:
            settle(run, answered, failure)


async def signal_other(
    run: WorkflowRun,
    workflow_id: str,
    run_id: str | None,
    signal: str,
    args: Sequence[Any],
    *,
    child: bool,
    headers: Mapping[str, Payload] | None = None,
) -> None:
    """Produce SignalExternalWorkflowExecution and wait for the answer."""
    answered: asyncio.Future[None] = run.loop.create_future()
    machine = ExternalSignalMachine(workflow_id, signal, answered)
    message = None
    if not run.replaying:
        message = Command(command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION)
        attributes = message.signal_external_workflow_execution_command_attributes
        attributes.namespace = run.namespace
        attributes.execution.workflow_id = workflow_id
        attributes.execution.run_id = run_id or ""
        attributes.signal_name = signal
        attributes.child_workflow_only = child
        if headers:
            write_headers(headers, attributes.header)
        if args:
            attributes.input.payloads.extend(run.payload_converter.to_payloads(args))
    machine.command = PendingCommand(INITIATED, machine, message, find_source())
    run.commands.append(machine.command)
    await outcome_of(run, answered, lambda reason: machine.request_cancel(run))


def _machine_of(run: WorkflowRun, event: HistoryEvent, initiated_event_id: int) -> ExternalSignalMachine:
    machine = run.by_event.pop(initiated_event_id, None)
    if not isinstance(machine, ExternalSignalMachine):
        run.refuse_event(event)
    machine.move(event.event_type)
    return machine


def _on_signaled(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.external_workflow_execution_signaled_event_attributes
    run.jobs.append((_machine_of(run, event, attributes.initiated_event_id).answer, run, None))


def _on_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.signal_external_workflow_execution_failed_event_attributes
    why = _REASONS.get(attributes.cause, "unknown")
    failure = refusal(f"Unable to signal external workflow because {why}", FailedCause.Name(attributes.cause))
    run.jobs.append((_machine_of(run, event, attributes.initiated_event_id).answer, run, failure))


EVENTS: Final = {SIGNALED: _on_signaled, FAILED: _on_failed}
COMMAND_EVENTS: Final = frozenset((INITIATED,))


def _describe_initiated(event: HistoryEvent) -> str:
    attributes = event.signal_external_workflow_execution_initiated_event_attributes
    workflow_id = attributes.workflow_execution.workflow_id
    return f"SignalExternalWorkflowExecutionInitiated {attributes.signal_name!r} to workflow {workflow_id!r}"


DESCRIPTIONS: Final = {INITIATED: _describe_initiated}
