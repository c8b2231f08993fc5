"""A filter's conditions on something that is in memory, with the outcome that a store would have."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tsuzuki.store import (
    AllOf,
    AnyOf,
    Attribute,
    Between,
    Compare,
    Condition,
    IsMissing,
    Not,
    OneOf,
    StartsWith,
)

Value: TypeAlias = str | int | float

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TESTS: Final[Mapping[type, Callable[[Any, Any], bool]]] = {
    Compare: lambda leaf, value: _OPERATORS[leaf.operator](value, leaf.value),
    OneOf: lambda leaf, value: value in leaf.values,
    Between: lambda leaf, value: leaf.low <= value <= leaf.high,
    StartsWith: lambda leaf, value: value.startswith(leaf.prefix),
}


def fits(condition: Condition, values: Mapping[int, Sequence[Value]]) -> bool:
    """Whether the conditions hold.

    Args:
        condition: What is asked.
        values: Those of each attribute that there is, by its key. Columns are nothing that it has.
    """
    return _holds(condition, values) is True


def _holds(condition: Condition, values: Mapping[int, Sequence[Value]]) -> bool | None:
    """True, false, or neither."""
    match condition:
        case Not():
            held = _holds(condition.condition, values)
            return None if held is None else not held
        case AllOf():
            held_all = [_holds(part, values) for part in condition.conditions]
            return False if False in held_all else None if None in held_all else True
        case AnyOf():
            held_any = [_holds(part, values) for part in condition.conditions]
            return True if True in held_any else None if None in held_any else False
        case IsMissing():
            return not _values(condition.operand, values)
        case _:
            return _leaf(condition, values)


def _leaf(leaf: Compare | OneOf | Between | StartsWith, values: Mapping[int, Sequence[Value]]) -> bool | None:
    found, many = _values(leaf.operand, values), isinstance(leaf.operand, Attribute) and leaf.operand.many
    if many and isinstance(leaf, Compare) and leaf.operator == "!=":
        return leaf.value not in found
    if not found and not many:
        return None
    return any(_TESTS[type(leaf)](leaf, value) for value in found)


def _values(operand: object, values: Mapping[int, Sequence[Value]]) -> Sequence[Value]:
    return values.get(operand.key, ()) if isinstance(operand, Attribute) else ()
