"""Task tokens: opaque to workers, they name one start of one task.

A token of another attempt, another start or a closed run matches nothing any more.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from tsuzuki.core.refusal import InvalidInput

_LAYOUT: Final = struct.Struct(">BqqIQ")
_WORKFLOW: Final = 1
_ACTIVITY: Final = 2
_QUERY: Final = 3


class Attempt(NamedTuple):
    """What the token of an activity task names.

    Attributes:
        run_key: Of the run.
        scheduled_event_id: Of the activity.
        attempt: Its number; after a reset it may have been given before.
        start: The request id of its start; empty in the tokens of earlier releases, which say nothing of it.
    """

    run_key: int
    scheduled_event_id: int
    attempt: int
    start: str


def workflow_token(run_key: int, stamp: int) -> bytes:
    return _LAYOUT.pack(_WORKFLOW, run_key, 0, 0, stamp)


def activity_token(named: Attempt) -> bytes:
    return _LAYOUT.pack(_ACTIVITY, named.run_key, named.scheduled_event_id, named.attempt, int(named.start, 16))


def query_token(number: int) -> bytes:
    return _LAYOUT.pack(_QUERY, 0, 0, 0, number)


def parse_query_token(token: bytes) -> int:
    kind, _, _, _, number = _parse(token)
    if kind != _QUERY:
        raise InvalidInput("the task token is not of a query task.")
    return number


def parse_workflow_token(token: bytes) -> tuple[int, int]:
    """The run key and the stamp of the start."""
    kind, run_key, _, _, stamp = _parse(token)
    if kind != _WORKFLOW:
        raise InvalidInput("the task token is not of a workflow task.")
    return run_key, stamp


def parse_watched(token: bytes) -> tuple[int, int, int]:
    """What a worker watches that has an activity token: run key, scheduled event id and attempt."""
    kind, run_key, scheduled_event_id, attempt, _ = _parse(token)
    if kind != _ACTIVITY:
        raise InvalidInput("the task token is not of an activity task.")
    return run_key, scheduled_event_id, attempt


def parse_activity_token(token: bytes) -> Attempt:
    kind, run_key, scheduled_event_id, attempt, start = _parse(token)
    if kind != _ACTIVITY:
        raise InvalidInput("the task token is not of an activity task.")
    return Attempt(run_key, scheduled_event_id, attempt, f"{start:x}" if start else "")


def _parse(token: bytes) -> tuple[int, int, int, int, int]:
    try:
        return _LAYOUT.unpack(token)
    except struct.error:
        raise InvalidInput(
            f"the task token has {len(token)} bytes, which is none of this engine's. Pass the token as it was received."
        ) from None
