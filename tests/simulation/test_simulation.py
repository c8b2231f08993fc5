"""The engine lives through random lives: requests, answers lost and doubled, a failing disk, kills, clocks set back.

After each life nothing that anybody was told is lost, and everything comes to its end once the disk and the workers
are good. A failing seed prints the line that runs it again. `TSUZUKI_SIMULATION_SEEDS` takes more of them.
"""

from __future__ import annotations

import logging
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sim_life import simulate

ALWAYS = 150
OPERATED = 25
RELATED = 40
NEW = int(os.environ.get("TSUZUKI_SIMULATION_SEEDS", "100"))

FOUND = {
    1: "a run that left memory while it was being changed was never offered again",
    22: "a run that had left memory was loaded for a timer of its past for ever",
    111: "a retried workflow task was recorded with a time after a signal that came during it",
    169: "after a restart and a clock set back, an event was earlier than one that had waited",
    254: "a second life of the same: a start after a restart",
    137: "a retried workflow task showed its worker other times than history got",
    384086512: "no fault: a worker got a task ahead of a commit that failed before it could look at it",
    22233: "no fault yet: would be, if a run went on with its worker's memory after a failed commit",
    570: "a poll that was answered empty and cancelled at once ended with an error",
}
"""Seeds that failed once, and what they found."""

FOUND_RELATED = {
    171: "an earlier run of a scheduled workflow, read again, was taken for the end of the workflow",
    227: "no fault: a signal was sent again to the run that a reset made",
    511899005: "no fault: a worker accepted again, task after task, what its history said it had accepted",
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Lives do not need a real disk: they break a simulated one."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine complains about its disk a thousand times; rightly."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def broken_promises(seeds: list[int], folder: Path, *, operated: bool = False, related: bool = False) -> str:
    said = []
    for seed in seeds:
        found, world = simulate(seed, folder, operated=operated or (related and seed % 3 == 0), related=related)
        if found:
            which = "one_related_seed" if related else "one_operated_seed" if operated else "one_seed"
            said.append(f"TSUZUKI_SEED={seed} pytest tests/simulation -k {which}")
            said += [f"    {what}" for what in found[:5]] + [f"    after: {' '.join(world.story[-12:])}"]
    return "\n".join(said)


@pytest.mark.parametrize("seed", FOUND)
def test_found_before(seed: int, folder: Path) -> None:
    assert not broken_promises([seed], folder)


@pytest.mark.parametrize("first", range(1, ALWAYS + 1, 50))
def test_always_the_same(first: int, folder: Path) -> None:
    assert not broken_promises(list(range(first, first + 50)), folder)


def test_new_ones_each_time(folder: Path) -> None:
    first = random.randrange(10_000, 1_000_000_000)
    print(f"seeds {first} to {first + NEW - 1}; one of them: TSUZUKI_SEED={first} pytest tests/simulation -k one_seed")
    assert not broken_promises(list(range(first, first + NEW)), folder)


def test_people_pause_and_reset_what_they_like(folder: Path) -> None:
    first = random.randrange(10_000, 1_000_000_000)
    print(f"one of them: TSUZUKI_SEED={first} pytest tests/simulation -k one_operated_seed")
    assert not broken_promises([*range(1, OPERATED + 1), *range(first, first + OPERATED)], folder, operated=True)


@pytest.mark.parametrize("seed", FOUND_RELATED)
def test_found_before_between_runs(seed: int, folder: Path) -> None:
    assert not broken_promises([seed], folder, related=True)


def test_runs_have_to_do_with_each_other(folder: Path) -> None:
    first = random.randrange(10_000, 1_000_000_000)
    print(f"one of them: TSUZUKI_SEED={first} pytest tests/simulation -k one_related_seed")
    assert not broken_promises([*range(1, RELATED + 1), *range(first, first + RELATED)], folder, related=True)


@pytest.mark.skipif("TSUZUKI_SEED" not in os.environ, reason="set TSUZUKI_SEED to run one life again")
def test_one_related_seed(folder: Path) -> None:
    assert not broken_promises([int(os.environ["TSUZUKI_SEED"])], folder, related=True)


@pytest.mark.skipif("TSUZUKI_SEED" not in os.environ, reason="set TSUZUKI_SEED to run one life again")
def test_one_operated_seed(folder: Path) -> None:
    assert not broken_promises([int(os.environ["TSUZUKI_SEED"])], folder, operated=True)


@pytest.mark.skipif("TSUZUKI_SEED" not in os.environ, reason="set TSUZUKI_SEED to run one life again")
def test_one_seed(folder: Path) -> None:
    assert not broken_promises([int(os.environ["TSUZUKI_SEED"])], folder)
