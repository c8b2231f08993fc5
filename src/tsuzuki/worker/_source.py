"""Which line of user code is asking: found cheaply at every command, turned into text only for an error."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NamedTuple

_OWN_FOLDERS: Final = (
    str(Path(__file__).parents[1]),  # tsuzuki
    str(Path(asyncio.__file__).parent),
    contextlib.__file__,
)
_is_own: dict[str, bool] = {}

_boundary: CodeType | None = None
_skipped: set[CodeType] = set()
"""The methods of interceptors: they pass on what somebody else asks for."""


class Source(NamedTuple):
    """A place in the code: cheap to keep, and it keeps no frame alive."""

    code: CodeType
    instruction: int

    def __str__(self) -> str:
        return f"{Path(self.code.co_filename).name}:{self.line}"

    @property
    def line(self) -> int:
        """The line number."""
        for start, end, line in self.code.co_lines():
            if start <= self.instruction < end and line is not None:
                return line
        return self.code.co_firstlineno


def set_boundary(code: CodeType) -> None:
    """Name the function below which there is no workflow code, only what hosts the worker."""
    global _boundary
    _boundary = code


def is_user_code(filename: str) -> bool:
    """Tell whether a file is neither part of this package nor of asyncio."""
    own = _is_own.get(filename)
    if own is None:
        own = _is_own[filename] = filename.startswith(_OWN_FOLDERS)
    return not own


def skip_code_of(interceptor: type) -> None:
    """Look through the methods of a class, and of its bases, to the line that made them be called.

    Classes may be made anew for every run, their code is the same.
    """
    for cls in interceptor.__mro__:
        _skipped.update(member.__code__ for member in vars(cls).values() if isinstance(member, FunctionType))


def prefix(source: object) -> str:
    """How a message begins that is about a place in the code; empty for None, where it is not known."""
    return "" if source is None else f"{source}: "


def find_source(first: int = 1) -> Source | None:
    """Return the innermost line of workflow code on the stack; None when a callback of asyncio is asking.

    Args:
        first: Which caller to begin with, 1 for the innermost. Those before it are functions of this package for
            certain: to look at a frame makes it cost more than the call did.
    """
    frame = sys._getframe(first)
    while frame is not None:
        code = frame.f_code
        if code is _boundary:
            return None
        own = _is_own.get(code.co_filename)  # as a rule it is known, and a call for each frame counts
        if not own and is_user_code(code.co_filename) and not (_skipped and code in _skipped):
            return Source(code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None
