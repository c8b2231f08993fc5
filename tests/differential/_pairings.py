"""Worker and engine, paired: who runs the program, and who keeps its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from differential._driver import Driver
from differential._program import load

POLL_S = 0.02


async def official_on_real(name: str, target: str) -> list[str]:
    """Official worker on the real server: the reference."""
    from temporalio.client import Client

    return await run(name, "temporalio", await Client.connect(target))


async def ours_on_real(name: str, target: str) -> list[str]:
    """Our worker on the real server."""
    from tsuzuki.client import Client

    async with await Client.connect(target) as client:
        return await run(name, "tsuzuki", client)


async def ours_on_ours(name: str) -> list[str]:
    """Our worker on our engine."""
    from tsuzuki.client import Client

    async with await Client.connect("sqlite://") as client:
        return await run(name, "tsuzuki", client)


async def run(name: str, package: str, client: Any) -> list[str]:
    """Run one scenario as a program for `package` and give its transcript."""
    program = load(name, package)
    driver = Driver(client, pause=_pause)
    with ThreadPoolExecutor(4) as threads:
        async with _worker(package, client, driver.queue, program, threads):
            await program.drive(driver)
            return await driver.transcript()


@asynccontextmanager
async def _worker(
    package: str, client: Any, queue: str, program: Any, threads: ThreadPoolExecutor
) -> AsyncIterator[None]:
    options: dict[str, Any] = {
        "task_queue": queue,
        "workflows": program.workflows,
        "activities": program.activities,
        "activity_executor": threads,
        "max_heartbeat_throttle_interval": timedelta(milliseconds=50),
        "default_heartbeat_throttle_interval": timedelta(milliseconds=50),
    }
    if package == "temporalio":
        from temporalio.worker import UnsandboxedWorkflowRunner, Worker

        async with Worker(client, workflow_runner=UnsandboxedWorkflowRunner(), **options):
            yield
    else:
        from tsuzuki.worker import Worker as OurWorker

        async with OurWorker(client, **options):
            yield


async def _pause() -> None:
    await asyncio.sleep(POLL_S)
