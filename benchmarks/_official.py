"""The official client and worker, in one process, against whatever server they are told of.

Settings: all defaults, except that the workflow sandbox is off (it costs the worker processor time and changes
nothing else) and the cache is large enough never to evict. Tried and of no use on the reference machine: more or
fewer pollers, eager start, higher rate limits of the development server.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypedDict, TypeVar

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks._side import timed

TASK_QUEUE = "benchmark"
CONNECT_TRIES = 100
CONNECT_EVERY_S = 0.1

T = TypeVar("T")


class Timed(TypedDict):
    """What a load took, and each of the calls in it that were timed."""

    seconds: float
    latencies_ms: list[float]


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


@workflow.defn
class Signals:
    """Runs until it has had as many signals as it was told to wait for."""

    def __init__(self) -> None:
        self._had = 0

    @workflow.run
    async def run(self, count: int) -> int:
        await workflow.wait_condition(lambda: self._had >= count)
        return self._had

    @workflow.signal
    def add(self) -> None:
        self._had += 1


class OfficialProgram:
    """Client and worker of one server."""

    @classmethod
    async def connect(cls, target: str) -> OfficialProgram:
        """Wait until the server at `target` answers, and start the worker."""
        for _ in range(CONNECT_TRIES):
            try:
                return cls(await Client.connect(target))
            except RuntimeError:
                await asyncio.sleep(CONNECT_EVERY_S)
        raise RuntimeError(f"the server at {target} did not answer within {CONNECT_TRIES * CONNECT_EVERY_S:.0f} s")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids = itertools.count()
        self._worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[Steps, Signals],
            activities=[step],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=2000,
        )
        self._running = asyncio.create_task(self._worker.run())

    async def starts(self, workflows: int, steps: int, concurrency: int) -> Timed:
        """As `Side.batch`; the calls that start a workflow are timed."""
        latencies_ms: list[float] = []

        async def one() -> object:
            handle = await _noted(
                latencies_ms, self._client.start_workflow(Steps.run, steps, id=self._id(), task_queue=TASK_QUEUE)
            )
            return await handle.result()

        return {"seconds": await _all(one, workflows, concurrency, steps), "latencies_ms": latencies_ms}

    async def signals(self, workflows: int, each: int, concurrency: int) -> Timed:
        """Signal `workflows` running workflows `each` times, one call after another; these calls are timed."""
        latencies_ms: list[float] = []

        async def one() -> object:
            handle = await self._client.start_workflow(Signals.run, each, id=self._id(), task_queue=TASK_QUEUE)
            for _ in range(each):
                await _noted(latencies_ms, handle.signal(Signals.add))
            return await handle.result()

        return {"seconds": await _all(one, workflows, concurrency, each), "latencies_ms": latencies_ms}

    def _id(self) -> str:
        return f"run-{next(self._ids)}"

    async def close(self) -> None:
        await self._worker.shutdown()
        await self._running


async def _all(one: Callable[[], Awaitable[object]], count: int, concurrency: int, result: int) -> float:
    """Seconds for `count` of them, `concurrency` at once, each of which must end with `result`."""
    slots = asyncio.Semaphore(concurrency)

    async def in_turn() -> object:
        async with slots:
            return await one()

    return await timed(asyncio.gather(*(in_turn() for _ in range(count))), result)


async def _noted(latencies_ms: list[float], call: Coroutine[Any, Any, T]) -> T:
    began = time.perf_counter()
    answer = await call
    latencies_ms.append((time.perf_counter() - began) * 1000)
    return answer
