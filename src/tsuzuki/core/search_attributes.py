"""Search attributes: which there are, of which kind, and what a value must look like.

Owns the rules, not the register: which custom attributes a namespace has is handed in, as a mapping of names to kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, TypeAlias

from temporalio.api.common.v1 import Payload, SearchAttributes

from .limits import Limits
from .refusal import InvalidInput
from .rfc3339 import parse_time


class Kind(IntEnum):
    """`IndexedValueType`, by its number."""

    TEXT = 1
    KEYWORD = 2
    INT = 3
    DOUBLE = 4
    BOOL = 5
    DATETIME = 6
    KEYWORD_LIST = 7

    @property
    def wire_name(self) -> str:
        """As it stands beside a value: `KeywordList`."""
        return "".join(word.capitalize() for word in self.name.split("_"))


Kinds: TypeAlias = Mapping[str, Kind]
"""The attributes that may be set in a namespace: its own and the predefined ones."""

SYSTEM: Final[Kinds] = {
    "WorkflowId": Kind.KEYWORD,
    "RunId": Kind.KEYWORD,
    "WorkflowType": Kind.KEYWORD,
    "StartTime": Kind.DATETIME,
    "ExecutionTime": Kind.DATETIME,
    "CloseTime": Kind.DATETIME,
    "ExecutionStatus": Kind.KEYWORD,
    "TaskQueue": Kind.KEYWORD,
    "HistoryLength": Kind.INT,
    "ExecutionDuration": Kind.INT,
    "StateTransitionCount": Kind.INT,
    "HistorySizeBytes": Kind.INT,
    "ParentWorkflowId": Kind.KEYWORD,
    "ParentRunId": Kind.KEYWORD,
    "RootWorkflowId": Kind.KEYWORD,
    "RootRunId": Kind.KEYWORD,
}
"""What every run has; nobody sets it."""

PREDEFINED: Final[Kinds] = {
    "TemporalChangeVersion": Kind.KEYWORD_LIST,
    "BinaryChecksums": Kind.KEYWORD_LIST,
    "BuildIds": Kind.KEYWORD_LIST,
    "BatcherNamespace": Kind.KEYWORD,
    "BatcherUser": Kind.KEYWORD,
    "TemporalScheduledStartTime": Kind.DATETIME,
    "TemporalScheduledById": Kind.KEYWORD,
    "TemporalSchedulePaused": Kind.BOOL,
    "TemporalNamespaceDivision": Kind.KEYWORD,
    "TemporalPauseInfo": Kind.KEYWORD_LIST,
    "TemporalReportedProblems": Kind.KEYWORD_LIST,
    "TemporalWorkerDeployment": Kind.KEYWORD,
    "TemporalWorkerDeploymentVersion": Kind.KEYWORD,
    "TemporalWorkflowVersioningBehavior": Kind.KEYWORD,
    "TemporalUsedWorkerDeploymentVersions": Kind.KEYWORD_LIST,
    "TemporalExternalPayloadCount": Kind.INT,
    "TemporalExternalPayloadSizeBytes": Kind.INT,
}
"""What workers and the engine set; there in every namespace. Their order gives them their keys in the store: a new one
goes to the end."""

_WORDS: Final = re.compile(r"[^\W_]+")
_INT_MAX: Final = (1 << 63) - 1


def is_reserved(name: str) -> bool:
    return name in SYSTEM or name in PREDEFINED or name.startswith("Temporal")


def words_of(text: str) -> list[str]:
    """The words by which a text is found."""
    return _WORDS.findall(text.casefold())


def check_search_attributes(attributes: SearchAttributes, kinds: Kinds, limits: Limits) -> None:
    """Refuse attributes that cannot be set.

    Raises:
        InvalidInput: It names the attribute, its kind and its value.
    """
    fields = attributes.indexed_fields
    if not fields:
        return
    if len(fields) > limits.search_attributes_max:
        raise InvalidInput(f"{len(fields)} search attributes; the limit is {limits.search_attributes_max} on one run.")
    total = 0
    for name, payload in fields.items():
        if name in SYSTEM:
            raise InvalidInput(f"{name} attribute can't be set in SearchAttributes: every run has it by itself.")
        kind = kinds.get(name)
        if kind is None:
            raise InvalidInput(
                f"the namespace has no search attribute {name!r}. Register it with its type first (operator service, "
                "AddSearchAttributes), or correct its name."
            )
        values_of(name, payload, kind)
        size = len(payload.data)
        if size > limits.search_attribute_bytes_max:
            raise InvalidInput(
                f"search attribute {name} has {size:,} bytes, the limit is {limits.search_attribute_bytes_max:,}."
            )
        total += len(name) + size
    if total > limits.search_attributes_bytes_max:
        raise InvalidInput(
            f"the search attributes have {total:,} bytes together, the limit is {limits.search_attributes_bytes_max:,}."
        )


def values_of(name: str, payload: Payload, kind: Kind) -> tuple[str | int | float, ...]:
    """The values as they are compared: times as nanoseconds, truth as 1 and 0, a text as its words; none if unset.

    Raises:
        InvalidInput: The payload is none of this kind.
    """
    if payload.metadata.get("encoding") == b"binary/null":
        return ()
    try:
        value: Any = json.loads(payload.data)
    except (ValueError, RecursionError):
        raise InvalidInput(
            f"invalid value for search attribute {name} of type {kind.wire_name}: it is no JSON."
        ) from None
    members = value if isinstance(value, list) else [value]
    if value is None or value == []:
        return ()
    fits = isinstance(value, list) if kind is Kind.KEYWORD_LIST else len(members) == 1
    read = [_READERS[kind](member) for member in members] if fits else [None]
    if None in read:
        shown = json.dumps(value)
        raise InvalidInput(
            f"invalid value for search attribute {name} of type {kind.wire_name}: "
            f"{shown if len(shown) <= 100 else shown[:100] + '...'}."
        )
    if kind is Kind.TEXT:
        return tuple(dict.fromkeys(words_of(value if isinstance(value, str) else members[0])))
    return tuple(dict.fromkeys(read))  # type: ignore[arg-type]


def _keyword(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= _INT_MAX else None


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= _DOUBLE_MAX else None


_DOUBLE_MAX: Final = 1.7976931348623157e308


def _bool(value: Any) -> int | None:
    return int(value) if isinstance(value, bool) else None


def _datetime(value: Any) -> int | None:
    return parse_time(value) if isinstance(value, str) else None


_READERS: Final[Mapping[Kind, Callable[[Any], str | int | float | None]]] = {
    Kind.TEXT: _keyword,
    Kind.KEYWORD: _keyword,
    Kind.INT: _int,
    Kind.DOUBLE: _double,
    Kind.BOOL: _bool,
    Kind.DATETIME: _datetime,
    Kind.KEYWORD_LIST: _keyword,
}
