"""One worker for each level of urgency, so that a flood of one level takes no slot of another.

Owns starting and draining the workers together. Against priority keys on one queue (`tsuzuki.common.Priority`), which
order what waits, queues of their own also bound what runs: low work never holds a slot that critical work needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from tsuzuki.client import Client
from tsuzuki.worker import Worker


class Level(StrEnum):
    """How urgent work is."""

    CRITICAL = "critical"
    """Somebody waits for it."""
    HIGH = "high"
    """It matters, and may wait a little."""
    NORMAL = "normal"
    """The usual background work."""
    LOW = "low"
    """Reports, cleaning up."""


@dataclass(frozen=True)
class Slots:
    """What a worker runs at a time.

    Attributes:
        activities: Activities; 1 or more.
        workflow_tasks: Workflow tasks; 2 or more.
    """

    activities: int
    workflow_tasks: int


PRIORITY_SLOTS: Final[Mapping[Level, Slots]] = {
    Level.CRITICAL: Slots(12, 12),
    Level.HIGH: Slots(10, 10),
    Level.NORMAL: Slots(8, 8),
    Level.LOW: Slots(4, 4),
}
"""How many tasks a worker of each level takes at a time, where nothing else is said."""


def queue_of(task_queue: str, level: Level) -> str:
    """Name of the task queue of a level: the queue itself for normal work, `<queue>-<level>` for other work.

    await client.start_workflow(Answer.run, question, id=..., task_queue=queue_of("agents", Level.CRITICAL))
    """
    return task_queue if level is Level.NORMAL else f"{task_queue}-{level.value}"


class PriorityQueues:
    """Workers for the queues of all levels, with the same workflows and activities.

        async with PriorityQueues(client, task_queue="agents", workflows=[...], activities=[...]):
            ...

    Args:
        client: As for `Worker`.
        task_queue: The queue of normal work; the others are named after it, see `queue_of`.
        workflows: As for `Worker`.
        activities: As for `Worker`.
        slots: What each level runs at a time; a level that is left out gets no worker. The default is 12, 10, 8
            and 4, of activities and of workflow tasks.
        options: Everything else that `Worker` takes, for each of them.

    Raises:
        ValueError: No level at all, or what `Worker` raises.
    """

    def __init__(
        self,
        client: Client,
        *,
        task_queue: str,
        workflows: Sequence[Any] = (),
        activities: Sequence[Callable[..., Any]] = (),
        slots: Mapping[Level, Slots] = PRIORITY_SLOTS,
        **options: Any,
    ) -> None:
        if not slots:
            raise ValueError("slots names no level; a worker needs at least one queue")
        self.workers: Final[tuple[Worker, ...]] = tuple(
            Worker(
                client,
                task_queue=queue_of(task_queue, level),
                workflows=workflows,
                activities=activities,
                max_concurrent_activities=room.activities,
                max_concurrent_workflow_tasks=room.workflow_tasks,
                **options,
            )
            for level, room in slots.items()
        )
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run all workers until `shutdown`, the cancellation of this call, or a fatal error of one of them.

        Whichever it is, all of them are drained first.

        Raises:
            ServiceError: As `Worker.run`.
        """
        running = [asyncio.create_task(worker.run()) for worker in self.workers]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.shutdown()
            outcomes = await asyncio.gather(*running, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def shutdown(self) -> None:
        """Ask all workers to stop, at the same time, and wait until they have."""
        await asyncio.gather(*(worker.shutdown() for worker in self.workers))

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        await self.shutdown()
        await self._running
