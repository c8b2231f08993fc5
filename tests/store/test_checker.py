"""The checker has teeth: each promise, broken alone, is reported as exactly that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.history.v1 import History, HistoryEvent

from store._rows import (
    NAMESPACE,
    SECOND,
    T0,
    activity_row,
    activity_scheduled,
    event,
    log_row,
    new_run,
    started,
    stream_row,
    task,
    whole_run,
)
from tsuzuki.store import (
    Batch,
    CurrentRun,
    HistoryBatch,
    Problem,
    RequestId,
    SqliteStore,
    StoreNotADatabaseError,
    check_store,
)
from tsuzuki.store._schema import MIGRATIONS, migrate, stored_version


def problems_of(database: Path, *batches: Batch) -> list[tuple[int, int | None, str]]:
    """Write the batches and check; (invariant, event id, what) of each problem."""
    with closing(SqliteStore.open(database)) as store:
        for batch in batches:
            store.write(batch)
            store.commit()
    return [(problem.invariant, problem.event_id, problem.what) for problem in check_store(database)]


def timer(event_id: int, seconds: int) -> HistoryEvent:
    return event(event_id, "TimerStarted", timer_id=str(event_id), start_to_fire_timeout=timedelta(seconds=seconds))


def closed(event_id: int) -> HistoryEvent:
    return event(event_id, "WorkflowExecutionCompleted")


CLOSED_AT_5: dict[str, Any] = {"status": 2, "closed_ns": T0 + 5 * SECOND, "due_ns": None}


def busy_run() -> Batch:
    """An open run with a pending activity, an open timer and a started workflow task."""
    return whole_run(
        [started()],
        task(2),
        [activity_scheduled(5), timer(6, 60)],
        [event(7, "WorkflowTaskScheduled"), event(8, "WorkflowTaskStarted", scheduled_event_id=7)],
        activities=[activity_row(1, 5)],
        workflow_task_scheduled_ns=T0 + 7 * SECOND,
        workflow_task_started_ns=T0 + 8 * SECOND,
        workflow_task_incarnation=1,
        buffered=b"",
    )


def test_sound_store_has_no_problem(database: Path) -> None:
    ended = [
        event(6, "ActivityTaskStarted", scheduled_event_id=5),
        event(7, "ActivityTaskCompleted", scheduled_event_id=5, started_event_id=6),
        timer(8, 3),
        event(9, "TimerCanceled", started_event_id=8),
        event(10, "WorkflowExecutionContinuedAsNew", new_execution_run_id="run-3"),
    ]
    closed_run = whole_run(
        [started(2)],
        task(2),
        [activity_scheduled(5)],
        ended,
        new=new_run(2),
        **{**CLOSED_AT_5, "status": 6, "closed_ns": T0 + 10 * SECOND},
    )
    next_run = whole_run(
        [started(3, first_execution_run_id="run-2")],
        new=new_run(3, workflow_id="workflow-2", first_run_id="run-2"),
    )
    assert problems_of(database, busy_run(), closed_run, next_run) == []


Break = Callable[[Batch], None]


def run_columns(**columns: object) -> Break:
    def change(batch: Batch) -> None:
        batch.run_updates[0] = batch.run_updates[0]._replace(**columns)  # type: ignore[arg-type]

    return change


def new_columns(**columns: object) -> Break:
    def change(batch: Batch) -> None:
        batch.new_runs[0] = batch.new_runs[0]._replace(**columns)  # type: ignore[arg-type]

    return change


def activity_columns(**columns: object) -> Break:
    def change(batch: Batch) -> None:
        batch.activities[0] = batch.activities[0]._replace(**columns)  # type: ignore[arg-type]

    return change


def history_columns(index: int, **columns: object) -> Break:
    def change(batch: Batch) -> None:
        batch.histories[index] = batch.histories[index]._replace(**columns)  # type: ignore[arg-type]

    return change


def all_of(*changes: Break) -> Break:
    def change(batch: Batch) -> None:
        for each in changes:
            each(batch)

    return change


BREAKS: list[tuple[str, Break, list[tuple[int, int | None, str]]]] = [
    ("status", run_columns(status=2), [(9, None, "status is 2, but its history gives 1")]),
    ("close time", run_columns(closed_ns=5), [(9, None, "closed_ns is 5, but its history gives None")]),
    ("next event id", run_columns(next_event_id=8), [(9, None, "next_event_id is 8, but its history gives 9")]),
    ("bytes", run_columns(history_bytes=1), [(9, None, "history_bytes is 1, but")]),
    ("chain of the row", run_columns(chain=1), [(9, None, "chain is 1, but")]),
    ("type", new_columns(workflow_type="x"), [(9, None, "workflow_type is 'x', but its history gives 'Research'")]),
    ("task queue", new_columns(task_queue="x"), [(9, None, "task_queue is 'x'")]),
    ("first run", new_columns(first_run_id="x"), [(9, None, "first_run_id is 'x'")]),
    ("parent", new_columns(parent_workflow_id="x"), [(9, None, "parent_workflow_id is 'x'")]),
    (
        "no workflow task",
        run_columns(workflow_task_scheduled_ns=None, workflow_task_started_ns=None, buffered=None),
        [(9, None, "history has workflow task 7 open, the row has none")],
    ),
    (
        "workflow task not started",
        run_columns(workflow_task_started_ns=None, buffered=None),
        [(9, None, "workflow task 7 started: row False, history True")],
    ),
    (
        "started and not scheduled",
        run_columns(workflow_task_scheduled_ns=None),
        [(9, None, "a workflow task is started and not scheduled"), (9, None, "the row has none")],
    ),
    (
        "buffered without a task",
        run_columns(workflow_task_started_ns=None, workflow_task_attempt=2),
        [(17, None, "events are buffered, but no workflow task is started")],
    ),
    ("incarnation", run_columns(workflow_task_incarnation=9), [(9, None, "incarnation 9, but the store had 1")]),
    ("buffered bytes", run_columns(buffered=b"\xff"), [(9, None, "buffered is not a serialized History")]),
    ("failure bytes", run_columns(failure=b"\xff"), [(9, None, "failure is not a serialized Failure")]),
    ("memo bytes", run_columns(memo=b"\xff"), [(9, None, "memo is not a serialized Memo")]),
    (
        "search attributes bytes",
        run_columns(search_attributes=b"\xff"),
        [(9, None, "search_attributes is not a serialized SearchAttributes")],
    ),
    (
        "nobody wakes it",
        run_columns(due_ns=None),
        [
            (9, 7, "the pending workflow task is looked at never"),
            (9, 6, "the open timer is looked at never"),
            (9, 5, "the pending activity is looked at never"),
        ],
    ),
    (
        "woken after the activity's back-off",
        run_columns(due_ns=T0 + 6 * SECOND),
        [(9, 5, f"the pending activity is looked at {SECOND} ns late")],
    ),
    (
        "woken after the timer",
        all_of(activity_columns(scheduled_ns=T0 + 99 * SECOND), run_columns(due_ns=T0 + 67 * SECOND)),
        [(9, 6, f"the open timer is looked at {SECOND} ns late")],
    ),
    (
        "dead process's activity is not looked at on restart",
        all_of(activity_columns(started_ns=T0 + 5 * SECOND, incarnation=1), run_columns(due_ns=1)),
        [(9, 5, "the pending activity is looked at 1 ns late")],
    ),
    ("no activity row", lambda batch: batch.activities.clear(), [(9, 5, "open in history and has no row")]),
    (
        "activity row too many",
        lambda batch: batch.activities.append(activity_row(1, 4)),
        [(9, 4, "an activity row whose activity is not open in history")],
    ),
    ("attempt 0", activity_columns(attempt=0), [(29, 5, "activity attempt 0")]),
    ("activity incarnation", activity_columns(incarnation=2), [(9, 5, "incarnation 2, but the store had 1")]),
    (
        "heartbeat bytes",
        activity_columns(heartbeat_details=b"\xff"),
        [(9, 5, "heartbeat_details is not a serialized Payloads")],
    ),
    (
        "activity failure bytes",
        activity_columns(last_failure=b"\xff"),
        [(9, 5, "last_failure is not a serialized Failure")],
    ),
    ("chain", history_columns(3, chain=1), [(6, 7, "does not match"), (9, None, "chain is")]),
    ("not a History", history_columns(1, events=b"\xff"), [(5, 2, "the batch is not a serialized History")]),
    (
        "batch says other ids",
        history_columns(3, last_event_id=9),
        [(5, 7, "the batch says events 7 to 9 and holds 7 to 8")],
    ),
    ("no current run", lambda batch: batch.currents.clear(), [(9, None, "the current run is nothing, expected 1")]),
    (
        "current run that does not exist",
        lambda batch: batch.currents.append(CurrentRun(NAMESPACE, "ghost", 7)),
        [(9, None, "a current run 7 that does not exist")],
    ),
    (
        "request of no run",
        lambda batch: batch.request_ids.append(RequestId(7, "a")),
        [(9, None, "requests of run key 7, which does not exist")],
    ),
    (
        "history of no run",
        lambda batch: batch.histories.append(HistoryBatch(7, 1, 1, 0, b"")),
        [(9, None, "history of run key 7, which does not exist")],
    ),
    (
        "activity of no run",
        lambda batch: batch.activities.append(activity_row(7, 5)),
        [(9, None, "activities of run key 7, which does not exist")],
    ),
]


@pytest.mark.parametrize(("broken", "expected"), [pytest.param(*case[1:], id=case[0]) for case in BREAKS])
def test_broken_row_is_reported_as_exactly_that(
    database: Path, broken: Break, expected: list[tuple[int, int | None, str]]
) -> None:
    batch = busy_run()
    broken(batch)
    assert_problems(problems_of(database, batch), expected)


def assert_problems(found: list[tuple[int, int | None, str]], expected: list[tuple[int, int | None, str]]) -> None:
    assert [problem[:2] for problem in found] == [problem[:2] for problem in expected], found
    for (_, _, what), (_, _, part) in zip(found, expected, strict=True):
        assert part in what


HISTORIES: list[tuple[str, list[HistoryEvent], dict[str, Any], list[tuple[int, int | None, str]]]] = [
    (
        "gap",
        [started(), *task(2), event(6, "WorkflowExecutionCompleted")],
        {**CLOSED_AT_5, "closed_ns": T0 + 6 * SECOND},
        [(5, 6, "event id 6 follows 4")],
    ),
    (
        "twice the same id",
        [started(), *task(2), event(4, "MarkerRecorded"), closed(5)],
        CLOSED_AT_5,
        [(5, 4, "event id 4 follows 4")],
    ),
    (
        "another first event",
        [event(1, "MarkerRecorded"), started()],
        {},
        [(7, 1, "event 1 is MARKER_RECORDED"), (5, 1, "event id 1 follows 1"), (7, 1, "event 1 is WORKFLOW_EX")],
    ),
    (
        "never started",
        [event(1, "MarkerRecorded")],
        {},
        [(7, 1, "event 1 is MARKER_RECORDED"), (7, None, "no WorkflowExecutionStarted in its history")],
    ),
    (
        "event after the close",
        [started(), *task(2), closed(5), event(6, "WorkflowExecutionSignaled", signal_name="s")],
        CLOSED_AT_5,
        [(7, 6, "WORKFLOW_EXECUTION_SIGNALED after the run was closed")],
    ),
    (
        "closed twice",
        [started(), *task(2), closed(5), closed(6)],
        CLOSED_AT_5,
        [(7, 6, "WORKFLOW_EXECUTION_COMPLETED after the run was closed")],
    ),
    (
        "time runs back",
        [started(), *task(2), event(5, "MarkerRecorded", time_ns=T0 + 4 * SECOND - 1)],
        {},
        [(8, 5, "MARKER_RECORDED is 1 ns earlier than the event before")],
    ),
    (
        "a signal that waited for the workflow task came before it started",
        [started(), *task(2), event(5, "WorkflowExecutionSignaled", signal_name="s", time_ns=T0 + 3 * SECOND - 1)],
        {},
        [(8, 5, "WORKFLOW_EXECUTION_SIGNALED is 1 ns earlier than the event before")],
    ),
    (
        "an outcome that waited with a signal may be earlier than it, but not than the workflow task's start",
        [
            started(),
            *task(2),
            event(5, "ActivityTaskScheduled", activity_id="a"),
            event(6, "WorkflowTaskScheduled"),
            event(7, "WorkflowTaskStarted", scheduled_event_id=6),
            event(8, "WorkflowTaskCompleted", scheduled_event_id=6, started_event_id=7, time_ns=T0 + 20 * SECOND),
            event(9, "WorkflowExecutionSignaled", signal_name="s", time_ns=T0 + 15 * SECOND),
            event(10, "ActivityTaskCompleted", scheduled_event_id=5, time_ns=T0 + 7 * SECOND - 1),
        ],
        {},
        [(8, 10, "ACTIVITY_TASK_COMPLETED is 1 ns earlier than the event before")],
    ),
    (
        "what waited while the code cancelled an activity that had not started is earlier than its end",
        [
            started(),
            *task(2),
            event(5, "ActivityTaskScheduled", activity_id="a"),
            event(6, "WorkflowTaskScheduled"),
            event(7, "WorkflowTaskStarted", scheduled_event_id=6),
            event(8, "WorkflowTaskCompleted", scheduled_event_id=6, started_event_id=7, time_ns=T0 + 20 * SECOND),
            event(9, "ActivityTaskCancelRequested", scheduled_event_id=5, time_ns=T0 + 20 * SECOND),
            event(10, "ActivityTaskCanceled", scheduled_event_id=5, time_ns=T0 + 20 * SECOND),
            event(11, "WorkflowExecutionSignaled", signal_name="s", time_ns=T0 + 7 * SECOND - 1),
        ],
        {},
        [(8, 11, "WORKFLOW_EXECUTION_SIGNALED is 1 ns earlier than the event before")],
    ),
    (
        "what others told a parent while its workflow task ran is earlier than that task's end",
        [
            started(),
            *task(2),
            event(5, "StartChildWorkflowExecutionInitiated", workflow_id="c"),
            event(6, "WorkflowTaskScheduled"),
            event(7, "WorkflowTaskStarted", scheduled_event_id=6),
            event(8, "WorkflowTaskCompleted", scheduled_event_id=6, started_event_id=7, time_ns=T0 + 20 * SECOND),
            event(9, "ChildWorkflowExecutionStarted", initiated_event_id=5, time_ns=T0 + 8 * SECOND),
            event(10, "WorkflowExecutionSignaled", signal_name="s", time_ns=T0 + 15 * SECOND),
            event(11, "ChildWorkflowExecutionCompleted", initiated_event_id=5, time_ns=T0 + 9 * SECOND),
            event(12, "MarkerRecorded", time_ns=T0 + 19 * SECOND),
        ],
        {},
        [(8, 12, "MARKER_RECORDED is 1000000000 ns earlier than the event before")],
    ),
    (
        "signal twice after a reset that tells again what others had",
        [
            started(),
            event(2, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
            event(3, "WorkflowTaskScheduled"),
            event(4, "WorkflowTaskStarted", scheduled_event_id=3),
            event(5, "WorkflowTaskFailed", scheduled_event_id=3, new_run_id="run-1"),
            event(6, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
            event(7, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
            event(8, "WorkflowTaskScheduled"),
            event(9, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
            event(10, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
        ],
        {"workflow_task_scheduled_ns": T0 + 8 * SECOND},
        [(2, 10, "the signal with request id 'r' is there twice")],
    ),
    (
        "signal twice",
        [
            started(),
            event(2, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
            event(3, "WorkflowExecutionSignaled", signal_name="s", request_id="r"),
        ],
        {},
        [(2, 3, "the signal with request id 'r' is there twice")],
    ),
    (
        "two workflow tasks",
        [started(), event(2, "WorkflowTaskScheduled"), event(3, "WorkflowTaskScheduled")],
        {"workflow_task_scheduled_ns": T0},
        [(13, 3, "a second workflow task, while 2 is open")],
    ),
    (
        "workflow task started twice",
        [
            started(),
            event(2, "WorkflowTaskScheduled"),
            event(3, "WorkflowTaskStarted", scheduled_event_id=2),
            event(4, "WorkflowTaskStarted", scheduled_event_id=2),
        ],
        {"workflow_task_scheduled_ns": T0, "workflow_task_started_ns": T0},
        [(13, 4, "workflow task 2 started, but the open one is 2")],
    ),
    (
        "workflow task ended twice",
        [started(), *task(2), event(5, "WorkflowTaskCompleted", scheduled_event_id=2)],
        {},
        [(3, 5, "workflow task 2 ended, but the open one is None")],
    ),
    (
        "activity ended twice",
        [
            started(),
            *task(2),
            activity_scheduled(5),
            event(6, "ActivityTaskCompleted", scheduled_event_id=5),
            event(7, "ActivityTaskTimedOut", scheduled_event_id=5),
        ],
        {},
        [(3, 7, "activity 5 ended, but it is not open")],
    ),
    (
        "an outcome waits for a workflow task, of an activity that was never scheduled",
        [started(), event(2, "WorkflowTaskScheduled"), event(3, "WorkflowTaskStarted", scheduled_event_id=2)],
        {
            "workflow_task_scheduled_ns": T0 + 2 * SECOND,
            "workflow_task_started_ns": T0 + 3 * SECOND,
            "buffered": History(events=[event(0, "ActivityTaskCompleted", scheduled_event_id=9)]).SerializeToString(),
        },
        [(3, None, "activity 9 ended, but it is not open")],
    ),
    (
        "timer fired twice",
        [
            started(),
            timer(2, 0),
            event(3, "TimerFired", started_event_id=2),
            event(4, "TimerFired", started_event_id=2),
        ],
        {},
        [(32, 4, "timer 2 ended, but it is not open")],
    ),
    (
        "timer fired early",
        [started(), timer(2, 2), event(3, "TimerFired", started_event_id=2)],
        {},
        [(32, 3, f"the timer fired {SECOND} ns early")],
    ),
    (
        "goes on as nothing",
        [started(), *task(2), event(5, "WorkflowExecutionContinuedAsNew", new_execution_run_id="ghost")],
        {**CLOSED_AT_5, "status": 6},
        [(36, 5, "it goes on as run ghost, which does not exist")],
    ),
    (
        "first workflow task without a wake-up",
        [started()],
        {"due_ns": None},
        [(9, 1, "the first workflow task, not yet scheduled is looked at never")],
    ),
    (
        "run timeout without a wake-up",
        [started(1, workflow_run_timeout=timedelta(seconds=9)), *task(2)],
        {"due_ns": T0 + 10 * SECOND + 1},
        [(9, 1, "the run timeout is looked at 1 ns late")],
    ),
    (
        "workflow task that history does not have",
        [started(), *task(2)],
        {"workflow_task_scheduled_ns": T0},
        [(9, None, "a first attempt of a workflow task that history does not have")],
    ),
    (
        "workflow task of a closed run",
        [started(), *task(2), closed(5)],
        {**CLOSED_AT_5, "workflow_task_scheduled_ns": T0},
        [(9, None, "a closed run has a workflow task")],
    ),
]


@pytest.mark.parametrize(("events", "columns", "expected"), [pytest.param(*case[1:], id=case[0]) for case in HISTORIES])
def test_impossible_history_is_reported_as_exactly_that(
    database: Path,
    events: list[HistoryEvent],
    columns: dict[str, Any],
    expected: list[tuple[int, int | None, str]],
) -> None:
    assert_problems(problems_of(database, whole_run(events, **columns)), expected)


def test_later_workflow_task_attempt_need_not_be_in_history(database: Path) -> None:
    hidden: dict[str, Any] = {"workflow_task_scheduled_ns": T0, "workflow_task_attempt": 2}
    assert problems_of(database, whole_run([started(), *task(2)], **hidden)) == []


def test_more_attempts_than_allowed(database: Path) -> None:
    scheduled = activity_scheduled(5, retry_policy=RetryPolicy(maximum_attempts=1))
    run = whole_run([started(), *task(2), scheduled], activities=[activity_row(1, 5, attempt=2)])
    assert problems_of(database, run) == [(27, 5, "activity attempt 2 of at most 1")]


def test_activity_rows_of_a_closed_run(database: Path) -> None:
    run = whole_run(
        [started(), *task(2), activity_scheduled(5), closed(6)],
        activities=[activity_row(1, 5)],
        **{**CLOSED_AT_5, "closed_ns": T0 + 6 * SECOND},
    )
    assert problems_of(database, run) == [(9, 5, "an activity row whose activity is not open in history")]


def test_two_open_runs_of_one_workflow_id(database: Path) -> None:
    second = whole_run([started(2)], new=new_run(2, workflow_id="workflow-1"))
    found = problems_of(database, whole_run([started()]), second)
    assert found == [(34, None, "2 open runs of one workflow id")]


def test_current_run_that_is_not_the_newest(database: Path) -> None:
    first = whole_run([started(), *task(2), closed(5)], **CLOSED_AT_5)
    second = whole_run([started(2)], new=new_run(2, workflow_id="workflow-1"))
    second.currents.clear()
    assert problems_of(database, first, second) == [(9, None, "the current run is 1, expected 2")]


def test_stream_with_a_gap_and_stream_of_nobody(database: Path) -> None:
    run = whole_run([started()])
    run.streams = [stream_row(1, 1, "bd"), stream_row(1, 4, "d"), stream_row(1, 5, "dd", last_offset=5)]
    run.streams.append(stream_row(7, 1, "b"))
    assert problems_of(database, run) == [
        (9, None, "stream events 4 to 4 where 3 belongs"),
        (9, None, "stream events 5 to 5 where 5 belongs"),
        (9, None, "stream events 1 to 1 where 1 belongs"),
    ]


def test_log_with_a_gap_and_log_of_nobody(database: Path) -> None:
    run = whole_run([started()])
    run.logs = [log_row(1, 5, 2, 10, 1), log_row(1, 8, 1, 11, 1), log_row(7, 1, 1, 1, 1)]  # the first were dropped
    assert problems_of(database, run) == [
        (9, None, "log lines 8 to 8 where 7 belongs"),
        (9, None, "log lines 1 to 1 where 1 belongs"),
    ]


def test_batch_that_is_missing_in_the_middle(database: Path) -> None:
    run = whole_run([started()], task(2), [event(5, "MarkerRecorded")])
    del run.histories[1]
    left = sum(len(batch.events) for batch in run.histories)
    run.run_updates[0] = run.run_updates[0]._replace(history_bytes=left)
    assert_problems(
        problems_of(database, run),
        [
            (5, 5, "the batch of events 5 to 5 follows event 1"),
            (5, 5, "event id 5 follows 1"),
            (6, 5, "does not match"),
        ],
    )


def test_counter_that_cannot_be(database: Path) -> None:
    SqliteStore.open(database).close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE meta SET incarnation = 5, commits = 5")
    assert check_store(database) == []
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE meta SET incarnation = 6")
    assert_problems(
        [(problem.invariant, problem.event_id, problem.what) for problem in check_store(database)],
        [(1, None, "5 commits in 6 incarnations")],
    )


def test_index_that_disagrees_with_its_table(database: Path) -> None:
    assert problems_of(database, whole_run([started()])) == []
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX runs_by_order ON runs (namespace, run_id, started_ns)'"
            " WHERE name = 'runs_by_order'"
        )
    problems = check_store(database)
    assert problems
    assert {problem.invariant for problem in problems} == {0}
    assert any("runs_by_order" in problem.what for problem in problems)


def test_damaged_page(database: Path) -> None:
    assert problems_of(database, whole_run([started()])) == []
    data = bytearray(database.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    database.write_bytes(data)
    problems = check_store(database)
    assert problems
    assert {problem.invariant for problem in problems} == {0}


def test_checking_changes_nothing(database: Path) -> None:
    assert problems_of(database, busy_run()) == []
    content = database.read_bytes()
    mirror = Path(f"{database}-commits").read_bytes()
    assert check_store(database) == []
    assert database.read_bytes() == content
    assert Path(f"{database}-commits").read_bytes() == mirror
    SqliteStore.open(database).close()


@pytest.mark.parametrize("place", ["file", "memory"])
def test_open_store_is_checked_as_committed(database: Path, place: str) -> None:
    with closing(SqliteStore.open(database if place == "file" else None)) as store:
        sound, broken = busy_run(), whole_run([started(2)], new=new_run(2), due_ns=None)
        store.write(sound)
        store.commit()
        assert check_store(store) == []
        store.write(broken)
        assert len(check_store(store)) == (0 if place == "file" else 1)
        store.commit()
        [problem] = check_store(store)
        assert problem.run_id == "run-2"
        store.write(Batch(run_updates=[broken.run_updates[0]._replace(due_ns=0)]))  # and it still works
        store.commit()
        assert check_store(store) == []


def test_what_is_not_a_store_is_not_checked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_store(tmp_path / "nothing.db")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreNotADatabaseError):
        check_store(other)


def test_problem_reads_well() -> None:
    assert str(Problem(5, "w", "r", 7, "event id 7 follows 5")) == (
        "invariant 5: workflow 'w' run r event 7: event id 7 follows 5"
    )
    assert str(Problem(0, "", "", None, "SQLite: oh")) == "invariant 0: SQLite: oh"


# ---- namespaces, deleted runs, older files -----------------------------------------------------------


def test_a_run_of_no_namespace_is_found(tmp_path: Path) -> None:
    batch = whole_run([started()])
    batch.namespaces.clear()
    path = tmp_path / "a.db"
    with closing(SqliteStore.open(path)) as store:
        store.write(batch)
        store.commit()
    assert [problem.invariant for problem in check_store(path)] == [42]


def test_an_older_file_is_checked_as_the_next_opening_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0, MIGRATIONS[:1])
        connection.execute("UPDATE meta SET commits = 1, incarnation = 1")
        connection.execute("INSERT INTO currents VALUES ('team', 'w', 7)")
    assert ["does not exist" in problem.what for problem in check_store(path)] == [True]
    with closing(sqlite3.connect(path)) as connection:
        assert stored_version(connection, "") == 1
