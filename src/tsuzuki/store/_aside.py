"""Lists and counts that take long, on a connection of their own, for a thread of their own.

SQLite works without the interpreter lock, so the loop that runs the engine goes on meanwhile. Invariant: one query at a
time; closing breaks off the one that runs and waits for its end.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from tsuzuki.store._contract import StoreFailedError
from tsuzuki.store._failures import read_failure
from tsuzuki.store._place import connect
from tsuzuki.store._reads import SqliteReads


class ListsAside(SqliteReads):
    """The reads of a store in a file, as far as they are lists and counts."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._reader = connect(path)
            self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise read_failure(path, error) from error
        self._busy = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        return self._path

    def close(self) -> None:
        """Break off what runs. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._reader.interrupt()
        with self._busy:
            self._reader.close()

    def _bounded(self, text: str, values: Sequence[Any]) -> list[Any]:
        with self._busy:
            if self._closed:
                raise StoreFailedError(f"store {self.name} was closed or reopened; ask again.")
            return super()._bounded(text, values)
