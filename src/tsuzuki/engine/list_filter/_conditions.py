"""A filter with the attributes of its namespace: every name found, every value of its kind, every operator allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tsuzuki.core.refusal import InvalidInput
from tsuzuki.core.search_attributes import SYSTEM, Kind, Kinds, words_of
from tsuzuki.store import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Attribute,
    Between,
    Column,
    Compare,
    Condition,
    IsMissing,
    Not,
    OneOf,
    StartsWith,
)

from ._syntax import (
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Literal,
    Membership,
    Missing,
    Name,
    Negation,
    Prefix,
    Query,
    Range,
    parse,
)
from ._values import value_of

_COLUMNS: Final[Mapping[str, str]] = {
    "WorkflowId": "workflow_id",
    "RunId": "run_id",
    "WorkflowType": "workflow_type",
    "StartTime": "started_ns",
    "ExecutionTime": "execution_ns",
    "CloseTime": "closed_ns",
    "ExecutionStatus": "status",
    "TaskQueue": "task_queue",
    "HistoryLength": "history_length",
    "ExecutionDuration": "duration_ns",
    "StateTransitionCount": "transitions",
    "HistorySizeBytes": "history_bytes",
    "ParentWorkflowId": "parent_workflow_id",
    "ParentRunId": "parent_run_id",
    "RootWorkflowId": "root_workflow_id",
    "RootRunId": "root_run_id",
}
assert _COLUMNS.keys() == SYSTEM.keys()

_ORDERED: Final = frozenset({Kind.KEYWORD, Kind.INT, Kind.DOUBLE, Kind.BOOL, Kind.DATETIME})
_RANGED: Final = _ORDERED - {Kind.BOOL}
_LISTED: Final = _ORDERED | {Kind.KEYWORD_LIST}
_PREFIXED: Final = frozenset({Kind.KEYWORD})


class Attributes(Protocol):
    """The attributes of one namespace."""

    @property
    def kinds(self) -> Kinds:
        """Its own and the predefined ones."""
        ...

    def attribute(self, name: str) -> Attribute: ...


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What a filter asks for.

    Attributes:
        condition: Which runs.
        by_status: It has GROUP BY ExecutionStatus.
    """

    condition: Condition
    by_status: bool


def read_filter(text: str, attributes: Attributes) -> ListFilter:
    """Read a filter for a namespace.

    Raises:
        InvalidInput: It says what is wrong, where, and what was expected.
    """
    query = parse(text)
    meaning = _Meaning(attributes)
    condition = EVERYTHING if query.where is None else meaning.of(query.where)
    meaning.check_order(query)
    return ListFilter(condition, by_status=meaning.groups(query))


