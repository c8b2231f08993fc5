"""Nanoseconds, the one unit of time inside the engine, to and from protobuf's `Timestamp` and `Duration`."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
NEVER: Final = 1 << 62
"""A time that does not come; compares greater than any real one."""


def set_time(target: Timestamp, ns: int) -> None:
    target.seconds, target.nanos = divmod(ns, SECOND)


def set_duration(target: Duration, ns: int) -> None:
    target.seconds, target.nanos = divmod(ns, SECOND)


def time_ns(source: Timestamp) -> int:
    return source.seconds * SECOND + source.nanos


def duration_ns(source: Duration) -> int:
    """The length in nanoseconds; an unset duration is 0."""
    return source.seconds * SECOND + source.nanos


def in_words(ns: int) -> str:
    """A duration as a person writes it: `2 s`, `1.5 s`, `250 ms`."""
    if ns and abs(ns) < SECOND:
        return f"{ns / MILLISECOND:g} ms"
    return f"{ns / SECOND:g} s"
