"""Pydantic, only when the user brings it: this module never imports it.

A class made by pydantic (a model or a pydantic dataclass) carries its own compiled serializer and
validator; those are used through the class, so there is nothing to import. A hint that mixes models with
other types, such as `list[Model] | None`, needs a `TypeAdapter`, found in `sys.modules`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, get_args


def is_pydantic(cls: object) -> bool:
    """Tell whether pydantic made this class."""
    return isinstance(cls, type) and hasattr(cls, "__pydantic_validator__")


def mentions_pydantic(hint: object) -> bool:
    """Tell whether a hint is a pydantic class or has one among its arguments, at any depth."""
    if "pydantic" not in sys.modules:
        return False
    return is_pydantic(hint) or any(mentions_pydantic(argument) for argument in get_args(hint))


def to_json(value: Any) -> bytes:
    """Serialize an instance of a pydantic class, under its aliases."""
    serialized: bytes = type(value).__pydantic_serializer__.to_json(value, by_alias=True)
    return serialized


def validate_json(cls: Any, data: bytes) -> Any:
    """Make an instance of a pydantic class from JSON; raises a `ValueError`."""
    return cls.__pydantic_validator__.validate_json(data)


def json_validator(hint: Any) -> Callable[[bytes], Any]:
    """Make a decoder for a hint that mentions a pydantic class."""
    if is_pydantic(hint):
        validator: Callable[[bytes], Any] = hint.__pydantic_validator__.validate_json
        return validator
    adapter: Callable[[bytes], Any] = sys.modules["pydantic"].TypeAdapter(hint).validate_json
    return adapter
