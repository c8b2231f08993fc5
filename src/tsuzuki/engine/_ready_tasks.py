"""What is ready in a run: into its task queue, and from there to the worker that waits.

The parts that answer workers say how a task is started for one (`hand_workflow_task`, `hand_activity`,
`hand_query`); what waits in a queue is only a hint, so it is asked here whether the run still has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from temporalio.api.common.v1 import Priority

from tsuzuki.core.activity import Activity, ActivityState
from tsuzuki.core.execution import Execution
from tsuzuki.core.priority import of_task
from tsuzuki.core.wake import WakeKind
from tsuzuki.core.workflow_task import WorkflowTaskState

from ._matching import Poll, ReadyTask

if TYPE_CHECKING:
    from ._engine import Engine


class HandWorkflowTask(Protocol):
    """Start the scheduled workflow task for a worker; `follows` if it has just answered the one before."""

    def __call__(self, run: Execution, poll: Poll, *, follows: bool = False) -> None: ...


class ReadyTasks:
    """See the module.

    Attributes:
        undelivered: The request ids of starts of attempts by this process that no worker has seen.
    """

    hand_workflow_task: HandWorkflowTask
    hand_activity: Callable[[Execution, int, Poll], bool]
    hand_query: Callable[[Execution, int, Poll], bool]

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.undelivered: set[str] = set()

    # ---- into the queue ----------------------------------------------------------------------------

    def offer_workflow_task(self, run: Execution) -> None:
        engine, task = self._engine, run.workflow_task
        if task.on_sticky_queue:
            assert run.sticky_queue is not None
            sticky = (run.namespace, run.sticky_queue, False)
            if engine.matching.has_workers(sticky, engine.clock.now_ns()):
                engine.matching.offer(sticky, (run.key, 0))
                return
            task.on_sticky_queue = False  # its worker is gone: any worker may have the task, at once
            run.sticky_queue = None
            run.wake_no_more(WakeKind.WORKFLOW_TASK_SCHEDULED)
        engine.matching.offer((run.namespace, run.task_queue, False), (run.key, 0))

    def leave_sticky_queue(self, namespace: str, name: str) -> None:
        """The worker of a sticky queue has gone: what waits there is for all workers, at once.

        The real server lets it wait for the sticky time-out.
        """
        engine = self._engine
        for run_key, subject in engine.matching.forget_workers((namespace, name, False)):
            run = engine.runs.get(run_key)
            if run is None:
                continue
            if subject:
                engine.matching.offer((namespace, run.task_queue, False), (run_key, subject))
            elif run.workflow_task.on_sticky_queue and run.workflow_task.state == WorkflowTaskState.SCHEDULED:
                self.offer_workflow_task(run)

    def offer_activity(self, run: Execution, scheduled_event_id: int) -> None:
        activity = run.activities.get(scheduled_event_id)
        if activity is not None:
            self._engine.matching.offer((run.namespace, activity.task_queue, True), (run.key, scheduled_event_id))

    def priority_of(self, task: ReadyTask) -> Priority | None:
        run = self._engine.runs.in_memory.get(task[0])
        return None if run is None else of_task(run, task[1])

    # ---- attempts that no worker has seen ----------------------------------------------------------

    def offer_again(self, run: Execution, activity: Activity) -> None:
        """A started attempt that never reached its worker waits for another one."""
        activity.handed_out = False
        self.undelivered.add(activity.request_id)
        self.offer_activity(run, activity.scheduled_event_id)

    def loaded(self, run: Execution) -> None:
        """Make the undelivered attempts of a run ready again, which has just been read from the store."""
        for activity in run.activities.values() if self.undelivered else ():
            if activity.state == ActivityState.STARTED and activity.request_id in self.undelivered:
                activity.handed_out = False
                run.ready_activities.append(activity.scheduled_event_id)

    # ---- to a worker -------------------------------------------------------------------------------

    def hand(self, task: ReadyTask, poll: Poll) -> bool:
        """Start a task for the worker that waits; False if the run does not have it any more."""
        run_key, subject = task
        run = self._engine.runs.get(run_key)
        if run is None:
            return False
        if subject < 0:
            return self.hand_query(run, -subject, poll)
        if not run.is_open or run_key in self._engine.left_alone:
            return False
        if subject:
            return self.hand_activity(run, subject, poll)
        if run.workflow_task.state != WorkflowTaskState.SCHEDULED:
            return False
        self.hand_workflow_task(run, poll)
        return True
