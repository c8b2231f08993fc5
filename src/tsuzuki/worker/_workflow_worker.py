"""The workflow half of a worker: its two queues, its processor, and its way to stop.

New runs come from the task queue that all workers share; runs in this worker's cache come from a *sticky*
queue that only it polls. Both sets of slots hand their tasks to one processor.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerSlotsInfo
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse

from tsuzuki.service import WorkflowService

from ._metrics import WorkerMetrics
from ._pace import Pace
from ._pollers import Slots, TaskSource, tell_slots
from ._workflow_poller import WorkflowTaskHandler

REMOTE_POLLS: Final = 5
"""Polls at a time over the network, of both queues together."""


def sticky_queue_name(identity: str) -> str:
    """Return a name that no other worker polls."""
    return f"{identity}-{uuid.uuid4().hex}"


class WorkflowWorker:
    """Polls for workflow tasks and has them answered.

    Args:
        service: Where tasks come from.
        handler: Answers them.
        namespace: Namespace to poll.
        task_queue: Shared queue.
        sticky_queue: This worker's own queue; None to poll the shared one only.
        identity: Name of the worker in histories.
        slots: Workflow tasks in work at a time.
        shared_share: Part of the slots that poll the shared queue.
        pace: Time and chance.
        on_fatal: Told of an error after which polling makes no sense.
        metrics: Measures; None not to.
        worker_key: Names the worker in its polls; empty in this process.
    """

    def __init__(
        self,
        service: WorkflowService,
        handler: WorkflowTaskHandler,
        *,
        namespace: str,
        task_queue: str,
        sticky_queue: str | None,
        identity: str,
        slots: int,
        shared_share: float,
        pace: Pace,
        on_fatal: Callable[[BaseException], None],
        metrics: WorkerMetrics | None = None,
        worker_key: str = "",
    ) -> None:
        self._handler = handler
        shared = TaskQueue(name=task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL)
        queues = [(shared, slots, REMOTE_POLLS)]
        if sticky_queue is not None:
            sticky = TaskQueue(name=sticky_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=task_queue)
            shared_slots = _share(slots, shared_share)
            shared_polls = _share(REMOTE_POLLS, shared_share)
            queues = [
                (shared, shared_slots, shared_polls),
                (sticky, slots - shared_slots, REMOTE_POLLS - shared_polls),
            ]
        self._sets: list[tuple[Slots[PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse], int]] = []
        execute = handler.execute if metrics is None else metrics.workflow_tasks(handler.execute)
        for queue, slot_count, polls in queues:
            source: TaskSource[PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse] = TaskSource(
                service.poll_workflow_task_queue,
                PollWorkflowTaskQueueRequest(
                    namespace=namespace, task_queue=queue, identity=identity, worker_instance_key=worker_key
                ),
                polls_max=None if service.local else polls,
                on_fatal=on_fatal,
                pace=pace,
                what=f"Polling task queue {queue.name!r} for workflow tasks",
            )
            self._sets.append((Slots(source, execute, renew=False, on_fatal=on_fatal), slot_count))

    def start(self) -> None:
        """Begin to poll."""
        for slots, count in self._sets:
            slots.open(count)

    def fill(self, info: WorkerSlotsInfo) -> None:
        """Say how many slots are in use, and what was done."""
        for slots, count in self._sets:
            tell_slots(info, slots, count)

    def finish(self) -> None:
        """Begin no further poll; those that are open go on."""
        for slots, _ in self._sets:
            slots.finish()

    async def polls_ended(self) -> None:
        """Wait until no poll is open."""
        for slots, _ in self._sets:
            await slots.polls_ended()

    async def stop(self) -> None:
        """Stop polling and wait until the tasks in work are answered."""
        await asyncio.gather(*(slots.close() for slots, _ in self._sets))
        self._handler.close()


def _share(count: int, share: float) -> int:
    return min(max(1, round(count * share)), count - 1)
