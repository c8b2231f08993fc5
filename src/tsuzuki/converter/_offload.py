"""Offloading: a large payload is kept in a blob store, and a reference takes its place in history.

The blob is durable before the reference is sent, so a recorded reference always has its blob. Blobs are not
deleted here: which histories still refer to one only their owner knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload

from ._blobs import BlobNotFoundError, BlobStore
from ._codec import PayloadCodec, PayloadCodecError, parse_payload

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

ENCODING: Final = b"tsuzuki/offloaded"
DIGEST: Final = "sha256"
SIZE: Final = "size"
"""Bytes of the blob, for people who read a history."""
ORIGINAL: Final = "original-encoding"
THRESHOLD_BYTES_DEFAULT: Final = 128 * 1024


class OffloadCodec(PayloadCodec):
    """Keeps large payloads in a blob store and sends references.

    Args:
        store: Where they are kept; every client and worker needs the same one.
        threshold_bytes: Payloads of this size and more are offloaded.
    """

    def __init__(self, store: BlobStore, *, threshold_bytes: int = THRESHOLD_BYTES_DEFAULT) -> None:
        self._store = store
        self._threshold_bytes = threshold_bytes

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Store the large ones.

        Raises:
            OSError: One could not be stored; trying again later is safe.
        """
        return list(await asyncio.gather(*(self._encode(payload) for payload in payloads)))

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Fetch what references stand for.

        Raises:
            PayloadCodecError: A blob is gone, or not what was stored.
            OSError: One could not be read; trying again later may help.
        """
        return list(await asyncio.gather(*(self._decode(payload) for payload in payloads)))

    async def _encode(self, payload: Payload) -> Payload:
        if payload.ByteSize() < self._threshold_bytes:
            return payload
        whole = payload.SerializeToString(deterministic=True)  # one name for equal payloads, whoever offloads them
        digest = hashlib.sha256(whole).hexdigest()
        await self._store.put(digest, whole)
        return Payload(
            metadata={
                "encoding": ENCODING,
                DIGEST: digest.encode(),
                SIZE: str(len(whole)).encode(),
                ORIGINAL: payload.metadata.get("encoding", b""),
            }
        )

    async def _decode(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        digest = payload.metadata.get(DIGEST, b"").decode(errors="replace")
        size = payload.metadata.get(SIZE, b"?").decode(errors="replace")
        if not _SHA256.fullmatch(digest):  # it becomes the name of a file
            raise PayloadCodecError(f"an offloaded payload names the blob {digest!r}, which is no SHA-256 in hex")
        try:
            whole = await self._store.get(digest)
        except BlobNotFoundError as error:
            raise PayloadCodecError(
                f"an offloaded payload of {size} bytes is not in the blob store: {error}. Give OffloadCodec the store "
                "that it was written to, or restore the blob"
            ) from error
        if hashlib.sha256(whole).hexdigest() != digest:
            raise PayloadCodecError(f"blob {digest} is not what was stored: it has other content; restore it")
        return parse_payload(whole, f"blob {digest}")
