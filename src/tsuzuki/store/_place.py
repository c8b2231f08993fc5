"""Where the file is: is this a place for a store, and how is it connected to.

Owns what is checked before anything is written, so that a wrong path leaves no trace, and the settings of
every connection.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Final

from tsuzuki.store._contract import StoreError, StoreNotADatabaseError
from tsuzuki.store._failures import not_a_database, read_only, went_back
from tsuzuki.store._mirror import CommitMirror
from tsuzuki.store._schema import PAGE_SIZE, migrate, stored_version

_BUSY_SECONDS: Final = 5.0  # how long another program's lock is waited for
_CACHE_KIB: Final = 16 << 10
_HEADER: Final = b"SQLite format 3\0"


def check_place(database: str) -> None:
    """Refuse a path that cannot be a store, without changing anything.

    Raises:
        StoreNotADatabaseError: It is a folder, a file that is not SQLite's, or another application's database.
        StoreTooNewError: A newer version wrote it.
        StoreReadOnlyError: It cannot be read.
        StoreError: Its folder does not exist.
    """
    folder = os.path.dirname(database)
    if os.path.isdir(database):
        raise StoreNotADatabaseError(
            f"{database} is a folder; expected the path of a database file, for example "
            f"{os.path.join(database, 'tsuzuki.db')}."
        )
    if not os.path.isdir(folder):
        raise StoreError(
            f"cannot create store {database}: there is no folder {folder}. Create it, or correct the path."
        )
    try:
        with open(database, "rb") as file:
            header = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise read_only(database, str(error.strerror)) from error
    if header not in (b"", _HEADER) and not os.path.exists(f"{database}-journal"):
        raise not_a_database(database)
    if header:
        with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection:
            stored_version(connection, database)


def create_if_empty(database: str, mirror: CommitMirror) -> None:
    """Lay down the tables in a new file, and put them into the database file itself, not only its log.

    Raises:
        StoreWentBackError: The file exists and is empty, but commits were once made to it.
    """
    existed = os.path.exists(database)
    with closing(connect(database)) as connection:
        if stored_version(connection, database) == 0:
            mirrored = mirror.read()
            if existed and mirrored is not None:
                raise went_back(database, mirror.path, 0, mirrored.commits)
            migrate(connection, 0)


def connect(database: str | None) -> sqlite3.Connection:
    """A connection with the store's settings; to memory when there is no path."""
    connection = sqlite3.connect(
        database or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        execute = connection.execute
        execute("PRAGMA secure_delete = OFF")
        execute("PRAGMA cache_spill = OFF")  # a write never waits for the disk, only a commit does
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if database is not None:
            execute(f"PRAGMA page_size = {PAGE_SIZE}")
            execute("PRAGMA journal_mode = WAL").fetchall()
            execute("PRAGMA synchronous = FULL")
            execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
