"""What every store does: the contract, as the engine relies on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store._rows import (
    NAMESPACE,
    SECOND,
    T0,
    activity_row,
    activity_scheduled,
    history_batches,
    log_row,
    new_run,
    run_update,
    started,
    stream_row,
    task,
    whole_run,
)
from tsuzuki.store import (
    DUE_NOW,
    EVERYTHING,
    ActivityRow,
    Batch,
    CurrentRun,
    HistoryBatch,
    LogEnd,
    NewRun,
    RequestId,
    RunUpdate,
    SqliteStore,
    Store,
    StoredRun,
    StoreFailedError,
    StoreNotADatabaseError,
    StreamEnd,
    chain,
)


def put(store: Store, batch: Batch) -> None:
    store.write(batch)
    store.commit()


def put_runs(store: Store, count: int, **columns: Callable[[int], object]) -> None:
    """Runs 1..count, each started a second after the one before, with columns computed from the key."""
    batch = Batch()
    for run_key in range(1, count + 1):
        values = {name: value(run_key) for name, value in columns.items()}
        new = {name: value for name, value in values.items() if name in NewRun._fields}
        changing = {name: value for name, value in values.items() if name in RunUpdate._fields}
        batch.new_runs.append(new_run(run_key, **{"started_ns": T0 + run_key * SECOND, **new}))
        batch.run_updates.append(run_update(run_key, **changing))
    put(store, batch)


def keys(runs: list[StoredRun]) -> list[int]:
    return [run.new.run_key for run in runs]


# -- runs


def test_new_run_is_found_by_key_by_ids_and_as_the_current_one(store: Store) -> None:
    put(store, whole_run([started()]))
    run = store.run(1)
    assert run is not None
    assert run.new == new_run()
    assert run == store.find_run(NAMESPACE, "workflow-1", "run-1") == store.current_run(NAMESPACE, "workflow-1")


@pytest.mark.parametrize(
    "ids", [("other", "workflow-1", "run-1"), (NAMESPACE, "x", "run-1"), (NAMESPACE, "workflow-1", "x")]
)
def test_run_is_not_found_under_other_ids(store: Store, ids: tuple[str, str, str]) -> None:
    put(store, whole_run([started()]))
    assert store.find_run(*ids) is None
    assert store.current_run("other", "workflow-1") is None
    assert store.run(2) is None


def test_update_replaces_every_changing_column(store: Store) -> None:
    put(store, whole_run([started()]))
    changed = RunUpdate(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "sticky", 13, b"b", b"f", b"m", b"s", 1)
    put(store, Batch(run_updates=[changed]))
    assert store.run(1) == StoredRun(new_run(), changed)


def test_last_of_several_updates_of_a_run_counts(store: Store) -> None:
    put(store, Batch(new_runs=[new_run()], run_updates=[run_update(), run_update(next_event_id=7, due_ns=3)]))
    put(store, Batch(run_updates=[run_update(next_event_id=8, due_ns=9), run_update(next_event_id=9, due_ns=4)]))
    run = store.run(1)
    assert run is not None
    assert run.update == run_update(next_event_id=9, due_ns=4)
    assert store.due(10, None, 10) == [(4, 1)]


def test_new_run_without_an_update_is_refused(store: Store) -> None:
    with pytest.raises(AssertionError, match="new run 1 has no RunUpdate"):
        store.write(Batch(new_runs=[new_run()]))


def test_batch_that_cannot_be_bound_leaves_nothing_behind(store: Store) -> None:
    store.write(whole_run([started()]))
    with pytest.raises(OverflowError):
        store.write(Batch(run_updates=[run_update(history_bytes=1 << 64)]))
    store.commit()
    assert store.run(1) is None
    put(store, whole_run([started()]))
    assert store.run(1) is not None


def test_current_run_is_the_one_said_last(store: Store) -> None:
    put(store, whole_run([started()]))
    again = new_run(2, workflow_id="workflow-1")
    put(store, whole_run([started(2)], new=again))
    run = store.current_run(NAMESPACE, "workflow-1")
    assert run is not None
    assert run.new == again


def test_last_run_key_is_the_highest(store: Store) -> None:
    assert store.last_run_key == 0
    put_runs(store, 3)
    assert store.last_run_key == 3


# -- history


def test_history_is_read_from_the_batch_that_holds_the_first_event_to_the_one_that_holds_the_last(
    store: Store,
) -> None:
    batch = whole_run([started()], task(2), [activity_scheduled(5)], task(6))
    put(store, batch)
    first, second, third, fourth = batch.histories
    assert store.history(1) == [first, second, third, fourth]
    assert store.history(1, 2) == store.history(1, 3) == store.history(1, 4) == [second, third, fourth]
    assert store.history(1, 3, 5) == [second, third]
    assert store.history(1, 1, 1) == [first]
    assert store.history(1, 7, 7) == [fourth]
    assert store.history(1, 9) == []
    assert store.history(2) == []


def test_history_batch_is_never_replaced(store: Store) -> None:
    put(store, whole_run([started()]))
    with pytest.raises(StoreFailedError, match="UNIQUE"):
        store.write(Batch(histories=history_batches(1, [started(2)])))


def test_history_that_does_not_match_its_checksum_is_damage(store: Store) -> None:
    batch = whole_run([started()], task(2))
    batch.histories[1] = batch.histories[1]._replace(chain=batch.histories[1].chain ^ 1)
    put(store, batch)
    assert store.history(1, 1, 1) == batch.histories[:1]
    with pytest.raises(StoreNotADatabaseError, match="events 2 to 4 of run key 1 do not match their checksum"):
        store.history(1)


# -- activities and request ids


def test_activity_is_replaced_and_deleted(store: Store) -> None:
    put(store, Batch(activities=[activity_row(1, 5), activity_row(1, 6), activity_row(2, 5)]))
    retried = activity_row(1, 5, attempt=2, started_ns=T0, incarnation=3, last_failure=b"f", heartbeat_details=b"h")
    put(store, Batch(activities=[retried], activities_gone=[(1, 6), (1, 99)]))
    assert store.activities(1) == [retried]
    assert store.activities(2) == [activity_row(2, 5)]


def test_activity_put_and_gone_in_one_batch_is_gone(store: Store) -> None:
    put(store, Batch(activities=[activity_row(1, 5)], activities_gone=[(1, 5)]))
    assert store.activities(1) == []


def test_log_is_read_after_an_offset_and_its_oldest_rows_are_dropped(store: Store) -> None:
    rows = [log_row(1, 1, 2, 10, 10), log_row(1, 3, 1, 13, 3), log_row(1, 4, 5, 20, 7)]
    put(store, Batch(logs=[log_row(2, 1, 1, 1, 1)]))
    put(store, Batch(logs=rows))
    assert store.log(1, 0, 10) == store.log(1, 1, 10) == rows
    assert store.log(1, 2, 10) == rows[1:]
    assert store.log(1, 2, 1) == rows[1:2]
    assert store.log(1, 8, 10) == []
    assert store.log(1, 0, 10, 10) == rows[:2], "the first that exceeds the bytes is the last one"
    assert store.log(1, 0, 10, 9) == rows[:1]
    assert store.log_end(1) == LogEnd(8, 20, 0)
    assert store.log_end(3) is None
    newest = log_row(1, 9, 1, 21, 1)
    put(store, Batch(logs=[newest], logs_gone=[(1, 13)]))
    assert store.log(1, 0, 10) == [rows[2], newest]
    assert store.log_end(1) == LogEnd(9, 21, 13)
    assert store.log_end(2) == LogEnd(1, 1, 0)


def test_stream_is_read_after_an_offset_from_the_batch_that_holds_the_next(store: Store) -> None:
    rows = [stream_row(1, 1, "bdd"), stream_row(1, 4, "d"), stream_row(1, 5, "bde", start="t", first_seq=1)]
    put(store, Batch(streams=[stream_row(2, 1, "b")]))
    put(store, Batch(streams=rows[:2]))
    put(store, Batch(streams=rows[2:]))
    assert store.stream(1, 0, 10) == rows
    assert store.stream(1, 0, 2) == rows[:2]
    assert store.stream(1, 2, 10) == rows
    assert store.stream(1, 3, 10) == rows[1:]
    assert store.stream(1, 7, 10) == []
    size = len(rows[0].events)
    assert store.stream(1, 0, 10, size) == rows[:2], "the first that exceeds the bytes is the last one"
    assert store.stream(1, 0, 10, size - 1) == store.stream(1, 0, 1, size) == rows[:1]
    assert sorted(store.stream_ends(1)) == [StreamEnd(5, "s", 4, 4, 2), StreamEnd(5, "t", 3, 7, 1)]
    assert store.stream_ends(3) == []


def test_request_id_belongs_to_its_run_and_may_come_twice(store: Store) -> None:
    put(store, Batch(request_ids=[RequestId(1, "a")]))
    put(store, Batch(request_ids=[RequestId(1, "a")]))
    assert store.has_request_id(1, "a")
    assert not store.has_request_id(1, "b")
    assert not store.has_request_id(2, "a")


# -- due runs


def test_due_runs_come_in_order_and_in_pages(store: Store) -> None:
    put_runs(store, 6, due_ns=lambda key: {1: 30, 2: DUE_NOW, 3: None, 4: 20, 5: 20, 6: 40}[key])
    everything = [(DUE_NOW, 2), (20, 4), (20, 5), (30, 1)]
    assert store.due(30, None, 10) == everything
    assert store.due(30, None, 2) == everything[:2]
    assert store.due(30, everything[1], 10) == everything[2:]
    assert store.due(19, None, 10) == everything[:1]


def test_due_time_follows_every_update(store: Store) -> None:
    put_runs(store, 1, due_ns=lambda _: 10)
    for due_ns in (10, 20, 20, None, None, DUE_NOW):
        put(store, Batch(run_updates=[run_update(due_ns=due_ns)]))
        assert store.due(100, None, 10) == ([] if due_ns is None else [(due_ns, 1)])


def test_due_time_after_a_lost_transaction_is_written_again(store: Store) -> None:
    put_runs(store, 1, due_ns=lambda _: 10)
    store.write(Batch(run_updates=[run_update(due_ns=20)]))
    store.reopen()
    assert store.due(100, None, 10) == [(10, 1)]
    put(store, Batch(run_updates=[run_update(due_ns=20)]))
    assert store.due(100, None, 10) == [(20, 1)]


# -- transactions


def test_several_writes_are_one_transaction(store: Store) -> None:
    store.write(whole_run([started()]))
    store.write(Batch(run_updates=[run_update(next_event_id=5)]))
    store.commit()
    run = store.run(1)
    assert run is not None
    assert run.update.next_event_id == 5


def test_commit_without_a_write_is_harmless(store: Store) -> None:
    store.commit()
    store.commit()


def test_reopen_forgets_the_open_transaction_and_keeps_the_incarnation(store: Store) -> None:
    put(store, whole_run([started()]))
    store.write(Batch(run_updates=[run_update(next_event_id=5)]))
    incarnation = store.incarnation
    store.reopen()
    assert store.incarnation == incarnation
    run = store.run(1)
    assert run is not None
    assert run.update.next_event_id == 2
    put(store, Batch(run_updates=[run_update(next_event_id=6)]))


def test_close_twice_is_harmless(store: Store) -> None:
    store.close()
    store.close()


def test_file_store_reads_see_only_what_was_committed(database: Path) -> None:
    store = SqliteStore.open(database)
    store.write(whole_run([started()]))
    assert store.run(1) is None
    assert store.list_runs(NAMESPACE, EVERYTHING, None, 10) == []
    store.commit()
    assert store.run(1) is not None
    store.close()


def test_file_store_keeps_what_was_committed_and_begins_a_new_incarnation(database: Path) -> None:
    store = SqliteStore.open(database)
    put(store, whole_run([started()]))
    store.write(Batch(run_updates=[run_update(next_event_id=99)]))  # never committed
    first = store.incarnation
    store.close()
    store = SqliteStore.open(database)
    run = store.run(1)
    assert run is not None
    assert run.update.next_event_id == 2
    assert store.incarnation == first + 1
    assert store.last_run_key == 1
    store.close()


def test_reads_go_on_while_another_thread_commits(database: Path) -> None:
    update = run_update()
    with closing(SqliteStore.open(database)) as store, ThreadPoolExecutor(1) as thread:
        put(store, whole_run([started()]))
        for n in range(3, 101):
            store.write(Batch(run_updates=[update._replace(next_event_id=n)]))
            commit = thread.submit(store.commit)
            run = store.run(1)
            assert run is not None
            assert run.update.next_event_id in (n - 1, n)
            commit.result()
            run = store.run(1)
            assert run is not None
            assert run.update.next_event_id == n


# -- round trip

integers = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.none() | integers
blobs = st.none() | st.binary(max_size=50)


def run_updates(run_key: int) -> st.SearchStrategy[RunUpdate]:
    return st.builds(
        RunUpdate,
        *(integers, integers, times, integers, integers, st.integers(0, 2**32 - 1), times, integers),
        *(times, times, times, st.none() | texts, integers, blobs, blobs),
        *(st.binary(max_size=50), st.binary(max_size=50), st.just(run_key)),
    )


new_runs = st.builds(NewRun, st.just(1), *[texts] * 7, integers, texts, texts)
activity_rows = st.builds(
    ActivityRow,
    *(st.just(1), integers, integers, integers, times, times, texts, texts, times, blobs, blobs, times),
    *(blobs, blobs, integers),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    new=new_runs,
    updates=st.lists(run_updates(1), min_size=1, max_size=4),
    rows=st.lists(activity_rows, max_size=3),
    events=st.binary(max_size=100),
)
def test_rows_come_back_as_they_were_written(
    new: NewRun, updates: list[RunUpdate], rows: list[ActivityRow], events: bytes
) -> None:
    store = SqliteStore.open(None)
    history = HistoryBatch(1, 1, 3, chain(0, events), events)
    current = CurrentRun(new.namespace, new.workflow_id, 1)
    put(store, Batch([new], updates[:1], [history], rows, [], [current], [RequestId(1, new.run_id)]))
    for update in updates[1:]:
        put(store, Batch(run_updates=[update]))
    assert store.run(1) == StoredRun(new, updates[-1])
    assert store.find_run(new.namespace, new.workflow_id, new.run_id) == store.run(1)
    assert store.current_run(new.namespace, new.workflow_id) == store.run(1)
    assert store.history(1) == [history]
    latest = {row.scheduled_event_id: row for row in rows}
    assert store.activities(1) == [latest[event_id] for event_id in sorted(latest)]
    assert store.has_request_id(1, new.run_id)
    due_ns = updates[-1].due_ns
    assert store.due(2**63 - 1, None, 10) == ([] if due_ns is None else [(due_ns, 1)])
    store.close()
