"""Python values to payloads and back; the interface, and the default that every part uses.

The default writes what the official converters write: None as `binary/null`, bytes as `binary/plain`,
protobuf messages as `json/protobuf`, everything else as `json/plain`; and reads `binary/protobuf` too.

It must not keep or change a payload that it was given. Payloads it makes belong to the caller.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads

from ..common import RawValue
from . import _protobuf
from ._errors import PayloadDecodeError, PayloadEncodeError
from ._json_decode import decode_json
from ._json_encode import encode_json, find_unencodable
from ._structure import name_of

if TYPE_CHECKING:
    from ._encodings import EncodingPayloadConverter


class PayloadConverter(ABC):
    """Turns values into payloads and back. Synchronous, without I/O: it runs inside workflow code."""

    default: ClassVar[PayloadConverter]

    @abstractmethod
    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """Encode values, one payload each; a `RawValue` is its payload.

        Raises:
            PayloadEncodeError: A value has no payload form.
        """

    @abstractmethod
    def from_payloads(self, payloads: Sequence[Payload], type_hints: Sequence[Any] | None = None) -> list[Any]:
        """Decode payloads, one value each.

        Args:
            payloads: What `to_payloads`, here or in another SDK, made.
            type_hints: Expected types; None among them, or a list that is too short, means no
                expectation. `RawValue` asks for the payload itself.

        Raises:
            PayloadDecodeError: A payload does not fit its hint or is of an unknown encoding.
        """

    def write_payloads(self, values: Sequence[Any], into: Payloads) -> None:
        """Encode values, one payload each, at the end of a message that requests and events carry.

        Raises:
            PayloadEncodeError: A value has no payload form.
        """
        into.payloads.extend(self.to_payloads(values))

    def to_payload(self, value: Any) -> Payload:
        """Encode one value."""
        return self.to_payloads((value,))[0]

    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        """Decode one payload."""
        return self.from_payloads((payload,), (type_hint,))[0]

    def to_payloads_wrapper(self, values: Sequence[Any]) -> Payloads:
        """Encode values into the message that requests and events carry."""
        return Payloads(payloads=self.to_payloads(values))

    def from_payloads_wrapper(self, payloads: Payloads | None, type_hints: Sequence[Any] | None = None) -> list[Any]:
        """Decode the message that requests and events carry; none and empty are no values."""
        if payloads is None or not payloads.payloads:
            return []
        return self.from_payloads(payloads.payloads, type_hints)


# Copying a message that has its metadata costs a third of making the metadata each time.
_NULL: Final = Payload(metadata={"encoding": b"binary/null"})
_BYTES: Final = Payload(metadata={"encoding": b"binary/plain"})
_JSON: Final = Payload(metadata={"encoding": b"json/plain"})
_JSON_TYPES: Final = frozenset((str, int, float, bool, dict, list, tuple))


class DefaultPayloadConverter(PayloadConverter):
    """The payload converter of `DataConverter.default`."""

    default_encoding_payload_converters: ClassVar[tuple[EncodingPayloadConverter, ...]]
    """The same, one converter an encoding: to put a `CompositePayloadConverter` together with others."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        payloads = []
        for position, value in enumerate(values):
            if isinstance(value, RawValue):
                payloads.append(value.payload)
            else:
                payload = Payload()
                self._write(position, value, payload)
                payloads.append(payload)
        return payloads

    def write_payloads(self, values: Sequence[Any], into: Payloads) -> None:
        # In place, where the value goes: a finished payload costs twice as much to put into another message.
        if type(self) is not DefaultPayloadConverter:  # it may have a `to_payloads` of its own
            super().write_payloads(values, into)
            return
        payloads = into.payloads
        for position, value in enumerate(values):
            self._write(position, value, payloads.add())

    def _write(self, position: int, value: Any, payload: Payload) -> None:
        if type(value) not in _JSON_TYPES:
            if value is None:
                payload.CopyFrom(_NULL)
                return
            if isinstance(value, (bytes, bytearray)):
                payload.CopyFrom(_BYTES)
                payload.data = bytes(value)
                return
            if isinstance(value, RawValue):
                payload.CopyFrom(value.payload)
                return
            if isinstance(value, Message):
                payload.CopyFrom(_protobuf.to_payload(value))
                return
        try:
            data = encode_json(value)
        except Exception as error:
            raise _encode_error(position, value, error) from error
        payload.CopyFrom(_JSON)
        payload.data = data

    def from_payloads(self, payloads: Sequence[Payload], type_hints: Sequence[Any] | None = None) -> list[Any]:
        hints = () if type_hints is None else type_hints
        hinted = len(hints)
        values = []
        for position, payload in enumerate(payloads):
            values.append(self._from_payload(position, payload, hints[position] if position < hinted else None))
        return values

    def _from_payload(self, position: int, payload: Payload, hint: Any) -> Any:
        if hint is RawValue:
            return RawValue(payload)
        encoding = payload.metadata.get("encoding")
        try:
            if encoding == b"json/plain":
                if isinstance(hint, type) and issubclass(hint, Message):
                    return _protobuf.from_json(payload.data, hint)
                return decode_json(payload.data, hint)
            if encoding == b"binary/null":
                return None
            if encoding == b"binary/plain":
                return _from_bytes(payload.data, hint)
            if encoding == b"json/protobuf" or encoding == b"binary/protobuf":
                return _protobuf.from_payload(payload, encoding)
        except Exception as error:
            raise _decode_error(position, payload, hint, error) from error
        raise PayloadDecodeError(
            f"value {position} has the encoding {_text(encoding)!r}, which this converter does not know; "
            "it may have been written with a payload codec or a custom converter: use the same one here",
            position=position,
            type_hint=hint,
            encoding=_text(encoding),
        )


PayloadConverter.default = DefaultPayloadConverter()


def _from_bytes(data: bytes, hint: Any) -> Any:
    if hint is None or hint is bytes:
        return data
    return msgspec.convert(data, hint)


def _text(encoding: bytes | None) -> str:
    return (encoding or b"").decode(errors="replace")


def _encode_error(position: int, value: Any, error: Exception) -> PayloadEncodeError:
    path, part = find_unencodable(value)
    name = f"{type(part).__module__}.{type(part).__qualname__}".removeprefix("builtins.")
    where = f"at {path} " if path != "$" else ""
    return PayloadEncodeError(
        f"value {position} ({type(value).__qualname__}) cannot be encoded: {where}it holds a {name}, which "
        f"has no JSON form ({error}). Pass plain data instead: str, int, float, bool, None, bytes, list, "
        "dict, dataclass, pydantic model, datetime, UUID, Enum, Decimal",
        position=position,
        value_type=type(part),
        path=path,
    )


def _decode_error(position: int, payload: Payload, hint: Any, error: Exception) -> PayloadDecodeError:
    encoding = _text(payload.metadata.get("encoding"))
    excerpt = payload.data[:80].decode(errors="replace") + ("..." if len(payload.data) > 80 else "")
    expected = f"does not fit `{name_of(hint)}`" if hint is not None else "cannot be decoded"
    return PayloadDecodeError(
        f"value {position} {expected}: {error}. The payload ({encoding}) is {excerpt}",
        position=position,
        type_hint=hint,
        encoding=encoding,
    )
