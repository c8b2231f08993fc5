"""A full or failing disk: refused clearly, reads go on, and work goes on once there is room."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from store._rows import new_run, run_update, started, whole_run
from tsuzuki.store import Batch, SqliteStore, StoreError, StoreFailedError, StoreFullError, check_store

LARGE = "x" * (3 << 20)


def large_run(run_key: int, copies: int = 1) -> Batch:
    """A run that needs a few MiB: more than the room of these tests leaves."""
    return whole_run([started(run_key, identity=LARGE * copies)], new=new_run(run_key))


def put(store: SqliteStore, batch: Batch) -> None:
    store.write(batch)
    store.commit()


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("place", ["file", "memory"])
def test_full_in_a_write_undoes_the_transaction_and_work_goes_on_with_room(
    database: Path, place: str, reopened: bool
) -> None:
    store = SqliteStore.open(database if place == "file" else None)
    put(store, whole_run([started(1)]))
    room = store._writer.execute("PRAGMA max_page_count").fetchall()[0][0]
    store._writer.execute("PRAGMA max_page_count = 60").fetchall()
    store.write(Batch(run_updates=[run_update(next_event_id=77)]))  # of the same transaction
    with pytest.raises(StoreFullError, match=r"is full: a write found no room.*Make room"):
        store.write(large_run(2))
    store.commit()  # nothing is left to commit
    run = store.run(1)
    assert run is not None
    assert run.update.next_event_id == 2
    assert store.run(2) is None
    put(store, Batch(run_updates=[run_update(next_event_id=3)]))  # what fits still works
    if reopened:
        store.reopen()
    store._writer.execute(f"PRAGMA max_page_count = {room}").fetchall()
    put(store, large_run(2))
    assert len(store.history(2)) == 1
    store.close()


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_in_a_commit_undoes_the_transaction_and_work_goes_on_with_room(tmp_path: Path) -> None:
    with small_disk(tmp_path, 20) as folder, closing(SqliteStore.open(folder / "store.db")) as store:
        put(store, whole_run([started(1)]))
        filler = folder / "filler"
        space = os.statvfs(folder)
        filler.write_bytes(bytes(space.f_bavail * space.f_frsize))
        store.write(large_run(2, copies=3))  # more than the laid-out log
        with pytest.raises(StoreFullError, match="a commit found no room"):
            store.commit()
        assert store.run(1) is not None
        assert store.run(2) is None
        put(store, Batch(run_updates=[run_update(next_event_id=3)]))
        with pytest.raises(StoreFullError):
            put(store, large_run(2, copies=3))
        filler.unlink()
        put(store, large_run(2, copies=3))
        assert len(store.history(2)) == 1


def test_full_disk_at_opening(tmp_path: Path) -> None:
    with small_disk(tmp_path, 1) as folder:
        space = os.statvfs(folder)
        (folder / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize - (16 << 10)))
        with pytest.raises(StoreError, match=r"no room|full|cannot open"):
            SqliteStore.open(folder / "store.db")
        (folder / "filler").unlink()
        SqliteStore.open(folder / "store.db").close()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writes past the size fail in a way that is not a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_failing_disk_stops_all_writes_until_reopened(database: Path) -> None:
    store = SqliteStore.open(database)
    first = whole_run([started(1)])
    put(store, first)
    store.write(large_run(2, copies=3))
    with files_no_larger_than(9 << 20), pytest.raises(StoreFailedError, match=r"unknown; reopen"):
        store.commit()
    with pytest.raises(StoreFailedError, match="takes no writes; reopen it"):
        store.write(Batch(run_updates=[run_update(next_event_id=3)]))
    assert store.run(1) is not None  # reads go on
    incarnation = store.incarnation
    store.reopen()
    assert store.incarnation == incarnation
    assert store.run(2) is None
    put(store, large_run(2, copies=3))
    put(store, Batch(run_updates=[first.run_updates[0]]))
    store.close()
    assert check_store(database) == []


def test_reopen_moves_everything_out_of_a_log_whose_sync_may_have_failed(database: Path) -> None:
    store = SqliteStore.open(database)
    put(store, whole_run([started(1)]))
    with closing(sqlite3.connect(database)) as onlooker:  # keeps SQLite from deleting the log by itself
        onlooker.execute("SELECT count(*) FROM runs").fetchall()
        store.reopen()
        assert Path(f"{database}-wal").stat().st_size == 0
        assert b"run-1" in database.read_bytes()
    store.close()
