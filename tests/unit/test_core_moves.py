"""The tables of legal moves, each state with each input: what is in the table happens, what is not is refused."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent

from tsuzuki.core.activity import ACTIVITY_MOVES, Activity, ActivityInput, ActivityState
from tsuzuki.core.apply import APPLY
from tsuzuki.core.commands import COMMANDS
from tsuzuki.core.execution import Execution
from tsuzuki.core.workflow_task import WORKFLOW_TASK_MOVES, WorkflowTask, WorkflowTaskState
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import schedule_activity

SCHEDULED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT

NONE, WAITING, WITH_WORKER = WorkflowTaskState.NONE, WorkflowTaskState.SCHEDULED, WorkflowTaskState.STARTED

# Written anew and not taken from the table: the two must be changed together.
WORKFLOW_TASK_LEGAL = {
    (NONE, SCHEDULED): WAITING,
    (WAITING, STARTED): WITH_WORKER,
    (WAITING, TIMED_OUT): NONE,
    (WAITING, FAILED): NONE,
    (WITH_WORKER, COMPLETED): NONE,
    (WITH_WORKER, FAILED): NONE,
    (WITH_WORKER, TIMED_OUT): NONE,
}
ACTIVITY_LEGAL = {
    (ActivityState.SCHEDULED, ActivityInput.START): ActivityState.STARTED,
    (ActivityState.SCHEDULED, ActivityInput.CLOSE): ActivityState.CLOSED,
    (ActivityState.STARTED, ActivityInput.RETRY): ActivityState.SCHEDULED,
    (ActivityState.STARTED, ActivityInput.CLOSE): ActivityState.CLOSED,
}


@pytest.mark.parametrize("event_type", [SCHEDULED, STARTED, COMPLETED, FAILED, TIMED_OUT], ids=EventType.Name)
@pytest.mark.parametrize("state", WorkflowTaskState, ids=lambda state: state.name)
def test_each_move_of_a_workflow_task(state: WorkflowTaskState, event_type: EventType.ValueType) -> None:
    """As history makes them, so also when a run is loaded."""
    run = Execution(1, "default", "w", "r", "")
    run.workflow_task = WorkflowTask(state=state)
    event = HistoryEvent(event_type=event_type, event_id=1)
    after = WORKFLOW_TASK_LEGAL.get((state, event_type))
    if after is None:
        with pytest.raises(KeyError):
            APPLY[event_type](run, event)
        assert run.workflow_task.state is state
    else:
        APPLY[event_type](run, event)
        assert run.workflow_task.state is after


@pytest.mark.parametrize("given", ActivityInput, ids=lambda given: given.name)
@pytest.mark.parametrize("state", ActivityState, ids=lambda state: state.name)
def test_each_move_of_an_activity(state: ActivityState, given: ActivityInput) -> None:
    activity = Activity(
        scheduled_event_id=1,
        asked=ActivityTaskScheduledEventAttributes(),
        task_queue="queue",
        first_scheduled_ns=0,
        start_to_close_ns=0,
        schedule_to_start_ns=0,
        heartbeat_timeout_ns=0,
        expiration_ns=None,
        attempt_scheduled_ns=0,
        state=state,
    )
    after = ACTIVITY_LEGAL.get((state, given))
    if after is None:
        with pytest.raises(KeyError):
            activity.move(given)
        assert activity.state is state
    else:
        activity.move(given)
        assert activity.state is after


def test_the_tables_hold_nothing_else() -> None:
    assert dict(WORKFLOW_TASK_MOVES) == WORKFLOW_TASK_LEGAL
    assert dict(ACTIVITY_MOVES) == ACTIVITY_LEGAL


def test_events_that_move_nothing_are_named() -> None:
    """A new event type that should move state and does not is found here."""
    unmoved = {
        EventType.Name(number).removeprefix("EVENT_TYPE_")
        for number in range(1, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED + 1)
        if number not in APPLY
    }
    assert unmoved == {"ACTIVITY_TASK_STARTED"}


def test_an_outcome_of_an_activity_that_is_not_pending_is_illegal() -> None:
    """Invariant 26."""
    run = Execution(1, "default", "w", "r", "")
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    event.activity_task_completed_event_attributes.scheduled_event_id = 5
    with pytest.raises(KeyError):
        APPLY[event.event_type](run, event)


def test_nothing_is_recorded_after_the_close() -> None:
    """Invariant 7."""
    run = Execution(1, "default", "w", "r", "")
    run.record(HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED))
    with pytest.raises(AssertionError, match="after the close event"):
        run.record(HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))


def test_every_command_has_a_check_and_a_hand(server: LocalServer) -> None:
    assert len(COMMANDS) >= 7
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    assert server.notation().endswith("ActivityScheduled a")
