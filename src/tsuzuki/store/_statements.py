"""Every SQL text that the store runs, built once from the rows of the contract.

Column names come from the row types and from nowhere else, so a value can never become SQL; what lists filter by is in
`_where`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tsuzuki.store._conditions import Condition, Value
from tsuzuki.store._contract import (
    ActivityRow,
    AttributeValue,
    CurrentRun,
    HistoryBatch,
    LogRow,
    NamespaceRow,
    NewRun,
    Record,
    RequestId,
    RunUpdate,
    SearchAttributeRow,
    StreamRow,
)
from tsuzuki.store._where import Where, drives, where


def _insert(table: str, columns: Sequence[str], verb: str = "INSERT") -> str:
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _update(columns: Sequence[str]) -> str:
    return f"UPDATE runs SET {', '.join(f'{column} = ?' for column in columns)} WHERE run_key = ?"


CHANGING: Final = RunUpdate._fields[:-1]
RUN_COLUMNS: Final = NewRun._fields + CHANGING

INSERT_RUN: Final = _insert("runs", RUN_COLUMNS)
_SHOWN: Final = ("status", "closed_ns")
UPDATE_RUN: Final = {
    (same_due, same_status): _update(
        [
            column
            for column in CHANGING
            if not (same_due and column == "due_ns") and not (same_status and column in _SHOWN)
        ]
    )
    for same_due in (False, True)
    for same_status in (False, True)
}
"""By (same due time, same status): without these columns their indexes are left alone: pages less to log. Binds a
`RunUpdate` without them."""
INSERT_HISTORY: Final = _insert("history", HistoryBatch._fields)
PUT_ACTIVITY: Final = _insert("activities", ActivityRow._fields, "REPLACE")
DELETE_ACTIVITY: Final = "DELETE FROM activities WHERE run_key = ? AND scheduled_event_id = ?"
INSERT_STREAM: Final = _insert("streams", StreamRow._fields)
INSERT_LOG: Final = _insert("logs", LogRow._fields)
DROP_LOG: Final = "DELETE FROM logs WHERE run_key = ? AND bytes_through <= ?"
PUT_CURRENT: Final = _insert("currents", CurrentRun._fields, "REPLACE")
PUT_REQUEST: Final = _insert("requests", RequestId._fields, "INSERT OR IGNORE")
PUT_NAMESPACE: Final = _insert("namespaces", NamespaceRow._fields, "REPLACE")
DELETE_NAMESPACE: Final = (
    "DELETE FROM search_attributes WHERE namespace = ?",
    "DELETE FROM records WHERE namespace = ?",
    "DELETE FROM namespaces WHERE name = ?",
)
"""One after another: a namespace without runs, and all that is its own."""
DELETE_RUN: Final = (
    "DELETE FROM currents WHERE run_key = ?1 AND (namespace, workflow_id) = "
    "(SELECT namespace, workflow_id FROM runs WHERE run_key = ?1)",
    "DELETE FROM history WHERE run_key = ?1",
    "DELETE FROM activities WHERE run_key = ?1",
    "DELETE FROM streams WHERE run_key = ?1",
    "DELETE FROM logs WHERE run_key = ?1",
    "DELETE FROM requests WHERE run_key = ?1",
    "DELETE FROM attribute_values WHERE run_key = ?1",
    "DELETE FROM runs WHERE run_key = ?1",
    "UPDATE meta SET last_run_key = max(last_run_key, ?1)",
)
"""One after another: a run and all that is its own."""

PUT_SEARCH_ATTRIBUTE: Final = _insert("search_attributes", SearchAttributeRow._fields)
DELETE_SEARCH_ATTRIBUTE: Final = "DELETE FROM search_attributes WHERE attribute_key = ?"
DELETE_VALUES_OF_ATTRIBUTE: Final = "DELETE FROM attribute_values WHERE attribute_key = ?"
DELETE_VALUES_OF_RUN: Final = "DELETE FROM attribute_values WHERE run_key = ?"
PUT_ATTRIBUTE_VALUE: Final = _insert("attribute_values", AttributeValue._fields)
PUT_RECORD: Final = _insert("records", Record._fields, "REPLACE")
DELETE_RECORD: Final = "DELETE FROM records WHERE kind = ? AND namespace = ? AND name = ?"

BEGIN: Final = "BEGIN IMMEDIATE"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"
COUNT_COMMIT: Final = "UPDATE meta SET commits = ? WHERE commits = ? AND incarnation = ?"
"""Changes no row when somebody else has written: that fences a process whose lock was taken away."""
BEGIN_INCARNATION: Final = "UPDATE meta SET commits = commits + 1, incarnation = incarnation + 1"
META: Final = "SELECT store_id, commits, incarnation FROM meta"
LAST_RUN_KEY: Final = "SELECT max((SELECT coalesce(max(run_key), 0) FROM runs), (SELECT last_run_key FROM meta))"

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
STREAM: Final = (
    f"SELECT {', '.join(StreamRow._fields)} FROM streams WHERE run_key = ? AND last_offset > ? "
    "ORDER BY last_offset LIMIT ?"
)
STREAM_ENDS: Final = """
    SELECT scheduled_event_id, start, max(first_seq + length(kinds) - 1), max(last_offset), sum(length(events))
    FROM streams WHERE run_key = ? GROUP BY scheduled_event_id, start
