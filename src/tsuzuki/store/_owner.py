"""The owner lock: one process, and in it one store object, may write a database file.

Owns `<database>-owner`, which holds who the owner is; the lock on that file, not its presence, is what
counts. The operating system drops the lock with the process, so kill -9 leaves nothing to clean up, and a
stopped process (SIGSTOP) still owns. The file is never deleted: a deleted lock file can be locked twice.

A child made by `fork` would inherit the lock and keep it alive past its parent's death (a process pool
does that), so children close their copy.
"""

from __future__ import annotations

import json
import os
import sys
import time
import weakref
from typing import IO

from tsuzuki.store._contract import StoreError, StoreInUseError
from tsuzuki.store._failures import read_only

_HELD: weakref.WeakSet[OwnerLock] = weakref.WeakSet()

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    _LOCKED_BYTE = 1 << 20  # past the text: Windows locks are mandatory, the text stays readable

    def _try_lock(file: IO[str]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class OwnerLock:
    """The right to write one database file, from `acquire` to `release` or the end of the process."""

    def __init__(self, path: str, file: IO[str]) -> None:
        self.path = path
        self._file = file
        _HELD.add(self)

    @classmethod
    def acquire(cls, database: str) -> OwnerLock:
        """Become the owner of a database file.

        Args:
            database: Absolute path of the database; its folder exists.

        Raises:
            StoreInUseError: Another process, or another store object of this one, is the owner.
            StoreReadOnlyError: The lock file cannot be written.
        """
        path = f"{database}-owner"
        try:
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed by `release`
        except OSError as error:
            raise read_only(database, f"{path}: {error.strerror}") from error
        try:
            if not _try_lock(file):
                raise _in_use(database, file)
            file.seek(0)
            file.truncate()
            file.write(json.dumps({"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}))
            file.flush()
        except StoreError:
            file.close()
            raise
        except OSError as error:
            file.close()
            raise read_only(database, f"{path}: {error.strerror}") from error
        return cls(path, file)

    def release(self) -> None:
        """Let others own the database. Harmless when done already."""
        _HELD.discard(self)
        self._file.close()


def owner_of(database: str) -> int | None:
    """The process that owns a database file; None if none does, or if that cannot be seen."""
    try:
        with open(f"{database}-owner", "r+", encoding="utf-8") as file:
            return None if _try_lock(file) else _owner(file)[0]  # closing gives a lock taken here back
    except OSError:
        return None


def _in_use(database: str, file: IO[str]) -> StoreInUseError:
    pid, since = _owner(file)
    if pid == os.getpid():
        return StoreInUseError(
            f"store {database} is already open in this process (pid {pid}). "
            "One store object owns a database; share it, or close it before opening it again.",
            pid,
        )
    who = "another process" if pid is None else f"process {pid}, since {since}"
    return StoreInUseError(
        f"store {database} is in use by {who}. One process owns a store: stop that one (a stopped or hung "
        "process still owns it), or connect to it as a client of its server.",
        pid,
    )


def _owner(file: IO[str]) -> tuple[int | None, str]:
    try:
        file.seek(0)
        owner = json.loads(file.read())
        return int(owner["pid"]), str(owner["since"])
    except (OSError, ValueError, KeyError, TypeError):  # the owner has the lock but has not written yet
        return None, ""


def _disown_after_fork() -> None:
    for lock in list(_HELD):
        lock._file.close()  # this process's copy only; the parent keeps the lock
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_after_fork)
