"""Namespaces and deleted runs, as every store has to keep them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from store._rows import (
    T0,
    activity_row,
    activity_scheduled,
    log_row,
    namespace_row,
    new_run,
    started,
    stream_row,
    task,
    whole_run,
)
from tsuzuki.store import Batch, RequestId, SqliteStore, Store
from tsuzuki.store._schema import MIGRATIONS, migrate


def put(store: Store, batch: Batch) -> None:
    store.write(batch)
    store.commit()


def test_namespaces_are_kept_by_name(store: Store) -> None:
    put(store, Batch(namespaces=[namespace_row("b"), namespace_row("a", retention_ns=7)]))
    put(store, Batch(namespaces=[namespace_row("b", description="changed")]))
    assert store.namespaces() == [namespace_row("a", retention_ns=7), namespace_row("b", description="changed")]


def test_a_namespace_is_deleted_and_made_anew_in_one_commit(store: Store) -> None:
    put(store, Batch(namespaces=[namespace_row("a"), namespace_row("b")]))
    put(store, Batch(namespaces_gone=["a", "b"], namespaces=[namespace_row("a", namespace_id="new")]))
    assert store.namespaces() == [namespace_row("a", namespace_id="new")]


def test_a_deleted_run_takes_along_all_that_is_its_own(store: Store) -> None:
    for run_key, workflow_id in ((1, "gone"), (2, "stays")):
        events = [started(run_key), *task(2), activity_scheduled(5)]
        new = new_run(run_key, workflow_id=workflow_id)
        batch = whole_run(events, new=new, activities=[activity_row(run_key)])
        batch.request_ids = [RequestId(run_key, "r")]
        batch.streams = [stream_row(run_key, 1, "b")]
        batch.logs = [log_row(run_key, 1, 1, 1, 1)]
        put(store, batch)
    put(store, Batch(runs_gone=[1]))
    assert store.run(1) is None
    assert store.current_run("default", "gone") is None
    assert not store.history(1)
    assert not store.activities(1)
    assert not store.has_request_id(1, "r")
    assert not store.stream(1, 0, 1)
    assert not store.log(1, 0, 1)
    assert store.current_run("default", "stays") == store.run(2)
    assert store.history(2)
    assert store.activities(2)
    assert store.has_request_id(2, "r")
    assert store.stream(2, 0, 1)
    assert store.log(2, 0, 1)


def test_an_older_run_is_deleted_and_the_current_one_stays(store: Store) -> None:
    put(store, whole_run([started(1)], new=new_run(1, workflow_id="w")))
    put(store, whole_run([started(2)], new=new_run(2, workflow_id="w")))
    put(store, Batch(runs_gone=[1]))
    assert store.current_run("default", "w") == store.run(2)


def test_the_key_of_a_deleted_run_counts_as_given(store: Store) -> None:
    put(store, whole_run([started(5)], new=new_run(5)))
    put(store, Batch(runs_gone=[5]))
    assert store.last_run_key == 5


def test_closed_runs_come_in_order_of_their_end_and_open_ones_not(store: Store) -> None:
    for run_key, closed_ns in ((1, T0 + 9), (2, None), (3, T0 + 5), (4, T0 + 10)):
        new = new_run(run_key, workflow_id=f"w{run_key}")
        put(store, whole_run([started(run_key)], new=new, status=2 if closed_ns else 1, closed_ns=closed_ns))
    assert [key for key, _ in store.closed_runs("default", T0 + 9, 10)] == [3, 1]
    assert [key for key, _ in store.closed_runs("default", T0 + 10, 2)] == [3, 1]
    assert store.closed_runs("elsewhere", T0 + 10, 10) == []
    assert len(store.any_runs("default", 10)) == 4
    assert len(store.any_runs("default", 3)) == 3


def test_the_namespaces_of_an_older_file_are_those_of_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0, MIGRATIONS[:1])
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        for run_key, namespace in enumerate(("team", "default", "team"), 1):
            row = {**dict.fromkeys(columns, 0), "run_key": run_key, "namespace": namespace, "run_id": str(run_key)}
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO runs ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    with closing(SqliteStore.open(path)) as store:
        rows = store.namespaces()
    assert [(row.name, row.state, row.retention_ns) for row in rows] == [("default", 1, 0), ("team", 1, 0)]
    assert [len(row.namespace_id) for row in rows] == [36, 36]
    assert rows[0].namespace_id != rows[1].namespace_id
