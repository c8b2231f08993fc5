"""Workflows of the examples on an engine under virtual time, with activities that take as long as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType

from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.engine import open_embedded
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker

QUEUE = "queue"


class VirtualSite:
    """A client, and a clock that the test moves."""

    def __init__(self, client: Client, clock: VirtualClock) -> None:
        self.client = client
        self.clock = clock

    def worker(self, workflows: Sequence[Any] = (), activities: Sequence[Callable[..., Any]] = ()) -> Worker:
        return Worker(self.client, task_queue=QUEUE, workflows=workflows, activities=activities)

    async def sleep(self, seconds: float) -> None:
        """Let an activity take this long, of virtual time."""
        over = asyncio.Event()
        alarm = self.clock.call_at(self.clock.now_ns() + round(seconds * 1e9), over.set)
        try:
            await over.wait()
        finally:
            alarm.cancel()

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(timedelta(seconds=seconds))


@asynccontextmanager
async def virtual_site() -> AsyncIterator[VirtualSite]:
    clock = VirtualClock()
    service = await open_embedded(None, clock=clock)
    try:
        yield VirtualSite(Client(service), clock)
    finally:
        await service.close()


async def events(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Types of the events, without those of workflow tasks."""
    names = [EventType.Name(it.event_type).removeprefix("EVENT_TYPE_") for it in (await handle.fetch_history()).events]
    return [name for name in names if not name.startswith("WORKFLOW_TASK")]


async def scheduled(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Types of the activities, in the order in which they were scheduled."""
    return [
        it.activity_task_scheduled_event_attributes.activity_type.name
        for it in (await handle.fetch_history()).events
        if it.HasField("activity_task_scheduled_event_attributes")
    ]
