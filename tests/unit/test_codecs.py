"""The shipped codecs: what goes in comes out, and what was damaged on the way is told, never returned."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from tsuzuki.converter import (
    BlobNotFoundError,
    ChainedCodec,
    CompressionCodec,
    EncryptionCodec,
    FolderBlobStore,
    OffloadCodec,
    PayloadCodec,
    PayloadCodecError,
)

KEYS = {"new": b"n" * 32, "old": b"o" * 16}

payloads = st.lists(
    st.builds(
        Payload,
        metadata=st.dictionaries(st.text(max_size=8), st.binary(max_size=8), max_size=3),
        data=st.binary(max_size=3000),
    ),
    max_size=4,
)


class MemoryBlobStore:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def put(self, name: str, data: bytes) -> None:
        self.blobs[name] = data

    async def get(self, name: str) -> bytes:
        if name not in self.blobs:
            raise BlobNotFoundError(name)
        return self.blobs[name]


def everything(store: MemoryBlobStore) -> PayloadCodec:
    return ChainedCodec(
        CompressionCodec(threshold_bytes=10),
        EncryptionCodec(KEYS, key_id="new"),
        OffloadCodec(store, threshold_bytes=200),
    )


def codecs() -> list[PayloadCodec]:
    store = MemoryBlobStore()
    return [
        CompressionCodec(threshold_bytes=10),
        EncryptionCodec(KEYS, key_id="old"),
        OffloadCodec(store, threshold_bytes=200),
        everything(store),
    ]


def encode(codec: PayloadCodec, *given: Payload) -> list[Payload]:
    return asyncio.run(codec.encode(given))


def decode(codec: PayloadCodec, *given: Payload) -> list[Payload]:
    return asyncio.run(codec.decode(given))


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: type(codec).__name__)
@given(given=payloads)
def test_what_goes_in_comes_out(codec: PayloadCodec, given: list[Payload]) -> None:
    before = [payload.SerializeToString(deterministic=True) for payload in given]

    assert decode(codec, *encode(codec, *given)) == given
    assert [payload.SerializeToString(deterministic=True) for payload in given] == before, "the codec changed its input"


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: type(codec).__name__)
def test_payloads_of_others_are_left_alone(codec: PayloadCodec) -> None:
    """As they were written before there was a codec."""
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"written before"' * 50)

    assert decode(codec, plain) == [plain]


# ---- compression ---------------------------------------------------------------------------------------------


def test_compression_makes_smaller_or_leaves_alone() -> None:
    long, short, noise = Payload(data=b"a" * 5000), Payload(data=b"a" * 100), Payload(data=bytes(range(256)) * 8)
    noise.data = hashlib.shake_128(b"noise").digest(4096)

    first, second, third = encode(CompressionCodec(), long, short, noise)

    assert first.ByteSize() < 200
    assert first.metadata["encoding"] == b"binary/zlib"
    assert second == short
    assert third == noise, "what does not get smaller is not worth decompressing"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"not compressed", "damaged"),
        (zlib.compress(b"x" * 1000)[:-5], "cut off"),
        (zlib.compress(b"\xff no payload"), "no payload"),
    ],
)
def test_damaged_compressed_payloads_are_told(data: bytes, says: str) -> None:
    with pytest.raises(PayloadCodecError, match=says):
        decode(CompressionCodec(), Payload(metadata={"encoding": b"binary/zlib"}, data=data))


def test_a_payload_that_stands_for_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuzuki.converter._compression.PAYLOAD_BYTES_MAX", 10_000)
    bomb = encode(CompressionCodec(), Payload(data=b"0" * 10_001))

    with pytest.raises(PayloadCodecError, match="more than 10,000 bytes"):
        decode(CompressionCodec(), *bomb)


# ---- encryption ----------------------------------------------------------------------------------------------


def test_encrypted_payloads_show_nothing_and_differ_each_time() -> None:
    secret = Payload(metadata={"encoding": b"json/plain", "hint": b"hinted"}, data=b'"my secret"')
    codec = EncryptionCodec(KEYS, key_id="new")

    first, second = encode(codec, secret, secret)

    assert b"secret" not in first.SerializeToString()
    assert b"hinted" not in first.SerializeToString()
    assert first != second, "the same nonce twice under one key gives the key stream away"


def test_nonces_come_from_outside() -> None:
    codec = EncryptionCodec(KEYS, key_id="new", random_bytes=lambda count: b"7" * count)

    (encrypted,) = encode(codec, Payload(data=b"x"))

    assert encrypted.data.startswith(b"7" * 12)


def test_keys_are_rotated_by_keeping_the_old_one() -> None:
    (written,) = encode(EncryptionCodec({"old": KEYS["old"]}, key_id="old"), Payload(data=b"x"))

    assert decode(EncryptionCodec(KEYS, key_id="new"), written) == [Payload(data=b"x")]
    with pytest.raises(PayloadCodecError, match=r"key 'old', which is not at hand; there are: new"):
        decode(EncryptionCodec({"new": KEYS["new"]}, key_id="new"), written)


def test_changed_bytes_and_another_key_of_the_same_id_are_told() -> None:
    codec = EncryptionCodec(KEYS, key_id="new")
    (written,) = encode(codec, Payload(data=b"x" * 100))
    changed, cut = Payload(), Payload()
    changed.CopyFrom(written)
    changed.data = written.data[:40] + bytes([written.data[40] ^ 1]) + written.data[41:]
    cut.CopyFrom(written)
    cut.data = written.data[:5]

    for damaged in (changed, cut):
        with pytest.raises(PayloadCodecError, match="cannot be decrypted with key 'new'"):
            decode(codec, damaged)
    with pytest.raises(PayloadCodecError, match="another key has that id"):
        decode(EncryptionCodec({"new": b"m" * 32}, key_id="new"), written)


def test_keys_are_checked_when_the_codec_is_made() -> None:
    with pytest.raises(ValueError, match=r"no key 'x' to encrypt with; there are: new, old"):
        EncryptionCodec(KEYS, key_id="x")
    with pytest.raises(ValueError, match="has 3 bytes; it must have 16, 24 or 32"):
        EncryptionCodec({"short": b"abc"}, key_id="short")


# ---- offloading ----------------------------------------------------------------------------------------------


def test_large_payloads_leave_and_small_ones_stay() -> None:
    store = MemoryBlobStore()
    codec = OffloadCodec(store, threshold_bytes=1000)
    large, small = Payload(metadata={"encoding": b"json/plain"}, data=b"l" * 5000), Payload(data=b"s" * 100)

    reference, same = encode(codec, large, small)

    assert same == small
    assert reference.ByteSize() < 200
    assert reference.metadata["original-encoding"] == b"json/plain"
    assert list(store.blobs) == [reference.metadata["sha256"].decode()]


def test_equal_payloads_share_a_blob() -> None:
    """Whatever the order of their metadata, which is none: it differs from process to process."""
    store = MemoryBlobStore()
    codec = OffloadCodec(store, threshold_bytes=10)
    metadata = {f"key {number}": b"value" for number in range(40)}

    one, two = encode(codec, Payload(metadata=metadata), Payload(metadata=dict(reversed(metadata.items()))))

    assert one == two
    assert len(store.blobs) == 1


def test_metadata_counts_as_size_too() -> None:
    codec = OffloadCodec(MemoryBlobStore(), threshold_bytes=1000)

    (reference,) = encode(codec, Payload(metadata={"note": b"n" * 2000}))

    assert reference.ByteSize() < 200


def test_a_blob_that_is_gone_or_is_another_is_told() -> None:
    store = MemoryBlobStore()
    codec = OffloadCodec(store, threshold_bytes=10)
    (reference,) = encode(codec, Payload(data=b"x" * 100))
    (name,) = store.blobs

    store.blobs[name] = Payload(data=b"y" * 100).SerializeToString()
    with pytest.raises(PayloadCodecError, match="is not what was stored"):
        decode(codec, reference)
    del store.blobs[name]
    with pytest.raises(PayloadCodecError, match=r"an offloaded payload of \d+ bytes is not in the blob store"):
        decode(codec, reference)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_reference_cannot_name_another_file(name: str, tmp_path: Path) -> None:
    reference = Payload(metadata={"encoding": b"tsuzuki/offloaded", "sha256": name.encode()})

    with pytest.raises(PayloadCodecError, match="no SHA-256"):
        decode(OffloadCodec(FolderBlobStore(tmp_path)), reference)
