"""The write-ahead log's life: laid out in advance, and copied into the database by its own thread.

Owns the `-wal` file's size. A sync after a write into blocks that exist costs about half of a sync that
must also record new blocks, so a new log begins as zeros of its usual size; SQLite takes zeros for an
empty log. Commits must not wait for the copying, so a thread with its own connection does it; it cannot
finish while commits go on, so the commit after it copies the few pages that are left, and only then can
the log begin again at its start.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import Final

LOG_BYTES: Final = 8 << 20
COPY_AFTER_PAGES: Final = 1024
"""Copy after about this many pages were logged: half the log, as commits go on while it is copied."""


def lay_out(database: str) -> None:
    """Fill an empty log with zeros, before anything connects. Best effort: without it, commits are slower."""
    log = f"{database}-wal"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(log, flags, os.stat(database).st_mode & 0o777)
    except OSError:
        return
    try:
        if os.fstat(descriptor).st_size == 0:  # else it was laid out before a crash and holds commits
            zeros = bytes(1 << 20)
            for _ in range(LOG_BYTES // len(zeros)):
                os.write(descriptor, zeros)
    except OSError:  # no room: give back what we took
        with contextlib.suppress(OSError):
            os.truncate(log, 0)
    finally:
        os.close(descriptor)


class LogCopier:
    """Copies the log into the database in the background (a passive checkpoint)."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._pages = 0
        self._copied = False
        self._stopping = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def logged(self, pages: int, writer: sqlite3.Connection) -> None:
        """Note pages that a commit has logged. Called after the commit, with no transaction open."""
        self._pages += pages
        if self._copied:
            self._copied = False
            with contextlib.suppress(sqlite3.Error):  # not done this time: the log grows until the next
                writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        elif self._pages >= COPY_AFTER_PAGES:
            self._pages = 0
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tsuzuki log copier", daemon=True)
                self._thread.start()
            self._wake.set()

    def stop(self) -> None:
        """End the thread, after the copying that it is doing. The copier can be used again afterwards."""
        if self._thread is not None:
            self._stopping = True
            self._wake.set()
            self._thread.join()
            self._thread = None
        self._pages, self._copied, self._stopping = 0, False, False
        self._wake.clear()

    def _run(self) -> None:
        # A copy that fails leaves every page in the log, where it is safe; the next one copies them all anew.
        connection: sqlite3.Connection | None = None
        while self._wake.wait() and not self._stopping:
            self._wake.clear()
            with contextlib.suppress(sqlite3.Error):
                if connection is None:
                    connection = sqlite3.connect(self._database, isolation_level=None)
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._copied = True
        if connection is not None:
            connection.close()
