"""What an agent remembers of a session, and how a long conversation is made short.

Owns the gates: a run keeps the memory that it began with. First there was none, then the messages of the session
(`session_memory_v1`), then memory in layers (`memory_retrieval_v1`); long conversations are compressed since
`context_compress_v1`.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import fsum
from os import PathLike
from typing import Any, Final

from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy

from ._activity_key import key_of
from ._conversation import Entry, EntryKind

RETRIEVE: Final = "retrieve_hierarchical_memory"
GET_SESSION: Final = "get_session_messages"
REMEMBER: Final = "remember_messages"
COMPRESS: Final = "compress_context"

MESSAGES_MAX: Final = 20
"""Longer conversations are compressed."""
KEPT: Final = 10
"""So many of the last entries stay as they are, at least."""
RECENT: Final = 6
RELEVANT: Final = 4
SUMMARY_CHARACTERS: Final = 160

_OPTIONS: Final = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30), retry_policy=RetryPolicy(maximum_attempts=5)
)

Summarize = Callable[[Sequence[Entry]], Awaitable[str]]


@dataclass(frozen=True)
class Recall:
    """The argument of the activities that remember: which session, for which question."""

    session_id: str
    query: str = ""


@dataclass(frozen=True)
class Remember:
    """The argument of the activity that stores."""

    session_id: str
    entries: list[Entry]


async def recall(session_id: str, query: str) -> list[Entry]:
    """Give what an agent should know of a session before it answers; for workflow code.

    In layers: a summary of the session, what in it is about the question, and its last messages. A run that
    began with session memory alone gets the last messages; one from before that, or without a session, nothing.

    Args:
        session_id: The session; empty for none.
        query: The question.

    Raises:
        ActivityError: The store does not answer.
    """
    found: list[Entry] = []
    if workflow.get_version("memory_retrieval_v1", workflow.DEFAULT_VERSION, 1) >= 1 and session_id:
        found = await workflow.execute_activity(
            RETRIEVE, Recall(session_id, query), result_type=list[Entry], **_OPTIONS
        )
    elif workflow.get_version("session_memory_v1", workflow.DEFAULT_VERSION, 1) >= 1 and session_id:
        found = await workflow.execute_activity(GET_SESSION, Recall(session_id), result_type=list[Entry], **_OPTIONS)
    return found


async def remember(session_id: str, entries: Sequence[Entry]) -> None:
    """Add what was said to a session; for workflow code. Runs from before this call was put in do not.

    Only words are kept: what people asked and the agent's replies.
    """
    if workflow.get_version("memory_storage_v1", workflow.DEFAULT_VERSION, 1) >= 1 and session_id:
        said = [
            Entry(entry.kind, entry.text)
            for entry in entries
            if entry.kind in (EntryKind.USER, EntryKind.REPLY) and entry.text
        ]
        await workflow.execute_activity(REMEMBER, Remember(session_id, said), **_OPTIONS)


async def compress(conversation: Sequence[Entry], session_id: str) -> list[Entry]:
    """Put a summary in place of the beginning of a conversation of more than 20 entries; for workflow code.

    The last 10 entries stay at least; a tool's answer is not parted from the reply that asked for it.

    Args:
        conversation: All that was said.
        session_id: The session; without one nothing is compressed.
    """
    entries = list(conversation)
    if (
        workflow.get_version("context_compress_v1", workflow.DEFAULT_VERSION, 1) >= 1
        and session_id
        and len(entries) > MESSAGES_MAX
    ):
        cut = next((at for at in range(len(entries) - KEPT, 0, -1) if entries[at].kind is EntryKind.USER), 0)
        if cut > 0:
            summary: str = await workflow.execute_activity(COMPRESS, entries[:cut], result_type=str, **_OPTIONS)
            return [Entry(EntryKind.SUMMARY, f"Summary of what was said before:\n{summary}"), *entries[cut:]]
    return entries


async def summarize_by_beginnings(entries: Sequence[Entry]) -> str:
    """Summarize without a model: who said what, the beginning of each."""
    lines = (" ".join(entry.text.split()) for entry in entries)
    return "\n".join(
        f"- {entry.tool or entry.kind}: {line[:SUMMARY_CHARACTERS]}"
        for entry, line in zip(entries, lines, strict=True)
        if line
    )


class MemoryStore:
    """Sessions in a SQLite file, safe to use from threads and processes: give `store.activities` to the worker.

    Args:
        path: The file, created if missing.
        summarize: How beginnings of conversations, and sessions, are summarized; the default needs no model.
    """

    def __init__(self, path: str | PathLike[str], *, summarize: Summarize = summarize_by_beginnings) -> None:
        self._summarize = summarize
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS session_messages (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
            "session_id TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL) STRICT"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS messages_of ON session_messages (session_id, number)")

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """What a worker must know."""
        return [self.retrieve, self.get_session, self.remember, self.compress]

    def messages(self, session_id: str, limit: int = 1000) -> list[Entry]:
        """Give the last messages of a session, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, text FROM session_messages WHERE session_id = ? ORDER BY number DESC LIMIT ?",
                (session_id, limit),
            ).fetchall()
        return [Entry(EntryKind(kind), text) for kind, text in reversed(rows)]

    def add(self, session_id: str, entries: Sequence[Entry], *, key: str) -> None:
        """Add messages to a session; the same key again adds nothing."""
        rows = [(f"{key}/{at}", session_id, entry.kind.value, entry.text) for at, entry in enumerate(entries)]
        with self._lock:
            if self._db.in_transaction:  # of a thread that was cancelled half way
                self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR IGNORE INTO session_messages (key, session_id, kind, text) VALUES (?, ?, ?, ?)", rows
            )
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @activity.defn(name=GET_SESSION)
    def get_session(self, wanted: Recall) -> list[Entry]:
        """The last messages of a session."""
        return self.messages(wanted.session_id, MESSAGES_MAX)

    @activity.defn(name=RETRIEVE)
    async def retrieve(self, wanted: Recall) -> list[Entry]:
        """A summary of what is old, what of it is about the question, and the last messages."""
        said = self.messages(wanted.session_id)
        old, recent = said[:-RECENT], said[-RECENT:]
        if not old:
            return recent
        relevant = _about(wanted.query, old)
        summary = await self._summarize([entry for entry in old if entry not in relevant][-MESSAGES_MAX:])
        layers = [Entry(EntryKind.SUMMARY, f"Earlier in this session:\n{summary}")] if summary else []
        return [*layers, *relevant, *recent]

    @activity.defn(name=REMEMBER)
    def remember(self, what: Remember) -> None:
        """Add messages, once for all attempts."""
        self.add(what.session_id, what.entries, key=key_of(activity.info()))

    @activity.defn(name=COMPRESS)
    async def compress(self, entries: list[Entry]) -> str:
        """Summarize the beginning of a conversation."""
        return await self._summarize(entries)


def _about(query: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries that share most words with a question, rare words first, in the order in which they were said."""
    words = [set(_words(entry.text)) for entry in entries]
    common = Counter(word for each in words for word in each)
    asked = set(_words(query))
    scores = [fsum(1 / common[word] for word in each & asked) for each in words]  # sets have no order, and sums do
    best = sorted(range(len(entries)), key=lambda at: (-scores[at], -at))[:RELEVANT]
    return [entries[at] for at in sorted(best) if scores[at] > 0]


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.lower()) if len(word) > 2]
