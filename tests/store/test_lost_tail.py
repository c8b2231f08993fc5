"""Sudden death: nothing acknowledged is lost, and what the disk did lose is noticed."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from store._process import other_process
from tsuzuki.store import Batch, SqliteStore, StoreFailedError, StoreWentBackError, check_store

WRITER = """
from store._rows import *
from tsuzuki.testing import *
database, point, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = FaultyStore(SqliteStore.open(database), {Moment(Point(point), number): Fault.KILLED})
links, total = 0, 0
for n in range(1, 12):
    events = [started()] if n == 1 else task(3 * n - 4)
    data = History(events=events).SerializeToString()
    links, total = chain(links, data), total + len(data)
    history = HistoryBatch(1, events[0].event_id, events[-1].event_id, links, data)
    update = run_update(due_ns=0, next_event_id=events[-1].event_id + 1, chain=links, history_bytes=total)
    current = CurrentRun(NAMESPACE, "workflow-1", 1)
    new, spaces = ([new_run()], [namespace_row()]) if n == 1 else ([], [])
    store.write(Batch(new, [update], [history], [], [], [current], namespaces=spaces))
    store.commit()
    say(f"committed {n}")
"""


def kill_at(database: Path, point: str, number: int) -> int:
    """Run the writer until it kills itself; returns how many commits it had acknowledged."""
    with other_process(WRITER, database, point, number) as writer:
        return len(writer.rest())


@pytest.mark.parametrize("point", ["before write", "after write", "before commit", "after commit"])
@pytest.mark.parametrize("number", [1, 2, 7, 11])
def test_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half(
    database: Path, point: str, number: int
) -> None:
    acknowledged = kill_at(database, point, number)
    assert acknowledged == number - 1
    assert check_store(database) == []
    with closing(SqliteStore.open(database)) as store:
        committed = number if point == "after commit" else number - 1
        run = store.run(1)
        assert (run is None) == (committed == 0)
        assert len(store.history(1)) == committed
    assert check_store(database) == []


def killed_store(database: Path) -> Path:
    """A store of ten commits whose writer was killed; returns its log."""
    assert kill_at(database, "before commit", 11) == 10
    return Path(f"{database}-wal")


def test_log_cut_by_one_frame_is_a_store_that_went_back(database: Path) -> None:
    log = killed_store(database)
    with LogFrames(log) as frames:
        frames.drop_last()
    with pytest.raises(StoreWentBackError, match=r"holds 10 commits, but 11 had been made, so the last 1 are lost"):
        SqliteStore.open(database)
    with pytest.raises(StoreWentBackError):  # and stays so
        SqliteStore.open(database)
    problems = check_store(database)
    assert [(problem.invariant, problem.what) for problem in problems] == [
        (1, "the store went back: 10 commits, 11 acknowledged")
    ]


def test_log_that_is_gone_is_a_store_that_went_back(database: Path) -> None:
    killed_store(database).unlink()
    with pytest.raises(StoreWentBackError, match=r"holds 0 commits, but 11 had been made"):
        SqliteStore.open(database)


def test_emptied_database_is_a_store_that_went_back(database: Path) -> None:
    SqliteStore.open(database).close()
    database.write_bytes(b"")
    with pytest.raises(StoreWentBackError, match="holds 0 commits, but 1 had been made"):
        SqliteStore.open(database)


def test_older_copy_in_its_place_is_a_store_that_went_back(database: Path, tmp_path: Path) -> None:
    SqliteStore.open(database).close()
    shutil.copy(database, tmp_path / "copy.db")
    SqliteStore.open(database).close()
    shutil.copy(tmp_path / "copy.db", database)
    with pytest.raises(StoreWentBackError, match=rf"delete {database}-commits"):
        SqliteStore.open(database)
    Path(f"{database}-commits").unlink()  # as the message says
    SqliteStore.open(database).close()


def test_copy_under_another_name_is_not_compared_with_the_original(database: Path, tmp_path: Path) -> None:
    SqliteStore.open(database).close()
    copy = tmp_path / "copy.db"
    shutil.copy(database, copy)
    SqliteStore.open(database).close()
    SqliteStore.open(copy).close()


def test_new_database_beside_the_mirror_of_a_deleted_one_is_new(database: Path) -> None:
    for _ in range(3):
        SqliteStore.open(database).close()
    database.unlink()
    with closing(SqliteStore.open(database)) as store:
        assert store.incarnation == 1


@pytest.mark.parametrize("content", [b"", b"tsuzuki1", bytes(36), b"x" * 5000])
def test_torn_mirror_is_no_obstacle(database: Path, content: bytes) -> None:
    SqliteStore.open(database).close()
    Path(f"{database}-commits").write_bytes(content)
    SqliteStore.open(database).close()
    assert Path(f"{database}-commits").read_bytes() != content


def test_every_flipped_bit_of_a_mirror_makes_it_silent(database: Path) -> None:
    from tsuzuki.store._mirror import read_mirror

    SqliteStore.open(database).close()
    mirror = Path(f"{database}-commits")
    good = mirror.read_bytes()
    assert read_mirror(str(mirror)) is not None
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        mirror.write_bytes(flipped)
        assert read_mirror(str(mirror)) is None


def test_mirror_that_lags_is_no_obstacle(database: Path) -> None:
    SqliteStore.open(database).close()
    older = Path(f"{database}-commits").read_bytes()
    SqliteStore.open(database).close()
    Path(f"{database}-commits").write_bytes(older)
    SqliteStore.open(database).close()


def test_reopen_notices_what_was_lost_since_opening(database: Path) -> None:
    SqliteStore.open(database).close()
    older = database.read_bytes()
    with closing(SqliteStore.open(database)) as store:
        store._disconnect()  # else SQLite would put back what its open file still has
        database.write_bytes(older)
        Path(f"{database}-commits").unlink()
        with pytest.raises(StoreWentBackError, match="holds 1 commits, but 2 had been made"):
            store.reopen()
        with pytest.raises(StoreFailedError):
            store.write(Batch())


class LogFrames:
    """The frames of a write-ahead log, as its format is documented: a header of 32 bytes, then frames."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __enter__(self) -> LogFrames:
        self.data = bytearray(self.log.read_bytes())
        self.salt = self.data[16:24]
        self.frame = 24 + int.from_bytes(self.data[8:12], "big")
        return self

    def drop_last(self) -> None:
        """Cut the log before the last frame of its last commit, as if its blocks had never been written."""
        offset = 32
        while self.data[offset + 8 : offset + 16] == self.salt:
            offset += self.frame
        del self.data[offset - self.frame :]

    def __exit__(self, *_: object) -> None:
        self.log.write_bytes(self.data)
