"""A run that somebody has paused: it takes in what comes, but its code does not run and no activity attempt starts.

Signals, results and timers are recorded and wait; timeouts count on. A workflow task that waits is withdrawn, one that
a worker has may still be answered, and what it asks for is recorded. Invariants: while a run is paused no workflow task
is scheduled and no attempt starts; when it goes on, its code is shown what came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest

from . import update, workflow_task
from .activity import go_on, watch_deadline
from .apply import applies
from .caller import sign
from .limits import Limits, check_text
from .pause_info import note_pauses
from .refusal import NotFound, WrongState
from .signal import closed_message, make_room
from .times import time_ns

if TYPE_CHECKING:
    from .execution import Execution

PAUSED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED
UNPAUSED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED


@dataclass(frozen=True, slots=True)
class RunPause:
    """Who paused a run, when and why."""

    since_ns: int
    identity: str
    reason: str
    request_id: str


@applies(PAUSED)
def apply_paused(run: Execution, event: HistoryEvent) -> None:
    attributes = event.workflow_execution_paused_event_attributes
    run.pause = RunPause(time_ns(event.event_time), attributes.identity, attributes.reason, attributes.request_id)
    run.status = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
    note_pauses(run)


@applies(UNPAUSED)
def apply_unpaused(run: Execution, event: HistoryEvent) -> None:
    run.pause = None
    run.status = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
    note_pauses(run)


def pause(run: Execution, request: PauseWorkflowExecutionRequest, now_ns: int, limits: Limits) -> None:
    """Pause an open run. The request that paused it may come again.

    Raises:
        InvalidInput: The reason, the identity or the request id is too long.
        NotFound: The run is closed.
        WrongState: Another request has paused it.
    """
    _check(run, request, limits)
    if run.pause is not None:
        if request.request_id and request.request_id == run.pause.request_id:
            return
        raise WrongState(
            f"workflow is already paused: '{run.workflow_id}', run {run.run_id}, by {run.pause.identity or 'somebody'}."
        )
    make_room(run, now_ns, limits)
    workflow_task.withdraw(run, now_ns)
    update.give_up_waiting(run)
    event = run.event(PAUSED, now_ns)
    event.worker_may_ignore = True
    attributes = event.workflow_execution_paused_event_attributes
    attributes.identity = request.identity
    attributes.reason = request.reason
    attributes.request_id = request.request_id
    sign(event, run.caller)
    run.record_or_buffer(event)
    for activity in run.activities.values():
        watch_deadline(run, activity)


def unpause(run: Execution, request: UnpauseWorkflowExecutionRequest, now_ns: int, limits: Limits) -> None:
    """Let a paused run go on: with a workflow task, also if nothing has come.

    Raises:
        InvalidInput: The reason, the identity or the request id is too long.
        NotFound: The run is closed.
        WrongState: It is not paused.
    """
    _check(run, request, limits)
    if run.pause is None:
        raise WrongState(f"workflow is not paused: '{run.workflow_id}', run {run.run_id}.")
    make_room(run, now_ns, limits)
    end(run, now_ns, request.identity, request.reason, request.request_id)
    for activity in list(run.activities.values()):
        go_on(run, activity, now_ns)
    if run.first_workflow_task_pending and run.cancel_requested:  # the request has cut the delay short
        workflow_task.end_delay(run, now_ns)
    else:
        workflow_task.schedule_if_needed(run, now_ns)


def end(run: Execution, now_ns: int, identity: str, reason: str = "", request_id: str = "") -> None:
    """Record that a pause is over, if there is one; what may go on is the caller's business."""
    if run.pause is None:
        return
    event = run.event(UNPAUSED, now_ns)
    event.worker_may_ignore = True
    attributes = event.workflow_execution_unpaused_event_attributes
    attributes.identity = identity
    attributes.reason = reason
    attributes.request_id = request_id
    sign(event, run.caller)
    run.record_or_buffer(event)


def _check(
    run: Execution, request: PauseWorkflowExecutionRequest | UnpauseWorkflowExecutionRequest, limits: Limits
) -> None:
    check_text("the reason", request.reason, limits)
    check_text("the identity", request.identity, limits)
    check_text("the request id", request.request_id, limits)
    if not run.is_open:
        raise NotFound(closed_message(run))
