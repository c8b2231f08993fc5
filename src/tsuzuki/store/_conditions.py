"""What a list of runs may ask for: a tree of conditions over named columns and search attributes.

Owns the words of that tree, nothing else: a store turns it into its own query language (`_where`), and binds every
value. A condition on what a run does not have is neither true nor false, as in SQL, so that its negation does not hold
either; only for an attribute of many values (`Attribute.many`) does a negation hold where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Column:
    """A property that every run has, by its name in `FILTERED`."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A search attribute, by the key that the store gave it."""

    key: int
    many: bool
    """A run may have several values of it: the members of a list, the words of a text."""


Operand: TypeAlias = Column | Attribute


@dataclass(frozen=True, slots=True)
class Compare:
    operand: Operand
    operator: str
    """One of = != < <= > >=."""
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    operand: Operand
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Both bounds belong to it."""

    operand: Operand
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class StartsWith:
    operand: Operand
    prefix: str


@dataclass(frozen=True, slots=True)
class IsMissing:
    operand: Operand


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple[Condition, ...]


Leaf: TypeAlias = Compare | OneOf | Between | StartsWith | IsMissing
Condition: TypeAlias = Leaf | Not | AllOf | AnyOf

EVERYTHING = AllOf(())
