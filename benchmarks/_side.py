"""A side: one engine with its worker, in a process of its own, that runs batches when told.

Sides stay up between rounds, so that a round measures work and not start-up, and never share an
interpreter, so that none pays for another's threads. Parent and child speak JSON lines over the child's
standard input and output; the child ends when its input ends, so that nothing outlives a killed parent.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

SIDES = ("tsuzuki", "temporal", "dbos")
TITLES = {
    "tsuzuki": "Tsuzuki, embedded",
    "temporal": "Temporal dev server",
    "dbos": "DBOS on SQLite",
}


class Side(Protocol):
    """What a peer's file offers as `open_side`."""

    async def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        """Run `workflows` workflows of `steps` sequential activities; seconds until all have answered."""
        ...

    async def close(self) -> None: ...


class SideProcess:
    """The parent's end of a side. `options` are told to its `open_side`."""

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.name = name
        log = folder / f"{'-'.join((name, *options))}.log"
        self._log = log
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "benchmarks._side", name, str(folder), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._read()  # it says when it serves

    def batch(self, workflows: int, steps: int, concurrency: int) -> float:
        """As `Side.batch`, and then per second: workflows if `steps` is 1, else activities."""
        seconds: float = self.ask("batch", workflows=workflows, steps=steps, concurrency=concurrency)
        return workflows * steps / seconds

    def ask(self, method: str, **arguments: int) -> Any:
        """Call a method of the side, and wait for its answer."""
        self._write({"method": method, "arguments": arguments})
        return self._read()["answer"]

    def close(self) -> None:
        """End the child by ending its input; kill it if it does not go."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _write(self, message: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(message) + "\n")
        self._child.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"the {self.name} side ended with {self._child.wait()}:\n{tail}")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def timed(batch: asyncio.Future[list[object]], steps: int) -> float:
    """Seconds until `batch` is done, after making sure that every workflow really ran its steps."""
    began = time.perf_counter()
    results = await batch
    seconds = time.perf_counter() - began
    assert all(result == steps for result in results), "a workflow did not run all its steps"
    return seconds


async def _serve(name: str, folder: Path, *options: str) -> None:
    # Whatever the engine prints goes to the log; answers have the original output for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side: Side = await importlib.import_module(f"benchmarks._side_{name}").open_side(folder, *options)
    try:
        print(json.dumps({"serving": 1}), file=answers, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            answer = await getattr(side, asked["method"])(**asked["arguments"])
            print(json.dumps({"answer": answer}), file=answers, flush=True)
    finally:
        await side.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
    os._exit(0)  # a peer's idle thread must not keep the run waiting
