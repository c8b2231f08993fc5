"""Other workflows, known by their id: signal them, ask for their cancellation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ._runtime import UNSET, current_runtime
from ._signals import signal_arguments, signal_name

Workflow = TypeVar("Workflow")


class ExternalWorkflowHandle(Generic[Workflow]):
    """A workflow that is not a child of this one, or is no longer waited for.

    Attributes:
        id: Its workflow id.
        run_id: The run that is meant; None for the one that is open when the request arrives.
    """

    __slots__ = ("id", "run_id")

    def __init__(self, id: str, run_id: str | None) -> None:
        self.id = id
        self.run_id = run_id

    async def signal(self, signal: str | Callable[..., Any], arg: Any = UNSET, *, args: Sequence[Any] = ()) -> None:
        """Append a signal to the workflow's history; return once it is there.

        Args:
            signal: Name of the signal, or its handler in the workflow's class.
            arg: Its argument, when it takes one.
            args: Its arguments, when it takes more; excludes `arg`.

        Raises:
            ApplicationError: No open run matches.
            CancelledError: The wait was cancelled before the signal was sent.

        Source: `SignalExternalWorkflowExecution`, `ExternalWorkflowExecutionSignaled`.
        """
        await current_runtime().signal_workflow(
            self.id, self.run_id, signal_name(signal), signal_arguments(arg, args), child=False
        )

    async def cancel(self, *, reason: str = "") -> None:
        """Ask for the workflow's cancellation; return once the request is in its history.

        Args:
            reason: Shown in the workflow's history, behind this run's id.

        Raises:
            ApplicationError: No open run matches.

        Source: `RequestCancelExternalWorkflowExecution`, `ExternalWorkflowExecutionCancelRequested`.
        """
        await current_runtime().cancel_workflow_of_others(self.id, self.run_id, reason)


def get_external_workflow_handle(workflow_id: str, *, run_id: str | None = None) -> ExternalWorkflowHandle[Any]:
    """Return a handle to another workflow; that it exists shows only when the handle is used.

    Args:
        workflow_id: Its id.
        run_id: Its run; the default is the one that is open when a request arrives.
    """
    current_runtime()
    return ExternalWorkflowHandle(workflow_id, run_id)


def get_external_workflow_handle_for(
    workflow: Callable[..., Any], workflow_id: str, *, run_id: str | None = None
) -> ExternalWorkflowHandle[Any]:
    """`get_external_workflow_handle`, naming the workflow for readers; the type is not checked."""
    return get_external_workflow_handle(workflow_id, run_id=run_id)
