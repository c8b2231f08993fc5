"""Pieces of a run's history, as the bytes of a `History`, and the tokens that lead on from each page.

Events stay bytes on the way from the disk to the wire: a page is cut by event without parsing any. Invariant: a page
has at least one event if there is one, and above that no more bytes than were asked for, so that it fits into what
gRPC clients take (4 MiB, by default).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from temporalio.api.history.v1 import History, HistoryEvent

from tsuzuki.core.execution import Execution
from tsuzuki.core.framing import split_frames
from tsuzuki.core.limits import MIB
from tsuzuki.core.refusal import InvalidInput
from tsuzuki.store import Store

PAGE_EVENTS_MAX: Final = 10_000
PAGE_BYTES_MAX: Final = 2 * MIB
_READ_EVENTS_MAX: Final = 500
"""Read at once."""
_OF_RUN: Final = struct.Struct(">qq")
_OF_TASK: Final = struct.Struct(">qqqQ")


@dataclass(frozen=True, slots=True)
class PageToken:
    """Where to read on.

    Attributes:
        next_event_id: The first event of the next page; read backwards, the newest.
        last_event_id: The last event that a workflow or query task shows; 0 where all is to be read.
        stamp: The start of the workflow task that history belongs to; 0 for none. Its own last events need not be in
            history.
    """

    run_key: int
    next_event_id: int
    last_event_id: int = 0
    stamp: int = 0

    def pack(self) -> bytes:
        if not self.last_event_id:
            return _OF_RUN.pack(self.run_key, self.next_event_id)
        return _OF_TASK.pack(self.run_key, self.next_event_id, self.last_event_id, self.stamp)

    @classmethod
    def parse(cls, token: bytes) -> PageToken:
        """
        Raises:
            InvalidInput: It is none of this engine's.
        """
        layout = {_OF_RUN.size: _OF_RUN, _OF_TASK.size: _OF_TASK}.get(len(token))
        parsed = None if layout is None else cls(*layout.unpack(token))
        if parsed is None or parsed.next_event_id < 1:
            raise InvalidInput("next_page_token is none of this engine's; pass the token as it was received.")
        return parsed


def read_page(
    store: Store, run: Execution, first_event_id: int, last_event_id: int, events_max: int = PAGE_EVENTS_MAX
) -> tuple[bytes, int]:
    """Events from one id to another, as far as a page goes, durable or not; and the id of the first that is left."""
    last_event_id = min(last_event_id, first_event_id + events_max - 1)
    page: list[bytes] = []
    size = 0
    for event in _frames(store, run, first_event_id, last_event_id):
        size += len(event)
        if page and size > PAGE_BYTES_MAX:
            break
        page.append(event)
    return b"".join(page), first_event_id + len(page)


def read_from(store: Store, run: Execution, first_event_id: int) -> bytes:
    """All events from an id on, durable or not, in one piece: for who shows or reads the whole, not for a page."""
    if first_event_id >= run.tail_first_event_id:
        return b"".join(run.tail[first_event_id - run.tail_first_event_id :])
    stored = store.history(run.key, first_event_id, run.tail_first_event_id - 1)
    events = b"".join(batch.events for batch in stored)
    if stored and (stored[0].first_event_id < first_event_id or stored[-1].last_event_id >= run.tail_first_event_id):
        history = History.FromString(events)
        events = History(
            events=[e for e in history.events if first_event_id <= e.event_id < run.tail_first_event_id]
        ).SerializeToString()
    return events + b"".join(run.tail)


def _frames(store: Store, run: Execution, first_event_id: int, last_event_id: int) -> Iterator[bytes]:
    """Event by event: the older ones from the store, the newest from memory."""
    next_event_id = first_event_id
    stored_event_id = min(last_event_id, run.tail_first_event_id - 1)
    at_once = _read_at_once(run)
    while next_event_id <= stored_event_id:
        batches = store.history(run.key, next_event_id, min(next_event_id + at_once - 1, stored_event_id))
        if not batches:  # the run was deleted meanwhile
            return
        for batch in batches:
            frames = split_frames(batch.events)
            skip = max(0, next_event_id - batch.first_event_id)
            count = min(batch.last_event_id, stored_event_id) - batch.first_event_id + 1
            yield from frames[skip:count]
            next_event_id = batch.first_event_id + count
    tail = next_event_id - run.tail_first_event_id
    if next_event_id <= last_event_id:
        yield from run.tail[tail : tail + last_event_id - next_event_id + 1]


def read_backwards(store: Store, run: Execution, last_event_id: int, first_event_id: int = 1) -> Iterator[HistoryEvent]:
    """Durable events, the newest first."""
    at_once = _read_at_once(run)
    while last_event_id >= first_event_id:
        first = max(first_event_id, last_event_id - at_once + 1)
        stored = store.history(run.key, first, last_event_id)
        events = History.FromString(b"".join(batch.events for batch in stored)).events
        for event in reversed(events):
            if first <= event.event_id <= last_event_id:
                yield event
        last_event_id = first - 1


def _read_at_once(run: Execution) -> int:
    """How many events to read at once, so that of a history of large ones not much is read in vain."""
    events = run.next_event_id - 1
    return max(1, min(_READ_EVENTS_MAX, PAGE_BYTES_MAX * events // max(1, run.history_bytes)))
