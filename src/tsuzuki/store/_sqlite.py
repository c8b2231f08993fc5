"""The SQLite store: one file, one writing connection, one reading connection.

Owns the file while it is open (see `_owner`) and what a transaction is. `write` runs the statements on
the caller's thread, because a thread that runs many short statements fights for the interpreter lock with
the loop it should relieve; only the COMMIT, which waits for the disk without the lock, is worth a thread.

Invariant: the commit counter in `meta` grows by one in every transaction and by nothing else, so what a
store holds can be compared with what was acknowledged.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final

from tsuzuki.store import _statements as sql
from tsuzuki.store._aside import ListsAside
from tsuzuki.store._contract import Batch, NewRun, RunUpdate, StoreFailedError
from tsuzuki.store._failures import is_full, opening_failure, went_back, write_failure
from tsuzuki.store._log import LogCopier, lay_out
from tsuzuki.store._mirror import CommitMirror
from tsuzuki.store._owner import OwnerLock
from tsuzuki.store._place import check_place, connect, create_if_empty
from tsuzuki.store._reads import SqliteReads
from tsuzuki.store._schema import migrate, stored_version

_MEMORY: Final = ":memory:"
_DUE, _STATUS, _CLOSED = (RunUpdate._fields.index(name) for name in ("due_ns", "status", "closed_ns"))
assert (_STATUS, _CLOSED) == (0, 2), "`_put_updates` cuts them out of the row"
_UNKNOWN: Final = (-1, -1, -1)
_INDEXED_KNOWN_MAX: Final = 100_000
_PAGES_OF_DELETED: Final = 6
"""What the deletion of a run logs, about."""

# The driver asks every None and bytes, at length, whether it has another form to be stored in, and reads
# named tuples slowly. Answering at once and binding plain tuples halves the cost of a row. The answer is
# "no, itself", so other users of the driver in this process see no difference but the speed.
sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]  # typed for any key
sqlite3.register_adapter(bytes, bytes.__bytes__)


class SqliteStore(SqliteReads):
    """A `Store` in an SQLite file, or in memory. Made by `open`."""

    def __init__(self, path: str | None, owner: OwnerLock | None, mirror: CommitMirror | None) -> None:
        self._path = path
        self._owner = owner
        self._mirror = mirror
        self._copier = LogCopier(path) if path is not None else None
        self._store_id = b""
        self._commits = 0
        self._incarnation = 0
        self._writing = False
        self._failed = False
        self._pages = 0
        self._closed = False
        self._aside: ListsAside | None = None
        self._indexed: dict[int, tuple[int | None, int, int | None]] = {}
        """Due time, status and close time that this object last wrote; a cache, never asked for answers."""
        self._connect()

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None) -> SqliteStore:
        """Open or create a store and begin a new incarnation.

        Args:
            path: The database file, created when it does not exist; its folder must exist. None: a store
                in memory, gone with `close`.

        Raises:
            StoreInUseError: Another process, or another object of this one, has it open.
            StoreNotADatabaseError: The path is a folder or some other file, or the database is damaged.
            StoreTooNewError: A newer version wrote it.
            StoreWentBackError: It holds less than was once committed to it.
            StoreReadOnlyError: The file or its folder cannot be written.
            StoreFullError: There is no room on its disk.
            StoreError: The folder does not exist.
        """
        if path is None:
            store = cls(None, None, None)
            store._begin_incarnation()
            return store
        database = os.path.realpath(path)
        try:
            check_place(database)
            return cls._open_owned(database, OwnerLock.acquire(database))
        except sqlite3.Error as error:
            raise opening_failure(database, error) from error

    @classmethod
    def _open_owned(cls, database: str, owner: OwnerLock) -> SqliteStore:
        with ExitStack() as undo:
            undo.callback(owner.release)
            mirror = CommitMirror.open(database)
            undo.callback(mirror.close)
            create_if_empty(database, mirror)
            lay_out(database)
            store = cls(database, owner, mirror)
            undo.callback(store._disconnect)
            store._begin_incarnation()
            undo.pop_all()
        return store

    # -- what the store is

    @property
    def name(self) -> str:
        return self._path or _MEMORY

    @property
    def incarnation(self) -> int:
        return self._incarnation

    @property
    def commits_in_memory(self) -> bool:
        return self._path is None

    # -- writing

    def write(self, batch: Batch) -> None:
        """Put the batch into the open transaction, beginning it when there is none.

        Raises:
            StoreFullError: No room; the whole open transaction is undone, later ones may work.
            StoreFailedError: The open transaction is lost and the store must be reopened.
        """
        try:
            if not self._writing:
                self._begin()
            self._put(batch)
        except sqlite3.Error as error:
            self._undo()
            self._failed = self._failed or not is_full(error)
            raise write_failure(self.name, "a write", error) from error
        except BaseException:  # a value that cannot be bound, or the fence: never half a batch
            self._undo()
            raise

    def _begin(self) -> None:
        if self._failed:
            raise StoreFailedError(
                f"store {self.name} failed before and takes no writes; reopen it to learn what is on disk."
            )
        execute = self._writer.execute
        execute(sql.BEGIN)
        self._writing = True
        if execute(sql.COUNT_COMMIT, (self._commits + 1, self._commits, self._incarnation)).rowcount != 1:
            self._failed = True
            raise StoreFailedError(
                f"store {self.name} was written by somebody else while this process owned it. "
                "Nothing more is written; find the other writer (was the -owner file deleted?) and reopen."
            )

    def _put(self, batch: Batch) -> None:
        many = self._writer.executemany
        latest = {update.run_key: update for update in batch.run_updates}  # the last one of a run counts
        if batch.new_runs:
            many(sql.INSERT_RUN, [self._new_row(new, latest) for new in batch.new_runs])
        if latest:
            self._put_updates(latest.values())
        if histories := batch.histories:
            many(sql.INSERT_HISTORY, map(tuple, histories))
            self._pages += sum([len(history.events) for history in histories]) >> 12
        if batch.activities:
            many(sql.PUT_ACTIVITY, map(tuple, batch.activities))
        if batch.activities_gone:
            many(sql.DELETE_ACTIVITY, batch.activities_gone)
        if batch.streams:
            many(sql.INSERT_STREAM, map(tuple, batch.streams))
            self._pages += sum([1 + (len(row.events) >> 12) for row in batch.streams])
        if batch.logs_gone:
            many(sql.DROP_LOG, batch.logs_gone)
        if batch.logs:
            many(sql.INSERT_LOG, map(tuple, batch.logs))
            self._pages += sum([1 + (len(row.lines) >> 12) for row in batch.logs])
        if batch.currents:
            many(sql.PUT_CURRENT, map(tuple, batch.currents))
        if batch.request_ids:
            many(sql.PUT_REQUEST, map(tuple, batch.request_ids))
        if batch.search_attributes:
            many(sql.PUT_SEARCH_ATTRIBUTE, map(tuple, batch.search_attributes))
        if batch.search_attributes_gone:
            many(sql.DELETE_SEARCH_ATTRIBUTE, batch.search_attributes_gone)
            many(sql.DELETE_VALUES_OF_ATTRIBUTE, batch.search_attributes_gone)
        if batch.attribute_values_gone:
            many(sql.DELETE_VALUES_OF_RUN, batch.attribute_values_gone)
        if batch.attribute_values:
            many(sql.PUT_ATTRIBUTE_VALUE, map(tuple, batch.attribute_values))
            self._pages += len(batch.attribute_values)
        if batch.records_gone:
            many(sql.DELETE_RECORD, batch.records_gone)
        if batch.records:
            many(sql.PUT_RECORD, map(tuple, batch.records))
        self._pages += 2 * len(batch.run_updates) + 2 * len(histories) + len(batch.activities)
        if batch.namespaces_gone:
            for statement in sql.DELETE_NAMESPACE:
                many(statement, [(name,) for name in batch.namespaces_gone])
        if batch.namespaces:
            many(sql.PUT_NAMESPACE, map(tuple, batch.namespaces))
        if batch.runs_gone:
            self._delete_runs(batch.runs_gone)

    def _delete_runs(self, run_keys: list[int]) -> None:
        for run_key in run_keys:
            for statement in sql.DELETE_RUN:
                self._writer.execute(statement, (run_key,))
            self._indexed.pop(run_key, None)
        self._pages += _PAGES_OF_DELETED * len(run_keys)

    def _new_row(self, new: NewRun, latest: dict[int, RunUpdate]) -> tuple[object, ...]:
        """A new run and its first update as one row; takes the update out of `latest`."""
        run_key = new.run_key
        assert run_key in latest, f"new run {run_key} has no RunUpdate in its batch"
        update = latest.pop(run_key)
        self._indexed[run_key] = (update.due_ns, update.status, update.closed_ns)
        return (*new, *update[:-1])

    def _put_updates(self, updates: Iterable[RunUpdate]) -> None:
        indexed = self._indexed
        rows: dict[tuple[bool, bool], list[tuple[object, ...]]] = {}
        for update in updates:
            due_ns, status, closed_ns = indexed.get(update.run_key, _UNKNOWN)
            same_due = due_ns == update.due_ns
            same_status = status == update.status and closed_ns == update.closed_ns
            row: tuple[object, ...] = update[:_DUE] + update[_DUE + 1 :] if same_due else tuple(update)
            if same_status:
                row = row[1:2] + row[3:]
            rows.setdefault((same_due, same_status), []).append(row)
            if not (same_due and same_status):
                indexed[update.run_key] = (update.due_ns, update.status, update.closed_ns)
        for same, changed in rows.items():
            self._writer.executemany(sql.UPDATE_RUN[same], changed)
        if len(indexed) > _INDEXED_KNOWN_MAX:
            indexed.clear()

    def commit(self) -> None:
        if not self._writing:
            return
        writer = self._writer
        try:
            writer.execute(sql.COMMIT)
        except sqlite3.Error as error:
            self._undo()
            self._failed = self._failed or not is_full(error)
            raise write_failure(self.name, "a commit", error) from error
        self._writing = False
        self._commits += 1
        if self._mirror is not None:
            self._mirror.record(self._store_id, self._commits)
        if self._copier is not None:
            self._copier.logged(self._pages + 2, writer)
        self._pages = 0

    def _undo(self) -> None:
        self._writing = False
        self._pages = 0
        self._indexed.clear()
        try:
            if self._writer.in_transaction:  # SQLite itself undoes it after most errors
                self._writer.execute(sql.ROLLBACK)
        except sqlite3.Error:
            self._failed = True

    # -- opening and closing

    def _connect(self) -> None:
        self._writer = connect(self._path)
        self._reader = self._writer
        if self._path is None:
            migrate(self._writer, 0)
            return
        try:
            version = stored_version(self._writer, self.name)
            self._check_counter()
            migrate(self._writer, version)
            self._reader = connect(self._path)
            self._reader.execute("PRAGMA query_only = ON")
        except BaseException:
            self._disconnect()
            raise

    def _check_counter(self) -> None:
        assert self._mirror is not None
        [(store_id, commits, _)] = self._writer.execute(sql.META).fetchall()
        mirrored = self._mirror.read()
        if mirrored is not None and mirrored.store_id == store_id and commits < mirrored.commits:
            raise went_back(self.name, self._mirror.path, commits, mirrored.commits)

    def _begin_incarnation(self) -> None:
        self._writer.execute(sql.BEGIN_INCARNATION)
        [(self._store_id, self._commits, self._incarnation)] = self._writer.execute(sql.META).fetchall()
        if self._mirror is not None:
            self._mirror.record(self._store_id, self._commits)

    def reopen(self) -> None:
        """Forget the open transaction and look at the file anew, keeping ownership and incarnation.

        After a failed sync the log may be readable from memory and missing on the disk, and a later sync
        would not say so. So everything is first copied out of the log into the database and synced there.

        Raises:
            StoreWentBackError: A commit that was acknowledged is not there.
            StoreError: The file still cannot be used, for any of the reasons of `open`.
        """
        self._undo()
        self._failed = True
        if self._path is None:
            self._failed = False
            return
        acknowledged = self._commits
        self._disconnect()
        try:
            self._connect()
            [(busy, _, _)] = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            [(_, commits, incarnation)] = self._writer.execute(sql.META).fetchall()
        except sqlite3.Error as error:
            raise opening_failure(self.name, error) from error
        assert self._mirror is not None
        if commits < acknowledged:
            raise went_back(self.name, self._mirror.path, commits, acknowledged)
        if busy or incarnation != self._incarnation:
            raise StoreFailedError(f"store {self.name} is being used by somebody else; it was not reopened.")
        self._commits = commits
        self._mirror.record(self._store_id, commits)
        self._failed = False

    def close(self) -> None:
        """Undo an open transaction, copy the log into the database and give up ownership. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._undo()
        self._disconnect()
        if self._mirror is not None:
            self._mirror.close()
        if self._owner is not None:
            self._owner.release()

    def aside(self) -> ListsAside | None:
        """Lists and counts for another thread, which see every commit that was made before; None in memory."""
        if self._aside is None and self._path is not None:
            self._aside = ListsAside(self._path)
        return self._aside

    def _disconnect(self) -> None:
        if self._copier is not None:
            self._copier.stop()
        if self._aside is not None:
            self._aside.close()
            self._aside = None
        if self._reader is not self._writer:
            self._reader.close()
        self._writer.close()  # the last connection copies the log and deletes it
