"""(a) One sequential step beside one bare durable commit on the same disk.

A step is the time from the start of one activity to the start of the next in a long sequential workflow: the
completion is recorded, the workflow decides, the next activity is scheduled and started, durably. The bare
commit is one small row in WAL with `synchronous=FULL`: what the disk asks for anything durable. Blocks of
both alternate; the ratio is taken block by block.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks._progress import say
from benchmarks._series import Series, number, percentile, ratios
from benchmarks._table import Goal, Row
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

STEPS = 500
WARM_UP = 200
BARE_WARM_UP = 1_500
"""Past the first time that SQLite begins its log anew: from then on a commit writes into blocks that exist, which
halves its cost. Tsuzuki lays its log out in advance to the same end."""
TASK_QUEUE = "benchmark"

_starts: list[float] = []


@activity.defn
async def timed_step(value: int) -> int:
    _starts.append(time.perf_counter())
    return value + 1


@workflow.defn
class TimedSteps:
    @workflow.run
    async def run(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = await workflow.execute_activity(timed_step, value, start_to_close_timeout=timedelta(minutes=1))
        return value


def measure(folder: Path, rounds: int) -> list[Row]:
    """Two rows: medians and 95th percentiles."""
    return asyncio.run(_measure(folder, rounds))


async def _measure(folder: Path, rounds: int) -> list[Row]:
    steps: list[list[float]] = []
    commits: list[list[float]] = []
    bare = _open_bare(folder / "bare.db")
    async with (
        await Client.connect(f"sqlite:///{folder / 'step.db'}") as client,
        Worker(client, task_queue=TASK_QUEUE, workflows=[TimedSteps], activities=[timed_step]),
    ):
        await _step_latencies(client, "warm-up", WARM_UP)
        _commit_latencies(bare, BARE_WARM_UP)
        for turn in range(rounds):
            steps.append(await _step_latencies(client, f"round-{turn}", STEPS))
            commits.append(_commit_latencies(bare, STEPS))
            say(
                f"(a) round {turn + 1}/{rounds}: step {number(percentile(steps[-1], 50) * 1e3)} ms, "
                f"bare commit {number(percentile(commits[-1], 50) * 1e3)} ms"
            )
    bare.close()
    return [
        _row("median", 50, steps, commits, Goal(3, at_least=False)),
        _row("95th percentile", 95, steps, commits, None),
    ]


def _row(
    name: str, percent: int, steps: Sequence[list[float]], commits: Sequence[list[float]], goal: Goal | None
) -> Row:
    ours = [percentile(block, percent) for block in steps]
    bare = [percentile(block, percent) for block in commits]
    return Row(
        "a",
        f"one sequential step, {name}",
        Series.of(ours).show(" ms", 1e3),
        f"bare durable commit: {Series.of(bare).show(' ms', 1e3)}",
        ratio=ratios(ours, bare),
        goal=goal,
    )


async def _step_latencies(client: Client, workflow_id: str, count: int) -> list[float]:
    _starts.clear()
    result = await client.execute_workflow(TimedSteps.run, count, id=workflow_id, task_queue=TASK_QUEUE)
    assert result == count
    return [after - before for before, after in itertools.pairwise(_starts)]


def _open_bare(path: Path) -> sqlite3.Connection:
    bare = sqlite3.connect(path, isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, event BLOB NOT NULL)")
    return bare


def _commit_latencies(bare: sqlite3.Connection, count: int) -> list[float]:
    latencies: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        bare.execute("INSERT INTO log (event) VALUES (?)", (b"x" * 100,))
        latencies.append(time.perf_counter() - began)
    return latencies
