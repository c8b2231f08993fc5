"""Worker and engine, paired: who runs the program, and who keeps its history."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest

from differential._driver import Driver
from differential._program import load
from differential._real_server import SEARCH_ATTRIBUTES
from tsuzuki.client import Client
from tsuzuki.engine import open_embedded
from tsuzuki.server import Server, ServerOptions
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker

POLL_S = 0.02
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")
THREADS = 8


async def official_on_real(name: str, target: str) -> list[str]:
    """Official worker on the real server: the reference."""
    return await run(name, "temporalio", await temporalio.client.Client.connect(target))


async def ours_on_real(name: str, target: str) -> list[str]:
    """Our worker on the real server."""
    async with await Client.connect(target) as client:
        return await run(name, "tsuzuki", client)


async def ours_on_ours(name: str, keep: list[list[HistoryEvent]] | None = None) -> list[str]:
    """Our worker on our engine, whose time passes about ten times as fast as ours."""
    clock = VirtualClock()
    service = await open_embedded(None, clock=clock)
    await register_search_attributes(service)
    passing = asyncio.create_task(_let_time_pass(clock, real=getattr(load(name, "tsuzuki").module, "REAL_TIME", False)))
    try:
        return await run(name, "tsuzuki", Client(service), keep)
    finally:
        passing.cancel()
        await service.close()


async def official_on_our_server(name: str) -> list[str]:
    """Official worker and client on our server."""
    async with our_server() as target:
        return await run(name, "temporalio", await temporalio.client.Client.connect(target))


async def ours_on_our_server(name: str) -> list[str]:
    """Our worker and client on our server, over gRPC."""
    async with our_server() as target, await Client.connect(target) as client:
        return await run(name, "tsuzuki", client)


@asynccontextmanager
async def our_server() -> AsyncIterator[str]:
    server = await Server.start(ServerOptions(port=0))
    try:
        official = await temporalio.client.Client.connect(server.target)
        await register_search_attributes(official.operator_service)
        yield server.target
    finally:
        await server.stop()


async def register_search_attributes(service: Any) -> None:
    """Those that the real server was started with."""
    request = AddSearchAttributesRequest(namespace="default")
    for name, kind in SEARCH_ATTRIBUTES.items():
        request.search_attributes[name] = IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{_SNAKE.sub('_', kind).upper()}")
    await service.add_search_attributes(request)


async def _let_time_pass(clock: VirtualClock, *, real: bool) -> None:
    before = time.monotonic()
    while True:
        now = time.monotonic()
        await clock.advance(timedelta(seconds=now - before) if real else timedelta(milliseconds=10))
        before = now
        await asyncio.sleep(0.001)


async def run(name: str, package: str, client: Any, keep: list[list[HistoryEvent]] | None = None) -> list[str]:
    """Run one scenario as a program for `package` and give its transcript; histories as they are go to `keep`."""
    program = load(name, package)
    with ThreadPoolExecutor(THREADS) as threads:
        worker = partial(_worker, package, client, program, threads)
        driver = Driver(client, pause=_pause, worker=worker)
        async with worker(driver.queue):
            await program.drive(driver)
            if keep is not None:
                keep += await driver.histories()
            return await driver.transcript()


@asynccontextmanager
async def _worker(
    package: str, client: Any, program: Any, threads: ThreadPoolExecutor, queue: str, **more: Any
) -> AsyncIterator[None]:
    options: dict[str, Any] = {
        "task_queue": queue,
        "workflows": program.workflows,
        "activities": program.activities,
        "activity_executor": threads,
        "max_concurrent_activities": THREADS,
        "max_heartbeat_throttle_interval": timedelta(milliseconds=50),
        "default_heartbeat_throttle_interval": timedelta(milliseconds=50),
        **more,
    }
    options["disable_eager_activity_execution"] = not getattr(program.module, "EAGER", True)
    if package == "temporalio":
        runner = temporalio.worker.UnsandboxedWorkflowRunner()
        async with temporalio.worker.Worker(client, workflow_runner=runner, **options):
            yield
    else:
        async with Worker(client, **options):
            yield


async def _pause() -> None:
    await asyncio.sleep(POLL_S)
