"""A worker and an engine that share one clock, which the test moves: for what both of them time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.engine import open_embedded
from tsuzuki.replay import Replayer
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker
from tsuzuki.worker._pace import Pace

QUEUE = "queue"
_WORDS = {
    "WORKFLOW_EXECUTION_STARTED": "Started",
    "WORKFLOW_TASK_SCHEDULED": "",
    "WORKFLOW_TASK_STARTED": "",
    "WORKFLOW_TASK_COMPLETED": "WFT",
    "WORKFLOW_TASK_FAILED": "WFTFailed",
    "WORKFLOW_TASK_TIMED_OUT": "WFTTimedOut",
    "WORKFLOW_EXECUTION_COMPLETED": "Completed",
    "WORKFLOW_EXECUTION_FAILED": "Failed",
    "WORKFLOW_EXECUTION_CANCELED": "Canceled",
    "WORKFLOW_EXECUTION_SIGNALED": "Signaled",
}


class LocalSite:
    """A client, and the clock."""

    def __init__(self, client: Client, clock: VirtualClock) -> None:
        self.client = client
        self.clock = clock

    def now(self) -> float:
        """Seconds since some moment."""
        return self.clock.now_ns() / 1e9

    def worker(
        self,
        workflows: Sequence[Any],
        activities: Sequence[Callable[..., Any]] = (),
        *,
        now: Callable[[], float] | None = None,
        **options: Any,
    ) -> Worker:
        """Make a worker whose time is the engine's, or the test's own."""
        worker = Worker(self.client, task_queue=QUEUE, workflows=workflows, activities=activities, **options)
        worker._pace = Pace(now=now or self.now, sleep=self.sleep, chance=lambda: 0.5)
        return worker

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        over = asyncio.Event()
        alarm = self.clock.call_at(self.clock.now_ns() + round(seconds * 1e9), over.set)
        try:
            await over.wait()
        finally:
            alarm.cancel()

    async def advance(self, seconds: float) -> None:
        """Move the clock; what is due happens before this returns."""
        await self.clock.advance(timedelta(seconds=seconds))

    async def start(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow, and let its first workflow task run as far as it gets."""
        handle = await self.client.start_workflow(workflow, args=args, id="local", task_queue=QUEUE, **options)
        await self.clock.settle()
        return handle

    async def events(self, handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
        """The run's history."""
        return list((await handle.fetch_history()).events)

    async def notation(self, handle: WorkflowHandle[Any, Any]) -> str:
        """The run's history in words."""
        return " | ".join(word for event in await self.events(handle) if (word := _word(event)))

    async def replays(self, handle: WorkflowHandle[Any, Any], *workflows: Any) -> None:
        """Check that the history replays, without any activity at hand."""
        replayer = Replayer(workflows=workflows, data_converter=self.client.data_converter)
        await replayer.replay_workflow(await handle.fetch_history())


def _word(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    if name == "MARKER_RECORDED":
        failed = event.marker_recorded_event_attributes.HasField("failure")
        return "Marker failed" if failed else "Marker"
    return _WORDS.get(name, name)


@asynccontextmanager
async def local_site() -> AsyncIterator[LocalSite]:
    clock = VirtualClock()
    service = await open_embedded(None, clock=clock)
    try:
        yield LocalSite(Client(service), clock)
    finally:
        await service.close()
