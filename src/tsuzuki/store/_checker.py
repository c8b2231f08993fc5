"""The offline checker: does a store keep what INVARIANTS.md promises?

Owns the reading of a whole store with a connection of its own, and the comparison of what stands beside
history with what history says (`_fold`). It never writes to the database and shares no code with the
engine. Made for a file that nobody has open (closed, killed, or a copy); an open store can be checked too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError
from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki.store import _statements as sql
from tsuzuki.store._beside import activity_findings, row_findings, run_row_findings
from tsuzuki.store._contract import ActivityRow, HistoryBatch, NewRun, RunUpdate, StoredRun, chain
from tsuzuki.store._fold import Finding, Folded
from tsuzuki.store._mirror import mirror_path, read_mirror
from tsuzuki.store._schema import SCHEMA_VERSION, migrate, stored_version
from tsuzuki.store._sqlite import SqliteStore


class Problem(NamedTuple):
    """One broken promise."""

    invariant: int
    """Number in INVARIANTS.md; 0 when the file itself is broken."""
    workflow_id: str
    """Empty when it is not about one run, like `run_id`."""
    run_id: str
    event_id: int | None
    what: str

    def __str__(self) -> str:
        run = f"workflow {self.workflow_id!r} run {self.run_id} " if self.run_id else ""
        event = f"event {self.event_id}" if self.event_id is not None else ""
        where = f"{run}{event}".strip()
        return f"invariant {self.invariant}: {where}{': ' if where else ''}{self.what}"


def check_store(store: str | os.PathLike[str] | SqliteStore) -> list[Problem]:
    """Everything in a store that breaks a promise; empty when all is well.

    Args:
        store: The database file, to which nobody may be writing; or an open store, in memory or not, of
            which what was committed is checked.

    Raises:
        FileNotFoundError: There is no such file.
        StoreNotADatabaseError: It is another application's database.
        StoreTooNewError: A newer version wrote it.
    """
    if isinstance(store, SqliteStore):
        return _check(store._reader, store.name)
    database = Path(store).resolve(strict=True)
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        return _check(connection, str(database))


def _check(connection: sqlite3.Connection, database: str) -> list[Problem]:
    own_view = not connection.in_transaction  # a store in memory has one connection, perhaps writing
    try:
        version = stored_version(connection, database)
        if 0 < version < SCHEMA_VERSION:
            return _check_migrated(connection, database, version)
        if own_view:
            connection.execute("BEGIN")  # one view for the whole check
        return list(_problems(connection, database))
    except sqlite3.DatabaseError as error:
        return [Problem(0, "", "", None, f"the file cannot be read: {error}")]
    finally:
        if own_view and connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_migrated(connection: sqlite3.Connection, database: str, version: int) -> list[Problem]:
    """Check an older file as the next opening would find it: a copy in memory takes the steps that are missing."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        connection.backup(copy)
        migrate(copy, version)
        return _check(copy, database)


def _problems(connection: sqlite3.Connection, database: str) -> Iterator[Problem]:
    for (message,) in connection.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield Problem(0, "", "", None, f"SQLite: {message}")
    yield from _counter_problems(connection, database)
    yield from _relation_problems(connection)
    run_keys = [run_key for (run_key,) in connection.execute("SELECT run_key FROM runs ORDER BY run_key")]
    [(_, _, incarnation)] = connection.execute(sql.META)
    for run_key in run_keys:
        row = connection.execute(sql.RUN, (run_key,)).fetchone()
        new = NewRun._make(row[: len(NewRun._fields)])
        run = StoredRun(new, RunUpdate._make(row[len(NewRun._fields) :] + row[:1]))
        for finding in _run_findings(connection, run, incarnation):
            event_id = finding.event_id or None
            yield Problem(finding.invariant, new.workflow_id, new.run_id, event_id, finding.what)


def _counter_problems(connection: sqlite3.Connection, database: str) -> Iterator[Problem]:
    metas = connection.execute(sql.META).fetchall()
    if len(metas) != 1:
        yield Problem(0, "", "", None, f"meta has {len(metas)} rows, expected 1")
        return
    [(store_id, commits, incarnation)] = metas
    if commits < incarnation:
        yield Problem(1, "", "", None, f"{commits} commits in {incarnation} incarnations, each of which is one")
    mirrored = read_mirror(mirror_path(database))
    if mirrored is not None and mirrored.store_id == store_id and mirrored.commits > commits:
        what = f"the store went back: {commits} commits, {mirrored.commits} acknowledged"
        yield Problem(1, "", "", None, what)


