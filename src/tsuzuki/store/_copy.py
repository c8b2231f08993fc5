"""A copy of a store, and facts about it, beside whoever owns it.

Reads through a connection of its own, in one view of the database, so the owner may go on writing. A copy appears
under its name only when all of it is on disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tsuzuki.store._contract import StoreError, StoreNotADatabaseError
from tsuzuki.store._owner import owner_of
from tsuzuki.store._schema import stored_version

_PAGES: Final = 256
_OPEN_RUNS: Final = (
    "SELECT task_queue, workflow_type, count(*) FROM runs WHERE closed_ns IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
)
_NAMESPACES_SINCE: Final = 4  # the version of the tables that registers them
_BESIDE: Final = ("", "-wal", "-owner", "-commits")


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds.

    Attributes:
        path: Absolute path of the database.
        version: Of its tables.
        bytes: On disk, with its log.
        commits: Transactions that were ever committed.
        incarnation: How many times it was opened.
        namespaces: Those that are registered; in a file from before they were, those that have runs.
        runs: Number of runs, by the number of their status (`WorkflowExecutionStatus`).
        open_runs: Number of open runs, by task queue and workflow type.
        owner_pid: The process that has it open; None if none has.
    """

    path: str
    version: int
    bytes: int
    commits: int
    incarnation: int
    namespaces: tuple[str, ...]
    runs: Mapping[int, int]
    open_runs: Mapping[tuple[str, str], int]
    owner_pid: int | None


def store_info(database: str | os.PathLike[str]) -> StoreInfo:
    """Read what a store holds; it may be open elsewhere.

    Raises:
        FileNotFoundError: There is no such file.
        StoreNotADatabaseError: It is another application's database, or none.
        StoreTooNewError: A newer version wrote it.
    """
    path = str(Path(database).resolve(strict=True))
    with _reading(path) as connection:
        version = stored_version(connection, path)
        connection.execute("BEGIN")  # one view for all of it
        commits, incarnation = connection.execute("SELECT commits, incarnation FROM meta").fetchone()
        runs = dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status"))
        open_runs = {(queue, kind): count for queue, kind, count in connection.execute(_OPEN_RUNS)}
        registered = (
            "SELECT name FROM namespaces" if version >= _NAMESPACES_SINCE else "SELECT DISTINCT namespace FROM runs"
        )
        namespaces = sorted(row[0] for row in connection.execute(registered))
    size = sum(os.path.getsize(path + suffix) for suffix in ("", "-wal") if os.path.exists(path + suffix))
    return StoreInfo(path, version, size, commits, incarnation, tuple(namespaces), runs, open_runs, owner_of(path))


def back_up(
    database: str | os.PathLike[str],
    copy: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Copy a store to a file that does not exist yet; it may be open elsewhere, and go on.

    The copy holds every commit that was on disk when this began. Opening it is a crash recovery like any other: what
    was running then is tried again, by its policy, so a copy and its original must not both be run.

    Args:
        database: The store.
        copy: The new file; its folder exists.
        progress: Called now and then with the pages done and the pages in all.

    Raises:
        FileNotFoundError: There is no such store.
        StoreNotADatabaseError: It is another application's database, or none.
        StoreError: The copy exists already, or cannot be written.
    """
    path = str(Path(database).resolve(strict=True))
    target = os.path.realpath(copy)
    if any(os.path.exists(target + suffix) for suffix in _BESIDE):
        raise StoreError(f"{target}, or a file that belongs to it, exists already; a backup never writes over anything")
    unfinished = f"{target}-unfinished"
    try:
        with _reading(path) as source, closing(sqlite3.connect(unfinished)) as written:
            stored_version(source, path)
            source.backup(written, pages=_PAGES, progress=lambda _, left, total: progress(total - left, total))
            written.execute("PRAGMA journal_mode=WAL")
        _sync(unfinished)
        os.link(unfinished, target)  # unlike a rename, this never replaces a file that came meanwhile
        os.unlink(unfinished)
        _sync(os.path.dirname(target))
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            os.unlink(unfinished)
        raise StoreError(f"{target}: the copy cannot be written: {error}") from error


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
    except sqlite3.DatabaseError as error:
        raise StoreNotADatabaseError(f"{path} cannot be read: {error}") from error


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
