"""The command line: the whole table, a part of it, or a profile."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import _machine, _memory, _profile, _replay, _restart, _served, _step, _table, _throughput
from benchmarks._progress import say
from benchmarks._table import Row

MEASURED = "abcdefg"
ROUNDS = 5


def main() -> None:
    arguments = _arguments()
    parent = arguments.folder or Path(tempfile.gettempdir())
    if arguments.folder is None and _machine.on_memory(parent):
        parent = Path.cwd()
    folder = Path(tempfile.mkdtemp(prefix="tsuzuki-benchmark-", dir=parent))
    try:
        if arguments.profile is not None:
            _profile.run(arguments.profile, None if arguments.memory else folder, calls=arguments.calls)
            return
        machine = _machine.describe(folder)
        for line in machine:
            say(line)
        table = _table.render(machine, _rows(arguments, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table)
    if arguments.write is not None:
        _table.write(arguments.write, table)


def _rows(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    parts: dict[str, Callable[[], list[Row]]] = {
        "a": lambda: _step.measure(folder, arguments.rounds),
        "b": lambda: _throughput_rows(arguments, folder),
        "d": lambda: _replay.measure(folder, arguments.rounds),
        "e": lambda: _restart.measure(folder, min(arguments.rounds, 3)),
        "f": lambda: _memory.measure(folder, min(arguments.rounds, 3)),
        "g": lambda: _served.measure(folder, min(arguments.rounds, 3)),
    }
    rows: list[Row] = []
    for letter, part in parts.items():
        if letter in arguments.only or (letter == "b" and "c" in arguments.only):
            rows += part()
    return rows


def _throughput_rows(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    sides = _throughput.open_sides(arguments.sides, folder)
    try:
        rows: list[Row] = []
        for letter, load in _throughput.LOADS.items():
            if letter in arguments.only:
                rows += _throughput.measure(load, sides, arguments.rounds)
        return rows
    finally:
        for side in sides.values():
            side.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "profile", nargs="*", metavar="profile LETTER", help="show where the time of a to d, or g, goes"
    )
    parser.add_argument("--only", default=MEASURED, help="letters of the measurements to take, e.g. bc")
    parser.add_argument("--sides", default="tsuzuki,temporal,dbos", help="who takes part in b and c")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each (default {ROUNDS})")
    parser.add_argument("--folder", type=Path, help="where to make the databases (default: temporary folder)")
    parser.add_argument("--write", type=Path, help="also put the table into this document")
    parser.add_argument("--memory", action="store_true", help="profile: no disk, a database in memory")
    parser.add_argument("--calls", action="store_true", help="profile: count calls (cProfile), slower")
    arguments = parser.parse_args()
    arguments.sides = arguments.sides.split(",")
    words = arguments.profile
    if words and (words[0] != "profile" or len(words) != 2 or words[1] not in "abcdg"):
        parser.error("expected: profile a, profile b, profile c, profile d or profile g")
    arguments.profile = words[1] if words else None
    return arguments


if __name__ == "__main__":
    main()
