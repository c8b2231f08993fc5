"""Search attributes: a few scalar types, encoded so that every engine can index them.

They never pass the payload converter or a codec: the engine itself reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.api.common.v1 import SearchAttributes as SearchAttributesProto

from ..common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributes,
    SearchAttributeUpdate,
    SearchAttributeValue,
    TypedSearchAttributes,
    key_of,
)
from ._payload_converter import DefaultPayloadConverter

_converter = DefaultPayloadConverter()


def encode_search_attributes(
    attributes: SearchAttributes | TypedSearchAttributes | Sequence[SearchAttributeUpdate[Any]],
    proto: SearchAttributesProto,
) -> None:
    """Write search attributes, typed or not, or changes of them, into their message.

    Raises:
        TypeError: A value is of no type that can be indexed, or not of its key's.
        ValueError: A datetime has no time zone.
    """
    if isinstance(attributes, Mapping):
        for name, value in attributes.items():
            proto.indexed_fields[name].CopyFrom(_encode(name, value))
        return
    for item in attributes:
        proto.indexed_fields[item.key.name].CopyFrom(_encode_typed(item.key, item.value))


def _encode_typed(key: SearchAttributeKey[Any], value: Any) -> Payload:
    if value is None:
        return _converter.to_payload(None)
    kind = key.value_type
    fits = isinstance(value, Sequence) and not isinstance(value, str) if kind is list else isinstance(value, kind)
    if not fits or (kind is int and isinstance(value, bool)):
        if kind is float and type(value) is int:
            value = float(value)
        else:
            raise TypeError(
                f"search attribute {key.name!r} is {value!r} ({type(value).__qualname__}); "
                f"its key says {key.indexed_value_type.wire_name}"
            )
    payload = _encode(key.name, value)
    payload.metadata["type"] = key.indexed_value_type.wire_name.encode()
    return payload


def decode_typed_search_attributes(fields: Mapping[str, Payload]) -> TypedSearchAttributes:
    """Read those search attributes that have their type beside them."""
    pairs = []
    for name, payload in fields.items():
        key = key_of(name, payload.metadata.get("type", b"").decode())
        value = None if key is None else decode_search_attribute(payload)
        if key is not None and value is not None:
            pairs.append(SearchAttributePair(key, value))
    return TypedSearchAttributes(pairs)


def decode_search_attributes(proto: SearchAttributesProto) -> dict[str, SearchAttributeValue]:
    """Read search attributes, in the order of their names, for a protobuf map has another in each process; a list of
    one stands for its member, as older clients write them.
    """
    return {name: decode_search_attribute(payload) for name, payload in sorted(proto.indexed_fields.items())}


def decode_search_attribute(payload: Payload) -> SearchAttributeValue:
    """Read one value, by the type that the engine recorded beside it."""
    value: Any = _converter.from_payload(payload)
    kind = payload.metadata.get("type")
    if isinstance(value, list) and len(value) == 1 and kind != b"KeywordList":
        value = value[0]
    if kind == b"Datetime" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if kind == b"Double" and type(value) is int:
        return float(value)
    return cast("SearchAttributeValue", value)


def _encode(name: str, value: Any) -> Payload:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"search attribute {name!r} is a datetime without a time zone; add tzinfo=UTC")
        return _converter.to_payload(value.isoformat())
    if isinstance(value, (str, int, float)):  # bool is an int
        return _converter.to_payload(value)
    if isinstance(value, Sequence) and all(isinstance(item, (str, int, float, datetime)) for item in value):
        items = [item.isoformat() if isinstance(item, datetime) else item for item in value]
        return _converter.to_payload(items)
    raise TypeError(
        f"search attribute {name!r} is a {type(value).__qualname__}; "
        "it must be a str, int, float, bool, datetime or a list of str"
    )
