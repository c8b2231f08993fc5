"""Bad places and bad files: each is refused with what, where, what was expected and what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store._rows import started, whole_run
from tsuzuki.store import (
    EVERYTHING,
    SqliteStore,
    StoreError,
    StoreInUseError,
    StoreNotADatabaseError,
    StoreReadOnlyError,
    StoreTooNewError,
)
from tsuzuki.store._schema import MIGRATIONS, SCHEMA_VERSION, Migration, migrate, stored_version

NOBODY = 65534


def files_beside(database: Path) -> list[str]:
    return sorted(path.name for path in database.parent.iterdir())


def test_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreNotADatabaseError, match=r"is a folder; expected .*tsuzuki\.db"):
        SqliteStore.open(tmp_path)


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder .*nowhere\. Create it"):
        SqliteStore.open(tmp_path / "nowhere" / "store.db")


@pytest.mark.parametrize("content", [b"x", b"GIF89a" + bytes(5000), b"SQLite format 2\0" + bytes(5000)])
def test_file_that_is_something_else_is_left_alone(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    with pytest.raises(StoreNotADatabaseError, match=r"store\.db is not a database.*Nothing was changed"):
        SqliteStore.open(database)
    assert database.read_bytes() == content
    assert files_beside(database) == ["store.db"]


def test_database_of_another_application_is_left_alone(database: Path) -> None:
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE runs (x)")
    content = database.read_bytes()
    with pytest.raises(StoreNotADatabaseError, match="database of another application"):
        SqliteStore.open(database)
    assert database.read_bytes() == content
    assert files_beside(database) == ["store.db"]


def test_damaged_database(database: Path) -> None:
    SqliteStore.open(database).close()
    data = bytearray(database.read_bytes())
    data[100:4096] = bytes(3996)  # the schema's page; the header stays
    database.write_bytes(data)
    with pytest.raises(StoreNotADatabaseError, match=r"is damaged.*restore a backup"):
        SqliteStore.open(database)


def test_damage_met_while_reading(database: Path) -> None:
    store = SqliteStore.open(database)
    for run_key in range(1, 200):
        from store._rows import new_run

        store.write(whole_run([started(run_key)], new=new_run(run_key)))
    store.commit()
    store.close()
    data = bytearray(database.read_bytes())
    data[4096 * 2 :] = b"\xff" * (len(data) - 4096 * 2)
    database.write_bytes(data)
    with pytest.raises(StoreNotADatabaseError, match="is damaged"):
        read_everything(database)


def read_everything(database: Path) -> None:
    store = SqliteStore.open(database)
    try:
        store.list_runs("default", EVERYTHING, None, 1000)
    finally:
        store.close()


def test_empty_file_becomes_a_store(database: Path) -> None:
    database.touch()
    store = SqliteStore.open(database)
    assert store.last_run_key == 0
    store.close()


def test_another_programs_lock_is_waited_for_and_then_named(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore.open(database).close()
    monkeypatch.setattr("tsuzuki.store._place._BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreInUseError, match="another program holds a lock"):
            SqliteStore.open(database)
        other.execute("ROLLBACK")
    SqliteStore.open(database).close()


# -- read-only


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder as an ordinary user sees it, also when the tests run as root."""
    made = Path(tempfile.mkdtemp())
    effective = os.geteuid()
    if effective == 0:
        os.chown(made, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield made
    if effective == 0:
        os.seteuid(0)
    made.chmod(0o700)
    shutil.rmtree(made)


def test_folder_that_cannot_be_written(folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(StoreReadOnlyError, match=r"cannot write store .*-owner: Permission denied"):
        SqliteStore.open(folder / "store.db")


@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_file_that_cannot_be_written(folder: Path, mode: int) -> None:
    database = folder / "store.db"
    SqliteStore.open(database).close()
    database.chmod(mode)
    with pytest.raises(StoreReadOnlyError, match=r"cannot write store .* must both be writable"):
        SqliteStore.open(database)


# -- schema versions


def test_store_of_a_newer_version_is_left_alone(database: Path) -> None:
    SqliteStore.open(database).close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    content = database.read_bytes()
    with pytest.raises(StoreTooNewError, match=rf"version {SCHEMA_VERSION + 1}.* up to {SCHEMA_VERSION}.*upgrade"):
        SqliteStore.open(database)
    assert database.read_bytes() == content


ADDED = Migration(SCHEMA_VERSION + 1, ("ALTER TABLE runs ADD COLUMN note TEXT", "UPDATE runs SET note = 'old'"))


def open_with(database: Path, monkeypatch: pytest.MonkeyPatch, step: Migration) -> SqliteStore:
    monkeypatch.setattr("tsuzuki.store._schema.SCHEMA_VERSION", step.version)
    monkeypatch.setattr("tsuzuki.store._schema.migrate.__defaults__", ((*MIGRATIONS, step),))
    return SqliteStore.open(database)


def test_older_store_takes_the_steps_that_it_lacks_and_keeps_its_runs(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore.open(database)
    store.write(whole_run([started()]))
    store.commit()
    before = store.run(1)
    store.close()
    store = open_with(database, monkeypatch, ADDED)
    assert store.run(1) == before
    store.close()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT note FROM runs").fetchall() == [("old",)]
        assert stored_version(connection, "") == ADDED.version


def test_step_that_fails_leaves_the_version_before(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore.open(database).close()
    broken = Migration(SCHEMA_VERSION + 1, ("CREATE TABLE half (x)", "DELETE FROM no_such_table"))
    with monkeypatch.context() as patched, pytest.raises(StoreError, match="no_such_table"):
        open_with(database, patched, broken)
    SqliteStore.open(database).close()
    with closing(sqlite3.connect(database)) as connection:
        assert stored_version(connection, "") == SCHEMA_VERSION
        assert connection.execute("SELECT * FROM sqlite_schema WHERE name = 'half'").fetchall() == []


def test_steps_are_numbered_without_gaps() -> None:
    assert [step.version for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_migrating_twice_changes_nothing(database: Path) -> None:
    SqliteStore.open(database).close()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        before = connection.execute("SELECT store_id FROM meta").fetchall()
        migrate(connection, stored_version(connection, ""))
        assert connection.execute("SELECT store_id FROM meta").fetchall() == before
