"""The logs of runs: lines that workers send, and a query of a reserved type that reads them.

They are for people, and nothing follows from them; so they are rows of their own, which touch no run, and the run may
have closed before its last lines arrive. Of a log that is too long the oldest lines are dropped.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
)

from tsuzuki.common.log_frames import BATCH_BYTES_MAX, BATCH_LINES_MAX
from tsuzuki.common.stream_frames import FRAMED, has_frame, read_frame
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import InvalidInput, NotFound
from tsuzuki.core.times import SECOND
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import Batch, LogEnd, LogRow, StoreError

from ._beside_history import (
    PAGE_BYTES_MAX,
    PAGE_ROWS_MAX,
    after_news,
    is_offset,
    page,
    read_asked,
    reading,
)
from ._engine import Engine
from ._lifecycle import not_found_message
from ._news import tell_news
from ._refusals import refusals_as_errors

LATE_NS: Final = 5 * SECOND
"""So long after the end of a run its readers wait for lines that are still on their way."""

_EXPECTED: Final = (
    "the query for a log takes one argument, an object: 'after', the offset of the last line that was seen, "
    "'last', how many of the newest lines to begin with, and 'wait_s', how many seconds to wait for one."
)


class _Lines:
    """A batch on its way to the store."""

    __slots__ = ("at_ns", "count", "error", "payload", "run")

    def __init__(self, run: Execution, count: int, payload: bytes, at_ns: int) -> None:
        self.run = run
        self.count = count
        self.payload = payload
        self.at_ns = at_ns
        self.error: StoreError | None = None


class Logs:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[_Lines] = []
        """What goes into the next transaction."""

    # ---- written -----------------------------------------------------------------------------------

    async def take(self, request: RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse:
        """Take a batch of lines; answer once it is on disk.

        Raises:
            ServiceError: It is none, there is no such run, or the store does not take it.
        """
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_id("the workflow id", request.workflow_id, engine.limits)
            count, payload = _checked(request.details)
            execution = WorkflowExecution(workflow_id=request.workflow_id, run_id=request.run_id)
            run = engine.runs.find(request.namespace, execution.workflow_id, execution.run_id)
            if run is None:
                raise NotFound(not_found_message(execution))
        lines = _Lines(run, count, payload, engine.clock.now_ns())
        if not self._waiting:
            engine.journal.put(self._put)
        self._waiting.append(lines)
        try:
            await engine.durable()
        finally:
            if lines in self._waiting:  # the transaction failed before it was made
                self._waiting.remove(lines)
        if lines.error is not None:
            raise ServiceError(StatusCode.UNAVAILABLE, f"the log cannot be written now: {lines.error}")
        run = engine.runs.in_memory.get(run.key, run)
        tell_news(run)
        engine.runs.let_go(run)  # as a rule its last lines come when it has closed, and nobody else wants it
        return RecordActivityTaskHeartbeatByIdResponse()

    def _put(self, batch: Batch) -> None:
        """Number the lines behind those of the store, which has all of the transactions before this one."""
        waiting, self._waiting = self._waiting, []
        ends: dict[int, LogEnd] = {}
        for lines in waiting:
            key = lines.run.key
            try:
                end = ends.get(key) or self._engine.store.log_end(key) or LogEnd(0, 0, 0)
            except StoreError as error:
                lines.error = error
                continue
            row = LogRow(
                key,
                end.last_offset + 1,
                end.last_offset + lines.count,
                lines.at_ns,
                end.bytes_through + len(lines.payload),
                lines.payload,
            )
            batch.logs.append(row)
            dropped, most = end.bytes_dropped, self._engine.limits_of(lines.run.namespace).log_bytes_max
            if row.bytes_through - dropped > most:
                dropped = row.bytes_through - most // 2  # by half, so that it does not happen with each line
                batch.logs_gone.append((key, dropped))
            ends[key] = LogEnd(row.last_offset, row.bytes_through, dropped)

    # ---- read --------------------------------------------------------------------------------------

    async def read(self, run: Execution, args: Payloads) -> Payloads:
        """Answer with the lines after an offset, a page at most; wait a while for one if there is none.

        Raises:
            ServiceError: The arguments make no sense, the disk cannot be read, or the run was deleted meanwhile.
        """
        with refusals_as_errors():
            asked = read_asked(args, _EXPECTED)
            after, last = asked.after, asked.given.get("last")
            if last is not None and not is_offset(last):
                raise InvalidInput(_EXPECTED)
        clock, store = self._engine.clock, self._engine.store
        until_ns = clock.now_ns() + int(asked.wait_s * SECOND)
        if last is not None:
            with reading(run, "log"):
                end = store.log_end(run.key)
            after = max(after, end.last_offset - last) if end is not None else after
        while True:
            now_ns = clock.now_ns()
            over_ns = None if run.is_open or run.closed_ns is None else run.closed_ns + LATE_NS
            closed = over_ns is not None and now_ns >= over_ns
            with reading(run, "log"):
                rows = store.log(run.key, after, PAGE_ROWS_MAX, PAGE_BYTES_MAX)
            if rows or closed or now_ns >= until_ns:
                return page(rows, lambda row: row.lines, _described, closed=closed, after=after)
            run = await after_news(self._engine, run, until_ns if over_ns is None else min(until_ns, over_ns))


def _checked(details: Payloads) -> tuple[int, bytes]:
    """How many lines a request has, and their payload."""
    payloads = details.payloads
    try:
        count = read_frame(payloads).get("lines") if has_frame(payloads) else None
    except ValueError:
        count = None
    if type(count) is not int or not 1 <= count <= BATCH_LINES_MAX or len(payloads) != FRAMED:
        raise InvalidInput(
            f"lines of a log are a frame that has their number as 'lines', 1 to {BATCH_LINES_MAX}, and one payload, a "
            "list of them."
        )
    payload = payloads[FRAMED - 1].SerializeToString()
    if len(payload) > 2 * BATCH_BYTES_MAX:
        raise InvalidInput(f"a batch of log lines has {len(payload):,} bytes; the limit is {2 * BATCH_BYTES_MAX:,}.")
    return count, payload


def _described(row: LogRow) -> dict[str, Any]:
    return {"first": row.first_offset, "lines": row.last_offset - row.first_offset + 1}
