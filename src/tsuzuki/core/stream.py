"""The event stream of a run: what its activities say while they run, beside history.

Owns the numbering. An attempt numbers its events from 1 and sends a batch again until it is acknowledged, so a batch
that is here already is acknowledged and not taken twice; one that leaves a gap is refused. Attempts are told apart by
their start: a reset gives their numbers anew. The run numbers all events of all attempts by their offset, 1, 2, 3, ...,
in the order of their arrival, and readers go by that.

Nothing here is replayed, and no decision follows from it: the stream may be cut off at its limits without the run
noticing. It is written in the commit of the heartbeat that brought it, kept as long as the run and deleted with it.

Why so: tokens as history events (signals, markers) would end a run at its limits after a page of text. A file beside
the database, written by the worker, is not there for a server and its readers, and not in one commit with anything. An
RPC of our own would need another client on each side. A heartbeat is what an activity has to say while it runs: it
carries data, names the attempt by its token (so that one that is over is refused, and order follows), is checked like
every other call, and is a write that takes place anyway. On a Temporal cluster it still shows the newest part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tsuzuki.common.stream_frames import BEGIN, DATA, END, FULL

from .activity import Activity
from .execution import Execution
from .limits import Limits
from .refusal import InvalidInput

EVENTS_MAX: Final = 1000
"""In one batch."""
_SENT: Final = frozenset((BEGIN, DATA, END))


class StreamBatch(NamedTuple):
    """Events of one attempt that came together. Offsets are those of the run, `first_seq` is the attempt's own."""

    first_offset: int
    last_offset: int
    scheduled_event_id: int
    attempt: int
    start: str
    """The request id of the attempt's start."""
    first_seq: int
    kinds: str
    at_ns: int
    activity_id: str
    activity_type: str
    events: bytes
    """Serialized `Payload`: a list of values, one for each event."""


@dataclass(slots=True)
class Stream:
    """How far the stream of a run has come.

    Attributes:
        last_offset: Of the newest event; 0 for none.
        bytes: Of all batches.
        last_seqs: By scheduled event id and the request id of the attempt's start.
        is_full: A limit was reached.
        fresh: Batches to be written.
    """

    last_offset: int = 0
    bytes: int = 0
    last_seqs: dict[tuple[int, str], int] = field(default_factory=dict)
    is_full: bool = False
    fresh: list[StreamBatch] = field(default_factory=list)


class Said(NamedTuple):
    """A frame that was checked."""

    seq: int
    kinds: str


def check_frame(facts: Mapping[str, Any]) -> Said:
    """Read the frame of a heartbeat.

    Raises:
        InvalidInput: It is not as it should be.
    """
    seq, kinds = facts.get("seq"), facts.get("kinds")
    if type(seq) is not int or not 1 <= seq < 1 << 53 or not isinstance(kinds, str):
        raise InvalidInput("the frame of a stream has a number 'seq', from 1 on, and a text 'kinds'.")
    if not 1 <= len(kinds) <= EVENTS_MAX or not _SENT.issuperset(kinds):
        raise InvalidInput(
            f"the 'kinds' of a stream's frame have 1 to {EVENTS_MAX} letters, each one of {', '.join(sorted(_SENT))}."
        )
    return Said(seq, kinds)


def append(
    run: Execution, stream: Stream, activity: Activity, said: Said, events: bytes, now_ns: int, limits: Limits
) -> bool:
    """Take a batch of the running attempt, unless it is here already. False if the stream is full.

    Raises:
        InvalidInput: It does not follow the attempt's last one.
    """
    key = (activity.scheduled_event_id, activity.request_id)
    expected = stream.last_seqs.get(key, 0) + 1
    last = said.seq + len(said.kinds) - 1
    if last < expected:
        return True
    if said.seq != expected:
        raise InvalidInput(
            f"a batch of stream events {said.seq} to {last} where event {expected} of attempt {activity.attempt} "
            "belongs; send what was not acknowledged again, as it was."
        )
    if stream.is_full:
        return False
    follow = StreamBatch(
        first_offset=stream.last_offset + 1,
        last_offset=stream.last_offset + len(said.kinds),
        scheduled_event_id=activity.scheduled_event_id,
        attempt=activity.attempt,
        start=activity.request_id,
        first_seq=said.seq,
        kinds=said.kinds,
        at_ns=now_ns,
        activity_id=activity.asked.activity_id,
        activity_type=activity.asked.activity_type.name,
        events=events,
    )
    fits = follow.last_offset <= limits.stream_events_max and stream.bytes + len(events) <= limits.stream_bytes_max
    if fits:
        stream.last_seqs[key] = last
    else:
        stream.is_full = True
        follow = StreamBatch(follow.first_offset, follow.first_offset, 0, 0, "", 1, FULL, now_ns, "", "", b"")
    stream.last_offset = follow.last_offset
    stream.bytes += len(follow.events)
    stream.fresh.append(follow)
    run.dirty = True
    return fits
