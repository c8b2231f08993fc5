"""A tree of conditions as SQL with bound parameters.

A column is looked up in `FILTERED`, an operator in a table here, and everything else is bound, so a value can never
become SQL. Negations are pushed down to the leaves first: there each one is exact, and the conditions on attributes
remain subqueries that an index answers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeGuard

from tsuzuki.store._conditions import (
    AllOf,
    AnyOf,
    Attribute,
    Between,
    Column,
    Compare,
    Condition,
    IsMissing,
    Leaf,
    Not,
    OneOf,
    StartsWith,
    Value,
)
from tsuzuki.store._contract import OPEN

_OF_CLOSED: Final = "CASE WHEN closed_ns IS NULL THEN NULL ELSE {} END"
FILTERED: Final[Mapping[str, str]] = {
    "workflow_id": "workflow_id",
    "run_id": "run_id",
    "workflow_type": "workflow_type",
    "task_queue": "task_queue",
    "status": "status",
    "started_ns": "started_ns",
    "execution_ns": "execution_ns",
    "closed_ns": "closed_ns",
    "duration_ns": "(closed_ns - execution_ns)",
    "history_length": _OF_CLOSED.format("next_event_id - 1"),
    "history_bytes": _OF_CLOSED.format("history_bytes"),
    "transitions": _OF_CLOSED.format("(SELECT count(*) FROM history WHERE history.run_key = runs.run_key)"),
    "parent_workflow_id": "nullif(parent_workflow_id, '')",
    "parent_run_id": "nullif(parent_run_id, '')",
    "root_workflow_id": "coalesce(nullif(root_workflow_id, ''), workflow_id)",
    "root_run_id": "coalesce(nullif(root_run_id, ''), run_id)",
}
"""What runs can be filtered by, and how the table says it. Of an open run there is no length, size or duration yet."""

_OPERATORS: Final = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITES: Final = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_CODE_POINT_MAX: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xE000)


class Where(NamedTuple):
    """SQL text and what it binds."""

    text: str
    values: tuple[Value, ...]


def where(condition: Condition) -> Where:
    """The condition as the SQL of a WHERE clause over `runs`; an empty text where everything fits.

    Raises:
        ValueError: It names an unknown column or operator.
    """
    return _compile(condition, negated=False)


def _compile(condition: Condition, *, negated: bool) -> Where:
    match condition:
        case Not():
            return _compile(condition.condition, negated=not negated)
        case AllOf() | AnyOf():
            parts = [_compile(part, negated=negated) for part in condition.conditions]
            joint = " AND " if isinstance(condition, AllOf) != negated else " OR "
            text = joint.join(part.text for part in parts)
            values = tuple(value for part in parts for value in part.values)
            return Where(f"({text})" if len(parts) > 1 else text, values)
        case _:
            return _leaf(condition, negated)


def _leaf(leaf: Leaf, negated: bool) -> Where:
    operand = leaf.operand
    if isinstance(operand, Column):
        return _LEAVES[type(leaf)](leaf, _expression(operand), negated)
    outer = "run_key {} (SELECT run_key FROM attribute_values WHERE attribute_key = ?{})"
    if isinstance(leaf, IsMissing):
        return Where(outer.format("IN" if negated else "NOT IN", ""), (operand.key,))
    if operand.many:  # none of its values, not: one of them is another
        if isinstance(leaf, Compare) and leaf.operator == "!=":
            leaf, negated = Compare(operand, "=", leaf.value), not negated
        inner = _LEAVES[type(leaf)](leaf, "value", False)
        return Where(outer.format("NOT IN" if negated else "IN", f" AND {inner.text}"), (operand.key, *inner.values))
    inner = _LEAVES[type(leaf)](leaf, "value", negated)
    return Where(outer.format("IN", f" AND {inner.text}"), (operand.key, *inner.values))


def _expression(column: Column) -> str:
    expression = FILTERED.get(column.name)
    if expression is None:
        near = difflib.get_close_matches(column.name, FILTERED, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"runs cannot be filtered by {column.name!r}{hint}")
    return expression


def _compare(leaf: Compare, expression: str, negated: bool) -> Where:
    operator = _OPERATORS.get(leaf.operator)
    if operator is None:
        raise ValueError(f"runs cannot be filtered with {leaf.operator!r}; expected one of {' '.join(_OPERATORS)}")
    return Where(f"{expression} {_OPPOSITES[operator] if negated else operator} ?", (leaf.value,))


def _one_of(leaf: OneOf, expression: str, negated: bool) -> Where:
    marks = ", ".join("?" * len(leaf.values))
    return Where(f"{expression} {'NOT IN' if negated else 'IN'} ({marks})", leaf.values)


def _between(leaf: Between, expression: str, negated: bool) -> Where:
    return Where(f"{expression} {'NOT BETWEEN' if negated else 'BETWEEN'} ? AND ?", (leaf.low, leaf.high))


def _starts_with(leaf: StartsWith, expression: str, negated: bool) -> Where:
    end = _after_all_with(leaf.prefix)
    if end is None:
        text = f"({expression} < ?)" if negated else f"({expression} >= ?)"
        return Where(text, (leaf.prefix,))
    text = f"({expression} < ? OR {expression} >= ?)" if negated else f"({expression} >= ? AND {expression} < ?)"
    return Where(text, (leaf.prefix, end))


def _is_missing(leaf: IsMissing, expression: str, negated: bool) -> Where:
    if expression == "closed_ns":  # open runs: indexes have them first
        return Where(f"order_ns {'<' if negated else '='} {OPEN}", ())
    return Where(f"{expression} {'IS NOT NULL' if negated else 'IS NULL'}", ())


_LEAVES: Final[Mapping[type, Callable[[Any, str, bool], Where]]] = {
    Compare: _compare,
    OneOf: _one_of,
    Between: _between,
    StartsWith: _starts_with,
    IsMissing: _is_missing,
}


def _after_all_with(prefix: str) -> str | None:
    """The first text after all that begin with the prefix, in the order of code points; None if there is none."""
    kept = prefix.rstrip(chr(_CODE_POINT_MAX))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    if following == _SURROGATES[0]:
        following = _SURROGATES[1]
    return kept[:-1] + chr(following)


def drives(condition: Condition) -> str:
    """How to find the runs, where SQLite would rather walk all of them in order: an index, `run_key`, or nothing.

    The runs of one workflow id are few, and so are those that an attribute singles out.
    """
    conditions = condition.conditions if isinstance(condition, AllOf) else (condition,)
    picking = [part.operand for part in conditions if _is_narrow(part)]
    if Column("workflow_id") in picking:
        return "INDEXED BY runs_by_id"
    if any(isinstance(operand, Attribute) for operand in picking):
        return "NOT INDEXED"
    return ""


def _is_narrow(condition: Condition) -> TypeGuard[Compare | OneOf | StartsWith]:
    if isinstance(condition, Compare):
        return condition.operator == "="
    return isinstance(condition, OneOf | StartsWith)
