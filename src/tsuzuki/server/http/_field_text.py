"""A field of a message from text: what stands in a path or a query string."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message


class FieldTextError(ValueError):
    """Text that is no value of its field; the message names the field."""


def find_field(descriptor: Any, path: str) -> list[FieldDescriptor] | None:
    """The fields on a dotted path, in proto or in JSON names; None where there is none."""
    fields: list[FieldDescriptor] = []
    current = descriptor
    for name in path.split("."):
        if current is None:
            return None
        field = current.fields_by_name.get(name) or current.fields_by_camelcase_name.get(name)
        if field is None:
            return None
        fields.append(field)
        current = field.message_type
    return fields


def set_from_text(message: Message, path: Sequence[FieldDescriptor], texts: Sequence[str]) -> None:
    """Set the field at the end of a path.

    Args:
        message: Changed.
        path: As `find_field` gives it.
        texts: One value; several for a repeated field, of which the last counts elsewhere.

    Raises:
        FieldTextError: A text is no value of the field, or the field takes none from text.
    """
    for field in path[:-1]:
        if field.is_repeated:
            raise FieldTextError(f'parsing field "{field.name}": it is a list of messages, which only a body can hold')
        message = getattr(message, field.name)
    field = path[-1]
    try:
        if field.message_type is not None:
            _set_message(message, field, texts[-1])
        elif field.is_repeated:
            getattr(message, field.name).extend([_value(field, text) for text in texts])
        else:
            setattr(message, field.name, _value(field, texts[-1]))
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise FieldTextError(f'parsing field "{field.name}": {error}') from None


_TIMES: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})


def _set_message(message: Message, field: FieldDescriptor, text: str) -> None:
    kind: Any = field.message_type
    if field.is_repeated or kind.full_name not in _TIMES:
        raise ValueError("it is a message, which only a body can hold")
    getattr(message, field.name).FromJsonString(text)


def _value(field: FieldDescriptor, text: str) -> Any:
    if field.enum_type is not None:
        return _enum(field.enum_type, text)
    return _VALUES[field.type](text)


def _enum(enum: EnumDescriptor, text: str) -> int:
    known = enum.values_by_name.get(text)
    if known is not None:
        return int(known.number)
    if text.isdecimal() and int(text) in enum.values_by_number:
        return int(text)
    raise ValueError(f'"{text}" is not one of {", ".join(enum.values_by_name)}')


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f'"{text}" is neither true nor false')
    return text == "true"


def _data(text: str) -> bytes:
    """Base64 of either alphabet; a plus that was sent as it is arrives as a space."""
    plain = text.replace(" ", "+").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


_WHOLE: Final = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
)
_VALUES: Final[Mapping[int, Callable[[str], Any]]] = {
    **dict.fromkeys(_WHOLE, int),
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_FLOAT: float,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BYTES: _data,
}
