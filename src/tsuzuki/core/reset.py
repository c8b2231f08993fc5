"""A reset: a new run of the same chain that takes another way from a workflow task of an old one.

The new run's history is that of the old one up to the start of that task, as it is; then the task fails as
RESET_WORKFLOW, so that every SDK replays it and decides anew; then the signals that came after that place are applied
again (requests to cancel are not, as on the real server). What was pending there goes on: activities are scheduled
again, timers fire when they would have, children report to the new run.

Invariant: of the old run nothing changes but that it ends, if it is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import (
    EventType,
    ResetReapplyExcludeType,
    ResetReapplyType,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from . import signal, workflow_task
from .branch import copy_event, fail_task, offer_pending, take_past
from .refusal import InvalidInput

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

TERMINATED_BY: Final = "history-resetter"
_IDENTITY: Final = "history-service"
_UPDATE_ACCEPTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
_EXCLUDED_AS: Final[Mapping[int, ResetReapplyExcludeType.ValueType]] = {
    signal.SIGNALED: ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    _UPDATE_ACCEPTED: ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
}


def check(request: ResetWorkflowExecutionRequest, history: Sequence[HistoryEvent]) -> None:
    """Refuse a point that is not the start of a workflow task.

    Raises:
        InvalidInput: It is not, or something is asked for that a reset here does not do.
    """
    event_id = request.workflow_task_finish_event_id
    if not 1 < event_id <= len(history):
        raise InvalidInput(
            f"workflow_task_finish_event_id is {event_id}; it must be above 1 and at most {len(history)}, the last "
            "event of the run."
        )
    last = history[event_id - 2].event_type
    if last not in (workflow_task.SCHEDULED, workflow_task.STARTED):
        raise InvalidInput(
            f"event {event_id} is no place to reset to: it must end a workflow task, or begin one "
            "(WorkflowTaskStarted, WorkflowTaskCompleted, WorkflowTaskFailed, WorkflowTaskTimedOut)."
        )
    if request.post_reset_operations:
        raise InvalidInput("post_reset_operations are not offered here; signal the new run instead.")


def events_to_reapply(request: ResetWorkflowExecutionRequest, events: Iterable[HistoryEvent]) -> list[HistoryEvent]:
    """Those that the new run is to be told of again, as the request wants it.

    Raises:
        InvalidInput: There is an update among them.
    """
    kinds = _reapplied(request)
    chosen = [event for event in events if event.event_type in kinds]
    if any(event.event_type == _UPDATE_ACCEPTED for event in chosen):
        raise InvalidInput(
            "an update was accepted after this point, and updates are not applied again here; exclude them "
            "(RESET_REAPPLY_EXCLUDE_TYPE_UPDATE), or reset to a later point."
        )
    return chosen


def _reapplied(request: ResetWorkflowExecutionRequest) -> frozenset[int]:
    if request.reset_reapply_type == ResetReapplyType.RESET_REAPPLY_TYPE_NONE:
        return frozenset()
    excluded = set(request.reset_reapply_exclude_types)
    kinds = frozenset(kind for kind, excluded_as in _EXCLUDED_AS.items() if excluded_as not in excluded)
    if request.reset_reapply_type == ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL:
        return kinds & {signal.SIGNALED}
    return kinds


def carry_out(
    run: Execution,
    base_run_id: str,
    taken: Sequence[HistoryEvent],
    reapplied: Iterable[HistoryEvent],
    request: ResetWorkflowExecutionRequest,
    moment: Moment,
) -> None:
    """Give a new, empty run the events taken from the old one, and let it go on from there."""
    take_past(run, map(copy_event, taken))
    failure = Failure(message=request.reason)
    fail_task(run, failure, moment, base_run_id=base_run_id, identity=_IDENTITY, request_id="emptyUuid")
    run.completing = True
    for event in reapplied:
        _signal_again(run, event, moment)
    run.completing = False
    offer_pending(run, moment.now_ns)
    workflow_task.schedule(run, moment.now_ns)


# ---- what came after the point -----------------------------------------------------------------------


def _signal_again(run: Execution, old: HistoryEvent, moment: Moment) -> None:
    event = run.event(signal.SIGNALED, moment.now_ns)
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.CopyFrom(old.workflow_execution_signaled_event_attributes)
    attributes.request_id = ""
    run.record(event)
