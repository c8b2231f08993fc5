"""What a worker and the processes of its pool say to each other beside the pool's own queues.

The pool carries calls and outcomes; this side channel carries what happens while a call runs: heartbeats and
log lines one way, the wish to stop the other. A frame is a length, a kind, the number of the call and a body; bodies
are protobuf, JSON or plain bytes, never pickles, because whoever can connect could send them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from tsuzuki.activity import ActivityCancellationDetails

HEADER: Final = struct.Struct(">IBQ")
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
SECRET_BYTES: Final = 32

_REASONS: Final = ("not_found", "cancel_requested", "paused", "reset", "timed_out", "worker_shutdown")


class Kind(IntEnum):
    """Kinds of frames."""

    HELLO = 1
    """From the pool's process, first: the body is the secret that came with the call."""
    BEGIN = 2
    """From the pool's process: it runs this call now."""
    HEARTBEAT = 3
    """From the pool's process: the body is `Payloads`."""
    STOP = 4
    """To the pool's process: the call should stop; the body is one byte of reasons."""
    SHUTDOWN = 5
    """To the pool's process: the worker is shutting down."""
    LOG = 6
    """From the pool's process: the body is JSON, the workflow id, the run id and a line for the log of the run."""


def encode_frame(kind: Kind, call: int = 0, body: bytes = b"") -> bytes:
    """Return a frame as bytes."""
    return HEADER.pack(len(body), kind, call) + body


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, int, bytes]]:
        """Take bytes; give the frames that are complete.

        Raises:
            ValueError: The stream is not ours.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind, call = HEADER.unpack_from(self._buffer)
            if length > BODY_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes; at most {BODY_BYTES_MAX} are allowed")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield Kind(kind), call, body


def encode_reasons(details: ActivityCancellationDetails) -> bytes:
    """Return cancellation details as one byte."""
    return bytes((sum(getattr(details, name) << bit for bit, name in enumerate(_REASONS)),))


def decode_reasons(body: bytes) -> ActivityCancellationDetails:
    """Read cancellation details back."""
    return ActivityCancellationDetails(**{name: bool(body[0] >> bit & 1) for bit, name in enumerate(_REASONS)})
