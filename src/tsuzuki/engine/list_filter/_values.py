"""The values of a filter, by the kind of the attribute that they are compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.rfc3339 import parse_time
from tsuzuki.core.search_attributes import Kind
from tsuzuki.core.times import SECOND

from ._syntax import Literal, Name

STATUSES: Final[Mapping[str, int]] = {
    "".join(word.capitalize() for word in name.removeprefix("WORKFLOW_EXECUTION_STATUS_").split("_")): number
    for name, number in WorkflowExecutionStatus.items()
}
_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,
}
_PART: Final = re.compile(r"(\d{1,30}\.?\d{0,30}|\.\d{1,30})(ns|us|\u00b5s|ms|s|m|h|d)", re.ASCII)
_CLOCK: Final = re.compile(r"(-?)(\d{1,9}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?", re.ASCII)
_NS_MAX: Final = (1 << 63) - 1


def value_of(name: Name, kind: Kind, literal: Literal) -> str | int | float:
    """What is compared: times and durations in nanoseconds, truth as 1 and 0, a status as its number.

    Raises:
        InvalidInput: The literal is none of the kind.
    """
    if name.text == "ExecutionStatus":
        return _status(literal)
    if name.text == "ExecutionDuration":
        return _duration(literal)
    read, expected = _READERS[kind]
    value = read(literal.value)
    if value is None:
        raise InvalidInput(
            f"invalid query: {name.text} is of type {kind.wire_name}, and {literal.text[:60]} at character "
            f"{literal.at} is none; expected {expected}."
        )
    return value


def _string(value: str | int | float | bool) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: str | int | float | bool) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _truth(value: str | int | float | bool) -> int | None:
    return int(value) if isinstance(value, bool) else None


def _time(value: str | int | float | bool) -> int | None:
    if isinstance(value, str):
        return parse_time(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_TEXT: Final = "a text in quotes"
_READERS: Final[Mapping[Kind, tuple[Callable[[str | int | float | bool], str | int | float | None], str]]] = {
    Kind.TEXT: (_string, _TEXT),
    Kind.KEYWORD: (_string, _TEXT),
    Kind.KEYWORD_LIST: (_string, _TEXT),
    Kind.INT: (_number, "a number, without quotes"),
    Kind.DOUBLE: (_number, "a number, without quotes"),
    Kind.BOOL: (_truth, "true or false, without quotes"),
    Kind.DATETIME: (_time, "a time such as '2026-01-01T00:00:00Z', or Unix nanoseconds"),
}


def _status(literal: Literal) -> int:
    value = literal.value
    if isinstance(value, str):
        found = STATUSES.get(value)
    else:
        known = isinstance(value, int) and not isinstance(value, bool) and value in STATUSES.values()
        found = int(value) if known else None
    if found is None:
        raise InvalidInput(
            f"invalid query: {literal.text[:60]} at character {literal.at} is no ExecutionStatus; "
            f"expected one of {', '.join(list(STATUSES)[1:])}."
        )
    return found


def _duration(literal: Literal) -> int:
    value = literal.value
    found = _duration_ns(value) if isinstance(value, str) else value
    if not isinstance(found, int) or isinstance(found, bool):
        raise InvalidInput(
            f"invalid query: {literal.text[:60]} at character {literal.at} is no ExecutionDuration; expected a text "
            "such as '90s', '1h30m' or '01:30:00', or nanoseconds."
        )
    return max(-_NS_MAX, min(_NS_MAX, found))


def _duration_ns(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        sign, hours, minutes, seconds, fraction = clock.groups()
        total = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * SECOND + int(((fraction or "") + "0" * 9)[:9])
        return -total if sign else total
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = list(_PART.finditer(body))
    if not parts or "".join(part.group() for part in parts) != body:
        return None
    total = sum(int(float(part.group(1)) * _UNITS_NS[part.group(2)]) for part in parts)
    return -total if text.startswith("-") else total
