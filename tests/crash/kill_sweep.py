"""Kills the scenario at a chosen point and lets it go on afterwards; learns what points there are.

Two ways to kill. At a *moment* of the store (`FaultyStore`): before or after a write or a commit. And at a *system
call* of one of the threads, with `strace`, which does not care what the program thinks it is doing. Both in a process
forked from one that has imported everything, so that a point costs little more than the scenario itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import kill_verdict

HERE: Final = Path(__file__).resolve().parent
CALLS: Final = ("write", "pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
KILLED: Final = -signal.SIGKILL
SECONDS_MAX: Final = 180
_ANY_TRACER: Final = (0x59616D61, ctypes.c_ulong(-1))


class Kill(NamedTuple):
    """The `number`-th time that the store passes a moment, or that one of the threads makes a system call."""

    at: str
    number: int

    @property
    def is_call(self) -> bool:
        return self.at in CALLS


class Place:
    """One database and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.database = folder / "killed.db"
        self.log = folder / "facts"
        self.output = folder / "output"
        self.calls = folder / "calls"

    def findings(self, *, finished: bool) -> list[str]:
        return kill_verdict.findings(self.database, self.log, finished=finished)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def evenly(points: Sequence[Kill], wanted: int) -> list[Kill]:
    """`wanted` of the points, spread over all of them, with the first and the last."""
    if wanted >= len(points):
        return list(points)
    step = (len(points) - 1) / (wanted - 1)
    return [points[round(number * step)] for number in range(wanted)]


def why_no_strace() -> str:
    """Empty when strace can be used in this place."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed"
    probe = [strace, "-qq", "-f", "-e", "trace=fsync", "-o", "/dev/null", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"strace does not work here: {(done.stderr or '?').splitlines()[0]}"


class WarmProcess:
    """A process that has imported everything, and forks one that runs the scenario for each request."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "kill_sweep.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, place: Place, kill: Kill | None = None) -> int:
        """Run the scenario to its end (0) or to its death (KILLED)."""
        status, _ = self._ask(place, kill=kill)
        return status

    def points(self, place: Place) -> list[Kill]:
        """Run the scenario whole; the moments that the store passed, in the order of their first time."""
        status, passed = self._ask(place)
        assert status == 0, place.output.read_text()[-2000:]
        return [Kill(moment, number) for moment, count in passed.items() for number in range(1, count + 1)]

    def calls(self, place: Place) -> list[Kill]:
        """Run the scenario whole; the calls of the thread that makes the most of each kind."""
        status, _ = self._ask(place, trace=True)
        assert status == 0, place.output.read_text()[-2000:]
        by_thread: Counter[tuple[str, str]] = Counter()
        for line in place.calls.read_text().splitlines():
            thread, _, call = line.partition(" ")
            by_thread[call.strip().partition("(")[0], thread] += 1
        most = {name: max([n for (call, _), n in by_thread.items() if call == name], default=0) for name in CALLS}
        return [Kill(name, number) for name, count in most.items() for number in range(1, count + 1)]

    def _ask(self, place: Place, *, kill: Kill | None = None, trace: bool = False) -> tuple[int, dict[str, int]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"folder": str(place.folder), "kill": kill, "trace": trace}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status, passed = json.loads(self._process.stdout.readline())
        return status, passed

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


# ---- in the warm process -----------------------------------------------------------------------------


def serve() -> None:
    """A request a line, an answer a line."""
    import kill_scenario  # noqa: F401 - so that the children need not

    for line in sys.stdin:
        request = json.loads(line)
        kill = Kill(*request["kill"]) if request["kill"] else None
        reading, writing = os.pipe()
        waiting, going = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.close(going)
            _run_child(Path(request["folder"]), kill, writing, waiting)
        os.close(writing)
        os.close(waiting)
        tracer = None
        if request["trace"] or (kill is not None and kill.is_call):
            tracer = _attach(child, kill, Path(request["folder"]) / "calls")
        os.close(going)  # what the child waits for
        with os.fdopen(reading) as passed:
            told = passed.read()
        _, status = os.waitpid(child, 0)
        if tracer is not None:
            tracer.communicate()
        print(json.dumps([os.waitstatus_to_exitcode(status), json.loads(told or "{}")]), flush=True)


def _attach(pid: int, kill: Kill | None, calls: Path) -> subprocess.Popen[str]:
    # Filtering in the kernel (--seccomp-bpf) would be faster, but strace 6.1 then injects no signals.
    what = [f"trace={','.join(CALLS)}"]
    if kill is not None:
        what = [f"trace={kill.at}", f"inject={kill.at}:signal=SIGKILL:when={kill.number}"]
    options = [word for each in what for word in ("-e", each)]
    command = ["strace", "-f", *options, "-o", str(calls), "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    assert "attached" in said, said
    return tracer


def _run_child(folder: Path, kill: Kill | None, tell: int, wait: int) -> None:
    """In the forked child: the scenario, up to its end or its death. Does not return."""
    import kill_scenario

    from tsuzuki.store import Store
    from tsuzuki.testing import Fault, FaultyStore, Moment, Point

    ctypes.CDLL(None).prctl(*_ANY_TRACER, 0, 0, 0)
    os.read(wait, 1)
    output = os.open(folder / "output", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.alarm(SECONDS_MAX)
    stores: list[FaultyStore] = []

    def wrap(store: Store) -> Store:
        at_moment = kill is not None and not kill.is_call
        faults: dict[Any, Fault] = {Moment(Point(kill.at), kill.number): Fault.KILLED} if kill and at_moment else {}
        stores.append(FaultyStore(store, faults))
        return stores[-1]

    code = 1
    try:
        asyncio.run(kill_scenario.run_scenario(str(folder / "killed.db"), str(folder / "facts"), wrap))
        os.write(tell, json.dumps({point.value: count for point, count in stores[0].passed.items()}).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
