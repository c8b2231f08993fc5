"""The reading half of the SQLite store.

Reads use a connection of their own in autocommit, so they see what was committed and never wait for the
commit that is under way. Each read fetches to its end: a statement left half-way would keep the log from
beginning again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

from tsuzuki.store import _statements as sql
from tsuzuki.store._conditions import Condition
from tsuzuki.store._contract import (
    ActivityRow,
    HistoryBatch,
    LogEnd,
    LogRow,
    NamespaceRow,
    NewRun,
    Position,
    Record,
    RunUpdate,
    SearchAttributeRow,
    StoredRun,
    StoreQueryTooLongError,
    StreamEnd,
    StreamRow,
    chain,
)
from tsuzuki.store._failures import damaged, read_failure

LISTING_STEPS_MAX: Final = 50_000_000
"""Of SQLite's own machine; it makes some 30 million in a second."""
BRIEF_STEPS_MAX: Final = 100_000
"""What may be done where other things wait: a few milliseconds."""
_STEPS_BETWEEN: Final = 100_000
_NEW_COLUMNS: Final = len(NewRun._fields)
_LAST_EVENT: Final = 1 << 62
_BEFORE_ALL: Final = (-1, -1)


Row = TypeVar("Row")


class SqliteReads:
    """What a `Store` answers, over one connection."""

    _reader: sqlite3.Connection
    _brief = False

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def last_run_key(self) -> int:
        run_key: int = self._rows(sql.LAST_RUN_KEY, ())[0][0]
        return run_key

    @contextmanager
    def brief(self) -> Iterator[None]:
        """Inside, lists and counts are given up early (StoreQueryTooLongError), as other things wait."""
        self._brief = True
        try:
            yield
        finally:
            self._brief = False

    def run(self, run_key: int) -> StoredRun | None:
        return _one_run(self._rows(sql.RUN, (run_key,)))

    def find_run(self, namespace: str, workflow_id: str, run_id: str) -> StoredRun | None:
        return _one_run(self._rows(sql.FIND_RUN, (namespace, workflow_id, run_id)))

    def current_run(self, namespace: str, workflow_id: str) -> StoredRun | None:
        found = self._rows(sql.CURRENT_RUN_KEY, (namespace, workflow_id))
        return self.run(found[0][0]) if found else None

    def history(self, run_key: int, first_event_id: int = 1, last_event_id: int | None = None) -> list[HistoryBatch]:
        """The batches that hold any event from first to last, in order, their checksums verified.

        Raises:
            StoreNotADatabaseError: A batch does not match its checksum: the file is damaged.
        """
        last = _LAST_EVENT if last_event_id is None else last_event_id
        rows = self._rows(sql.HISTORY, (run_key, last, run_key, first_event_id))
        batches = [HistoryBatch._make(row) for row in rows]
        if batches and batches[0].last_event_id < first_event_id:
            del batches[0]
        self._verify(batches)
        return batches

    def _verify(self, batches: list[HistoryBatch]) -> None:
        previous = 0 if batches and batches[0].first_event_id == 1 else None
        for batch in batches:
            if previous is not None and chain(previous, batch.events) != batch.chain:
                raise damaged(
                    self.name,
                    f"history events {batch.first_event_id} to {batch.last_event_id} of run key "
                    f"{batch.run_key} do not match their checksum",
                )
            previous = batch.chain

    def activities(self, run_key: int) -> list[ActivityRow]:
        return [ActivityRow._make(row) for row in self._rows(sql.ACTIVITIES, (run_key,))]

    def stream(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[StreamRow]:
        return self._up_to(sql.STREAM, (run_key, after, limit), StreamRow._make, bytes_max)

    def log(self, run_key: int, after: int, limit: int, bytes_max: int | None = None) -> list[LogRow]:
        return self._up_to(sql.LOG, (run_key, after, limit), LogRow._make, bytes_max)

    def _up_to(
        self, statement: str, values: tuple[int, ...], make: Callable[[Iterable[Any]], Row], bytes_max: int | None
    ) -> list[Row]:
        """Rows whose last column is bytes, up to the first that exceeds so many in all; None for no bound."""
        if bytes_max is None:
            return [make(row) for row in self._rows(statement, values)]
        rows: list[Row] = []
        try:
            with closing(self._reader.execute(statement, values)) as found:
                for row in found:
                    rows.append(make(row))
                    bytes_max -= len(row[-1])
                    if bytes_max < 0:
                        break
        except sqlite3.Error as error:
            raise read_failure(self.name, error) from error
        return rows

    def stream_ends(self, run_key: int) -> list[StreamEnd]:
        return [StreamEnd._make(row) for row in self._rows(sql.STREAM_ENDS, (run_key,))]

    def log_end(self, run_key: int) -> LogEnd | None:
        for row in self._rows(sql.LOG_END, (run_key,)):
            return LogEnd._make(row)
        return None

    def has_request_id(self, run_key: int, request_id: str) -> bool:
        return bool(self._rows(sql.HAS_REQUEST, (run_key, request_id)))

    def due(self, until_ns: int, after: tuple[int, int] | None, limit: int) -> list[tuple[int, int]]:
        return self._rows(sql.DUE, (until_ns, *(after or _BEFORE_ALL), limit))

    def search_attributes(self) -> list[SearchAttributeRow]:
        return [SearchAttributeRow._make(row) for row in self._rows(sql.SEARCH_ATTRIBUTES, ())]

    def records(self, kind: str) -> list[Record]:
        return [Record._make(row) for row in self._rows(sql.RECORDS, (kind,))]

    def matching_run_keys(self, namespace: str, condition: Condition, after: int, until: int, limit: int) -> list[int]:
        text, values = sql.matching_run_keys(condition)
        return [key for (key,) in self._bounded(text, (namespace, *values, after, until, limit))]

    def list_runs(self, namespace: str, condition: Condition, before: Position | None, limit: int) -> list[StoredRun]:
        """Open runs first, then closed ones; among them the newest first.

        Raises:
            ValueError: The condition names an unknown column or operator.
            StoreQueryTooLongError: It was given up.
        """
        text, values = sql.list_runs(condition, paged=before is not None)
        return [_stored(row) for row in self._bounded(text, (namespace, *values, *(before or ()), limit))]

    def count_runs(self, namespace: str, condition: Condition) -> int:
        text, values = sql.count_runs(condition)
        count: int = self._bounded(text, (namespace, *values))[0][0]
        return count

    def count_runs_by_status(self, namespace: str, condition: Condition) -> list[tuple[int, int]]:
        text, values = sql.count_runs_by_status(condition)
        return self._bounded(text, (namespace, *values))

    def namespaces(self) -> list[NamespaceRow]:
        return [NamespaceRow._make(row) for row in self._rows(sql.NAMESPACES, ())]

    def closed_runs(self, namespace: str, until_ns: int, limit: int) -> list[tuple[int, int]]:
        return self._rows(sql.CLOSED_RUNS, (namespace, until_ns, limit))

    def any_runs(self, namespace: str, limit: int) -> list[tuple[int, int]]:
        return self._rows(sql.ANY_RUNS, (namespace, limit))

    def _bounded(self, text: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query that somebody else has thought of: it is given up after so many steps."""
        steps_max = BRIEF_STEPS_MAX if self._brief else LISTING_STEPS_MAX
        left = iter(range(max(1, steps_max // _STEPS_BETWEEN)))
        self._reader.set_progress_handler(lambda: next(left, None) is None, min(_STEPS_BETWEEN, steps_max))
        try:
            return self._reader.execute(text, values).fetchall()
        except sqlite3.Error as error:
            if next(left, None) is None:
                raise StoreQueryTooLongError(
                    f"store {self.name}: the query was given up after {steps_max:,} steps; narrow it with what "
                    "an index finds: a workflow id, a type, a status or the value of a search attribute."
                ) from error
            raise read_failure(self.name, error) from error
        finally:
            self._reader.set_progress_handler(None, 0)

    def _rows(self, text: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._reader.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise read_failure(self.name, error) from error


def _stored(row: tuple[Any, ...]) -> StoredRun:
    return StoredRun(NewRun._make(row[:_NEW_COLUMNS]), RunUpdate._make(row[_NEW_COLUMNS:] + row[:1]))


def _one_run(rows: list[tuple[Any, ...]]) -> StoredRun | None:
    return _stored(rows[0]) if rows else None
