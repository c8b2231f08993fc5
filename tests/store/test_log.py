"""The write-ahead log: laid out in advance, copied in the background, never in a commit's way for long."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from store._process import other_process
from store._rows import run_update, started, whole_run
from tsuzuki.store import Batch, SqliteStore, check_store
from tsuzuki.store._log import LOG_BYTES, lay_out

COMMITS_MAX = 20_000


def times_begun_anew(log: Path) -> int:
    """The checkpoint sequence number in the log's header grows whenever the log begins at its start again."""
    with log.open("rb") as file:
        return int.from_bytes(file.read(16)[12:], "big")


def test_new_log_is_laid_out_and_gone_after_closing(database: Path) -> None:
    store = SqliteStore.open(database)
    assert Path(f"{database}-wal").stat().st_size == LOG_BYTES
    store.close()
    assert not Path(f"{database}-wal").exists()


def test_every_commit_is_synced_to_the_log(database: Path) -> None:
    with closing(SqliteStore.open(database)) as store:
        settings = [store._writer.execute(f"PRAGMA {name}").fetchall() for name in ("journal_mode", "synchronous")]
        assert settings == [[("wal",)], [(2,)]]


def test_write_never_touches_the_disk(database: Path) -> None:
    log = Path(f"{database}-wal")
    with closing(SqliteStore.open(database)) as store:
        before = log.read_bytes()
        store.write(whole_run([started(identity="x" * (20 << 20))]))  # more than the page cache
        assert log.read_bytes() == before
        store.commit()
        assert log.read_bytes() != before


def test_log_with_commits_is_not_touched(database: Path) -> None:
    log = Path(f"{database}-wal")
    database.touch()
    log.write_bytes(b"commits")
    lay_out(str(database))
    assert log.read_bytes() == b"commits"


def test_log_begins_anew_while_commits_go_on(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuzuki.store._log.COPY_AFTER_PAGES", 20)
    log = Path(f"{database}-wal")
    batch = whole_run([started()])
    with closing(SqliteStore.open(database)) as store:
        store.write(batch)
        store.commit()
        first = times_begun_anew(log)
        for memo in range(COMMITS_MAX):
            store.write(Batch(run_updates=[batch.run_updates[0]._replace(sticky_timeout_ns=memo)]))
            store.commit()
            run = store.run(1)
            assert run is not None
            assert run.update.sticky_timeout_ns == memo
            if times_begun_anew(log) >= first + 3:
                break
        else:
            pytest.fail(f"the log never began anew in {COMMITS_MAX} commits")
        assert log.stat().st_size == LOG_BYTES
    assert check_store(database) == []


class WokenOnce:
    """Lets the copying thread's loop run once, in this thread."""

    def __init__(self) -> None:
        self.waits = 0

    def wait(self) -> bool:
        self.waits += 1
        return self.waits == 1

    def clear(self) -> None: ...


def test_commit_after_a_copy_copies_what_came_meanwhile_so_that_the_next_begins_anew(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Path(f"{database}-wal")
    with closing(SqliteStore.open(database)) as store:
        copier = store._copier
        assert copier is not None

        def commit() -> int:
            store.write(Batch(run_updates=[run_update()]))
            store.commit()
            return times_begun_anew(log)

        before = commit()
        assert commit() == before
        with monkeypatch.context() as patched:
            patched.setattr(copier, "_wake", WokenOnce())
            copier._run()
        assert commit() == before + 1  # and copies itself, as the copy before it may be out of date
        assert commit() == before + 2
        assert commit() == before + 2


def test_closing_ends_the_copying_thread(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuzuki.store._log.COPY_AFTER_PAGES", 1)
    before = set(threading.enumerate())
    store = SqliteStore.open(database)
    for _ in range(3):
        store.write(Batch(run_updates=[run_update()]))
        store.commit()
    assert {thread.name for thread in set(threading.enumerate()) - before} == {"tsuzuki log copier"}
    store.close()
    assert set(threading.enumerate()) == before


KILLED_WHILE_COPYING = """
import tsuzuki.store._log
from store._rows import *
tsuzuki.store._log.COPY_AFTER_PAGES = 8
store = SqliteStore.open(sys.argv[1])
batch = whole_run([started()])
store.write(batch)
store.commit()
for n in range(1_000_000):
    store.write(Batch(run_updates=[batch.run_updates[0]._replace(sticky_timeout_ns=n)]))
    store.commit()
    say(f"committed {n}")
"""


@pytest.mark.parametrize("acknowledged", [3, 31, 100, 317])
def test_writer_killed_while_its_log_is_copied_loses_nothing(database: Path, acknowledged: int) -> None:
    with other_process(KILLED_WHILE_COPYING, database) as writer:
        writer.wait_for(f"committed {acknowledged}")
        writer.process.kill()
        said = writer.rest()
    last = int(said[-1].split()[1]) if said else acknowledged
    assert check_store(database) == []
    with closing(SqliteStore.open(database)) as store:
        run = store.run(1)
        assert run is not None
        assert run.update.sticky_timeout_ns in (last, last + 1)
    assert check_store(database) == []
