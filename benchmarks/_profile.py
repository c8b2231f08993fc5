"""Where the time goes: samples of our side running one measurement, by area, by function, by line.

An interval timer interrupts the event loop about every millisecond of real time and notes the stacks of the
loop and of the writer thread; that costs a few per cent. `--calls` counts calls with cProfile instead, of
the loop alone, at about twice the run time.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType

from benchmarks import _replay
from benchmarks._side import SideProcess
from benchmarks._side_tsuzuki import open_side

INTERVAL_S = 0.001
SHOWN = 50
SERVED_WORKFLOWS = 1500
WAITING = "waiting"
WAITS = ("EpollSelector.select", "Condition.wait", "_Committer._work", "SqliteStore.commit", "LogCopier._run")
OURS = "tsuzuki/"


class Sampler:
    """Counts, for each thread, what its stacks were doing: by area, by function, by line."""

    def __init__(self) -> None:
        self.samples = 0
        self.waiting: Counter[str] = Counter()
        self.layers: Counter[tuple[str, str]] = Counter()
        self.areas: Counter[tuple[str, str]] = Counter()
        self.own: Counter[tuple[str, str]] = Counter()
        self.inclusive: Counter[tuple[str, str]] = Counter()
        self.lines: Counter[tuple[str, str]] = Counter()
        self._busy = False
        self._loop_thread = threading.get_ident()
        self._threads: dict[int, str] = {}
        self._places: dict[CodeType, tuple[str, str]] = {}

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGALRM, self._sample)
        signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _sample(self, _: int, interrupted: FrameType | None) -> None:
        if self._busy:  # a signal during the handler of the one before
            return
        self._busy = True
        self.samples += 1
        if interrupted is not None:
            self._note("loop", interrupted)
        for ident, frame in sys._current_frames().items():
            if ident != self._loop_thread:
                self._note(self._thread(ident), frame)
        self._busy = False

    def _thread(self, ident: int) -> str:
        if ident not in self._threads:
            self._threads.update({thread.ident or 0: thread.name for thread in threading.enumerate()})
        return self._threads.get(ident, "?")

    def _note(self, thread: str, top: FrameType) -> None:
        area, function = self._place(top.f_code)
        if area == WAITING:
            self.waiting[thread] += 1
            return
        self.layers[thread, _layer(area)] += 1
        self.areas[thread, area] += 1
        self.own[thread, function] += 1
        self.lines[thread, f"{function}:{top.f_lineno}"] += 1
        seen: set[str] = set()
        frame: FrameType | None = top
        while frame is not None:
            area, function = self._place(frame.f_code)
            if function not in seen and area.startswith(OURS):
                seen.add(function)
                self.inclusive[thread, function] += 1
            frame = frame.f_back

    def _place(self, code: CodeType) -> tuple[str, str]:
        place = self._places.get(code)
        if place is None:
            parts = code.co_filename.split("/")
            name = f"{'/'.join(parts[-2:])} {code.co_qualname}"
            place = self._places[code] = (WAITING if name.endswith(WAITS) else _area(parts), name)
        return place

    def report(self, seconds: float, work: str, count: int) -> None:
        per = seconds / count * 1e6
        print(f"{work}: {count:,} in {seconds:.2f} s = {per:,.0f} us each ({self.samples:,} samples)\n")
        print("threads: share of real time not spent waiting (for input, a lock or the disk)")
        for thread, hits in self.waiting.items():
            print(f"  {1 - hits / self.samples:6.1%}  {thread}")
        print()
        for title, counts in (
            ("by layer, own time", self.layers),
            ("by area, own time", self.areas),
            ("by function, own time", self.own),
            ("by function, with what it calls", self.inclusive),
            ("by line, own time", self.lines),
        ):
            print(f"{title}: share of real time, us per unit")
            for (thread, name), hits in counts.most_common(SHOWN):
                share = hits / self.samples
                print(f"  {share:6.1%} {share * per:8.1f} us  [{thread}] {name}")
            print()


def run(letter: str, folder: Path | None, *, calls: bool) -> None:
    """Print the profile of one of the measurements a to d, or of our server in g; without a folder in memory."""
    asyncio.run(_run(letter, folder, calls=calls))


async def _run(letter: str, folder: Path | None, *, calls: bool) -> None:
    if letter == "d":
        task = await _replay.recorded_task(folder, _replay.STEPS)
        count = len(task.history.events) * _replay.REPLAYS
        await _measured("events replayed", count, lambda: _replay.replay(task, _replay.REPLAYS), calls)
        return
    if letter == "g":
        await _profile_server(folder, calls=calls)
        return
    side = await open_side(folder)
    try:
        await side.batch(300, 1, 50)
        workflows, steps, concurrency, unit = {
            "a": (1, 2000, 1, "sequential steps"),
            "b": (3000, 1, 50, "workflows of one activity"),
            "c": (200, 10, 50, "activities"),
        }[letter]
        await _measured(unit, workflows * steps, lambda: side.batch(workflows, steps, concurrency), calls)
    finally:
        await side.close()


async def _profile_server(folder: Path | None, *, calls: bool) -> None:
    """Our server in this process, the official client and worker in another one."""
    from tsuzuki.server import Server, ServerOptions

    server = await Server.start(ServerOptions(db=None if folder is None else folder / "served.db", port=0))
    with tempfile.TemporaryDirectory() as log:
        driver = await asyncio.to_thread(SideProcess, "official", Path(log), server.target)
        try:
            await asyncio.to_thread(driver.batch, 100, 1, 50)
            batch = lambda: asyncio.to_thread(driver.batch, SERVED_WORKFLOWS, 1, 50)  # noqa: E731
            await _measured("workflows of one activity, served", SERVED_WORKFLOWS, batch, calls)
        finally:
            await asyncio.to_thread(driver.close)
            await server.stop()


async def _measured(unit: str, count: int, work: Callable[[], Awaitable[float]], calls: bool) -> None:
    if calls:
        profile = cProfile.Profile()
        profile.enable()
        await work()
        profile.disable()
        statistics = pstats.Stats(profile)
        statistics.sort_stats("tottime").print_stats(SHOWN)
        statistics.sort_stats("cumulative").print_stats(SHOWN)
        return
    began, used = time.perf_counter(), time.process_time()
    with Sampler() as sampler:
        await work()
    seconds = time.perf_counter() - began
    sampler.report(seconds, unit, count)
    print(f"processor time of this process: {(time.process_time() - used) / seconds:.2f} cores")


def _layer(area: str) -> str:
    """The folder of ours; everything else as it is."""
    return "/".join(area.split("/")[:2]) if area.startswith(OURS) else area.split("/")[0]


def _area(parts: list[str]) -> str:
    """The file of ours, or the library."""
    if "tsuzuki" in parts:
        return OURS + "/".join(parts[len(parts) - parts[::-1].index("tsuzuki") :])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return "/".join(parts[-2:])
