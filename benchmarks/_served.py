"""(g) the official client and worker, the same program, on our server and on the real development server.

A round runs ours and the other one after the other, with database files and then in memory. Server and program are two
processes on one machine. The latencies are those of the calls as the client sees them, under that load.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks._progress import say
from benchmarks._series import Series, number, percentile, ratios
from benchmarks._side import SideProcess
from benchmarks._table import Goal, Row

CONCURRENCY = 50
KINDS = ("tsuzuki", "temporal")
STORES = {"file": Goal(5, at_least=True), "memory": Goal(3, at_least=True)}
WORKFLOWS = {
    ("tsuzuki", "file"): 500,
    ("temporal", "file"): 100,
    ("tsuzuki", "memory"): 500,
    ("temporal", "memory"): 250,
}
WARM_UP = 100
SIGNALS_EACH = 5


class Measured:
    """What one server showed, a value for each round."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.start_ms: list[float] = []
        self.signal_ms: list[float] = []

    def round(self, side: SideProcess, workflows: int) -> None:
        starts = side.ask("starts", workflows=workflows, steps=1, concurrency=CONCURRENCY)
        self.rates.append(workflows / starts["seconds"])
        self.start_ms.append(percentile(starts["latencies_ms"], 99))
        signals = side.ask("signals", workflows=workflows // 2, each=SIGNALS_EACH, concurrency=CONCURRENCY)
        self.signal_ms.append(percentile(signals["latencies_ms"], 99))


def measure(folder: Path, rounds: int) -> list[Row]:
    """Rates and latencies beside those of the development server, for each kind of store."""
    sides: dict[tuple[str, str], SideProcess] = {}
    try:
        for key in WORKFLOWS:
            say(f"starting the {key[0]} server, {key[1]}")
            sides[key] = SideProcess("served", folder, *key)
            sides[key].batch(WARM_UP, 1, CONCURRENCY)
        measured = {key: Measured() for key in sides}
        for turn in range(rounds):
            for key, side in sides.items():
                measured[key].round(side, WORKFLOWS[key])
            shown = ", ".join(f"{' '.join(key)} {number(of.rates[-1])}" for key, of in measured.items())
            say(f"(g) round {turn + 1}/{rounds}: {shown} workflows/s")
    finally:
        for side in sides.values():
            side.close()
    return [
        row
        for store, goal in STORES.items()
        for row in _rows(store, measured["tsuzuki", store], measured["temporal", store], goal)
    ]


def _rows(store: str, ours: Measured, theirs: Measured, goal: Goal) -> list[Row]:
    where = {"file": "database file", "memory": "in memory"}[store]
    return [
        _row(
            f"official worker, {where}: workflows of one activity, 50 at once",
            " workflows/s",
            ours.rates,
            theirs.rates,
            goal,
        ),
        _row("the same: start latency, 99th percentile", " ms", ours.start_ms, theirs.start_ms),
        _row(f"official worker, {where}: signal latency, 99th percentile", " ms", ours.signal_ms, theirs.signal_ms),
    ]


def _row(what: str, unit: str, ours: list[float], theirs: list[float], goal: Goal | None = None) -> Row:
    beside = f"Temporal dev server: {Series.of(theirs).show(unit)}"
    return Row("g", what, Series.of(ours).show(unit), beside, ratio=ratios(ours, theirs), goal=goal)