class _Meaning:
    """Finds what names stand for."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def of(self, expression: Expression) -> Condition:
        return _MEANINGS[type(expression)](self, expression)

    def negation(self, of: Negation) -> Condition:
        return Not(self.of(of.of))

    def conjunction(self, of: Conjunction) -> Condition:
        return AllOf(tuple(self.of(part) for part in of.parts))

    def disjunction(self, of: Disjunction) -> Condition:
        return AnyOf(tuple(self.of(part) for part in of.parts))

    def comparison(self, of: Comparison) -> Condition:
        kind = self.kind(of.name)
        if of.operator not in ("=", "!="):
            _check_operator(of.name, kind, of.operator, _ORDERED)
        if kind is Kind.TEXT:
            return self._words(of.name, of.literal, negated=of.operator == "!=")
        return Compare(self._operand(of.name), of.operator, value_of(of.name, kind, of.literal))

    def _words(self, name: Name, literal: Literal, *, negated: bool) -> Condition:
        """A text has one of the words of another; words that a hyphen or the like joins count together."""
        text = value_of(name, Kind.TEXT, literal)
        assert isinstance(text, str)
        if not text.strip():
            raise InvalidInput(
                f"invalid query: {literal.text} at character {literal.at} has no word to look for in {name.text}."
            )
        operand = self._operand(name)
        alternatives = []
        for joined in text.split():
            words = words_of(joined)
            if words:
                alternatives.append(AllOf(tuple(Compare(operand, "=", word) for word in words)))
        found: Condition = AnyOf(tuple(alternatives)) if alternatives else OneOf(operand, ())
        return Not(found) if negated else found

    def membership(self, of: Membership) -> Condition:
        kind = self.kind(of.name)
        _check_operator(of.name, kind, "NOT IN" if of.negated else "IN", _LISTED)
        values = tuple(value_of(of.name, kind, literal) for literal in of.literals)
        return _negated(OneOf(self._operand(of.name), values), of.negated)

    def range(self, of: Range) -> Condition:
        kind = self.kind(of.name)
        _check_operator(of.name, kind, "BETWEEN", _RANGED)
        low, high = (value_of(of.name, kind, literal) for literal in (of.low, of.high))
        return _negated(Between(self._operand(of.name), low, high), of.negated)

    def prefix(self, of: Prefix) -> Condition:
        kind = self.kind(of.name)
        if of.name.text == "ExecutionStatus":
            raise _not_supported(of.name, kind, "STARTS_WITH")
        value = value_of(of.name, kind, of.literal)
        _check_operator(of.name, kind, "STARTS_WITH", _PREFIXED)
        assert isinstance(value, str)
        return _negated(StartsWith(self._operand(of.name), value), of.negated)

    def missing(self, of: Missing) -> Condition:
        self.kind(of.name)
        return _negated(IsMissing(self._operand(of.name)), of.negated)

    def kind(self, name: Name) -> Kind:
        kind = SYSTEM.get(name.text) or self._attributes.kinds.get(name.text)
        if kind is None:
            known = [*SYSTEM, *self._attributes.kinds]
            near = difflib.get_close_matches(name.text[:100], known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ", and the namespace has registered none of this name."
            raise InvalidInput(
                f"invalid query: invalid search attribute: {name.text[:100]} (at character {name.at}){hint}"
            )
        return kind

    def _operand(self, name: Name) -> Column | Attribute:
        column = _COLUMNS.get(name.text)
        return self._attributes.attribute(name.text) if column is None else Column(column)

    def check_order(self, query: Query) -> None:
        for name in query.order_by:
            if self.kind(name) is Kind.TEXT:
                raise InvalidInput(f"invalid query: unable to sort by {name.text}, which is of type Text.")
        if query.order_by:
            raise InvalidInput(
                "invalid query: operation is not supported: 'ORDER BY' clause. Open runs come first, then closed ones, "
                "the newest first among each."
            )

    def groups(self, query: Query) -> bool:
        for name in query.group_by:
            self.kind(name)
        if len(query.group_by) > 1:
            raise InvalidInput("invalid query: 'GROUP BY' clause supports only a single field, ExecutionStatus.")
        if query.group_by and query.group_by[0].text != "ExecutionStatus":
            raise InvalidInput(
                f"invalid query: 'GROUP BY' clause is not supported for search attribute {query.group_by[0].text}; "
                "expected ExecutionStatus."
            )
        return bool(query.group_by)


_MEANINGS: Final[Mapping[type, Callable[[_Meaning, Any], Condition]]] = {
    Negation: _Meaning.negation,
    Conjunction: _Meaning.conjunction,
    Disjunction: _Meaning.disjunction,
    Comparison: _Meaning.comparison,
    Membership: _Meaning.membership,
    Range: _Meaning.range,
    Prefix: _Meaning.prefix,
    Missing: _Meaning.missing,
}


def _negated(condition: Condition, negated: bool) -> Condition:
    return Not(condition) if negated else condition


def _check_operator(name: Name, kind: Kind, operator: str, kinds: frozenset[Kind]) -> None:
    if kind not in kinds:
        raise _not_supported(name, kind, operator)


def _not_supported(name: Name, kind: Kind, operator: str) -> InvalidInput:
    allowed = ["=", "!=", "IS NULL"]
    if kind in _LISTED:
        allowed.append("IN")
    if kind in _ORDERED:
        allowed.append("< <= > >=")
    if kind in _RANGED:
        allowed.append("BETWEEN")
    return InvalidInput(
        f"invalid query: operator '{operator}' not supported for {kind.wire_name} type search attribute '{name.text}' "
        f"(at character {name.at}); expected one of {', '.join(allowed)}."
    )
