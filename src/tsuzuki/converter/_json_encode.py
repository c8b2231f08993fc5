"""Python values to JSON bytes.

msgspec does the work. What it refuses or would lose silently, and JSON as Python's own module writes it can
hold (NaN and infinity, lone surrogates, keys that are bool or None), takes the slow way through `json`, so
that whatever the official converter accepts is accepted here and reads back equal.

Keys stay in the order of the value, so that what is decoded iterates as what was encoded.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec

from . import _pydantic


def _to_encodable(value: Any) -> Any:
    """Replace a value that msgspec does not know by one that it does; the hook of the encoders."""
    # Subclasses of scalars and collections count as what they extend.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if _pydantic.is_pydantic(type(value)):
        return msgspec.Raw(_pydantic.to_json(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):
        return list(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


_encode = msgspec.json.Encoder(enc_hook=_to_encodable).encode
_encode_binary = msgspec.msgpack.Encoder(enc_hook=_to_encodable).encode
_find_non_finite = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]").search  # a MessagePack double: NaN or infinity
_refuse_non_finite = json.JSONEncoder(allow_nan=False, check_circular=False).encode


def encode_json(value: Any) -> bytes:
    """Encode a value as compact JSON.

    Raises:
        TypeError: Some part of the value has no JSON form; `find_unencodable` tells which.
    """
    try:
        data = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encode_with_stdlib(value)
    if b"null" in data and value is not None and not _is_finite(value):
        return _encode_with_stdlib(value)  # msgspec writes NaN as null, which would come back as None
    return data


def _is_finite(value: Any) -> bool:
    try:
        if _find_non_finite(_encode_binary(value)) is None:
            return True
    except (TypeError, ValueError, OverflowError):
        pass  # no MessagePack form; and other bytes may look like such a double: the exact check decides
    try:
        _refuse_non_finite(msgspec.to_builtins(value, enc_hook=_to_builtin))
    except ValueError:
        return False
    except TypeError:
        return True
    return True


def _to_builtin(value: Any) -> Any:
    replaced = _to_encodable(value)
    return msgspec.json.decode(replaced) if isinstance(replaced, msgspec.Raw) else replaced


def _encode_with_stdlib(value: Any) -> bytes:
    try:
        return json.dumps(value, default=_stdlib_default, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise TypeError(str(error)) from error  # a cycle


def _stdlib_default(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    try:
        return msgspec.to_builtins(value, enc_hook=_to_builtin)
    except UnicodeEncodeError:
        return _to_builtin(value)


def find_unencodable(value: Any) -> tuple[str, Any]:
    """Find the innermost part of a value that has no JSON form.

    Args:
        value: One that `encode_json` refused.

    Returns:
        Its path, such as `$.config['client']`, and the part itself; the value and `$` when every part
        alone can be encoded (a cycle).
    """
    path, part, depth = "$", value, 0
    while depth < 100:  # a cycle has no end
        if isinstance(part, Mapping):
            for key in part:
                if not _is_encodable({key: None}):
                    return f"{path}[key {key!r}]", key
        for step, inner in _parts(part):
            if not _is_encodable(inner):
                path, part, depth = path + step, inner, depth + 1
                break
        else:
            return path, part
    return "$", value


def _is_encodable(value: Any) -> bool:
    try:
        encode_json(value)
    except TypeError:
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"[{key!r}]", inner
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f".{field.name}", getattr(value, field.name)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield f".{name}", getattr(value, name)
    elif isinstance(value, Collection) and not isinstance(value, (str, bytes, bytearray)):
        for index, inner in enumerate(value):
            yield f"[{index}]", inner
