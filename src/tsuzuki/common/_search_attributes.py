"""Typed search attributes: keys that know the type of their values.

A key names an attribute that is registered with the engine. Values go out with their type beside them, so
that every engine can index them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

Value = TypeVar("Value")
Default = TypeVar("Default")


class SearchAttributeIndexedValueType(IntEnum):
    """How an engine indexes an attribute."""

    TEXT = 1
    KEYWORD = 2
    INT = 3
    DOUBLE = 4
    BOOL = 5
    DATETIME = 6
    KEYWORD_LIST = 7

    @property
    def wire_name(self) -> str:
        """The name that stands beside a value."""
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True)
class SearchAttributeKey(Generic[Value]):
    """One attribute; made by one of the `for_` methods.

    Attributes:
        name: Its registered name.
        indexed_value_type: How engines index it.
        value_type: Python type of its values.
    """

    name: str
    indexed_value_type: SearchAttributeIndexedValueType
    value_type: type[Any]

    def value_set(self, value: Value) -> SearchAttributeUpdate[Value]:
        """Return the change that sets the attribute."""
        return SearchAttributeUpdate(self, value)

    def value_unset(self) -> SearchAttributeUpdate[Value]:
        """Return the change that removes the attribute."""
        return SearchAttributeUpdate(self, None)

    @staticmethod
    def for_text(name: str) -> SearchAttributeKey[str]:
        """A text whose words are searched."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.TEXT, str)

    @staticmethod
    def for_keyword(name: str) -> SearchAttributeKey[str]:
        """A string that is compared as a whole."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.KEYWORD, str)

    @staticmethod
    def for_int(name: str) -> SearchAttributeKey[int]:
        """A whole number."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.INT, int)

    @staticmethod
    def for_float(name: str) -> SearchAttributeKey[float]:
        """A number."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.DOUBLE, float)

    @staticmethod
    def for_bool(name: str) -> SearchAttributeKey[bool]:
        """True or false."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.BOOL, bool)

    @staticmethod
    def for_datetime(name: str) -> SearchAttributeKey[datetime]:
        """A time with its zone."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.DATETIME, datetime)

    @staticmethod
    def for_keyword_list(name: str) -> SearchAttributeKey[Sequence[str]]:
        """Several strings, each compared as a whole."""
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.KEYWORD_LIST, list)


@dataclass(frozen=True)
class SearchAttributeUpdate(Generic[Value]):
    """A change of one attribute.

    Attributes:
        key: Which one.
        value: Its new value; None removes it.
    """

    key: SearchAttributeKey[Value]
    value: Value | None


class SearchAttributePair(NamedTuple, Generic[Value]):
    """An attribute and its value."""

    key: SearchAttributeKey[Value]
    value: Value


@dataclass(frozen=True)
class TypedSearchAttributes(Collection[SearchAttributePair[Any]]):
    """Attributes with their values; it does not change.

    Attributes:
        search_attributes: The pairs, in the order of their names.

    Raises:
        ValueError: An attribute stands there twice.
    """

    search_attributes: Sequence[SearchAttributePair[Any]]

    empty: ClassVar[TypedSearchAttributes]

    def __post_init__(self) -> None:
        pairs = sorted(self.search_attributes, key=lambda pair: pair.key.name)
        for before, after in itertools.pairwise(pairs):
            if before.key.name == after.key.name:
                raise ValueError(f"the search attribute {after.key.name!r} is given twice")
        object.__setattr__(self, "search_attributes", pairs)

    def __len__(self) -> int:
        return len(self.search_attributes)

    def __iter__(self) -> Iterator[SearchAttributePair[Any]]:
        return iter(self.search_attributes)

    def __contains__(self, key: object) -> bool:
        """Tell whether a key (or a pair) is among them."""
        return any(key in (pair, pair.key) for pair in self.search_attributes)

    def __getitem__(self, key: SearchAttributeKey[Value]) -> Value:
        """Return the value of a key.

        Raises:
            KeyError: There is none.
        """
        for pair in self.search_attributes:
            if pair.key == key:
                return pair.value  # type: ignore[no-any-return]
        raise KeyError(key)

    def get(self, key: SearchAttributeKey[Value], default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def updated(self, *pairs: SearchAttributePair[Any]) -> TypedSearchAttributes:
        """Return these attributes with some set to other values."""
        kept = {pair.key.name: pair for pair in (*self.search_attributes, *pairs)}
        return TypedSearchAttributes(list(kept.values()))


TypedSearchAttributes.empty = TypedSearchAttributes([])

_BY_WIRE_NAME: Final[Mapping[str, Callable[[str], SearchAttributeKey[Any]]]] = {
    SearchAttributeIndexedValueType.TEXT.wire_name: SearchAttributeKey.for_text,
    SearchAttributeIndexedValueType.KEYWORD.wire_name: SearchAttributeKey.for_keyword,
    SearchAttributeIndexedValueType.INT.wire_name: SearchAttributeKey.for_int,
    SearchAttributeIndexedValueType.DOUBLE.wire_name: SearchAttributeKey.for_float,
    SearchAttributeIndexedValueType.BOOL.wire_name: SearchAttributeKey.for_bool,
    SearchAttributeIndexedValueType.DATETIME.wire_name: SearchAttributeKey.for_datetime,
    SearchAttributeIndexedValueType.KEYWORD_LIST.wire_name: SearchAttributeKey.for_keyword_list,
}


def key_of(name: str, wire_name: str) -> SearchAttributeKey[Any] | None:
    """Return the key for a type name that stands beside a value; None for one that is not known."""
    make = _BY_WIRE_NAME.get(wire_name)
    return None if make is None else make(name)
