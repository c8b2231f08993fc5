"""Tsuzuki as a user embeds it: client, engine and worker in one process, one SQLite file, all defaults."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from pathlib import Path

from benchmarks._side import timed
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

TASK_QUEUE = "benchmark"


@activity.defn
async def step(value: int) -> int:
    return value + 1


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = await workflow.execute_activity(step, value, start_to_close_timeout=timedelta(minutes=1))
        return value


class TsuzukiSide:
    def __init__(self, client: Client) -> None:
        self.client = client
        self._ids = itertools.count()
        self._worker = Worker(client, task_queue=TASK_QUEUE, workflows=[Steps], activities=[step])

    async def start(self) -> None:
        await self._worker.__aenter__()

    async def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        slots = asyncio.Semaphore(concurrency)

        async def one() -> object:
            async with slots:
                return await self.client.execute_workflow(
                    Steps.run, steps, id=f"run-{next(self._ids)}", task_queue=TASK_QUEUE
                )

        return await timed(asyncio.gather(*(one() for _ in range(workflows))), steps)

    async def close(self) -> None:
        await self._worker.__aexit__(None, None, None)
        await self.client.__aexit__(None, None, None)


async def open_side(folder: Path | None) -> TsuzukiSide:
    """Create the database in `folder`, or in memory, and start the worker."""
    client = await Client.connect("sqlite://" if folder is None else f"sqlite:///{folder / 'tsuzuki.db'}")
    await client.__aenter__()
    side = TsuzukiSide(client)
    await side.start()
    return side
