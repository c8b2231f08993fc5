"""Compression of payloads with zlib."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload

from ._codec import PayloadCodec, PayloadCodecError, parse_payload

ENCODING: Final = b"binary/zlib"
THRESHOLD_BYTES_DEFAULT: Final = 1024
PAYLOAD_BYTES_MAX: Final = 256 * 1024 * 1024
"""What a payload may grow to when it is read: a few bytes can stand for gigabytes."""


class CompressionCodec(PayloadCodec):
    """Compresses payloads that get smaller by it.

    Args:
        threshold_bytes: Smaller payloads are left as they are.
        level: From 1 (fast) to 9 (small), as zlib's.
    """

    def __init__(self, *, threshold_bytes: int = THRESHOLD_BYTES_DEFAULT, level: int = 6) -> None:
        self._threshold_bytes = threshold_bytes
        self._level = level

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Compress those that get smaller."""
        return [self._encode(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decompress those that are compressed.

        Raises:
            PayloadCodecError: The bytes are damaged, or stand for more than 256 MiB.
        """
        return [_decode(payload) if payload.metadata.get("encoding") == ENCODING else payload for payload in payloads]

    def _encode(self, payload: Payload) -> Payload:
        if payload.ByteSize() < self._threshold_bytes:
            return payload
        whole = payload.SerializeToString()
        data = zlib.compress(whole, self._level)
        return Payload(metadata={"encoding": ENCODING}, data=data) if len(data) < len(whole) else payload


def _decode(payload: Payload) -> Payload:
    try:
        inflating = zlib.decompressobj()
        whole = inflating.decompress(payload.data, PAYLOAD_BYTES_MAX)
        if inflating.unconsumed_tail:
            raise PayloadCodecError(f"a compressed payload stands for more than {PAYLOAD_BYTES_MAX:,} bytes; refused")
        if not inflating.eof:
            raise PayloadCodecError("a compressed payload is cut off; read it from another copy of the history")
    except zlib.error as error:
        raise PayloadCodecError(f"a compressed payload is damaged: {error}") from error
    return parse_payload(whole, "a compressed payload")
