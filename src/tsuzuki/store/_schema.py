"""The tables, and the numbered steps that lead to them.

Owns what the file looks like. `PRAGMA application_id` says that it is ours, `PRAGMA user_version` which
step it has reached; both are in the header and change with the step, in one transaction. A step that was
released is never edited: a change is a new step at the end.

History rows are in order of arrival, not clustered by run: a commit of many runs then touches a third of
the pages, and pages are what a commit costs. Activities are few and small, so clustering them is free.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from tsuzuki.store._contract import StoreNotADatabaseError, StoreTooNewError

APPLICATION_ID: Final = 0x7473757A  # "tsuz"
PAGE_SIZE: Final = 4096


class Migration(NamedTuple):
    """What leads from the version before to this one."""

    version: int
    statements: tuple[str, ...]


MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(
        1,
        (
            """
            CREATE TABLE meta (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                store_id BLOB NOT NULL,
                commits INTEGER NOT NULL,
                incarnation INTEGER NOT NULL
            )
            """,
            """
            CREATE TABLE runs (
                run_key INTEGER PRIMARY KEY,
                namespace TEXT NOT NULL,
                workflow_id TEXT NOT NULL,
                run_id TEXT NOT NULL,
                workflow_type TEXT NOT NULL,
                task_queue TEXT NOT NULL,
                first_run_id TEXT NOT NULL,
                start_request_id TEXT NOT NULL,
                started_ns INTEGER NOT NULL,
                parent_workflow_id TEXT NOT NULL,
                parent_run_id TEXT NOT NULL,
                status INTEGER NOT NULL,
                execution_ns INTEGER NOT NULL,
                closed_ns INTEGER,
                next_event_id INTEGER NOT NULL,
                history_bytes INTEGER NOT NULL,
                chain INTEGER NOT NULL,
                due_ns INTEGER,
                workflow_task_attempt INTEGER NOT NULL,
                workflow_task_scheduled_ns INTEGER,
                workflow_task_started_ns INTEGER,
                workflow_task_incarnation INTEGER,
                sticky_queue TEXT,
                sticky_timeout_ns INTEGER NOT NULL,
                buffered BLOB,
                failure BLOB,
                memo BLOB NOT NULL,
                search_attributes BLOB NOT NULL
            )
            """,
            "CREATE UNIQUE INDEX runs_by_id ON runs (namespace, workflow_id, run_id)",
            "CREATE INDEX runs_by_start ON runs (namespace, started_ns)",
            "CREATE INDEX runs_by_due ON runs (due_ns) WHERE due_ns IS NOT NULL",
            """
            CREATE TABLE history (
                run_key INTEGER NOT NULL,
                first_event_id INTEGER NOT NULL,
                last_event_id INTEGER NOT NULL,
                chain INTEGER NOT NULL,
                events BLOB NOT NULL
            )
            """,
            "CREATE UNIQUE INDEX history_by_run ON history (run_key, first_event_id)",
            """
            CREATE TABLE activities (
                run_key INTEGER NOT NULL,
                scheduled_event_id INTEGER NOT NULL,
                attempt INTEGER NOT NULL,
                scheduled_ns INTEGER NOT NULL,
                started_ns INTEGER,
                incarnation INTEGER,
                worker_identity TEXT NOT NULL,
                request_id TEXT NOT NULL,
                heartbeat_ns INTEGER,
                heartbeat_details BLOB,
                last_failure BLOB,
                last_ended_ns INTEGER,
                PRIMARY KEY (run_key, scheduled_event_id)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE currents (
                namespace TEXT NOT NULL,
                workflow_id TEXT NOT NULL,
                run_key INTEGER NOT NULL,
                PRIMARY KEY (namespace, workflow_id)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE requests (
                run_key INTEGER NOT NULL,
                request_id TEXT NOT NULL,
                PRIMARY KEY (run_key, request_id)
            ) WITHOUT ROWID
            """,
        ),
    ),
    Migration(
        2,
        (
            "ALTER TABLE runs ADD COLUMN root_workflow_id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE runs ADD COLUMN root_run_id TEXT NOT NULL DEFAULT ''",
            # Lists show open runs first, then closed ones, the newest first among each.
            """
            ALTER TABLE runs ADD COLUMN order_ns INTEGER
            GENERATED ALWAYS AS (coalesce(closed_ns, 9223372036854775807)) VIRTUAL
            """,
            "DROP INDEX runs_by_start",
            "CREATE INDEX runs_by_order ON runs (namespace, order_ns, started_ns)",
            "CREATE INDEX runs_by_type ON runs (namespace, workflow_type, order_ns, started_ns)",
            "CREATE INDEX runs_by_status ON runs (namespace, status, order_ns, started_ns)",
            """
            CREATE TABLE search_attributes (
                attribute_key INTEGER PRIMARY KEY,
                namespace TEXT NOT NULL,
                name TEXT NOT NULL,
                kind INTEGER NOT NULL,
                UNIQUE (namespace, name)
            )
            """,
            # A value is text, a whole number or a number, as its attribute's kind says.
            """
            CREATE TABLE attribute_values (
                attribute_key INTEGER NOT NULL,
                value NOT NULL,
                run_key INTEGER NOT NULL,
                PRIMARY KEY (attribute_key, value, run_key)
            ) WITHOUT ROWID
            """,
            "CREATE INDEX attribute_values_by_run ON attribute_values (run_key)",
        ),
    ),
    Migration(
        3,
        (
            """
            CREATE TABLE records (
                kind TEXT NOT NULL,
                namespace TEXT NOT NULL,
                name TEXT NOT NULL,
                asked BLOB NOT NULL,
                state BLOB NOT NULL,
                PRIMARY KEY (kind, namespace, name)
            )
            """,
        ),
    ),
    # Namespaces of their own, and the deletion of runs. A run key is never given twice, so that what names a deleted
    # run (a task token, a page token) does not come to name another one: `last_run_key` remembers deleted ones.
    Migration(
        4,
        (
            """
            CREATE TABLE namespaces (
                name TEXT PRIMARY KEY,
                namespace_id TEXT NOT NULL UNIQUE,
                state INTEGER NOT NULL,
                retention_ns INTEGER NOT NULL,
                description TEXT NOT NULL,
                owner_email TEXT NOT NULL,
                data BLOB NOT NULL
            ) WITHOUT ROWID
            """,
            """
            INSERT INTO namespaces
            SELECT namespace,
                substr(id, 1, 8) || '-' || substr(id, 9, 4) || '-4' || substr(id, 14, 3) || '-8' || substr(id, 18, 3)
                    || '-' || substr(id, 21),
                1, 0, '', '', x''
            FROM (SELECT namespace, lower(hex(randomblob(16))) AS id FROM (SELECT DISTINCT namespace FROM runs))
            """,
            "ALTER TABLE meta ADD COLUMN last_run_key INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    # In order of arrival, as history is.
    Migration(
        5,
        (
            """
            CREATE TABLE streams (
                run_key INTEGER NOT NULL,
                first_offset INTEGER NOT NULL,
                last_offset INTEGER NOT NULL,
                scheduled_event_id INTEGER NOT NULL,
                attempt INTEGER NOT NULL,
                first_seq INTEGER NOT NULL,
                kinds TEXT NOT NULL,
                at_ns INTEGER NOT NULL,
                activity_id TEXT NOT NULL,
                activity_type TEXT NOT NULL,
                events BLOB NOT NULL
            )
            """,
            "CREATE UNIQUE INDEX streams_by_run ON streams (run_key, last_offset)",
        ),
    ),
    # What people may do to a pending activity: pause it, change its options, begin it anew.
    Migration(
        6,
        (
            "ALTER TABLE activities ADD COLUMN pause BLOB",
            "ALTER TABLE activities ADD COLUMN options BLOB",
            "ALTER TABLE activities ADD COLUMN marks INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    # Attempts are counted anew after a reset, so their number does not tell them apart.
    Migration(7, ("ALTER TABLE streams ADD COLUMN start TEXT NOT NULL DEFAULT ''",)),
    # What the code of a run and its activities logged.
    Migration(
        8,
        (
            """
            CREATE TABLE logs (
                run_key INTEGER NOT NULL,
                first_offset INTEGER NOT NULL,
                last_offset INTEGER NOT NULL,
                at_ns INTEGER NOT NULL,
                bytes_through INTEGER NOT NULL,
                lines BLOB NOT NULL
            )
            """,
            "CREATE UNIQUE INDEX logs_by_run ON logs (run_key, last_offset)",
        ),
    ),
)

SCHEMA_VERSION: Final = MIGRATIONS[-1].version


def stored_version(connection: sqlite3.Connection, name: str) -> int:
    """The step that a file has reached; 0 for an empty file.

    Raises:
        StoreNotADatabaseError: The file is another application's database.
        StoreTooNewError: The file has reached a step that this version does not know.
    """
    application_id = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    tables = _number(connection, "SELECT count(*) FROM sqlite_schema")
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise StoreNotADatabaseError(
            f"{name} is an SQLite database of another application (application id {application_id:#x}, "
            f"{tables} tables and indexes); a Tsuzuki store has {APPLICATION_ID:#x}. "
            "Nothing was changed; give the path of a Tsuzuki store, or a path that does not exist yet."
        )
    if version > SCHEMA_VERSION:
        raise StoreTooNewError(
            f"store {name} has schema version {version}, written by a newer Tsuzuki; this one knows versions "
            f"up to {SCHEMA_VERSION}. Nothing was changed; upgrade Tsuzuki, or restore the backup made "
            "before the upgrade."
        )
    return version


def migrate(connection: sqlite3.Connection, version: int, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Take every step after `version`, each in its own transaction; a crash between steps is harmless."""
    for step in migrations:
        if step.version <= version:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in step.statements:
                connection.execute(statement)
            if version == 0 and step is migrations[0]:
                connection.execute("INSERT INTO meta VALUES (1, ?, 0, 0)", (os.urandom(16),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step.version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _number(connection: sqlite3.Connection, sql: str) -> int:
    [(value,)] = connection.execute(sql).fetchall()
    assert isinstance(value, int)
    return value
