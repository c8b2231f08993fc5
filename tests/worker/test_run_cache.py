"""The runs that a worker keeps alive: each at most once, and none is dropped without being evicted."""

from __future__ import annotations

from typing import Any

import pytest

from tsuzuki.worker._run_cache import RunCache


class Run:
    """As much of a run as a cache knows."""

    def __init__(self, history_length: int = 1) -> None:
        self.history_length = history_length
        self.evicted = 0

    def evict(self) -> None:
        self.evicted += 1


def test_the_one_that_was_used_longest_ago_has_to_go() -> None:
    cache, runs = RunCache(2), [Run(), Run(), Run()]
    first, second, third = runs
    keep(cache, "first", first)
    keep(cache, "second", second)
    keep(cache, "first", take(cache, "first"))
    keep(cache, "third", third)
    assert ([run.evicted for run in runs], cache.evictions, len(cache)) == ([0, 1, 0], 1, 2)


def test_with_no_room_none_is_kept() -> None:
    cache, run = RunCache(0), Run()
    keep(cache, "run", run)
    assert (run.evicted, len(cache)) == (1, 0)


@pytest.mark.parametrize(("kept", "stays"), [(5, False), (4, True), (3, True)])
def test_of_two_of_one_run_the_one_that_has_come_further_stays(kept: int, stays: bool) -> None:
    """A query replayed the run while a workflow task had it."""
    cache, other, run = RunCache(2), Run(kept), Run(4)
    keep(cache, "run", other)
    keep(cache, "run", run)
    assert (run.evicted, other.evicted) == ((0, 1) if stays else (1, 0))
    assert take(cache, "run") is (run if stays else other)


def test_the_same_run_may_be_kept_again() -> None:
    cache, run = RunCache(2), Run()
    keep(cache, "run", run)
    keep(cache, "run", run)
    assert (run.evicted, len(cache)) == (0, 1)
    cache.clear()
    assert run.evicted == 1


def keep(cache: RunCache, run_id: str, run: Any) -> None:
    cache.keep(run_id, run)


def take(cache: RunCache, run_id: str) -> Any:
    return cache.take(run_id)
