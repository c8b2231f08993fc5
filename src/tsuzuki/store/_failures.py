"""What an SQLite or operating-system error means for the store, in words.

Owns the one translation from error codes to the contract's errors. It must never guess in the caller's
favour: an error that is not known to have left the transaction undone becomes `StoreFailedError`.
"""

from __future__ import annotations

import sqlite3

from tsuzuki.store._contract import (
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInUseError,
    StoreNotADatabaseError,
    StoreReadOnlyError,
    StoreWentBackError,
)

_PRIMARY = 0xFF  # the low byte of an extended result code is the primary code


def is_full(error: sqlite3.Error) -> bool:
    """Whether the error is known to mean: no room, and nothing of the statement stays."""
    return _code(error) == sqlite3.SQLITE_FULL


def opening_failure(name: str, error: sqlite3.Error) -> StoreError:
    """The error to raise when the store could not be opened."""
    code = _code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return not_a_database(name)
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(name, str(error))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return read_only(name, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreInUseError(
            f"cannot open store {name}: another program holds a lock on it ({error}). "
            "Close the other program (an SQLite shell, a backup), then try again.",
            None,
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(
            f"cannot open store {name}: there is no room on its disk ({error}). Make room and open it again."
        )
    return StoreFailedError(f"cannot open store {name}: {_coded(error)}. Check the disk and open it again.")


def write_failure(name: str, doing: str, error: sqlite3.Error) -> StoreError:
    """The error to raise when a write or commit failed."""
    if is_full(error):
        return StoreFullError(
            f"store {name} is full: {doing} found no room on its disk ({error}). Nothing of the transaction "
            "was written and everything committed before is safe. Make room; then writes work again."
        )
    return StoreFailedError(
        f"store {name} failed: {doing} ended with {_coded(error)}. Whether the transaction is on disk is "
        "unknown; reopen the store to see which. Check the disk before going on."
    )


def read_failure(name: str, error: sqlite3.Error) -> StoreError:
    """The error to raise when a read failed."""
    if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(name, str(error))
    return StoreFailedError(f"store {name} failed: reading ended with {_coded(error)}. Check the disk.")


def not_a_database(name: str) -> StoreNotADatabaseError:
    return StoreNotADatabaseError(
        f"{name} is not a database: its first bytes are not those of an SQLite file. "
        "Nothing was changed; give the path of a Tsuzuki store, or a path that does not exist yet."
    )


def damaged(name: str, what: str) -> StoreNotADatabaseError:
    return StoreNotADatabaseError(
        f"store {name} is damaged: {what}. "
        "Stop writing to it, keep a copy of the file and its -wal, and restore a backup."
    )


def read_only(name: str, what: str) -> StoreReadOnlyError:
    return StoreReadOnlyError(
        f"cannot write store {name}: {what}. "
        "The file and its folder must both be writable by this user, on a file system that is not read-only."
    )


def went_back(name: str, mirror: str, commits: int, acknowledged: int) -> StoreWentBackError:
    return StoreWentBackError(
        f"store {name} went backwards: it holds {commits} commits, but {acknowledged} had been made, so "
        f"the last {acknowledged - commits} are lost. Its -wal file was cut or removed, or an older copy was "
        "put in its place. Bring back the newer files; or, to accept the loss and go on from here, "
        f"delete {mirror}."
    )


def _code(error: sqlite3.Error) -> int:
    code: int | None = getattr(error, "sqlite_errorcode", None)  # absent on errors of the driver itself
    return sqlite3.SQLITE_ERROR if code is None else code & _PRIMARY


def _coded(error: sqlite3.Error) -> str:
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
