"""The faulty store does what the real one would: nothing of a refused transaction stays, a failed one stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store._rows import new_run, run_update, started, whole_run
from tsuzuki.store import Batch, SqliteStore, StoreFailedError, StoreFullError
from tsuzuki.testing import Fault, FaultyStore, Moment, Point


@pytest.fixture(params=["file", "memory"])
def inner(request: pytest.FixtureRequest, database: Path) -> Iterator[SqliteStore]:
    store = SqliteStore.open(database if request.param == "file" else None)
    yield store
    store.close()


BATCH = whole_run([started()])


@pytest.mark.parametrize("point", [Point.BEFORE_WRITE, Point.AFTER_WRITE, Point.BEFORE_COMMIT])
def test_full_leaves_nothing_and_the_next_try_works(inner: SqliteStore, point: Point) -> None:
    store = FaultyStore(inner, {Moment(point, 1): Fault.FULL})

    def put() -> None:
        store.write(BATCH)
        store.commit()

    with pytest.raises(StoreFullError, match=f"injected {point.value} 1"):
        put()
    assert store.run(1) is None
    put()
    assert store.run(1) is not None


@pytest.mark.parametrize(("point", "kept"), [(Point.BEFORE_COMMIT, False), (Point.AFTER_COMMIT, True)])
def test_failed_commit_has_either_outcome_and_stops_writes_until_reopened(
    inner: SqliteStore, point: Point, kept: bool
) -> None:
    store = FaultyStore(inner, {Moment(point, 1): Fault.FAILED})
    store.write(BATCH)
    with pytest.raises(StoreFailedError, match="outcome is unknown"):
        store.commit()
    with pytest.raises(StoreFailedError, match="reopen it"):
        store.write(BATCH)
    with pytest.raises(StoreFailedError, match="reopen it"):
        store.commit()
    store.reopen()
    assert (store.run(1) is not None) == kept
    store.write(whole_run([started(2)], new=new_run(2)))
    store.commit()
    assert store.run(2) is not None


def test_moments_are_counted_and_announced(inner: SqliteStore) -> None:
    seen: list[Moment] = []
    store = FaultyStore(inner, on_moment=seen.append)
    store.write(BATCH)
    store.write(Batch(run_updates=[run_update()]))
    store.commit()
    assert seen == [
        Moment(Point.BEFORE_WRITE, 1),
        Moment(Point.AFTER_WRITE, 1),
        Moment(Point.BEFORE_WRITE, 2),
        Moment(Point.AFTER_WRITE, 2),
        Moment(Point.BEFORE_COMMIT, 1),
        Moment(Point.AFTER_COMMIT, 1),
    ]
    assert store.passed == {
        Point.BEFORE_WRITE: 2,
        Point.AFTER_WRITE: 2,
        Point.BEFORE_COMMIT: 1,
        Point.AFTER_COMMIT: 1,
    }


def test_full_after_a_commit_is_refused(inner: SqliteStore) -> None:
    with pytest.raises(ValueError, match="never after"):
        FaultyStore(inner, {Moment(Point.AFTER_COMMIT, 1): Fault.FULL})
