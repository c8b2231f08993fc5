"""One owner: whoever else opens a store is refused, for as long as the owner's process exists."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from store._process import other_process
from tsuzuki.store import SqliteStore, StoreInUseError

OWNER = """
store = SqliteStore.open(sys.argv[1])
say("open")
wait_to_be_killed()
"""


def assert_owned_by(pid: int, database: Path) -> None:
    with pytest.raises(StoreInUseError, match=rf"in use by process {pid}, since 2") as refused:
        SqliteStore.open(database)
    assert refused.value.owner_pid == pid


def test_second_process_is_told_the_owner_until_the_owner_is_killed(database: Path) -> None:
    with other_process(OWNER, database) as owner:
        owner.wait_for("open")
        assert_owned_by(owner.pid, database)
        owner.process.kill()
        owner.process.wait()
        SqliteStore.open(database).close()


def test_stopped_process_still_owns(database: Path) -> None:
    with other_process(OWNER, database) as owner:
        owner.wait_for("open")
        os.kill(owner.pid, signal.SIGSTOP)
        os.waitpid(owner.pid, os.WUNTRACED)
        assert_owned_by(owner.pid, database)


def test_same_process_cannot_open_twice(database: Path) -> None:
    store = SqliteStore.open(database)
    with pytest.raises(StoreInUseError, match="already open in this process") as refused:
        SqliteStore.open(database)
    assert refused.value.owner_pid == os.getpid()
    store.close()
    SqliteStore.open(database).close()


def test_another_name_of_the_same_file_is_the_same_store(database: Path, tmp_path: Path) -> None:
    store = SqliteStore.open(database)
    (tmp_path / "link.db").symlink_to(database)
    with pytest.raises(StoreInUseError):
        SqliteStore.open(tmp_path / "link.db")
    store.close()


def test_failed_opening_gives_ownership_back(database: Path) -> None:
    SqliteStore.open(database).close()
    good = database.read_bytes()
    database.write_bytes(good[:100] + bytes(len(good) - 100))
    with pytest.raises(Exception, match="damaged"):
        SqliteStore.open(database)
    database.write_bytes(good)
    SqliteStore.open(database).close()


def test_forked_child_does_not_keep_a_dead_owners_lock(database: Path) -> None:
    script = """
import os
store = SqliteStore.open(sys.argv[1])
if os.fork() == 0:
    say("open")  # by the child: from here on it has closed its copy of the lock
    wait_to_be_killed()  # outlives its parent, as a worker of a process pool may
    say("child ends")
    os._exit(0)
wait_to_be_killed()
"""
    with other_process(script, database) as owner:
        owner.wait_for("open")
        assert_owned_by(owner.pid, database)
        owner.process.kill()
        owner.process.wait()
        SqliteStore.open(database).close()
        assert owner.process.stdin is not None
        owner.process.stdin.close()
        owner.wait_for("child ends")


def test_lock_file_of_a_dead_owner_with_any_content_is_no_obstacle(database: Path) -> None:
    Path(f"{database}-owner").write_text("\x00 not json")
    SqliteStore.open(database).close()


def test_writer_whose_lock_file_was_deleted_is_fenced_off_by_the_next_owner(database: Path) -> None:
    from store._rows import run_update, started, whole_run
    from tsuzuki.store import Batch, StoreFailedError

    first = SqliteStore.open(database)
    first.write(whole_run([started()]))
    first.commit()
    Path(f"{database}-owner").unlink()
    second = SqliteStore.open(database)
    with pytest.raises(StoreFailedError, match="written by somebody else"):
        first.write(Batch(run_updates=[run_update(next_event_id=99)]))
    with pytest.raises(StoreFailedError, match="takes no writes"):
        first.write(Batch(run_updates=[run_update(next_event_id=99)]))
    second.write(Batch(run_updates=[run_update(next_event_id=3)]))
    second.commit()
    with pytest.raises(StoreFailedError, match="used by somebody else"):
        first.reopen()
    run = second.run(1)
    assert run is not None
    assert run.update.next_event_id == 3
    first.close()
    second.close()
