"""Search attributes: a few scalar types, encoded so that every engine can index them.

They never pass the payload converter or a codec: the engine itself reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.api.common.v1 import SearchAttributes as SearchAttributesProto

from ..common import SearchAttributes, SearchAttributeValue
from ._payload_converter import DefaultPayloadConverter

_converter = DefaultPayloadConverter()


def encode_search_attributes(attributes: SearchAttributes, proto: SearchAttributesProto) -> None:
    """Write search attributes into their message.

    Raises:
        TypeError: A value is of no type that can be indexed.
        ValueError: A datetime has no time zone.
    """
    for name, value in attributes.items():
        proto.indexed_fields[name].CopyFrom(_encode(name, value))


def decode_search_attributes(proto: SearchAttributesProto) -> dict[str, SearchAttributeValue]:
    """Read search attributes; a list of one stands for its member, as older clients write them."""
    return {name: decode_search_attribute(payload) for name, payload in proto.indexed_fields.items()}


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
