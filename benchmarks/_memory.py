"""(f) Memory of one idle open workflow: in the worker's cache, evicted from it, and after a restart.

Each value comes from processes of their own: resident memory with the workflows open, less resident memory
of the same process before (or of one that opened an empty database), divided by their number.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from benchmarks._progress import say
from benchmarks._series import Series, number
from benchmarks._table import Row
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

OPEN_WORKFLOWS = 5_000
WARM_UP = 200
STARTS_AT_ONCE = 100
TASK_QUEUE = "benchmark"


@activity.defn
async def step(value: int) -> int:
    return value + 1


@workflow.defn
class Idle:
    """One activity, then a month of waiting."""

    @workflow.run
    async def run(self, wait: bool) -> None:
        await workflow.execute_activity(step, 1, start_to_close_timeout=timedelta(minutes=1))
        if wait:
            await asyncio.sleep(30 * 86400)


def measure(folder: Path, rounds: int) -> list[Row]:
    """Three rows: cached, evicted, reopened."""
    found: dict[str, list[float]] = {"cached": [], "evicted": [], "reopened": []}
    for turn in range(rounds):
        for state, cache in (("cached", OPEN_WORKFLOWS + WARM_UP), ("evicted", 10)):
            found[state].append(_child("open", folder / f"{state}-{turn}.db", cache) / OPEN_WORKFLOWS)
        full = _child("reopen", folder / f"evicted-{turn}.db", 10)
        empty = _child("reopen", folder / f"empty-{turn}.db", 10)
        found["reopened"].append(max(0.0, full - empty) / OPEN_WORKFLOWS)  # next to nothing, give or take a page
        say(
            f"(f) round {turn + 1}/{rounds}: "
            + ", ".join(f"{state} {number(values[-1])} KiB" for state, values in found.items())
        )
    titles = {
        "cached": "memory of an idle open workflow, in the worker's cache",
        "evicted": "the same, evicted from the worker's cache",
        "reopened": "the same, after a restart of the process",
    }
    return [Row("f", titles[state], Series.of(values).show(" KiB")) for state, values in found.items()]


def _child(mode: str, path: Path, cache: int) -> float:
    command = [sys.executable, "-m", "benchmarks._memory", mode, str(path), str(cache)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=200).stdout)


async def _open(path: str, cache: int) -> float:
    """KiB that `OPEN_WORKFLOWS` add to this process."""
    slots = asyncio.Semaphore(STARTS_AT_ONCE)
    async with await Client.connect(f"sqlite:///{path}") as client, _worker(client, cache):

        async def start(number_: int) -> None:
            async with slots:
                await client.start_workflow(Idle.run, True, id=f"idle-{number_}", task_queue=TASK_QUEUE)

        for number_ in range(WARM_UP):
            await client.execute_workflow(Idle.run, False, id=f"warm-{number_}", task_queue=TASK_QUEUE)
        before = await _settled_kib()
        await asyncio.gather(*(start(number_) for number_ in range(OPEN_WORKFLOWS)))
        # Tasks are served in order: once this one is done, all others wait for their timers.
        for number_ in range(WARM_UP):
            await client.execute_workflow(Idle.run, False, id=f"after-{number_}", task_queue=TASK_QUEUE)
        return await _settled_kib() - before


async def _reopen(path: str, cache: int) -> float:
    """KiB of this process once it serves the database."""
    async with await Client.connect(f"sqlite:///{path}") as client, _worker(client, cache):
        for number_ in range(WARM_UP):
            await client.execute_workflow(Idle.run, False, id=f"again-{number_}", task_queue=TASK_QUEUE)
        return await _settled_kib()


def _worker(client: Client, cache: int) -> Worker:
    return Worker(client, task_queue=TASK_QUEUE, workflows=[Idle], activities=[step], max_cached_workflows=cache)


async def _settled_kib() -> float:
    await asyncio.sleep(0.5)  # let the last commits and evictions finish
    return _resident_kib()


def _resident_kib() -> float:
    """Resident memory after giving back what can be given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


if __name__ == "__main__":
    run = _open if sys.argv[1] == "open" else _reopen
    print(asyncio.run(run(sys.argv[2], int(sys.argv[3]))))
