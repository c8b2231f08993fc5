"""What a worker gets with the answer to a workflow task, a round trip less for each: the activities that it asked to
start itself, and the workflow task that follows at once.

They are taken before anybody else is offered them, and leave with the answer, so once their start is on disk.
Invariant, as of polls: a task is never lost to a caller who is gone before that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
)

from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import MIB
from tsuzuki.core.workflow_task import WorkflowTaskState

from ._engine import Engine
from ._matching import Poll

ACTIVITIES_MAX: Final = 100
BYTES_MAX: Final = MIB
"""Of activities in one answer, which may hold a page of history too: clients take 4 MiB, if not told otherwise. One
that is lost with its answer would wait for its timeout."""


class EagerTasks:
    """Those of one workflow task that was completed."""

    def __init__(self, engine: Engine, run: Execution, request: RespondWorkflowTaskCompletedRequest) -> None:
        """Take them out of what the transition at hand leaves in `run` for all workers."""
        self._engine = engine
        self._run = run
        self._identity = request.identity
        wanted, run.eager_activities = set(run.eager_activities), []
        self._scheduled_event_ids = _that_fit(run, wanted)
        if self._scheduled_event_ids:
            taken = set(self._scheduled_event_ids)
            run.ready_activities = [each for each in run.ready_activities if each not in taken]
        self._workflow_task_follows = request.return_new_workflow_task and run.ready_workflow_task
        if self._workflow_task_follows:
            run.ready_workflow_task = False
        self._activities: list[Poll] = []
        self._workflow_task: Poll | None = None

    def start(self, *, local: bool) -> None:
        """Start them, after the transition; `local` if the worker lives in this process."""
        engine, run = self._engine, self._run
        for scheduled_event_id in self._scheduled_event_ids:
            poll = self._poll(PollActivityTaskQueueResponse(), local)
            if engine.ready_tasks.hand_activity(run, scheduled_event_id, poll):
                self._activities.append(poll)
        if self._workflow_task_follows and run.workflow_task.state == WorkflowTaskState.SCHEDULED:
            self._workflow_task = self._poll(PollWorkflowTaskQueueResponse(), local)
            engine.ready_tasks.hand_workflow_task(run, self._workflow_task, follows=True)

    def _poll(self, empty: object, local: bool) -> Poll:
        poll = Poll(self._engine.loop.create_future(), self._identity, local, empty)
        poll.expired = True  # should this task be gone, it waits for no other
        return poll

    async def put_into(self, response: RespondWorkflowTaskCompletedResponse) -> None:
        """Add them to the answer, once they are on disk."""
        for poll in self._activities:
            task: Any = await poll.future
            if task.task_token:
                response.activity_tasks.append(task)
        if self._workflow_task is not None:
            task = await self._workflow_task.future
            if task.task_token:
                response.workflow_task.CopyFrom(task)

    def take_back(
        self,
        activity: Callable[[PollActivityTaskQueueResponse], None],
        workflow_task: Callable[[PollWorkflowTaskQueueResponse], None],
    ) -> None:
        """The worker went away before the answer: others may have them."""
        for poll in self._activities:
            _take_back(poll, activity)
        if self._workflow_task is not None:
            _take_back(self._workflow_task, workflow_task)


def _that_fit(run: Execution, wanted: set[int]) -> list[int]:
    """The first of those that are wanted, as many as the answer has room for. The others wait for polls."""
    fit: list[int] = []
    room = BYTES_MAX
    for scheduled_event_id in run.ready_activities:
        if scheduled_event_id in wanted:
            room -= run.activities[scheduled_event_id].asked.ByteSize()
            if room < 0 or len(fit) == ACTIVITIES_MAX:
                break
            fit.append(scheduled_event_id)
    return fit


def _take_back(poll: Poll, take_back: Callable[[Any], None]) -> None:
    if not poll.future.cancel():  # else whoever would deliver it sees that
        take_back(poll.future.result())
