"""What happens when a time comes that a run waits for: one row per kind of wake-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from . import activity, close, start, timer, workflow_task
from .wake import WakeKey, WakeKind
from .workflow_task import WorkflowTaskState, schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment


def wake(run: Execution, due: Sequence[tuple[WakeKey, int]], moment: Moment) -> None:
    """The due times of these keys have come. One that is not in `run.wakes` (any more) is passed over.

    They are one transition, as on the real server: the workflow task that follows sees all of them.
    """
    run.completing, run.has_news = True, False
    for key, due_ns in due:
        if run.wakes.get(key) == due_ns:
            assert due_ns <= moment.now_ns, f"{key} of {run!r} woken {due_ns - moment.now_ns} ns early"
            kind, subject = key
            _WAKEUPS[kind](run, subject, moment)
    run.completing = False
    if run.has_news:
        schedule_if_needed(run, moment.now_ns)


def _timeout(run: Execution, subject: int, moment: Moment) -> None:
    close.time_out(run, moment)


def _first_workflow_task(run: Execution, subject: int, moment: Moment) -> None:
    start.first_workflow_task_due(run, moment.now_ns)


def _workflow_task_scheduled(run: Execution, subject: int, moment: Moment) -> None:
    run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
    if run.workflow_task.state != WorkflowTaskState.SCHEDULED:
        return
    if run.workflow_task.on_sticky_queue:
        workflow_task.leave_sticky_queue(run, moment.now_ns)
    else:
        run.ready_workflow_task = True


def _workflow_task_started(run: Execution, subject: int, moment: Moment) -> None:
    workflow_task.time_out(run, moment.now_ns, moment.limits)


def _activity(run: Execution, subject: int, moment: Moment) -> None:
    activity.due(run, subject, moment.now_ns)


def _timer(run: Execution, subject: int, moment: Moment) -> None:
    timer.fire(run, subject, moment.now_ns)


_WAKEUPS: Final[Mapping[WakeKind, Callable[[Execution, int, Moment], None]]] = {
    WakeKind.TIMEOUT: _timeout,
    WakeKind.FIRST_WORKFLOW_TASK: _first_workflow_task,
    WakeKind.WORKFLOW_TASK_SCHEDULED: _workflow_task_scheduled,
    WakeKind.WORKFLOW_TASK_STARTED: _workflow_task_started,
    WakeKind.ACTIVITY: _activity,
    WakeKind.TIMER: _timer,
}
