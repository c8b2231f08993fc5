"""A reset: a new run of the same chain that takes another way from a workflow task of an old one.

The new run's history is that of the old one up to the start of that task, as it is; then the task fails as
RESET_WORKFLOW, so that every SDK replays it and decides anew; then the signals, updates and new options that came after
that place are applied again (requests to cancel are not, as on the real server). What was pending there goes on:
activities are scheduled again, timers fire when they would have, children report to the new run, and what children and
others had reported by now is told again.

Invariant: of the old run nothing changes but that it ends, if it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import (
    EventType,
    ResetReapplyExcludeType,
    ResetReapplyType,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from . import child_workflow, signal, update, workflow_options, workflow_task
from .branch import copy_event, fail_task, offer_pending, take_past
from .caller import caller_of
from .refusal import InvalidInput

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

TERMINATED_BY: Final = "history-resetter"
_IDENTITY: Final = "history-service"
_EXCLUDED_AS: Final[Mapping[int, ResetReapplyExcludeType.ValueType]] = {
    signal.SIGNALED: ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    update.ADMITTED: ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    update.ACCEPTED: ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
}
"""Input that is applied again."""
_ALL_EXCLUDED: Final = frozenset(ResetReapplyExcludeType.values()) - {
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UNSPECIFIED
}
_REPORTS: Final = frozenset(
    (
        *child_workflow.REPORTS,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
    )
)
"""What others said to something that the run had asked for; nobody says it twice."""


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


def events_to_reapply(
    request: ResetWorkflowExecutionRequest,
    taken: Sequence[HistoryEvent],
    later: Iterable[HistoryEvent],
    of_successors: Iterable[HistoryEvent],
) -> list[HistoryEvent]:
    """Those that the new run is to be told of again, in order.

    Args:
        request: Says which input.
        taken: The new run's past.
        later: What followed that in the old run; reports on what the past had asked for are always told.
        of_successors: The histories of the runs that went on from the old one.
    """
    kinds = _reapplied(request)
    chosen = [each for each in later if each.event_type in kinds or _reports_on(each, taken)]
    chosen.extend(each for each in of_successors if each.event_type in kinds)
    return chosen


def _reports_on(event: HistoryEvent, taken: Sequence[HistoryEvent]) -> bool:
    return event.event_type in _REPORTS and _attributes(event).initiated_event_id <= len(taken)


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, str(event.WhichOneof("attributes")))


def _reapplied(request: ResetWorkflowExecutionRequest) -> frozenset[int]:
    """Options are no input: they are excluded with everything only."""
    excluded = set(request.reset_reapply_exclude_types)
    if excluded >= _ALL_EXCLUDED:
        return frozenset()
    kinds = frozenset(kind for kind, excluded_as in _EXCLUDED_AS.items() if excluded_as not in excluded)
    if request.reset_reapply_type == ResetReapplyType.RESET_REAPPLY_TYPE_NONE:
        kinds = frozenset()
    elif request.reset_reapply_type == ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL:
        kinds &= {signal.SIGNALED}
    return kinds | {workflow_options.UPDATED}


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
        _AGAIN.get(event.event_type, _report_again)(run, event, moment)
    run.completing = False
    for attached in run.attached:
        signal.note_request_id(run, attached.workflow_execution_options_updated_event_attributes.attached_request_id)
    offer_pending(run, moment.now_ns)
    workflow_task.schedule(run, moment.now_ns)


# ---- what came after the point -----------------------------------------------------------------------


def _again(run: Execution, old: HistoryEvent, moment: Moment) -> HistoryEvent:
    """The same event, now."""
    event = copy_event(old)
    event.event_time.CopyFrom(run.event(old.event_type, moment.now_ns).event_time)
    return event


def _come_again(run: Execution, old: HistoryEvent, moment: Moment) -> None:
    run.record(_again(run, old, moment))


def _admit_again(run: Execution, old: HistoryEvent, moment: Moment) -> None:
    request = (
        old.workflow_execution_update_admitted_event_attributes.request
        if old.event_type == update.ADMITTED
        else old.workflow_execution_update_accepted_event_attributes.accepted_request
    )
    if request.meta.update_id and request.meta.update_id not in run.updates:  # else it was admitted before, or is done
        update.admit_again(run, request, moment.now_ns, caller_of(old))


def _report_again(run: Execution, old: HistoryEvent, moment: Moment) -> None:
    event = _again(run, old, moment)
    attributes = _attributes(event)
    child = run.children.get(attributes.initiated_event_id)
    if child is not None and child.started_event_id:
        attributes.started_event_id = child.started_event_id
    run.record(event)


_AGAIN: Final[Mapping[int, Callable[[Execution, HistoryEvent, Moment], None]]] = {
    signal.SIGNALED: _come_again,
    workflow_options.UPDATED: _come_again,
    update.ADMITTED: _admit_again,
    update.ACCEPTED: _admit_again,
}
