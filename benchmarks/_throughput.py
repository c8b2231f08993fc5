"""(b) workflows/s with one activity each, (c) activities/s of sequences: Tsuzuki between its peers.

A round runs ours before each peer, so that each peer's number has a neighbour of ours to be divided by.
Counts differ between sides to make batches of comparable length; what is compared is the rate.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._progress import say
from benchmarks._series import Series, number, ratios
from benchmarks._side import TITLES, SideProcess
from benchmarks._table import Goal, Row

CONCURRENCY = 50
GOALS = {"temporal": Goal(40, at_least=True), "dbos": Goal(15, at_least=True)}


@dataclass(frozen=True)
class Load:
    """What each side is given in one round."""

    letter: str
    title: str
    unit: str
    steps: int
    workflows: dict[str, int]
    batches: dict[str, int]
    """One after another in a round, so that a round of the fast is not over in a moment."""


LOADS = {
    "b": Load(
        "b",
        "workflows of one activity, 50 at once",
        " workflows/s",
        1,
        {"tsuzuki": 1000, "dbos": 300, "temporal": 100},
        {"tsuzuki": 1, "dbos": 1, "temporal": 1},
    ),
    "c": Load(
        "c",
        "50 workflows of 10 sequential activities",
        " activities/s",
        10,
        {"tsuzuki": 50, "dbos": 50, "temporal": 50},
        {"tsuzuki": 4, "dbos": 1, "temporal": 1},
    ),
}
WARM_UP = {"tsuzuki": 200, "dbos": 50, "temporal": 50}


def open_sides(names: Sequence[str], folder: Path) -> dict[str, SideProcess]:
    """Start each side and let it warm up."""
    sides: dict[str, SideProcess] = {}
    for name in names:
        say(f"starting {TITLES[name]}")
        sides[name] = SideProcess(name, folder)
        sides[name].batch(WARM_UP[name], 1, CONCURRENCY)
    return sides


def measure(load: Load, sides: dict[str, SideProcess], rounds: int) -> list[Row]:
    """Alternate the sides for `rounds` rounds; one row for each peer."""
    peers = [name for name in sides if name != "tsuzuki"]
    ours: dict[str, list[float]] = {peer: [] for peer in peers or ["tsuzuki"]}
    theirs: dict[str, list[float]] = {peer: [] for peer in peers}
    for turn in range(rounds):
        seen: list[str] = []
        for peer in ours:
            if "tsuzuki" in sides:
                ours[peer].append(_run(load, sides["tsuzuki"]))
                seen.append(f"ours {number(ours[peer][-1])}")
            if peer in theirs:
                theirs[peer].append(_run(load, sides[peer]))
                seen.append(f"{TITLES[peer]} {number(theirs[peer][-1])}")
        say(f"({load.letter}) round {turn + 1}/{rounds}: " + ", ".join(seen) + load.unit)
    return [_row(load, peer, mine, theirs.get(peer, [])) for peer, mine in ours.items()]


def _run(load: Load, side: SideProcess) -> float:
    count = load.batches[side.name]
    rates = [side.batch(load.workflows[side.name], load.steps, CONCURRENCY) for _ in range(count)]
    return statistics.harmonic_mean(rates)


def _row(load: Load, peer: str, ours: list[float], theirs: list[float]) -> Row:
    return Row(
        load.letter,
        load.title,
        Series.of(ours).show(load.unit) if ours else "not run",
        f"{TITLES[peer]}: {Series.of(theirs).show(load.unit)}" if theirs else "",
        ratio=ratios(ours, theirs) if ours and theirs else None,
        goal=GOALS[peer] if theirs else None,
    )
