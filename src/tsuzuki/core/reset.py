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
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from . import activity, signal, workflow_task
from .fork import forget_the_past
from .refusal import InvalidInput
from .times import time_ns
from .workflow_task import WorkflowTaskState

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

TERMINATED_BY: Final = "history-resetter"
_IDENTITY: Final = "history-service"
_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
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
    for event in taken:
        run.last_event_ns = max(run.last_event_ns, time_ns(event.event_time))
        run.record(_copy(event))
    forget_the_past(run)
    _fail_task(run, base_run_id, request.reason, moment)
    run.completing = True
    for event in reapplied:
        _signal_again(run, event, moment)
    run.completing = False
    for pending in run.activities.values():
        pending.attempt_scheduled_ns = moment.now_ns
        run.touched_activities.add(pending.scheduled_event_id)
        activity.offer(run, pending)
    workflow_task.schedule(run, moment.now_ns)


def _fail_task(run: Execution, base_run_id: str, reason: str, moment: Moment) -> None:
    task = run.workflow_task
    task.attempt = 1
    if task.state == WorkflowTaskState.SCHEDULED:
        workflow_task.start(
            run,
            moment.now_ns,
            limits=moment.limits,
            identity=_IDENTITY,
            request_id="emptyUuid",
            incarnation=None,
            stamp=0,
        )
    failure = Failure(message=reason)
    failure.reset_workflow_failure_info.SetInParent()
    workflow_task.record_failed(
        run, moment.now_ns, cause=_RESET, failure=failure, identity=_IDENTITY, base_run_id=base_run_id
    )
    run.workflow_task_failure = None
    task.attempt = 1


def _copy(event: HistoryEvent) -> HistoryEvent:
    copied = HistoryEvent()
    copied.CopyFrom(event)
    return copied


# ---- what came after the point -----------------------------------------------------------------------


def _signal_again(run: Execution, old: HistoryEvent, moment: Moment) -> None:
    event = run.event(signal.SIGNALED, moment.now_ns)
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.CopyFrom(old.workflow_execution_signaled_event_attributes)
    attributes.request_id = ""
    run.record(event)
