"""The seed of a run's random numbers: what the official SDKs make of a run id.

They hash the id with SipHash-1-3 under a zero key, the way Rust hashes a string (its bytes, then 0xFF).
Drawing the same numbers keeps a workflow that decides by chance replayable on either side.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


def seed_of(run_id: str) -> int:
    """Return the 64-bit seed of a run id."""
    return _siphash13(run_id.encode() + b"\xff")


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _siphash13(data: bytes) -> int:
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573

    def round_() -> None:
        nonlocal v0, v1, v2, v3
        v0 = (v0 + v1) & _MASK
        v1 = _rotate(v1, 13) ^ v0
        v0 = _rotate(v0, 32)
        v2 = (v2 + v3) & _MASK
        v3 = _rotate(v3, 16) ^ v2
        v0 = (v0 + v3) & _MASK
        v3 = _rotate(v3, 21) ^ v0
        v2 = (v2 + v1) & _MASK
        v1 = _rotate(v1, 17) ^ v2
        v2 = _rotate(v2, 32)

    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v3 ^= word
        round_()
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        round_()
    return v0 ^ v1 ^ v2 ^ v3
