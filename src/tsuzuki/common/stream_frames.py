"""How a batch of a run's event stream stands in Temporal's own messages.

Activities send it with a heartbeat, clients read it with a query of a reserved type: so it goes over every seam that
there is, under the permissions that heartbeats and queries have, and a server that knows nothing of it is not
disturbed. In both the first payload is a frame, plain JSON under a metadata key of its own, which payload codecs leave
alone: the engine must read it. The events themselves are one payload, a list with a value for each, as opaque as any
other.

In a heartbeat: frame, events, and then the details proper. A batch is numbered by its attempt: its first event has the
number `seq`, and `kinds` has a letter for each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.common.v1 import Payload

__all__ = [
    "BEGIN",
    "DATA",
    "END",
    "FRAMED",
    "FRAME_KEY",
    "FULL",
    "OURS",
    "STREAM_QUERY",
    "has_frame",
    "read_frame",
    "write_frame",
]

FRAME_KEY: Final = "tsuzuki-stream"
STREAM_QUERY: Final = "__tsuzuki_stream"
OURS: Final = "tsuzuki-"
"""How the version begins of a server that keeps streams."""

BEGIN: Final = "b"
"""An attempt begins; what earlier attempts of the activity have said is superseded."""
DATA: Final = "d"
END: Final = "e"
"""The attempt has said all that it had to say."""
FULL: Final = "f"
"""Written by the engine: a limit was reached, and nothing follows."""

FRAMED: Final = 2
"""Payloads before the details proper, in a heartbeat with a frame: the frame, and the events."""


def write_frame(facts: dict[str, Any]) -> Payload:
    """Make a frame."""
    return Payload(
        metadata={"encoding": b"json/plain", FRAME_KEY: b"1"}, data=json.dumps(facts, separators=(",", ":")).encode()
    )


def has_frame(payloads: Sequence[Payload]) -> bool:
    """Tell whether the first of some payloads is a frame."""
    return len(payloads) > 0 and FRAME_KEY in payloads[0].metadata


def read_frame(payloads: Sequence[Payload]) -> dict[str, Any]:
    """Read the frame that payloads begin with.

    Raises:
        ValueError: It is none.
    """
    try:
        facts = json.loads(payloads[0].data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(facts, dict):
        raise ValueError(f"a frame is an object, and not a {type(facts).__name__}")
    return facts
