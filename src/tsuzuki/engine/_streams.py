"""The event streams of runs: batches taken from heartbeats, and read by a query of a reserved type.

Owns when a stream is in memory: from the first batch on, until the run leaves it. What is read is on disk. The query
reaches no worker, so it is answered for a run whose code is gone or stuck, and for a closed one until it is deleted.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio.api.common.v1 import Payloads

from tsuzuki.common.stream_frames import FRAMED, read_frame
from tsuzuki.core import stream as streams
from tsuzuki.core.activity import Activity
from tsuzuki.core.execution import Execution
from tsuzuki.core.refusal import Exhausted, InvalidInput
from tsuzuki.core.stream import Stream
from tsuzuki.core.times import SECOND
from tsuzuki.service import ServiceError
from tsuzuki.store import StreamRow

from ._beside_history import PAGE_BYTES_MAX, PAGE_ROWS_MAX, after_news, page, read_asked, reading
from ._engine import Engine
from ._refusals import refusals_as_errors, service_error

_EXPECTED: Final = (
    "the query for a stream takes one argument, an object: 'after', the offset of the last event that was "
    "seen, and 'wait_s', how many seconds to wait for one."
)


class Streams:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ---- written -----------------------------------------------------------------------------------

    def load(self, run: Execution) -> Stream:
        """Have the stream in memory; before a transition, which must not break because the disk cannot be read.

        Raises:
            ServiceError: UNAVAILABLE; the same heartbeat may be taken later.
        """
        if run.stream is None:
            stream = Stream()
            with reading(run, "stream"):
                ends = self._engine.store.stream_ends(run.key)
            for end in ends:
                stream.last_offset = max(stream.last_offset, end.last_offset)
                stream.bytes += end.bytes
                stream.last_seqs[end.scheduled_event_id, end.start] = end.last_seq
            stream.is_full = (0, "") in stream.last_seqs
            run.stream = stream
        return run.stream

    def take(
        self, run: Execution, stream: Stream, activity: Activity, details: Payloads, now_ns: int
    ) -> tuple[bool, Payloads | None]:
        """Take the batch that a heartbeat begins with; False if there is no room. Gives the details proper besides."""
        with refusals_as_errors():
            try:
                said = streams.check_frame(read_frame(details.payloads))
            except ValueError as error:
                raise InvalidInput(f"the frame of a stream cannot be read: {error}") from None
            if len(details.payloads) < FRAMED:
                raise InvalidInput("a stream's frame is followed by its events, one payload with a list of them.")
            events = details.payloads[FRAMED - 1].SerializeToString()
            taken = streams.append(run, stream, activity, said, events, now_ns, self._engine.limits_of(run.namespace))
        proper = details.payloads[FRAMED:]
        return taken, Payloads(payloads=proper) if proper else None

    def full(self, run: Execution) -> ServiceError:
        limits = self._engine.limits_of(run.namespace)
        return service_error(
            Exhausted(
                f"the stream of workflow '{run.workflow_id}', run {run.run_id}, is full: a run may have "
                f"{limits.stream_events_max:,} events of {limits.stream_bytes_max:,} bytes together. The activity may "
                "go on; what it says is not kept."
            )
        )

    # ---- read --------------------------------------------------------------------------------------

    async def read(self, run: Execution, args: Payloads) -> Payloads:
        """Answer with the events after an offset, a page at most; wait a while for one if there is none.

        Raises:
            ServiceError: The arguments make no sense, the disk cannot be read, or the run was deleted meanwhile.
        """
        with refusals_as_errors():
            asked = read_asked(args, _EXPECTED)
        clock = self._engine.clock
        until_ns = clock.now_ns() + int(asked.wait_s * SECOND)
        while True:
            closed = not run.is_open and not run.dirty and not self._engine.journal.holds(run)
            with reading(run, "stream"):
                rows = self._engine.store.stream(run.key, asked.after, PAGE_ROWS_MAX, PAGE_BYTES_MAX)
            if rows or closed or clock.now_ns() >= until_ns:
                return page(rows, lambda row: row.events, _described, closed=closed)
            run = await after_news(self._engine, run, until_ns)


def _described(row: StreamRow) -> dict[str, Any]:
    return {
        "first": row.first_offset,
        "kinds": row.kinds,
        "activity_id": row.activity_id,
        "activity_type": row.activity_type,
        "attempt": row.attempt,
        "seq": row.first_seq,
        "at_ns": row.at_ns,
    }
