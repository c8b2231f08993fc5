"""The texts that the research reads: Python's own documentation, or a folder of text files.

A document is cited by its `source`, so a source names exactly one text that a reader can open. Reading
refuses what it cannot read in full: a report that silently left a file out would look complete.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 20 * 2**20

# Packages of the standard library that hold tests, tables, tools or other people's code.
_LEFT_OUT: Final = frozenset(
    {"__pycache__", "_sysconfigdata", "dist-packages", "distutils", "encodings", "ensurepip", "idlelib"}
    | {"lib2to3", "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtledemo"}
)


# Modules whose documented source is a private file.
_PUBLIC_NAMES: Final = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
}


class CorpusError(ValueError):
    """The corpus cannot be read; the message is one line that says what to do."""


@dataclass(frozen=True)
class Document:
    """One text that can be cited."""

    source: str
    title: str
    text: str


def read_documents(folder: str) -> Iterator[Document]:
    """Every document of a folder, or of Python's own documentation when `folder` is empty.

    Raises:
        CorpusError: The folder or a file in it cannot be read, or there is nothing in it.
    """
    return _folder_documents(Path(folder)) if folder else _python_documents()


def check_documents(folder: str) -> None:
    """Say what is wrong with a folder before anything is done with it.

    Raises:
        CorpusError: As `read_documents`.
    """
    if folder:
        for _ in read_documents(folder):
            pass


def fingerprint(folder: str) -> str:
    """A name for the state of a corpus: it changes when a file of it does.

    Raises:
        CorpusError: As `read_documents`, except that files are not opened.
    """
    if folder:
        root = Path(folder).resolve()
        parts: Iterable[object] = [root, *(_stamp(path) for path in _text_files(root))]
    else:
        parts = ["python", sys.version, sysconfig.get_path("stdlib")]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise CorpusError(f"corpus file {path} cannot be read: {error.strerror}") from error
    return str(path), stat.st_size, stat.st_mtime_ns


# ---- a folder ----------------------------------------------------------------------------------------


def _text_files(root: Path) -> list[Path]:
    if not root.exists():
        raise CorpusError(f"corpus folder {root} does not exist")
    if not root.is_dir():
        raise CorpusError(f"corpus {root} is not a folder")

    def fail(error: OSError) -> None:
        raise CorpusError(f"corpus folder {error.filename} cannot be read: {error.strerror}") from error

    found = [
        Path(folder, name)
        for folder, folders, names in os.walk(root, onerror=fail)
        if not folders.sort()  # in place: walk in the same order on every machine
        for name in sorted(names)
        if name.lower().endswith((".txt", ".md", ".markdown", ".rst")) and not name.startswith(".")
    ]
    if not found:
        raise CorpusError(f"corpus folder {root} has no text files (.txt, .md, .markdown, .rst)")
    return found


def _folder_documents(root: Path) -> Iterator[Document]:
    for path in _text_files(root):
        text = _read_text(path)
        name = path.relative_to(root).as_posix()
        yield Document(source=name, title=path.stem.replace("_", " ").replace("-", " "), text=text)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise CorpusError(f"corpus file {path} is larger than {FILE_BYTES_MAX:,} bytes: split it, or leave it out")
        raw = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"corpus file {path} cannot be read: {error.strerror}") from error
    if b"\0" in raw:
        raise CorpusError(f"corpus file {path} is binary, not text: remove or rename it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"corpus file {path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


# ---- Python's own documentation ------------------------------------------------------------------------


def _python_documents() -> Iterator[Document]:
    """The language reference that `help()` shows, then the docstrings of the standard library."""
    with contextlib.suppress(ImportError):  # some distributions leave it out
        from pydoc_data.topics import topics

        for topic, text in sorted(topics.items()):
            yield Document(source=f'help("{topic}")', title=topic, text=text)
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if _LEFT_OUT.isdisjoint(relative.parts) and not relative.name.startswith("_sysconfigdata"):
            yield from _docstrings(path, relative)


def _docstrings(path: Path, relative: Path) -> Iterator[Document]:
    """The docstrings of a module, read from its source without importing it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # a broken module of the standard library is not this program's business
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    name = _PUBLIC_NAMES.get(name, name)
    if not any(map(_is_private, name.split("."))):
        yield from _docstrings_of(tree, name, relative.as_posix())


def _docstrings_of(node: ast.Module | ast.ClassDef, name: str, file: str) -> Iterator[Document]:
    if text := ast.get_docstring(node):
        yield Document(source=f"{name} ({file})", title=name, text=text)
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not _is_private(child.name):
            title = f"{name}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from _docstrings_of(child, title, file)
            elif text := ast.get_docstring(child):
                yield Document(source=f"{title} ({file})", title=title, text=text)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")
