"""The table from command type to its check and to the function that carries it out.

Each concept's file fills its own rows with `@carries_out`; `core.completion` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

if TYPE_CHECKING:
    from temporalio.api.command.v1 import Command

    from .execution import Execution
    from .moment import Moment
    from .update import UpdateState


@dataclass(slots=True)
class Plan:
    """What the commands checked so far will have changed.

    Attributes:
        next_event_id: Of the event that the next command leaves.
        activity_ids: Pending by their commands, with their scheduled event ids.
        activity_ids_freed: Of activities that were pending and end with this workflow task.
        activities_over: Scheduled event ids of those that end with this workflow task, as no worker has them.
        activities_cancelled: Scheduled event ids of those whose workers are to be told.
        timers: Whether one runs, where commands have changed that.
        children: Workflow ids of those that are to start.
    """

    next_event_id: int = 0
    activity_ids: dict[str, int] = field(default_factory=dict)
    activity_ids_freed: set[str] = field(default_factory=set)
    activities_over: set[int] = field(default_factory=set)
    activities_cancelled: set[int] = field(default_factory=set)
    timers: dict[str, bool] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    updates: dict[str, UpdateState] = field(default_factory=dict)
    closed_by: Command | None = None
    """The command that ends the run."""


Check = Callable[["Execution", "Command", Plan, "Moment"], None]
CarryOut = Callable[["Execution", "Command", int, "Moment"], None]


@dataclass(frozen=True, slots=True)
class CommandKind:
    check: Check
    carry_out: CarryOut
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Successor:
    """The run that continues this one: the shell creates it in the same commit."""

    run_id: str
    started: WorkflowExecutionStartedEventAttributes


COMMANDS: Final[dict[int, CommandKind]] = {}
"""Filled by the file of each kind; a command without a row is refused."""


def carries_out(command_type: int, check: Check, *, closes: bool = False) -> Callable[[CarryOut], CarryOut]:
    """Register the function that carries out one command type, and its check."""

    def register(function: CarryOut) -> CarryOut:
        assert command_type not in COMMANDS, f"two functions carry out command type {command_type}"
        COMMANDS[command_type] = CommandKind(check, function, closes)
        return function

    return register
