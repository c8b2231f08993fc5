"""Nanoseconds, the one unit of time inside the engine, to and from protobuf's `Timestamp` and `Duration`."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
NEVER: Final = 1 << 62
"""A time that does not come; compares greater than any real one."""
DURATION_NS_MAX: Final = 1 << 61
"""73 years. Longer durations are cut to it, so that a time and the sum of a few of them fit into 63 bits."""


def set_time(target: Timestamp, ns: int) -> None:
    target.seconds, target.nanos = divmod(ns, SECOND)


def set_duration(target: Duration, ns: int) -> None:
    target.seconds, target.nanos = divmod(ns, SECOND)


def time_ns(source: Timestamp) -> int:
    return source.seconds * SECOND + source.nanos


def duration_ns(source: Duration) -> int:
    """The length in nanoseconds, at most 73 years either way; an unset duration is 0."""
    ns = source.seconds * SECOND + source.nanos
    return ns if -DURATION_NS_MAX < ns < DURATION_NS_MAX else DURATION_NS_MAX if ns > 0 else -DURATION_NS_MAX


def in_words(ns: int) -> str:
    """A duration as a person writes it: `2 s`, `1.5 s`, `250 ms`."""
    if ns and abs(ns) < SECOND:
        return f"{ns / MILLISECOND:g} ms"
    return f"{ns / SECOND:g} s"
