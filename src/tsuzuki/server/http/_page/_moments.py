"""Times, lengths of time and sizes as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))


def iso(time: Timestamp) -> str:
    """A time for machines, which the browser shows in its own time zone."""
    return datetime.fromtimestamp(time.seconds + time.nanos / 1e9, UTC).isoformat(timespec="milliseconds")


def clock(time: Timestamp) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(time.seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def seconds_between(begin: Timestamp, end: Timestamp) -> float:
    return (end.seconds - begin.seconds) + (end.nanos - begin.nanos) / 1e9


def length(seconds: float) -> str:
    """`1h 2m`, `3m 4s`, `5.6s`, `78ms`."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in (*_UNITS, (1, "s")):
        if rest >= size or parts:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return " ".join(parts[:2])


def span(duration: Duration) -> str:
    return length(duration.seconds + duration.nanos / 1e9)


def size(count: int) -> str:
    """`12 B`, `3.4 KB`, `5.6 MB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MB"
