"""How a run closes itself: completed, failed, cancelled.

Each is one command and one event, and nothing comes after. Commands that the workflow produced after the
closing one, in the same workflow task, still go out before it: they were asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import PayloadEncodeError

from .._commands import PendingCommand

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
CANCELED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
CONTINUED_AS_NEW: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW

_COMPLETE: Final = CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION

_COMMAND_NAMES: Final[dict[int, str]] = {
    COMPLETED: "CompleteWorkflowExecution",
    FAILED: "FailWorkflowExecution",
    CANCELED: "CancelWorkflowExecution",
    CONTINUED_AS_NEW: "ContinueAsNewWorkflowExecution",
}


class CloseMachine:
    """The end of the run; it has no state of its own, because nothing can come after it."""

    __slots__ = ()

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take the closing event."""
        run.closed = True
        return None

    def forget(self) -> None:
        """Nothing to let go of."""

    def describe(self, event_type: int) -> str:
        """Return the command that leads to this type of event, in words."""
        return _COMMAND_NAMES[event_type]


_MACHINE: Final = CloseMachine()


def _close(run: WorkflowRun, event_type: int, message: Command | None) -> None:
    run.commands.append(PendingCommand(event_type, _MACHINE, message, None, terminal=True))
    run.finished = True


def complete(run: WorkflowRun, result: Any) -> None:
    """Produce CompleteWorkflowExecution.

    Raises:
        PayloadEncodeError: The result cannot be encoded.
    """
    message = None
    if not run.replaying:
        message = Command()
        message.command_type = _COMPLETE
        attributes = message.complete_workflow_execution_command_attributes
        try:
            run.payload_converter.write_payloads((result,), attributes.result)
        except PayloadEncodeError as error:
            raise PayloadEncodeError(
                f"{run.source}: the result of workflow {run.workflow_type!r}: {error}",
                position=0,
                value_type=error.value_type,
                path=error.path,
            ) from error
    _close(run, COMPLETED, message)


def fail(run: WorkflowRun, error: BaseException) -> None:
    """Produce FailWorkflowExecution."""
    message = None
    if not run.replaying:
        message = Command(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
        failure = message.fail_workflow_execution_command_attributes.failure
        failure.SetInParent()
        run.failure_converter.to_failure(error, run.payload_converter, failure)
    _close(run, FAILED, message)


def cancel(run: WorkflowRun) -> None:
    """Produce CancelWorkflowExecution."""
    message = None
    if not run.replaying:
        message = Command(command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION)
        message.cancel_workflow_execution_command_attributes.SetInParent()
    _close(run, CANCELED, message)


def _on_ended_from_outside(run: WorkflowRun, event: HistoryEvent) -> None:
    run.closed = True


EVENTS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _on_ended_from_outside,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _on_ended_from_outside,
}
COMMAND_EVENTS: Final = frozenset((COMPLETED, FAILED, CANCELED, CONTINUED_AS_NEW))

DESCRIPTIONS: Final = {
    COMPLETED: lambda event: "WorkflowExecutionCompleted",
    FAILED: lambda event: "WorkflowExecutionFailed",
    CANCELED: lambda event: "WorkflowExecutionCanceled",
    CONTINUED_AS_NEW: lambda event: "WorkflowExecutionContinuedAsNew",
}
