"""The scenario is killed with SIGKILL at every write and sync, and goes on: nothing that anybody was told is lost.

After each kill the database is checked as it lies there, and held against the log; then the scenario runs again to
its end, and is checked again. `TSUZUKI_KILL_POINTS=all` takes every point there is, a number that many of each kind.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest
from kill_sweep import KILLED, Kill, Place, WarmProcess, evenly, why_no_strace

AT_A_TIME = 2
KEPT_MAX = 3
ASKED = os.environ.get("TSUZUKI_KILL_POINTS", "")


def points_wanted(usual: int) -> int:
    return 1_000_000 if ASKED == "all" else int(ASKED or usual)


class Sweep:
    """Runs kills, a few at a time, and gathers what is wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: SimpleQueue[WarmProcess] = SimpleQueue()
        for _ in range(AT_A_TIME):
            self._processes.put(WarmProcess())

    def close(self) -> None:
        while not self._processes.empty():
            self._processes.get().close()

    def learn(self, how: Callable[[WarmProcess, Place], list[Kill]]) -> list[Kill]:
        """The points of a run that nothing disturbs."""
        process = self._processes.get()
        try:
            place = Place(self.folder / how.__name__)
            points = how(process, place)
            assert place.findings(finished=True) == []
            return points
        finally:
            self._processes.put(process)

    def run(self, deaths: Sequence[Sequence[Kill]]) -> int:
        """Each of the deaths is a list of kills, one after another, on one database. Returns how many there were."""
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            outcomes = list(threads.map(self._one, range(len(deaths)), deaths))
        wrong = [text for _, findings in outcomes for text in findings]
        assert not wrong, "\n".join(wrong)
        return sum(kills for kills, _ in outcomes)

    def _one(self, number: int, kills: Sequence[Kill]) -> tuple[int, list[str]]:
        process = self._processes.get()
        try:
            place = Place(self.folder / f"{number}")
            count = 0
            for kill in kills:
                count += self._kill(process, place, kill)
                if findings := place.findings(finished=False):
                    return count, self._say(kills, place, "after the kill", findings)
            status = process.run(place)
            if status != 0:
                return count, self._say(kills, place, f"run again: status {status}", [])
            if findings := place.findings(finished=True):
                return count, self._say(kills, place, "run again", findings)
            place.remove()
            return count, []
        finally:
            self._processes.put(process)

    def _kill(self, process: WarmProcess, place: Place, kill: Kill) -> int:
        """1 when it was killed, 0 when it came to its end before: no two runs are quite alike."""
        status = process.run(place, kill)
        assert status in (KILLED, 0), f"{kill}: status {status}\n{place.output.read_text()[-3000:]}"
        return int(status == KILLED)

    def _say(self, kills: Sequence[Kill], place: Place, when: str, findings: list[str]) -> list[str]:
        wrote = place.output.read_text()[-1500:] if not findings else ""
        return [f"{[tuple(kill) for kill in kills]}, {when} ({place.folder}):", *findings, *wrote.splitlines()]


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    running = Sweep(tmp_path)
    yield running
    running.close()


def test_killed_at_each_moment_of_the_store(sweep: Sweep) -> None:
    points = sweep.learn(WarmProcess.points)
    chosen = evenly(points, points_wanted(150))
    killed = sweep.run([[point] for point in chosen])
    print(f"killed at {killed} of {len(points)} moments of the store")
    assert killed >= 0.8 * min(len(chosen), 100)


def test_killed_at_each_write_and_sync(sweep: Sweep) -> None:
    if why := why_no_strace():
        pytest.skip(why)
    points = sweep.learn(WarmProcess.calls)
    chosen = evenly(points, points_wanted(200))
    killed = sweep.run([[point] for point in chosen])
    print(f"killed at {killed} of {len(points)} system calls")
    assert killed >= 0.8 * len(chosen)


def test_killed_again_while_it_recovers(sweep: Sweep) -> None:
    """The second kill comes early, the third a little later: at the moments at which a start repairs and resumes."""
    points = sweep.learn(WarmProcess.points)
    moments = sorted({point.at for point in points})
    seed = int(os.environ.get("TSUZUKI_SEED", "0")) or random.randrange(1, 1_000_000)
    print(f"TSUZUKI_SEED={seed} pytest tests/crash/test_kill_sweep.py -k recovers")
    chance = random.Random(seed)
    deaths = [
        [first, Kill(chance.choice(moments), chance.randint(1, 2)), Kill(chance.choice(moments), chance.randint(1, 6))]
        for first in evenly(points, points_wanted(40))
    ]
    killed = sweep.run(deaths)
    print(f"killed {killed} times on {len(deaths)} databases")
    assert killed >= 1.5 * len(deaths)
