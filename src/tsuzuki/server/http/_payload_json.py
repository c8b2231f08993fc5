"""Messages as JSON in the form of Temporal's HTTP API: payloads of JSON stand there as the JSON that they hold.

`{"input": ["hello", {"a": 1}]}` is the shorthand for two payloads of encoding `json/plain`. What has no shorthand
(another encoding, further metadata) is written out, as it is for callers who ask for no shorthand at all.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads

from ._foreign_json import encoded, read_json
from ._message_json import message_json

_PAYLOAD: Final = Payload.DESCRIPTOR.full_name
_PAYLOADS: Final = Payloads.DESCRIPTOR.full_name
_MESSAGE_TYPE: Final = "_protoMessageType"
_JSON: Final = "json/plain"
_PROTO: Final = "json/protobuf"
_NULL: Final = "binary/null"

Change = Callable[[Any], Any]


def to_json(message: Message, *, shorthand: bool = True) -> Any:
    """Give a message as what `json.dumps` takes, as `json_format.MessageToDict` does but for the payloads."""
    return message_json(message, _SHORTENED if shorthand else {})


def from_json(value: Any, message: Message, *, shorthand: bool = True) -> None:
    """Fill a message from what `json.loads` gave.

    Raises:
        ValueError: It does not fit; the message says where.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"a {message.DESCRIPTOR.name} is a JSON object, not {json.dumps(value)[:40]}")
    if shorthand:
        value = _changed(value, message.DESCRIPTOR, _WRITTEN_OUT)
    try:
        json_format.ParseDict(value, message)
    except (json_format.ParseError, AttributeError, TypeError) as error:
        raise ValueError(f"not a {message.DESCRIPTOR.name}: {error}") from None


def _changed(value: Any, descriptor: Any, changes: Mapping[str, Change]) -> Any:
    """Copy a message in JSON form with every payload in it changed."""
    change = changes.get(descriptor.full_name)
    if change is not None:
        return change(value)
    fields = _leading_to_payloads(descriptor)
    if not fields or not isinstance(value, Mapping):
        return value
    return {
        key: _changed_field(inner, fields[key], changes) if key in fields else inner for key, inner in value.items()
    }


def _changed_field(value: Any, field: FieldDescriptor, changes: Mapping[str, Change]) -> Any:
    kind: Any = field.message_type
    if kind.GetOptions().map_entry:
        of_values = kind.fields_by_name["value"].message_type
        if not isinstance(value, Mapping):
            return value
        return {key: _changed(inner, of_values, changes) for key, inner in value.items()}
    if field.is_repeated:
        return [_changed(inner, kind, changes) for inner in value] if isinstance(value, list) else value
    return value if value is None and kind.full_name != _PAYLOAD else _changed(value, kind, changes)


@cache
def _leading_to_payloads(descriptor: Any) -> Mapping[str, FieldDescriptor]:
    """The fields of a message in which payloads may stand, by their names in JSON and in proto."""
    fields = [field for field in descriptor.fields if field.message_type and _holds(field.message_type, frozenset())]
    return {name: field for field in fields for name in (field.name, field.json_name)}


def _holds(descriptor: Any, seen: frozenset[str]) -> bool:
    if descriptor.full_name in (_PAYLOAD, _PAYLOADS):
        return True
    if descriptor.full_name in seen:
        return False
    seen |= {descriptor.full_name}
    return any(field.message_type is not None and _holds(field.message_type, seen) for field in descriptor.fields)


# ---- to the shorthand -------------------------------------------------------------------------------


def _shorten(payload: Any) -> tuple[Any, bool]:
    """A payload as it is shown, and whether that is the shorthand."""
    metadata = payload.get("metadata", {})
    encoding = _text(metadata.get("encoding", ""))
    if encoding == _NULL:
        return payload, True
    if encoding not in (_JSON, _PROTO) or len(metadata) != 1 + (encoding == _PROTO):
        return payload, False
    try:
        value = read_json(base64.b64decode(payload.get("data", "")))
    except ValueError:
        return payload, False
    if encoding == _JSON:
        return value, True
    kind = _text(metadata.get("messageType", ""))
    if not kind or not isinstance(value, dict):
        return payload, False
    return {_MESSAGE_TYPE: kind, **value}, True


def _shorten_all(payloads: Any) -> Any:
    shown = [_shorten(payload) for payload in payloads.get("payloads", ())]
    values = [value for value, _ in shown]
    return values if all(short for _, short in shown) else {"payloads": values}


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "replace")


# ---- from the shorthand -----------------------------------------------------------------------------


def _write_out(value: Any) -> Any:
    if value is None:
        return {"metadata": {"encoding": _base64(_NULL)}}
    if isinstance(value, Mapping):
        if _is_payload(value):
            return value
        kind = value.get(_MESSAGE_TYPE)
        if isinstance(kind, str):
            inner = {key: item for key, item in value.items() if key != _MESSAGE_TYPE}
            return {
                "metadata": {"encoding": _base64(_PROTO), "messageType": _base64(kind)},
                "data": _base64(_compact(inner)),
            }
    return {"metadata": {"encoding": _base64(_JSON)}, "data": _base64(_compact(value))}


def _is_payload(value: Mapping[str, Any]) -> bool:
    """True for a payload that is written out already, and not the user's own object with such names."""
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping) or value.keys() - {"metadata", "data"}:
        return False
    try:
        encoding = base64.b64decode(metadata.get("encoding"), validate=True)  # type: ignore[arg-type]
    except (binascii.Error, TypeError, ValueError):
        return False
    return "data" in value or encoding == _NULL.encode()


def _write_out_all(value: Any) -> Any:
    if isinstance(value, list):
        return {"payloads": [_write_out(item) for item in value]}
    if isinstance(value, Mapping) and isinstance(value.get("payloads"), list):
        return {**value, "payloads": [_write_out(item) for item in value["payloads"]]}
    return value


def _compact(value: Any) -> str:
    """JSON with its keys in order, so that the same value is always the same payload."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _base64(text: str) -> str:
    return base64.b64encode(encoded(text)).decode()


_SHORTENED: Final[Mapping[str, Change]] = {_PAYLOAD: lambda value: _shorten(value)[0], _PAYLOADS: _shorten_all}
_WRITTEN_OUT: Final[Mapping[str, Change]] = {_PAYLOAD: _write_out, _PAYLOADS: _write_out_all}
