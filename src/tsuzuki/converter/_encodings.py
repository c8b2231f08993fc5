"""Payload converters put together from one converter an encoding, as `temporalio.converter` has them.

For those who add an encoding of their own. Who does not is served by `DefaultPayloadConverter`, which does the
same as these together, faster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

from ..common import RawValue
from ._errors import PayloadDecodeError, PayloadEncodeError
from ._payload_converter import DefaultPayloadConverter, PayloadConverter

_DEFAULT: Final = PayloadConverter.default


class EncodingPayloadConverter(ABC):
    """Values of one encoding."""

    @property
    @abstractmethod
    def encoding(self) -> str:
        """What it writes in the payload's metadata, and reads."""

    @abstractmethod
    def to_payload(self, value: Any) -> Payload | None:
        """Encode a value; None when it is not for this converter."""

    @abstractmethod
    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        """Decode a payload of this encoding; `type_hint` is None where nothing is expected.

        Raises:
            PayloadDecodeError: It does not fit.
        """


class CompositePayloadConverter(PayloadConverter):
    """Asks several converters: the first that takes a value writes it, the one of its encoding reads it.

    Args:
        converters: In the order in which they are asked.
    """

    def __init__(self, *converters: EncodingPayloadConverter) -> None:
        self.converters = {converter.encoding.encode(): converter for converter in converters}

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """Encode values, one payload each."""
        return [
            value.payload if isinstance(value, RawValue) else self._to_payload(position, value)
            for position, value in enumerate(values)
        ]

    def from_payloads(self, payloads: Sequence[Payload], type_hints: Sequence[Any] | None = None) -> list[Any]:
        """Decode payloads, one value each."""
        hints = list(type_hints or ())
        hints += [None] * (len(payloads) - len(hints))
        return [
            self._from_payload(position, payload, hint)
            for position, (payload, hint) in enumerate(zip(payloads, hints, strict=False))
        ]

    def _to_payload(self, position: int, value: Any) -> Payload:
        for converter in self.converters.values():
            payload = converter.to_payload(value)
            if payload is not None:
                return payload
        raise PayloadEncodeError(
            f"value {position} ({type(value).__qualname__}) is not for any of the converters; they write "
            f"{', '.join(sorted(key.decode() for key in self.converters))}",
            position=position,
            value_type=type(value),
            path="$",
        )

    def _from_payload(self, position: int, payload: Payload, hint: Any) -> Any:
        if hint is RawValue:
            return RawValue(payload)
        encoding = payload.metadata.get("encoding", b"")
        converter = self.converters.get(encoding)
        if converter is None:
            raise PayloadDecodeError(
                f"value {position} has the encoding {encoding.decode(errors='replace')!r}, for which there is no "
                f"converter; they read {', '.join(sorted(key.decode() for key in self.converters))}",
                position=position,
                type_hint=hint,
                encoding=encoding.decode(errors="replace"),
            )
        return converter.from_payload(payload, hint)


class _DefaultEncoding(EncodingPayloadConverter):
    """One encoding of the default converter."""

    name: ClassVar[str]

    @property
    def encoding(self) -> str:
        """What it reads and writes."""
        return self.name

    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        """Decode as the default converter does."""
        return _DEFAULT.from_payload(payload, type_hint)


class BinaryNullPayloadConverter(_DefaultEncoding):
    """None."""

    name = "binary/null"

    def to_payload(self, value: Any) -> Payload | None:
        """Encode None."""
        return _DEFAULT.to_payload(value) if value is None else None


class BinaryPlainPayloadConverter(_DefaultEncoding):
    """Bytes."""

    name = "binary/plain"

    def to_payload(self, value: Any) -> Payload | None:
        """Encode bytes."""
        return _DEFAULT.to_payload(value) if isinstance(value, (bytes, bytearray)) else None


class JSONProtoPayloadConverter(_DefaultEncoding):
    """Protobuf messages as JSON."""

    name = "json/protobuf"

    def to_payload(self, value: Any) -> Payload | None:
        """Encode a message."""
        return _DEFAULT.to_payload(value) if isinstance(value, Message) else None


class BinaryProtoPayloadConverter(_DefaultEncoding):
    """Protobuf messages as bytes."""

    name = "binary/protobuf"

    def to_payload(self, value: Any) -> Payload | None:
        """Encode a message."""
        if not isinstance(value, Message):
            return None
        metadata = {"encoding": self.name.encode(), "messageType": value.DESCRIPTOR.full_name.encode()}
        return Payload(metadata=metadata, data=value.SerializeToString())


class JSONPlainPayloadConverter(_DefaultEncoding):
    """Everything that has a JSON form."""

    name = "json/plain"

    def to_payload(self, value: Any) -> Payload | None:
        """Encode as typed JSON."""
        return _DEFAULT.to_payload(value)


DefaultPayloadConverter.default_encoding_payload_converters = (
    BinaryNullPayloadConverter(),
    BinaryPlainPayloadConverter(),
    JSONProtoPayloadConverter(),
    BinaryProtoPayloadConverter(),
    JSONPlainPayloadConverter(),
)
