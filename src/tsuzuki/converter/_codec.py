"""Codecs: payloads to other payloads, on their way to the service and back. Encryption, compression, offloading.

A codec sees finished payloads and never values. It runs outside workflow code, so it may wait and do I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from ..exceptions import TsuzukiError


class PayloadCodecError(TsuzukiError):
    """A payload cannot be decoded: another key, damaged bytes, a blob that is gone. The message says what to do."""


def parse_payload(data: bytes, what: str) -> Payload:
    """Read a payload that a codec has taken out of another one.

    Args:
        data: A serialized payload.
        what: What it came out of, for the error.

    Raises:
        PayloadCodecError: It is none.
    """
    try:
        return Payload.FromString(data)
    except DecodeError as error:
        raise PayloadCodecError(
            f"{what} holds {len(data)} bytes that are no payload: something else wrote it"
        ) from error


class PayloadCodec(ABC):
    """Turns payloads into others and back, as `temporalio.converter.PayloadCodec` does."""

    @abstractmethod
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encode payloads that belong together, such as the arguments of one call.

        Args:
            payloads: Not to be changed.

        Returns:
            What is sent in their place; as many, or one for all of them.
        """

    @abstractmethod
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Undo `encode`. Payloads that this codec did not make are returned as they are.

        Args:
            payloads: Not to be changed.

        Raises:
            PayloadCodecError: One of its own cannot be decoded.
        """


class ChainedCodec(PayloadCodec):
    """Several codecs as one: the first encodes first and decodes last.

    The order that works is compression, encryption, offloading: what is encrypted does not compress, and what is
    stored elsewhere should be encrypted there too.
    """

    def __init__(self, *codecs: PayloadCodec) -> None:
        self._codecs = codecs

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encode with each, in order."""
        for codec in self._codecs:
            payloads = await codec.encode(payloads)
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decode with each, in the other order."""
        for codec in reversed(self._codecs):
            payloads = await codec.decode(payloads)
        return list(payloads)
