"""How lines of a run's log stand in Temporal's own messages; as batches of an event stream do (`stream_frames`).

A worker sends them with `RecordActivityTaskHeartbeatById`, for an activity id that no activity has: a frame that says
how many there are, and one payload, a list of them. Clients read them with a query of a reserved type.

A line is an object: `at_ns` (since 1970), `level` (a number of `logging`), `logger`, `message`, and where there is
something to tell `fields`, `exception`, and of an activity `activity_id`, `activity_type` and `attempt`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BATCH_BYTES_MAX", "BATCH_LINES_MAX", "LOG_ACTIVITY_ID", "LOG_QUERY"]

LOG_ACTIVITY_ID: Final = "__tsuzuki_log"
LOG_QUERY: Final = "__tsuzuki_log"
BATCH_LINES_MAX: Final = 500
BATCH_BYTES_MAX: Final = 256 * 1024
"""Of the lines' payload. A codec may make it larger, up to twice this."""
