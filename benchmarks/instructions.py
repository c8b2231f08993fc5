"""Instructions of the processor for each workflow or activity, counted by valgrind: a number that other programs on the
machine do not move, to tell whether a change of the code is one.

    python -m benchmarks.instructions        # a, b and c
    python -m benchmarks.instructions b

Each measurement is taken with a small and with a large number of workflows, in processes of their own; the difference
is free of what starting costs. A database in memory, the garbage collector off (when it runs depends on what else was
made), hashes without chance: the same code gives the same number within half a per cent. It says nothing of disks,
caches and waiting. A process takes half a minute or more.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
from typing import Final, NamedTuple

from benchmarks._side_tsuzuki import open_side

WARM_UP: Final = 200
CONCURRENCY: Final = 50


class Load(NamedTuple):
    """How many workflows of how many steps, at least and at most."""

    unit: str
    few: tuple[int, int]
    many: tuple[int, int]


LOADS: Final = {
    "a": Load("sequential step", (1, 100), (1, 500)),
    "b": Load("workflow of one activity", (100, 1), (500, 1)),
    "c": Load("activity", (10, 10), (60, 10)),
}


def main() -> None:
    for letter in sys.argv[1] if len(sys.argv) > 1 else LOADS:
        load = LOADS[letter]
        few, many = (_count(*size) for size in (load.few, load.many))
        units = load.many[0] * load.many[1] - load.few[0] * load.few[1]
        print(f"({letter}) {(many - few) / units / 1000:,.0f} thousand instructions for each {load.unit}", flush=True)


def _count(workflows: int, steps: int) -> int:
    """The instructions of a process that runs so many workflows."""
    counted = subprocess.run(
        [
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
            sys.executable,
            "-c",
            f"from benchmarks.instructions import run; run({workflows}, {steps})",
        ],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.search(r"I +refs: +([\d,]+)", counted.stderr)
    if counted.returncode or found is None:
        sys.exit(f"valgrind did not count:\n{counted.stderr}")
    return int(found[1].replace(",", ""))


def run(workflows: int, steps: int) -> None:
    """What is counted: called in a process of its own."""
    gc.disable()
    asyncio.run(_run(workflows, steps))


async def _run(workflows: int, steps: int) -> None:
    side = await open_side(None)
    await side.batch(WARM_UP, 1, CONCURRENCY)
    await side.batch(workflows, steps, CONCURRENCY)
    await side.close()


if __name__ == "__main__":
    main()
