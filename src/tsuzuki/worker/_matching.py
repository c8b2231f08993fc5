"""The commands that the code produced against the events that record them.

Invariant: commands are taken in the order in which they were produced, one for each event that records one; an
optional command (a marker that a replay may leave out) may also be passed over.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NoReturn

from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.workflow import NondeterminismError

from ._commands import PendingCommand
from ._machines import COMMAND_EVENTS, SKIPS, describe_event
from ._machines._marker import MARKER_RECORDED

if TYPE_CHECKING:
    from ._workflow_run import WorkflowRun

MOVE_TERMINAL_COMMANDS: Final = 3
"""Core flag: commands produced after the closing one are sent before it, not dropped."""


def match(run: WorkflowRun, event: HistoryEvent) -> None:
    """Compare an event that records a command with the command that the code produced."""
    if event.event_type not in COMMAND_EVENTS:
        if event.worker_may_ignore:
            return
        run.refuse_event(event)
    needs_no_command = SKIPS.get(event.event_type)
    if needs_no_command is not None and needs_no_command(run, event):
        return
    if event.event_type != MARKER_RECORDED:
        drop_optional(run)
    if not run.commands:
        unmarked = None if run.local is None else run.local.first_replaying()
        raise NondeterminismError(
            event_id=event.event_id,
            event=describe_event(event),
            command="no further command" if unmarked is None else unmarked.describe(MARKER_RECORDED),
            source=str(run.source if unmarked is None else unmarked.source or run.source),
        )
    command = run.commands.popleft()
    if command.event_type == event.event_type:
        differing = command.machine.recorded(run, event)
        if differing is None:
            return
    else:
        differing = str(command)
    raise NondeterminismError(
        event_id=event.event_id,
        event=describe_event(event),
        command=differing,
        source=str(command.source or run.source),
    )


def drop_optional(run: WorkflowRun) -> None:
    while run.commands and run.commands[0].optional:
        run.commands.popleft()


def refuse_command(run: WorkflowRun, command: PendingCommand) -> NoReturn:
    raise NondeterminismError(
        event_id=0,
        event=f"no such command in the workflow task before event {run.history_length}",
        command=str(command),
        source=str(command.source or run.source),
    )


def put_closing_command_last(run: WorkflowRun) -> None:
    """Of several closing commands the first counts; the rest of the workflow task goes before it."""
    if len(run.commands) == 1:
        return
    commands = list(run.commands)
    closing = next(index for index, command in enumerate(commands) if command.terminal)
    if closing + 1 == len(commands):
        return
    if run.replaying and MOVE_TERMINAL_COMMANDS not in run.core_flags:
        run.commands = deque(commands[: closing + 1])
        return
    others = [command for command in commands if not command.terminal]
    run.commands = deque([*others, commands[closing]])