"""
LOG: Final = (
    f"SELECT {', '.join(LogRow._fields)} FROM logs WHERE run_key = ? AND last_offset > ? ORDER BY last_offset LIMIT ?"
)
LOG_END: Final = """
    SELECT last_offset, bytes_through,
        (SELECT bytes_through - length(lines) FROM logs WHERE run_key = ?1 ORDER BY last_offset LIMIT 1)
    FROM logs WHERE run_key = ?1 ORDER BY last_offset DESC LIMIT 1
"""
SEARCH_ATTRIBUTES: Final = f"SELECT {', '.join(SearchAttributeRow._fields)} FROM search_attributes"
RECORDS: Final = f"SELECT {', '.join(Record._fields)} FROM records WHERE kind = ? ORDER BY namespace, name"
HAS_REQUEST: Final = "SELECT 1 FROM requests WHERE run_key = ? AND request_id = ?"
NAMESPACES: Final = f"SELECT {', '.join(NamespaceRow._fields)} FROM namespaces ORDER BY name"
CLOSED_RUNS: Final = """
    SELECT run_key, history_bytes FROM runs
    WHERE namespace = ? AND order_ns <= ? ORDER BY order_ns LIMIT ?
"""
ANY_RUNS: Final = "SELECT run_key, history_bytes FROM runs WHERE namespace = ? LIMIT ?"
DUE: Final = """
    SELECT due_ns, run_key FROM runs
    WHERE due_ns <= ? AND (due_ns, run_key) > (?, ?)
    ORDER BY due_ns, run_key LIMIT ?
"""


class Listing(NamedTuple):
    """A query over runs: its text, and what it binds after the namespace and before the position and limit."""

    text: str
    values: tuple[Value, ...]


def list_runs(condition: Condition, *, paged: bool) -> Listing:
    """Text that binds namespace, the values, the position (three numbers) when paged, and the limit."""
    page = " AND (order_ns, started_ns, run_key) < (?, ?, ?)" if paged else ""
    found = where(condition)
    text = f"{_SELECT_RUN} {_from_runs(condition, found)}{page}"
    return Listing(f"{text} ORDER BY order_ns DESC, started_ns DESC, run_key DESC LIMIT ?", found.values)


def matching_run_keys(condition: Condition) -> Listing:
    """Text that binds namespace, the values, the bounds and the limit."""
    found = where(condition)
    text = f"SELECT run_key FROM runs NOT INDEXED WHERE namespace = ?{f' AND {found.text}' if found.text else ''}"
    return Listing(f"{text} AND run_key > ? AND run_key <= ? ORDER BY run_key LIMIT ?", found.values)


def count_runs(condition: Condition) -> Listing:
    found = where(condition)
    return Listing(f"SELECT count(*) FROM runs {_from_runs(condition, found)}", found.values)


def count_runs_by_status(condition: Condition) -> Listing:
    found = where(condition)
    text = f"SELECT status, count(*) FROM runs {_from_runs(condition, found)} GROUP BY status ORDER BY 2 DESC, 1"
    return Listing(text, found.values)


def _from_runs(condition: Condition, found: Where) -> str:
    return f"{drives(condition)} WHERE namespace = ?{f' AND {found.text}' if found.text else ''}"
