"""Finding and reading source files.

A folder is searched for `*.py`; folders that hold no code of one's own are left out. A file that is named is
read whatever it is called.
"""

from __future__ import annotations

import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist", "_build"})
_CODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


@dataclass(frozen=True)
class Source:
    """A file to check.

    Attributes:
        path: For people.
        named: True when it was given itself, False when it was found in a folder.
    """

    path: str
    named: bool


class UnreadableError(Exception):
    """A file cannot be checked; the message says why."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def find_sources(paths: Iterable[str]) -> Iterator[Source]:
    """Yield every file once, folders in the order of names.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    seen: set[str] = set()
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(path)
        found = _in_folder(path) if os.path.isdir(path) else [Source(os.path.normpath(path), named=True)]
        for source in found:
            key = os.path.realpath(source.path)
            if key not in seen:
                seen.add(key)
                yield source


def _in_folder(top: str) -> Iterator[Source]:
    closed: list[OSError] = []
    for folder, inner, files in os.walk(os.path.normpath(top), onerror=closed.append):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(files):
            path = os.path.normpath(os.path.join(folder, name))
            if name.endswith(".py") and (os.path.isfile(path) or os.path.islink(path)):
                yield Source(path, named=False)
    for error in closed:
        yield Source(str(error.filename), named=True)  # reading it will say so


def read_bytes(path: str) -> bytes:
    """Read a file.

    Raises:
        UnreadableError: It cannot be opened, or is no file.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            what = "the folder cannot be read" if os.path.isdir(path) else "this is not a file"
            raise UnreadableError(what)  # reading a pipe would wait for its other end
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UnreadableError(f"the file cannot be opened: {error.strerror or error}") from None


def decode(data: bytes) -> str:
    """Decode source as Python does: UTF-8, or what its first lines declare; line ends become newlines.

    Raises:
        UnreadableError: It is not that.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            f"the file is not valid {error.encoding.upper()}: byte 0x{data[error.start]:02x} at offset {error.start}",
            line,
        ) from None
    except (SyntaxError, LookupError) as error:
        bad_byte = _first_bad_byte(data)
        if bad_byte is not None and not _declares_encoding(data):
            raise bad_byte from None
        raise UnreadableError(f"the encoding of the file is not known: {error}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_utf8(data: bytes) -> bool:
    """Tell whether the bytes are UTF-8, or declare to be something else."""
    return _first_bad_byte(data) is None or _declares_encoding(data)


def _first_bad_byte(data: bytes) -> UnreadableError | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return UnreadableError(f"the file is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}", line)
    return None


def _declares_encoding(data: bytes) -> bool:
    return any(_CODING.match(line) for line in data.split(b"\n", 2)[:2])
