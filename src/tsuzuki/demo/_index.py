"""A full-text index of a corpus: SQLite FTS5 in a cache file, built once for each state of the corpus.

The file is a cache. It is written under another name and moved into place, so a process that dies while
building leaves no half of an index, and whoever finds none builds it.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from ._documents import Document, fingerprint, read_documents
from ._passages import Passage, passages
from ._words import STOP_WORDS, words

FORMAT: Final = 1  # part of the file's name: raise it when what is stored changes

_SCHEMA: Final = """
CREATE VIRTUAL TABLE passages USING fts5(title, text, source UNINDEXED, tokenize='porter unicode61');
CREATE TABLE word (lower TEXT PRIMARY KEY, form TEXT NOT NULL, passages INTEGER NOT NULL, headings INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE size (documents INTEGER NOT NULL, passages INTEGER NOT NULL);
"""

_building = threading.Lock()


class Index:
    """Searches one corpus; cheap to open, safe to use from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        self.documents, self.passages = self._connection.execute("SELECT documents, passages FROM size").fetchone()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str, limit: int) -> list[Passage]:
        """The passages that match an FTS5 query, best first.

        A word in the title counts four times. The measure favours short texts so strongly that a heading's
        worth of words would win; the factor evens that out, up to the length of a good paragraph.
        """
        rows = self._connection.execute(
            "SELECT source, title, text FROM passages WHERE passages MATCH ?"
            " ORDER BY bm25(passages, 4.0, 1.0) * (1 + min(length(text), 400) / 400.0), rowid LIMIT ?",
            (query, limit),
        )
        return [Passage(*row) for row in rows]

    def count(self, query: str) -> int:
        """How many passages match an FTS5 query."""
        (count,) = self._connection.execute("SELECT count(*) FROM passages WHERE passages MATCH ?", (query,)).fetchone()
        return int(count)

    def word(self, word: str) -> tuple[str, int, int]:
        """The usual spelling of a word, how many passages have it in exactly this form, and how many headings."""
        row = self._connection.execute(
            "SELECT form, passages, headings FROM word WHERE lower = ?", (word.lower(),)
        ).fetchone()
        return row or (word, 0, 0)


def quote(word: str) -> str:
    """A word or phrase as FTS5 takes it literally."""
    return '"' + word.replace('"', '""') + '"'


def open_index(corpus: str, progress: Callable[[int], object] = lambda documents: None) -> Index:
    """The index of a corpus (a folder, or Python's documentation if empty), built first if there is none.

    Args:
        corpus: As `read_documents`.
        progress: Called now and then with the number of documents read so far.

    Raises:
        CorpusError: The corpus cannot be read.
    """
    path = cache_folder() / f"corpus-{FORMAT}-{fingerprint(corpus)}.db"
    with _building:  # several searches may find it missing at once
        if not path.exists():
            _build(path, read_documents(corpus), progress)
    return Index(path)


def cache_folder() -> Path:
    """Where caches of this user go: $XDG_CACHE_HOME, ~/.cache, or the temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base, "tsuzuki").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir()).absolute()


def _build(path: Path, documents: Iterable[Document], progress: Callable[[int], object]) -> None:
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    os.close(handle)
    try:
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            _fill(connection, documents, progress)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _fill(connection: sqlite3.Connection, documents: Iterable[Document], progress: Callable[[int], object]) -> None:
    connection.executescript(_SCHEMA)
    texts: set[str] = set()
    forms: dict[str, Counter[str]] = {}
    headings: Counter[str] = Counter()
    count = 0
    for count, document in enumerate(documents, start=1):
        for passage in passages(document):
            if passage.text in texts:  # Python's reference repeats chapters under several names
                continue
            texts.add(passage.text)
            connection.execute(
                "INSERT INTO passages (title, text, source) VALUES (?, ?, ?)",
                (passage.title, passage.text, passage.source),
            )
            for word in dict.fromkeys(words(passage.text)):  # of equally frequent spellings the first is kept
                forms.setdefault(word.lower(), Counter())[word] += 1
            # The last part of a dotted name is what a docstring is about; the others are where it lives.
            headings.update(word.lower() for word in set(words(passage.title.rpartition(".")[2])))
        if count % 100 == 0:
            progress(count)
    connection.executemany(
        "INSERT INTO word VALUES (?, ?, ?, ?)",
        (
            (lower, spellings.most_common(1)[0][0], spellings.total(), headings[lower])
            for lower, spellings in forms.items()
            if lower not in STOP_WORDS
        ),
    )
    connection.execute("INSERT INTO size VALUES (?, ?)", (count, len(texts)))
    connection.commit()
