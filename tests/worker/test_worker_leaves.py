"""A worker that stops leaves its queue: the runs that it had in memory go on elsewhere at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.engine import open_embedded
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker


@workflow.defn
class Waiting:
    """Ends by a signal."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    @workflow.run
    async def run(self) -> str:
        await self.told.wait()
        return "went on"

    @workflow.signal
    async def tell(self) -> None:
        self.told.set()

    @workflow.query
    def is_waiting(self) -> bool:
        return True


def worker(client: Client) -> Worker:
    return Worker(client, task_queue="q", workflows=[Waiting])


@asynccontextmanager
async def embedded() -> AsyncIterator[Client]:
    """On a clock that stands still: nothing times out."""
    service = await open_embedded(None, clock=VirtualClock())
    try:
        yield Client(service)
    finally:
        await service.close()


async def test_another_worker_goes_on_at_once() -> None:
    async with embedded() as client:
        async with worker(client):
            handle = await client.start_workflow(Waiting.run, id="w", task_queue="q")
            assert await handle.query(Waiting.is_waiting)
        await handle.signal(Waiting.tell)
        async with worker(client):
            assert await asyncio.wait_for(handle.result(), 60) == "went on"
