"""Timers that a workflow starts: each fires once, never before its time, unless it is cancelled first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from .apply import applies
from .commands import Plan, carries_out
from .limits import check_id
from .refusal import BadCommand, InvalidInput
from .times import duration_ns, in_words, time_ns
from .wake import WakeKind
from .workflow_task import schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

STARTED: Final = EventType.EVENT_TYPE_TIMER_STARTED
FIRED: Final = EventType.EVENT_TYPE_TIMER_FIRED
CANCELED: Final = EventType.EVENT_TYPE_TIMER_CANCELED


@dataclass(slots=True)
class Timer:
    """A pending timer; one that fired or was cancelled is gone."""

    timer_id: str
    started_event_id: int
    due_ns: int


@applies(STARTED)
def apply_started(run: Execution, event: HistoryEvent) -> None:
    attributes = event.timer_started_event_attributes
    due_ns = time_ns(event.event_time) + duration_ns(attributes.start_to_fire_timeout)
    run.timers[attributes.timer_id] = Timer(attributes.timer_id, event.event_id, due_ns)
    run.wake_at(WakeKind.TIMER, due_ns, event.event_id)


@applies(FIRED)
def apply_fired(run: Execution, event: HistoryEvent) -> None:
    attributes = event.timer_fired_event_attributes
    _forget(run, attributes.timer_id, attributes.started_event_id)


@applies(CANCELED)
def apply_canceled(run: Execution, event: HistoryEvent) -> None:
    attributes = event.timer_canceled_event_attributes
    _forget(run, attributes.timer_id, attributes.started_event_id)


def _forget(run: Execution, timer_id: str, started_event_id: int) -> None:
    timer = run.timers.get(timer_id)
    if timer is not None and timer.started_event_id == started_event_id:  # else another one had the id: this end waited
        del run.timers[timer_id]
    run.wake_no_more(WakeKind.TIMER, started_event_id)


def fire(run: Execution, started_event_id: int, now_ns: int) -> None:
    """The timer's time has come."""
    timer = next(timer for timer in run.timers.values() if timer.started_event_id == started_event_id)
    event = run.event(FIRED, now_ns)
    attributes = event.timer_fired_event_attributes
    attributes.timer_id = timer.timer_id
    attributes.started_event_id = timer.started_event_id
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def _check_start(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked = command.start_timer_command_attributes
    bad = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES
    try:
        check_id("the timer id", asked.timer_id, moment.limits)
    except InvalidInput as error:
        raise BadCommand(bad, str(error)) from None
    duration = duration_ns(asked.start_to_fire_timeout)
    if duration < 0:
        raise BadCommand(bad, f"timer '{asked.timer_id}' lasts {in_words(duration)}; expected 0 seconds or more.")
    if plan.timers.get(asked.timer_id, asked.timer_id in run.timers):
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_START_TIMER_DUPLICATE_ID,
            f"timer '{asked.timer_id}' is already running in this run; use another timer id.",
        )
    plan.timers[asked.timer_id] = True


@carries_out(CommandType.COMMAND_TYPE_START_TIMER, _check_start)
def start_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.start_timer_command_attributes
    event = run.event(STARTED, moment.now_ns)
    attributes = event.timer_started_event_attributes
    attributes.timer_id = asked.timer_id
    attributes.start_to_fire_timeout.CopyFrom(asked.start_to_fire_timeout)
    attributes.workflow_task_completed_event_id = completed_event_id
    if command.HasField("user_metadata"):
        event.user_metadata.CopyFrom(command.user_metadata)
    run.record(event)


def _check_cancel(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    timer_id = command.cancel_timer_command_attributes.timer_id
    if not plan.timers.get(timer_id, timer_id in run.timers or _fired(run, timer_id) is not None):
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
            f"CancelTimer names timer '{timer_id}', which is not running in this run.",
        )
    plan.timers[timer_id] = False


@carries_out(CommandType.COMMAND_TYPE_CANCEL_TIMER, _check_cancel)
def cancel_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    """A timer that fired while the task ran is taken back: the workflow has not seen it."""
    timer_id = command.cancel_timer_command_attributes.timer_id
    timer = run.timers.get(timer_id)
    if timer is None:
        fired = _fired(run, timer_id)
        assert fired is not None, f"timer '{timer_id}' passed the check"
        run.buffered.remove(fired)
        timer = Timer(timer_id, fired.timer_fired_event_attributes.started_event_id, moment.now_ns)
        run.timers[timer_id] = timer
    event = run.event(CANCELED, moment.now_ns)
    attributes = event.timer_canceled_event_attributes
    attributes.timer_id = timer_id
    attributes.started_event_id = timer.started_event_id
    attributes.workflow_task_completed_event_id = completed_event_id
    run.record(event)


def _fired(run: Execution, timer_id: str) -> HistoryEvent | None:
    for event in run.buffered:
        if event.event_type == FIRED and event.timer_fired_event_attributes.timer_id == timer_id:
            return event
    return None
