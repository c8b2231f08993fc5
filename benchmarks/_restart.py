"""(e) Time to serve again with 10,000 open workflows after kill -9.

A child fills a database and is killed; another opens it and tells when it first answered. The mix: 80 % wait
for a timer a month away, 10 % for a timer that comes due while nobody runs, 10 % for an activity (as many of
these as the worker has slots are running at the kill, the others are queued).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from benchmarks._progress import say
from benchmarks._series import Series, number
from benchmarks._table import Goal, Row
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

OPEN_WORKFLOWS = 10_000
STARTS_AT_ONCE = 200
TASK_QUEUE = "benchmark"
DUE_S = 5.0
UNSURE = OPEN_WORKFLOWS // 100
"""How many of the due timers may have fired before the kill; the backlog counts as done without them."""
FAR, DUE, ACTIVITY, PROBE = "far timer", "due timer", "activity", "probe"


class _Seen:
    """What the workflows of this process have done: entered their wait, and finished."""

    entered = 0
    finished = 0
    running_for_ever = False


@activity.defn
async def work(kind: str) -> None:
    if _Seen.running_for_ever and kind == ACTIVITY:
        await asyncio.Event().wait()


@workflow.defn
class Waiting:
    @workflow.run
    async def run(self, kind: str) -> None:
        _Seen.entered += 1
        if kind == FAR:
            await asyncio.sleep(30 * 86400)
        elif kind == DUE:
            await asyncio.sleep(DUE_S)
        else:
            await workflow.execute_activity(work, kind, start_to_close_timeout=timedelta(days=1))
        if kind != PROBE:
            _Seen.finished += 1


@workflow.defn
class Probe:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(work, PROBE, start_to_close_timeout=timedelta(minutes=1))


def measure(folder: Path, rounds: int) -> list[Row]:
    """One row each: first answer, and the whole backlog."""
    answers: list[float] = []
    connects: list[float] = []
    backlogs: list[float] = []
    filled = folder / "filled.db"
    say(f"(e) filling a database with {OPEN_WORKFLOWS:,} open workflows, then kill -9")
    _fill_and_kill(filled)
    for turn in range(rounds):
        for path in folder.glob("filled.db*"):  # each round serves a fresh copy of what the kill left
            shutil.copy(path, folder / path.name.replace("filled", "serving"))
        seen = _serve(folder / "serving.db")
        answers.append(seen["answered"])
        connects.append(seen["connected"] - seen["imported"])
        backlogs.append(seen["backlog"])
        say(
            f"(e) round {turn + 1}/{rounds}: imports {number(seen['imported'])} s, open "
            f"{number(connects[-1])} s, first answer after {number(answers[-1])} s, an old workflow "
            f"finished after {number(seen['first'])} s, all that was due after {number(backlogs[-1])} s"
        )
    due = OPEN_WORKFLOWS // 5
    return [
        Row(
            "e",
            f"serving again, {OPEN_WORKFLOWS:,} open, after kill -9: process start to first answer",
            Series.of(answers).show(" s"),
            f"of that opening the database: {Series.of(connects).show(' s')}",
            judged=Series.of(answers),
            goal=Goal(2, at_least=False, unit=" s"),
        ),
        Row(
            "e",
            f"the same until the {due:,} workflows that were due have finished",
            Series.of(backlogs).show(" s"),
        ),
    ]


def _fill_and_kill(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._restart", "fill", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    if line.strip() != "open":
        raise RuntimeError(f"filling the database ended with {child.returncode}")
    time.sleep(DUE_S)  # now the near timers are overdue


def _serve(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks._restart", "serve", str(path), str(_monotonic())]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    seen: dict[str, float] = json.loads(finished.stdout)
    return seen


async def _fill(path: str) -> None:
    _Seen.running_for_ever = True
    far = OPEN_WORKFLOWS * 8 // 10
    kinds = [*itertools.repeat(FAR, far), *itertools.repeat(ACTIVITY, OPEN_WORKFLOWS // 10)]
    kinds += itertools.repeat(DUE, OPEN_WORKFLOWS - len(kinds))  # last, so that few fire too early
    slots = asyncio.Semaphore(STARTS_AT_ONCE)
    async with await Client.connect(f"sqlite:///{path}") as client, _worker(client):

        async def start(number_: int, kind: str) -> None:
            async with slots:
                await client.start_workflow(Waiting.run, kind, id=f"open-{number_}", task_queue=TASK_QUEUE)

        await asyncio.gather(*(start(number_, kind) for number_, kind in enumerate(kinds)))
        await _until(lambda: _Seen.entered >= OPEN_WORKFLOWS)
        # Commits are ordered: once one more start is acknowledged, all that came before it is on the disk.
        await client.start_workflow(Waiting.run, FAR, id="last", task_queue=TASK_QUEUE)
        print("open", flush=True)
        await asyncio.Event().wait()


async def _serve_again(path: str, spawned: float) -> None:
    seen = {"imported": _monotonic() - spawned}
    async with await Client.connect(f"sqlite:///{path}") as client, _worker(client):
        seen["connected"] = _monotonic() - spawned
        first = asyncio.create_task(_until(lambda: _Seen.finished > 0))
        first.add_done_callback(lambda _: seen.setdefault("first", _monotonic() - spawned))
        await client.execute_workflow(Probe.run, id="probe", task_queue=TASK_QUEUE)
        seen["answered"] = _monotonic() - spawned
        await _until(lambda: _Seen.finished >= OPEN_WORKFLOWS // 5 - UNSURE)
        seen["backlog"] = _monotonic() - spawned
        print(json.dumps(seen), flush=True)
        os._exit(0)


def _worker(client: Client) -> Worker:
    return Worker(client, task_queue=TASK_QUEUE, workflows=[Waiting, Probe], activities=[work])


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - an event would have to be set by workflow code
        await asyncio.sleep(0.01)


def _monotonic() -> float:
    """Seconds on a clock that all processes of this machine share."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        asyncio.run(_fill(sys.argv[2]))
    else:
        asyncio.run(_serve_again(sys.argv[2], float(sys.argv[3])))
