"""Every SQL text that the store runs, built once from the rows of the contract.

Column names come from the row types and from nowhere else, so a value can never become SQL; a filter's
column and operator are looked up in tables here, everything else is bound.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from tsuzuki.store._contract import (
    ActivityRow,
    CurrentRun,
    HistoryBatch,
    NewRun,
    RequestId,
    RunFilter,
    RunUpdate,
)


def _insert(table: str, columns: Sequence[str], verb: str = "INSERT") -> str:
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _update(columns: Sequence[str]) -> str:
    return f"UPDATE runs SET {', '.join(f'{column} = ?' for column in columns)} WHERE run_key = ?"


CHANGING: Final = RunUpdate._fields[:-1]
RUN_COLUMNS: Final = NewRun._fields + CHANGING

INSERT_RUN: Final = _insert("runs", RUN_COLUMNS)
UPDATE_RUN: Final = _update(CHANGING)
UPDATE_RUN_SAME_DUE: Final = _update([column for column in CHANGING if column != "due_ns"])
"""Leaves the index by due time alone: a page less to log. Binds a `RunUpdate` without `due_ns`."""
INSERT_HISTORY: Final = _insert("history", HistoryBatch._fields)
PUT_ACTIVITY: Final = _insert("activities", ActivityRow._fields, "REPLACE")
DELETE_ACTIVITY: Final = "DELETE FROM activities WHERE run_key = ? AND scheduled_event_id = ?"
PUT_CURRENT: Final = _insert("currents", CurrentRun._fields, "REPLACE")
PUT_REQUEST: Final = _insert("requests", RequestId._fields, "INSERT OR IGNORE")

BEGIN: Final = "BEGIN IMMEDIATE"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"
COUNT_COMMIT: Final = "UPDATE meta SET commits = ? WHERE commits = ? AND incarnation = ?"
"""Changes no row when somebody else has written: that fences a process whose lock was taken away."""
BEGIN_INCARNATION: Final = "UPDATE meta SET commits = commits + 1, incarnation = incarnation + 1"
META: Final = "SELECT store_id, commits, incarnation FROM meta"
LAST_RUN_KEY: Final = "SELECT coalesce(max(run_key), 0) FROM runs"

_SELECT_RUN: Final = f"SELECT {', '.join(RUN_COLUMNS)} FROM runs"
RUN: Final = f"{_SELECT_RUN} WHERE run_key = ?"
FIND_RUN: Final = f"{_SELECT_RUN} WHERE namespace = ? AND workflow_id = ? AND run_id = ?"
CURRENT_RUN_KEY: Final = "SELECT run_key FROM currents WHERE namespace = ? AND workflow_id = ?"
"""Without the columns of the run: the driver takes its time to name them, and most ids of starts are not found."""
HISTORY: Final = f"""
    SELECT {", ".join(HistoryBatch._fields)} FROM history
    WHERE run_key = ? AND first_event_id <= ? AND first_event_id >= coalesce(
        (SELECT max(first_event_id) FROM history WHERE run_key = ? AND first_event_id <= ?), 0)
    ORDER BY first_event_id
"""
"""From the batch that holds the first event, which may begin before it."""
ACTIVITIES: Final = (
    f"SELECT {', '.join(ActivityRow._fields)} FROM activities WHERE run_key = ? ORDER BY scheduled_event_id"
)
HAS_REQUEST: Final = "SELECT 1 FROM requests WHERE run_key = ? AND request_id = ?"
DUE: Final = """
    SELECT due_ns, run_key FROM runs
    WHERE due_ns <= ? AND (due_ns, run_key) > (?, ?)
    ORDER BY due_ns, run_key LIMIT ?
"""

_OPERATORS: Final = {operator: operator for operator in ("=", "!=", "<", "<=", ">", ">=")}
_NULL_OPERATORS: Final = {"=": "IS", "!=": "IS NOT"}
_FILTERED: Final = frozenset(RUN_COLUMNS) - {"buffered", "failure", "memo", "search_attributes"}


def list_runs(filters: Sequence[RunFilter], *, paged: bool) -> str:
    """Text that binds namespace, the filters' values, the position when paged, and the limit."""
    page = " AND (started_ns, run_key) < (?, ?)" if paged else ""
    # SQLite would rather walk the starts in order; the runs of one workflow id are few.
    index = " INDEXED BY runs_by_id" if any(f[:2] == ("workflow_id", "=") for f in filters) else ""
    return f"{_SELECT_RUN}{index} {_where(filters)}{page} ORDER BY started_ns DESC, run_key DESC LIMIT ?"


def count_runs(filters: Sequence[RunFilter]) -> str:
    """Text that binds namespace and the filters' values."""
    return f"SELECT count(*) FROM runs {_where(filters)}"


def _where(filters: Sequence[RunFilter]) -> str:
    return "WHERE namespace = ?" + "".join(f" AND {_condition(condition)}" for condition in filters)


def _condition(condition: RunFilter) -> str:
    if condition.column not in _FILTERED:
        near = difflib.get_close_matches(condition.column, _FILTERED, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"runs cannot be filtered by {condition.column!r}{hint}")
    operators = _NULL_OPERATORS if condition.value is None else _OPERATORS
    if condition.operator not in operators:
        raise ValueError(
            f"runs cannot be filtered by {condition.column} {condition.operator!r} {condition.value!r}; "
            f"expected one of {' '.join(operators)}"
        )
    return f"{condition.column} {operators[condition.operator]} ?"
