"""Timers: `workflow.sleep`, and what asyncio asks of its loop (`sleep`, `timeout`, `call_later`).

    CREATED --TimerStarted--> STARTED --TimerFired--> FIRED
       |                         |
     cancel                    cancel
       v                         v
    CANCELLED               CANCELLING --TimerCanceled--> CANCELLED

A timer that is cancelled in the workflow task that started it leaves no trace in history. A cancelled
timer resolves nothing: whoever cancelled it does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from .._commands import PendingCommand
from .._loop import TimerHandle
from .._source import find_source
from ._moves import CANCEL, next_state

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

TIMER_STARTED: Final = EventType.EVENT_TYPE_TIMER_STARTED
TIMER_FIRED: Final = EventType.EVENT_TYPE_TIMER_FIRED
TIMER_CANCELED: Final = EventType.EVENT_TYPE_TIMER_CANCELED

NANOSECONDS: Final = 1_000_000_000


class TimerState(StrEnum):
    """Where a timer stands."""

    CREATED = "created"
    STARTED = "started"
    FIRED = "fired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


TIMER_MOVES: Final[Mapping[tuple[TimerState, int], TimerState]] = {
    (TimerState.CREATED, TIMER_STARTED): TimerState.STARTED,
    (TimerState.CREATED, CANCEL): TimerState.CANCELLED,
    (TimerState.STARTED, TIMER_FIRED): TimerState.FIRED,
    (TimerState.STARTED, CANCEL): TimerState.CANCELLING,
    (TimerState.FIRED, CANCEL): TimerState.FIRED,  # history was faster
    (TimerState.CANCELLING, TIMER_CANCELED): TimerState.CANCELLED,
}


class TimerMachine:
    """One timer."""

    __slots__ = ("command", "delay_ns", "handle", "started_event_id", "state", "timer_id")

    def __init__(self, timer_id: str, delay_ns: int, handle: TimerHandle) -> None:
        self.timer_id = timer_id
        self.delay_ns = delay_ns
        self.handle: TimerHandle | None = handle
        self.state = TimerState.CREATED
        self.started_event_id = 0
        self.command: PendingCommand | None = None

    def move(self, event_type: int) -> None:
        """Take an event or a cancellation."""
        self.state = next_state(TIMER_MOVES, self.state, event_type, f"timer {self.timer_id}")

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take TimerStarted or TimerCanceled."""
        event_type = event.event_type
        if event_type == TIMER_STARTED:
            if event.timer_started_event_attributes.timer_id != self.timer_id:
                return self.describe(event_type)
            self.started_event_id = event.event_id
            run.by_event[event.event_id] = self
        elif event.timer_canceled_event_attributes.timer_id != self.timer_id:
            return self.describe(event_type)
        self.move(event_type)
        self.command = None
        return None

    def fire(self, run: WorkflowRun) -> None:
        """Let the callback run, unless a handler that ran before cancelled it."""
        handle, self.handle = self.handle, None
        if handle is not None:
            run.loop.push(handle)

    def forget(self) -> None:
        """Let go of the handle and the command."""
        self.handle = self.command = None

    def describe(self, event_type: int) -> str:
        """Return the command that leads to this type of event, in words."""
        if event_type == TIMER_CANCELED:
            return f"CancelTimer {self.timer_id}"
        return f"StartTimer {self.delay_ns / NANOSECONDS:g} s (timer {self.timer_id})"


def start_timer(run: WorkflowRun, handle: TimerHandle, delay_s: float, summary: str | None) -> None:
    """Produce StartTimer for a handle of the loop.

    Raises:
        ValueError: The delay is negative.
    """
    if not delay_s >= 0:  # also refuses NaN
        raise ValueError(f"a timer of {delay_s} s: the duration must not be negative")
    run.timer_count = count = run.timer_count + 1
    handle.machine = machine = TimerMachine(str(count), int(delay_s * NANOSECONDS), handle)
    message = None
    if not run.replaying:
        message = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER)
        attributes = message.start_timer_command_attributes
        attributes.timer_id = machine.timer_id
        timeout = attributes.start_to_fire_timeout
        timeout.SetInParent()
        timeout.seconds, timeout.nanos = divmod(machine.delay_ns, NANOSECONDS)
        if summary:
            message.user_metadata.summary.CopyFrom(run.payload_converter.to_payload(summary))
    machine.command = PendingCommand(TIMER_STARTED, machine, message, find_source())
    run.commands.append(machine.command)


def cancel_timer(run: WorkflowRun, handle: TimerHandle) -> None:
    """Cancel the timer behind a handle of the loop, if it still stands."""
    machine: TimerMachine | None = handle.machine
    if machine is None or machine.handle is None:
        return
    machine.handle = None
    before = machine.state
    machine.move(CANCEL)
    if before is TimerState.CREATED:
        assert machine.command is not None
        run.commands.remove(machine.command)
        machine.command = None
    elif before is TimerState.STARTED:
        message = None
        if not run.replaying:
            message = Command(command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER)
            message.cancel_timer_command_attributes.timer_id = machine.timer_id
        run.commands.append(PendingCommand(TIMER_CANCELED, machine, message, find_source()))


def _on_fired(run: WorkflowRun, event: HistoryEvent) -> None:
    machine = run.by_event.pop(event.timer_fired_event_attributes.started_event_id, None)
    if not isinstance(machine, TimerMachine):
        run.refuse_event(event)
    machine.move(TIMER_FIRED)
    run.jobs.append((machine.fire, run))


EVENTS: Final = {TIMER_FIRED: _on_fired}
COMMAND_EVENTS: Final = frozenset((TIMER_STARTED, TIMER_CANCELED))


def _describe_started(event: HistoryEvent) -> str:
    attributes = event.timer_started_event_attributes
    seconds = attributes.start_to_fire_timeout.ToNanoseconds() / NANOSECONDS
    return f"TimerStarted {seconds:g} s (timer {attributes.timer_id})"


DESCRIPTIONS: Final = {
    TIMER_STARTED: _describe_started,
    TIMER_CANCELED: lambda event: f"TimerCanceled {event.timer_canceled_event_attributes.timer_id}",
}
