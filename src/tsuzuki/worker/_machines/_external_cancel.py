"""Requests to cancel another workflow: a child, or one known by its id.

    CREATED --RequestCancelExternalInitiated--> INITIATED --CancelRequested, Failed--> DONE

A request cannot be taken back, not even in the workflow task that makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CancelExternalWorkflowExecutionFailedCause as FailedCause
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from .._commands import PendingCommand
from .._source import find_source
from ._moves import next_state
from ._operation import refusal, settle

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

INITIATED: Final = EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
REQUESTED: Final = EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED
FAILED: Final = EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED


class ExternalCancelState(StrEnum):
    """Where a request stands."""

    CREATED = "created"
    INITIATED = "initiated"
    DONE = "done"


EXTERNAL_CANCEL_MOVES: Final[Mapping[tuple[ExternalCancelState, int], ExternalCancelState]] = {
    (ExternalCancelState.CREATED, INITIATED): ExternalCancelState.INITIATED,
    (ExternalCancelState.INITIATED, REQUESTED): ExternalCancelState.DONE,
    (ExternalCancelState.INITIATED, FAILED): ExternalCancelState.DONE,
}

_REASONS: Final[Mapping[int, str]] = {
    FailedCause.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND: "not found",
    FailedCause.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_NAMESPACE_NOT_FOUND: "not found",
}


class ExternalCancelMachine:
    """One request."""

    __slots__ = ("answered", "state", "workflow_id")

    def __init__(self, workflow_id: str, answered: asyncio.Future[None] | None) -> None:
        self.workflow_id = workflow_id
        self.answered = answered
        self.state = ExternalCancelState.CREATED

    def move(self, event_type: int) -> None:
        """Take an event."""
        self.state = next_state(
            EXTERNAL_CANCEL_MOVES, self.state, event_type, f"the request to cancel workflow {self.workflow_id!r}"
        )

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take RequestCancelExternalWorkflowExecutionInitiated."""
        initiated = event.request_cancel_external_workflow_execution_initiated_event_attributes
        if initiated.workflow_execution.workflow_id != self.workflow_id:
            return self.describe(event.event_type)
        self.move(event.event_type)
        run.by_event[event.event_id] = self
        return None

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"RequestCancelExternalWorkflowExecution of workflow {self.workflow_id!r}"

    def forget(self) -> None:
        """Let go of the future."""
        self.answered = None

    def answer(self, run: WorkflowRun, failure: Failure | None) -> None:
        """Job: let the caller know, if there is one that still waits."""
        answered, self.answered = self.answered, None
        if answered is not None:
            settle(run, answered, failure)


def request_cancel(
    run: WorkflowRun,
    workflow_id: str,
    run_id: str,
    reason: str,
    *,
    child: bool,
    answered: asyncio.Future[None] | None,
) -> None:
    """Produce RequestCancelExternalWorkflowExecution."""
    machine = ExternalCancelMachine(workflow_id, answered)
    message = None
    if not run.replaying:
        message = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION)
        attributes = message.request_cancel_external_workflow_execution_command_attributes
        attributes.namespace = run.namespace
        attributes.workflow_id = workflow_id
        attributes.run_id = run_id
        attributes.child_workflow_only = child
        attributes.reason = reason
    run.commands.append(PendingCommand(INITIATED, machine, message, find_source()))


async def cancel_other(run: WorkflowRun, workflow_id: str, run_id: str | None, reason: str) -> None:
    """Ask for the cancellation of a workflow known by its id, and wait for the answer."""
    answered: asyncio.Future[None] = run.loop.create_future()
    told = f"Cancel requested by workflow with run id {run.run_id} with reason: {reason}"
    request_cancel(run, workflow_id, run_id or "", told, child=False, answered=answered)
    await answered


def _machine_of(run: WorkflowRun, event: HistoryEvent, initiated_event_id: int) -> ExternalCancelMachine:
    machine = run.by_event.pop(initiated_event_id, None)
    if not isinstance(machine, ExternalCancelMachine):
        run.refuse_event(event)
    machine.move(event.event_type)
    return machine


def _on_requested(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.external_workflow_execution_cancel_requested_event_attributes
    run.jobs.append((_machine_of(run, event, attributes.initiated_event_id).answer, run, None))


def _on_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.request_cancel_external_workflow_execution_failed_event_attributes
    why = _REASONS.get(attributes.cause, "unknown")
    failure = refusal(f"Unable to cancel external workflow because {why}", FailedCause.Name(attributes.cause))
    run.jobs.append((_machine_of(run, event, attributes.initiated_event_id).answer, run, failure))


EVENTS: Final = {REQUESTED: _on_requested, FAILED: _on_failed}
COMMAND_EVENTS: Final = frozenset((INITIATED,))


def _describe_initiated(event: HistoryEvent) -> str:
    attributes = event.request_cancel_external_workflow_execution_initiated_event_attributes
    workflow_id = attributes.workflow_execution.workflow_id
    return f"RequestCancelExternalWorkflowExecutionInitiated for workflow {workflow_id!r}"


DESCRIPTIONS: Final = {INITIATED: _describe_initiated}
