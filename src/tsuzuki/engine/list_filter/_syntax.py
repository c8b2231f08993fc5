"""The grammar of the list filter, and the tree that it gives.

The language is what Temporal's server takes of SQL: conditions on attributes, AND, OR, NOT, parentheses, GROUP BY. It
also reads ORDER BY, only to refuse it by name. Keywords are in any case, names are not; names that are keywords or
have odd characters stand in backticks, texts in single or double quotes, with the quote doubled or escaped by a
backslash inside.

Bounds are on what is read here, so that what follows may recurse.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tsuzuki.core.refusal import InvalidInput

if TYPE_CHECKING:
    from lark import Lark, Token

FILTER_CHARACTERS_MAX: Final = 32_768
CONDITIONS_MAX: Final = 500
VALUES_MAX: Final = 5_000
DEPTH_MAX: Final = 50

_GRAMMAR: Final = r"""
start: [_either] [_GROUP_BY group] [order] [_END]
group: name ("," name)*
order: _ORDER_BY name [_DIRECTION] ("," name [_DIRECTION])*

_either: either | _both
either: _both (_OR _both)+
_both: both | _single
both: _single (_AND _single)+
_single: negated | "(" _either ")" | condition
negated: _NOT _single
?condition: name COMPARISON literal                     -> compare
    | name (IN | NOT_IN) "(" literal ("," literal)* ")"  -> member
    | name (BETWEEN | NOT_BETWEEN) literal _AND literal  -> between
    | name (STARTS_WITH | NOT_STARTS_WITH) literal       -> starts_with
    | name (IS_NULL | IS_NOT_NULL)                       -> missing
name: NAME | QUOTED_NAME
literal: TEXT | NUMBER | TRUE | FALSE

COMPARISON: "=" | "!=" | "<>" | "<=" | ">=" | "<" | ">"
_AND.3: /and\b/i | "&&"
_OR.3: /or\b/i | "||"
NOT_IN.4: /not\s+in\b/i
NOT_BETWEEN.4: /not\s+between\b/i
NOT_STARTS_WITH.4: /not\s+starts_with\b/i
_NOT.3: /not\b/i
IN.3: /in\b/i
BETWEEN.3: /between\b/i
STARTS_WITH.3: /starts_with\b/i
IS_NULL.3: /is\s+null\b/i
IS_NOT_NULL.4: /is\s+not\s+null\b/i
_GROUP_BY.3: /group\s+by\b/i
_ORDER_BY.3: /order\s+by\b/i
_DIRECTION.3: /(asc|desc)\b/i
TRUE.3: /true\b/i
FALSE.3: /false\b/i
_END: ";"
NAME: /[^\W\d][\w.]*/
QUOTED_NAME: /`(?:[^`]|``)+`/
TEXT: /'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"/s
NUMBER: /(?:[-+]\s*)?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?(?![\w.])/i
%ignore /\s+/
"""

_ESCAPES: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_ESCAPED: Final = re.compile(r"\\(.)|''|\"\"", re.DOTALL)
_INT_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute, by name; `at` is where it stands, from 1."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    name: Name
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    name: Name
    literals: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Range:
    name: Name
    low: Literal
    high: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class Prefix:
    name: Name
    literal: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class Missing:
    name: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class Negation:
    of: Expression


@dataclass(frozen=True, slots=True)
class Conjunction:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    parts: tuple[Expression, ...]


Expression: TypeAlias = Comparison | Membership | Range | Prefix | Missing | Negation | Conjunction | Disjunction


@dataclass(frozen=True, slots=True)
class Query:
    """A whole filter: what must hold, and the names of its clauses."""

    where: Expression | None
    group_by: tuple[Name, ...]
    order_by: tuple[Name, ...]


def parse(text: str) -> Query:
    """Read a filter.

    Raises:
        InvalidInput: It says where the text stops being a filter, and what was expected there; or its bound.
    """
    if len(text) > FILTER_CHARACTERS_MAX:
        raise InvalidInput(
            f"invalid query: it has {len(text):,} characters, the limit is {FILTER_CHARACTERS_MAX:,}. Split it."
        )
    if not text.strip():
        return Query(None, (), ())
    _check_depth(text)
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

    try:
        tree = _parser().parse(text)
    except UnexpectedToken as error:
        raise _unexpected(text, error.token, error.accepts or error.expected) from None
    except UnexpectedCharacters as error:
        raise _unreadable(text, error.pos_in_stream or 0) from None
    except UnexpectedInput:  # pragma: no cover - there is no other kind
        raise InvalidInput(f"invalid query: {text[:60]!r} is not understood.") from None
    return _Reader(text).query(tree)


_NESTING: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)|`[^`]*(?:`|\Z)|\bnot\b|[()]""", re.IGNORECASE | re.DOTALL
)


def _check_depth(text: str) -> None:
    depth = nots = 0
    for found in _NESTING.finditer(text):
        token = found.group()
        depth += (token == "(") - (token == ")")
        nots = nots + 1 if token.lower() == "not" else 0 if token != "(" else nots
        if depth > DEPTH_MAX or nots > DEPTH_MAX:
            raise InvalidInput(
                f"invalid query: at character {found.start() + 1} it is nested more than {DEPTH_MAX} levels deep, "
                "the limit. Leave out parentheses that change nothing."
            )


@functools.cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


class _Reader:
    """From the parser's tree to ours."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._conditions = 0
        self._values = 0

    def query(self, tree: Any) -> Query:
        where: Expression | None = None
        clauses: dict[str, tuple[Name, ...]] = {"group": (), "order": ()}
        for part in tree.children:
            if part.data in clauses:
                clauses[part.data] = tuple(_name(child) for child in part.children)
            else:
                where = self._expression(part)
        return Query(where, clauses["group"], clauses["order"])

    def _expression(self, tree: Any) -> Expression:
        return _READ[tree.data](self, tree.children)

    def either(self, children: Sequence[Any]) -> Expression:
        return Disjunction(tuple(self._expression(child) for child in children))

    def both(self, children: Sequence[Any]) -> Expression:
        return Conjunction(tuple(self._expression(child) for child in children))

    def negated(self, children: Sequence[Any]) -> Expression:
        return Negation(self._expression(children[0]))

    def compare(self, children: Sequence[Any]) -> Expression:
        name, operator, literal = children
        self._count(1)
        return Comparison(_name(name), "!=" if operator == "<>" else str(operator), self._literal(literal))

    def member(self, children: Sequence[Any]) -> Expression:
        name, operator, *literals = children
        self._count(len(literals))
        return Membership(_name(name), tuple(map(self._literal, literals)), operator.type == "NOT_IN")

    def between(self, children: Sequence[Any]) -> Expression:
        name, operator, low, high = children
        self._count(2)
        return Range(_name(name), self._literal(low), self._literal(high), operator.type == "NOT_BETWEEN")

    def starts_with(self, children: Sequence[Any]) -> Expression:
        name, operator, literal = children
        self._count(1)
        return Prefix(_name(name), self._literal(literal), operator.type == "NOT_STARTS_WITH")

    def missing(self, children: Sequence[Any]) -> Expression:
        name, operator = children
        self._count(0)
        return Missing(_name(name), operator.type == "IS_NOT_NULL")

    def _literal(self, tree: Any) -> Literal:
        token = tree.children[0]
        return Literal(_LITERALS[token.type](str(token)), str(token), token.start_pos + 1)

    def _count(self, values: int) -> None:
        self._conditions += 1
        self._values += values
        if self._conditions > CONDITIONS_MAX or self._values > VALUES_MAX:
            raise InvalidInput(
                f"invalid query: more than {CONDITIONS_MAX} conditions, or {VALUES_MAX:,} values, which is the limit. "
                "Use IN for many values of one attribute, or split the query."
            )


