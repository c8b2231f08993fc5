"""A new run that begins with another one's past and decides anew from there: what forks and resets have in common.

Its history is that past, then a workflow task that failed as RESET_WORKFLOW, so that every SDK replays it; after that
comes what is new, and what was pending is offered again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from . import activity, workflow_task
from .times import time_ns
from .workflow_task import WorkflowTaskState

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


def copy_event(event: HistoryEvent) -> HistoryEvent:
    """An event for another run: one in history never changes."""
    copied = HistoryEvent()
    copied.CopyFrom(event)
    return copied


def take_past(run: Execution, events: Iterable[HistoryEvent]) -> None:
    """Record events, which then belong to the run; nothing of what they ask for is carried out again."""
    for event in events:
        run.last_event_ns = max(run.last_event_ns, time_ns(event.event_time))
        run.record(event)
    run.outgoing.clear()
    run.cancelled_activities.clear()
    run.ready_activities.clear()
    run.forgotten_activities.clear()
    run.ready_workflow_task = False
    run.new_wakes = [(due_ns, key) for key, due_ns in run.wakes.items()]


def fail_task(
    run: Execution, failure: Failure, moment: Moment, *, base_run_id: str, identity: str, request_id: str = ""
) -> None:
    """End the workflow task at hand, or one made for it, as one that was reset."""
    task = run.workflow_task
    task.attempt = 1
    if task.state == WorkflowTaskState.NONE:
        workflow_task.schedule(run, moment.now_ns)
    if task.state == WorkflowTaskState.SCHEDULED:
        workflow_task.start(
            run,
            moment.now_ns,
            limits=moment.limits,
            identity=identity,
            request_id=request_id,
            incarnation=None,
            stamp=0,
        )
    failure.reset_workflow_failure_info.SetInParent()
    workflow_task.record_failed(
        run, moment.now_ns, cause=_RESET, failure=failure, identity=identity, base_run_id=base_run_id
    )
    run.workflow_task_failure = None
    task.attempt = 1


def offer_pending(run: Execution, now_ns: int) -> None:
    """Let the activities that are pending begin their attempts anew."""
    for pending in run.activities.values():
        pending.attempt_scheduled_ns = now_ns
        run.touched_activities.add(pending.scheduled_event_id)
        activity.offer(run, pending)
