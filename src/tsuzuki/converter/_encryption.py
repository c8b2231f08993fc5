"""Encryption of payloads with AES-GCM. The library is an extra, loaded when a codec is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from temporalio.api.common.v1 import Payload

from ._codec import PayloadCodec, PayloadCodecError, parse_payload

ENCODING: Final = b"binary/encrypted"
KEY_ID: Final = "encryption-key-id"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = (16, 24, 32)


class EncryptionCodec(PayloadCodec):
    """Encrypts every payload with AES-GCM, under a key that has an id.

    The id stands beside the bytes, so that keys can be rotated: encode with the new one and keep the old one among
    `keys` for as long as a history needs it.

    Args:
        keys: Key bytes (16, 24 or 32) by id.
        key_id: The key to encrypt with.
        random_bytes: Source of nonces.

    Raises:
        ImportError: `cryptography` is not installed: `pip install tsuzuki[encryption]`.
        ValueError: `key_id` is not among the keys, or a key has another length.
    """

    def __init__(
        self, keys: Mapping[str, bytes], *, key_id: str, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise ImportError("EncryptionCodec needs cryptography: pip install tsuzuki[encryption]") from error
        if key_id not in keys:
            raise ValueError(f"there is no key {key_id!r} to encrypt with; there are: {', '.join(sorted(keys))}")
        for name, key in keys.items():
            if len(key) not in KEY_BYTES:
                raise ValueError(f"key {name!r} has {len(key)} bytes; it must have 16, 24 or 32")
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._key_id = key_id
        self._random_bytes = random_bytes

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt all of them."""
        return [self._encode(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt those that are encrypted.

        Raises:
            PayloadCodecError: Their key is not at hand, or they were changed after they were written.
        """
        return [
            self._decode(payload) if payload.metadata.get("encoding") == ENCODING else payload for payload in payloads
        ]

    def _encode(self, payload: Payload) -> Payload:
        nonce = self._random_bytes(NONCE_BYTES)
        data = nonce + self._ciphers[self._key_id].encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: self._key_id.encode()}, data=data)

    def _decode(self, payload: Payload) -> Payload:
        from cryptography.exceptions import InvalidTag

        key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise PayloadCodecError(
                f"a payload is encrypted with key {key_id!r}, which is not at hand; there are: "
                f"{', '.join(sorted(self._ciphers))}. Add it to the keys of EncryptionCodec"
            )
        try:
            whole = cipher.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise PayloadCodecError(
                f"a payload cannot be decrypted with key {key_id!r}: its bytes were changed, or another key has that id"
            ) from error
        return parse_payload(whole, f"a payload encrypted with key {key_id!r}")