_READ: Final[Mapping[str, Callable[[_Reader, Sequence[Any]], Expression]]] = {
    "either": _Reader.either,
    "both": _Reader.both,
    "negated": _Reader.negated,
    "compare": _Reader.compare,
    "member": _Reader.member,
    "between": _Reader.between,
    "starts_with": _Reader.starts_with,
    "missing": _Reader.missing,
}


def _name(tree: Any) -> Name:
    token = tree.children[0]
    text = str(token)
    return Name(text[1:-1].replace("``", "`") if text[0] == "`" else text, token.start_pos + 1)


def _text(quoted: str) -> str:
    def unescaped(found: re.Match[str]) -> str:
        character = found.group(1)
        if character is not None:
            return _ESCAPES.get(character, character)
        both = found.group()
        return both[0] if both[0] == quoted[0] else both

    return _ESCAPED.sub(unescaped, quoted[1:-1])


def _number(text: str) -> int | float:
    digits = re.sub(r"\s+", "", text)
    if digits.lstrip("+-").isdecimal() and digits.isascii():
        whole = int(digits) if len(digits) < 25 else _INT_MAX + 1
        if abs(whole) <= _INT_MAX:
            return whole
    return float(digits)


_LITERALS: Final[Mapping[str, Callable[[str], str | int | float | bool]]] = {
    "TEXT": _text,
    "NUMBER": _number,
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
}

# ---- what was expected -------------------------------------------------------------------------------

_VALUE: Final = "a value ('text', a number, true, false, or a time such as '2026-01-01T00:00:00Z')"
_EXPECTED: Final[Mapping[str, str]] = {
    "NAME": "the name of an attribute",
    "TEXT": _VALUE,
    "COMPARISON": "= != < <= > >= IN BETWEEN STARTS_WITH or IS NULL",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ", or )",
    "_AND": "AND or OR",
    "$END": "the end",
}
"""The tokens that stand for what a person would say; of several that are possible the first counts."""


def _unexpected(text: str, token: Token, expected: Any) -> InvalidInput:
    at = token.start_pos if token.type != "$END" and token.start_pos is not None else len(text)
    found = repr(str(token)[:40]) if token.type != "$END" else "the end of the query"
    wanted = " or ".join(words for name, words in _EXPECTED.items() if name in expected)
    hint = ""
    if "TEXT" in expected and token.type == "NAME":
        hint = f" Did you forget to quote it? '{str(token)[:40]}'"
    return InvalidInput(
        f"invalid query: {found} at character {at + 1} is not understood; expected {wanted or 'something else'}.{hint}"
    )


def _unreadable(text: str, at: int) -> InvalidInput:
    character = text[at]
    if character in "'\"`":
        what = f"the quote {character} at character {at + 1} is not closed"
    else:
        what = f"{text[at : at + 20]!r} at character {at + 1} is not understood"
    return InvalidInput(
        f"invalid query: {what}. Expected conditions such as WorkflowType = 'Research' AND ExecutionStatus = 'Running'."
    )
