"""What others wrote, on its way to the terminal: it must not steer it. Control characters stand as escapes."""

from __future__ import annotations

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_STEERS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def one_line(value: object) -> str:
    """Give a value in one line."""
    return _CONTROL.sub(_escape, " ".join(str(value).split("\n")))


def printable(text: str) -> str:
    """Give a text with its lines and tabs."""
    return _STEERS.sub(_escape, text.replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]