# Each selects (workflow_id, run_id, text) of what is wrong.
_RELATIONS: tuple[tuple[int, str], ...] = (
    (
        9,
        """
        SELECT coalesce(workflow_id, ''), coalesce(run_id, 'key ' || streams.run_key),
            'stream events ' || first_offset || ' to ' || last_offset || ' where ' || (before + 1) || ' belongs'
        FROM (
            SELECT *, coalesce(lag(last_offset) OVER (PARTITION BY run_key ORDER BY last_offset), 0) AS before
            FROM streams
        ) AS streams LEFT JOIN runs USING (run_key)
        WHERE runs.run_key IS NULL OR first_offset <> before + 1 OR last_offset - first_offset + 1 <> length(kinds)
        """,
    ),
    (
        9,
        """
        SELECT coalesce(workflow_id, ''), coalesce(run_id, 'key ' || logs.run_key),
            'log lines ' || first_offset || ' to ' || last_offset || ' where ' || (before + 1) || ' belongs'
        FROM (
            SELECT *, coalesce(
                lag(last_offset) OVER (PARTITION BY run_key ORDER BY last_offset), first_offset - 1
            ) AS before
            FROM logs
        ) AS logs LEFT JOIN runs USING (run_key)
        WHERE runs.run_key IS NULL OR first_offset <> before + 1 OR last_offset < first_offset
        """,
    ),
    (
        34,
        """
        SELECT workflow_id, max(run_id), count(*) || ' open runs of one workflow id' FROM runs
        WHERE closed_ns IS NULL GROUP BY namespace, workflow_id HAVING count(*) > 1
        """,
    ),
    (
        9,
        """
        SELECT workflow_id, run_id, 'the current run is ' || coalesce(current, 'nothing') || ', expected ' || newest
        FROM (
            SELECT workflow_id, run_id, max(run_key) AS newest,
                (SELECT run_key FROM currents AS c
                 WHERE c.namespace = r.namespace AND c.workflow_id = r.workflow_id) AS current
            FROM runs AS r GROUP BY namespace, workflow_id
        ) WHERE current IS NOT newest
            AND NOT (current IS NULL AND newest < (SELECT last_run_key FROM meta))  -- the newest may be deleted
        """,
    ),
    (
        42,
        """
        SELECT workflow_id, run_id, 'of namespace ' || namespace || ', which does not exist' FROM runs
        WHERE namespace NOT IN (SELECT name FROM namespaces)
        """,
    ),
    (
        9,
        """
        SELECT workflow_id, '', 'a current run ' || run_key || ' that does not exist' FROM currents
        WHERE run_key NOT IN (SELECT run_key FROM runs)
        """,
    ),
    *(
        (
            9,
            f"SELECT DISTINCT '', '', '{table} of run key ' || run_key || ', which does not exist' FROM {table}"
            " WHERE run_key NOT IN (SELECT run_key FROM runs)",
        )
        for table in ("history", "activities", "requests")
    ),
)


def _relation_problems(connection: sqlite3.Connection) -> Iterator[Problem]:
    for invariant, text in _RELATIONS:
        for workflow_id, run_id, what in connection.execute(text):
            yield Problem(invariant, workflow_id, run_id, None, what)


def _run_findings(connection: sqlite3.Connection, run: StoredRun, incarnation: int) -> Iterator[Finding]:
    run_key = run.new.run_key
    batches = [
        HistoryBatch._make(row)
        for row in connection.execute(
            f"SELECT {', '.join(HistoryBatch._fields)} FROM history WHERE run_key = ? ORDER BY first_event_id",
            (run_key,),
        )
    ]
    folded = Folded()
    for batch, events in ((batch, _events(batch.events)) for batch in batches):
        if events is None:
            yield Finding(batch.first_event_id, 5, "the batch is not a serialized History")
            return  # nothing after it can be judged
        yield from _batch_findings(batch, events, folded.last_event_id)
        for event in events:
            folded.apply(event)
    folded.end_what_waits(_events(run.update.buffered or b"") or ())
    yield from folded.findings
    yield from _chain_findings(batches)
    yield from run_row_findings(run, folded, batches)
    activities = [ActivityRow._make(row) for row in connection.execute(sql.ACTIVITIES, (run_key,))]
    yield from activity_findings(run, folded, activities, incarnation)
    yield from row_findings(run, folded, activities, incarnation)
    if folded.successor:
        names = (run.new.namespace, run.new.workflow_id, folded.successor)
        deleted = connection.execute("SELECT last_run_key > ? FROM meta", (run_key,)).fetchone()[0]
        if not (deleted or connection.execute(sql.FIND_RUN, names).fetchall()):
            yield Finding(folded.last_event_id, 36, f"it goes on as run {folded.successor}, which does not exist")


def _events(history: bytes) -> list[HistoryEvent] | None:
    try:
        return list(History.FromString(history).events)
    except DecodeError:
        return None


def _batch_findings(batch: HistoryBatch, events: list[HistoryEvent], last_event_id: int) -> Iterator[Finding]:
    first, last = batch.first_event_id, batch.last_event_id
    if first != last_event_id + 1:
        yield Finding(first, 5, f"the batch of events {first} to {last} follows event {last_event_id}")
    if not events or (events[0].event_id, events[-1].event_id) != (first, last):
        ids = f"{events[0].event_id} to {events[-1].event_id}" if events else "none"
        yield Finding(first, 5, f"the batch says events {first} to {last} and holds {ids}")


def _chain_findings(batches: list[HistoryBatch]) -> Iterator[Finding]:
    previous = 0
    for batch in batches:
        if chain(previous, batch.events) != batch.chain:
            yield Finding(batch.first_event_id, 6, "the batch does not match its chained checksum")
        previous = batch.chain
