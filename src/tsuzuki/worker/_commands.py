"""A command from the call that produced it until the event that records it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from temporalio.api.command.v1 import Command
from temporalio.api.history.v1 import HistoryEvent

from ._source import Source

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun


class Machine(Protocol):
    """What stands for one thing that workflow code asked for, from its command to its last event."""

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take the event that records one of the machine's commands.

        Returns:
            None; or, when the event is another than the command would have led to, the command in words.
        """
        ...

    def describe(self, event_type: int) -> str:
        """Return the command that leads to this type of event, in words."""
        ...

    def forget(self) -> None:
        """Let go of what waits for it: the run is evicted, and circles would be left to the collector."""
        ...


class PendingCommand:
    """A command that history has not confirmed yet.

    Attributes:
        event_type: The type of event that it leads to.
        machine: Whose command it is.
        message: What to send; None on replay, and once it was sent.
        source: The line that asked for it, if it was user code.
        terminal: True for a command that closes the run.
        optional: True for a command that history need not have.
    """

    __slots__ = ("event_type", "machine", "message", "optional", "source", "terminal")

    def __init__(
        self,
        event_type: int,
        machine: Machine,
        message: Command | None,
        source: Source | None,
        *,
        terminal: bool = False,
        optional: bool = False,
    ) -> None:
        self.event_type = event_type
        self.machine = machine
        self.message = message
        self.source = source
        self.terminal = terminal
        self.optional = optional

    def __str__(self) -> str:
        return self.machine.describe(self.event_type)
