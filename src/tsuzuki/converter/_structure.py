"""Plain JSON values to typed ones, part by part: the slow way that takes every hint.

Used where msgspec cannot compile a hint, and once more when a value did not fit: other writers encode
bytes as a list of numbers, for one. Strict otherwise: it converts shapes, it does not coerce scalars.
"""

from __future__ import annotations

import collections
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from . import _pydantic


class Mismatch(ValueError):
    """A value does not fit its hint."""

    def __init__(self, hint: object, value: object, path: str) -> None:
        super().__init__(f"Expected `{name_of(hint)}`, got `{type(value).__name__}` - at `{path}`")


def name_of(hint: object) -> str:
    """Name a hint the way a user wrote it."""
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def convert_custom(cls: type, value: Any) -> Any:
    """Make an instance of a class that msgspec does not know; the hook of its decoders."""
    if _pydantic.is_pydantic(cls):
        return _pydantic.validate_json(cls, msgspec.json.encode(value))
    origin = get_origin(cls) or cls
    if isinstance(origin, type):
        if issubclass(origin, PurePath) and isinstance(value, str):
            return origin(value)
        if issubclass(origin, (str, int, float)) and type(value) in origin.__mro__:
            return origin(value)
        if isinstance(value, origin):
            return value
    raise Mismatch(cls, value, "$")


def structure(hint: Any, value: Any, path: str = "$", *, exact: bool = False) -> Any:
    """Build a value of the hinted type from what `json.loads` gives.

    Args:
        hint: Any type expression.
        value: Plain JSON value.
        path: Where the value is, for the error.
        exact: True to refuse names that a dataclass or TypedDict does not have.

    Raises:
        Mismatch: The value does not fit.
    """
    if hint in (Any, object) or isinstance(hint, TypeVar):
        return value
    if isinstance(hint, typing.NewType):
        return structure(hint.__supertype__, value, path, exact=exact)
    origin = get_origin(hint)
    if origin is typing.Annotated:
        return structure(get_args(hint)[0], value, path, exact=exact)
    if origin in (typing.Union, types.UnionType):
        return _union(hint, value, path)
    cls = origin or hint
    if not isinstance(cls, type):
        return _leaf(hint, value, path)
    if _pydantic.is_pydantic(cls):
        return _pydantic.validate_json(cls, msgspec.json.encode(value))
    if dataclasses.is_dataclass(cls):
        return _dataclass(hint, cls, value, path, exact)
    if is_typeddict(cls):
        return _typed_dict(cls, value, path, exact)
    for base, build in _COLLECTIONS.items():
        if issubclass(cls, base):
            return build(hint, cls, value, path)
    return _leaf(hint, value, path)


def _union(hint: Any, value: Any, path: str) -> Any:
    # The member whose names all match goes before one that merely ignores the names it does not know.
    for exact in (True, False):
        for member in get_args(hint):
            try:
                return structure(member, value, path, exact=exact)
            except ValueError:
                continue
    raise Mismatch(hint, value, path)


def _dataclass(hint: Any, cls: type, value: Any, path: str, exact: bool) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(hint, value, path)
    arguments = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    hints = get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(cls)
    if exact and value.keys() - {field.name for field in fields}:
        raise Mismatch(hint, value, path)
    given = {
        field.name: structure(
            arguments.get(hints[field.name], hints[field.name]), value[field.name], f"{path}.{field.name}"
        )
        for field in fields
        if field.name in value
    }
    try:
        built = cls(**{field.name: given[field.name] for field in fields if field.init and field.name in given})
    except TypeError as error:  # a required field is missing
        raise ValueError(f"{error} - at `{path}`") from error
    for field in fields:
        if not field.init and field.name in given:
            object.__setattr__(built, field.name, given[field.name])
    return built


def _typed_dict(cls: Any, value: Any, path: str, exact: bool) -> Any:
    hints = get_type_hints(cls)
    if not isinstance(value, dict) or cls.__required_keys__ - value.keys():
        raise Mismatch(cls, value, path)
    if exact and value.keys() - hints.keys():
        raise Mismatch(cls, value, path)
    return {
        key: structure(hints[key], inner, f"{path}[{key!r}]") if key in hints else inner for key, inner in value.items()
    }


def _mapping(hint: Any, cls: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(hint, value, path)
    key_hint, value_hint = get_args(hint) if len(get_args(hint)) == 2 else (Any, Any)
    built = {
        _key(key_hint, key, path): structure(value_hint, inner, f"{path}[{key!r}]") for key, inner in value.items()
    }
    if inspect.isabstract(cls) or cls is dict:
        return built
    return collections.defaultdict(None, built) if cls is collections.defaultdict else cls(built)


def _key(hint: Any, key: str, path: str) -> Any:
    if hint is bool and key in ("true", "false"):
        return key == "true"
    if hint is type(None) and key == "null":
        return None
    try:
        return msgspec.convert(key, hint, strict=False, str_keys=True, dec_hook=convert_custom)
    except (msgspec.ValidationError, TypeError):
        raise Mismatch(hint, key, f"{path} key") from None


def _tuple(hint: Any, cls: type, value: Any, path: str) -> Any:
    members = get_args(hint)
    if not isinstance(value, list) or cls is not tuple:  # a NamedTuple is msgspec's
        return _leaf(hint, value, path)
    if not members:
        return tuple(value)
    if members[-1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise Mismatch(hint, value, path)
    return tuple(
        structure(member, inner, f"{path}[{index}]")
        for index, (member, inner) in enumerate(zip(members, value, strict=True))
    )


def _collection(hint: Any, cls: type, value: Any, path: str) -> Any:
    if not isinstance(value, list):
        raise Mismatch(hint, value, path)
    member = get_args(hint)[0] if get_args(hint) else Any
    built = [structure(member, inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if issubclass(cls, collections.abc.Set):
        return frozenset(built) if cls is frozenset else set(built)
    return built if inspect.isabstract(cls) or cls is list else cls(built)  # type: ignore[call-arg]


def _bytes(hint: Any, cls: type, value: Any, path: str) -> Any:
    if isinstance(value, list):  # the official Python SDK writes bytes inside a value as numbers
        try:
            return bytes(value)
        except (TypeError, ValueError):
            raise Mismatch(hint, value, path) from None
    return _leaf(hint, value, path)


def _scalar(hint: Any, cls: type, value: Any, path: str) -> Any:
    return _leaf(hint, value, path)


def _datetime(hint: Any, cls: type, value: Any, path: str) -> Any:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise Mismatch(hint, value, path) from None
    return _leaf(hint, value, path)


def _leaf(hint: Any, value: Any, path: str) -> Any:
    try:
        return msgspec.convert(
            value,
            hint,
            dec_hook=convert_custom,
        )
    except (msgspec.ValidationError, Mismatch, TypeError):
        raise Mismatch(hint, value, path) from None


# Looked through in this order: a str is a collection too.
_COLLECTIONS: dict[type, Callable[[Any, type, Any, str], Any]] = {
    str: _scalar,
    bytes: _bytes,
    datetime: _datetime,
    tuple: _tuple,
    Mapping: _mapping,
    Collection: _collection,
    Iterable: _collection,
}
