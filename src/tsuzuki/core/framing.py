"""Serialized events as elements of a `History` message: concatenated frames parse as one `History`."""

from __future__ import annotations

_TAG = 10  # field 1, length-delimited: History.events
_SHORT_HEADS = [bytes((_TAG, n)) for n in range(128)]


def frame(event: bytes) -> bytes:
    size = len(event)
    if size < 128:
        return _SHORT_HEADS[size] + event
    head = bytearray((_TAG,))
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head) + event


def split_frames(frames: bytes) -> list[bytes]:
    """Concatenated frames, one by one."""
    found = []
    start, end = 0, len(frames)
    while start < end:
        size = shift = 0
        at = start + 1
        while True:
            byte = frames[at]
            at += 1
            size |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        found.append(frames[start : at + size])
        start = at + size
    return found
