"""Reading a run's event stream, live, from wherever one stopped.

An engine of this package keeps the stream and answers a query of a reserved type; a position in it is `<run
id>:<offset>`. No other server does. There the newest events stand in the heartbeats of the pending activities, and this
module looks at them again and again: it gives each once and in order, says where some were missed, and ends with the
run. A position is then what was last seen of each activity.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
)

from ..common.stream_frames import (
    BEGIN,
    DATA,
    END,
    FRAMED,
    FULL,
    STREAM_QUERY,
    has_frame,
    read_frame,
    write_frame,
)
from ._beside_history import described, is_ours, run_meant
from ._context import ClientContext
from ._errors import InvalidArgumentError
from ._result import next_run_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WAIT_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.5


class StreamEventKind(StrEnum):
    """What an event of a stream is."""

    BEGIN = "begin"
    """An attempt begins; what earlier attempts of the same activity have said is superseded."""
    DATA = "data"
    """Something that was published."""
    END = "end"
    """The attempt has said all that it had to say."""
    FULL = "full"
    """The run's stream has reached a limit, and nothing follows."""
    GAP = "gap"
    """Events were missed here; only where the server keeps no streams."""


_KINDS: Final[Mapping[str, StreamEventKind]] = {
    BEGIN: StreamEventKind.BEGIN,
    DATA: StreamEventKind.DATA,
    END: StreamEventKind.END,
    FULL: StreamEventKind.FULL,
}


@dataclass(frozen=True)
class StreamEvent:
    """An event of a run's stream.

    Attributes:
        id: Where it stands: `read_stream(after=...)` goes on behind it.
        kind: What it is.
        value: What was published; None of other kinds.
        activity_id: Whose it is.
        activity_type: Of which type.
        attempt: Which attempt's.
        seq: Its number within the attempt, from 1 on, without gaps.
        at: When the server got it, in UTC.
    """

    id: str
    kind: StreamEventKind
    value: Any
    activity_id: str
    activity_type: str
    attempt: int
    seq: int
    at: datetime

    @property
    def run_id(self) -> str:
        """Whose run it is of."""
        return self.id.partition(":")[0]


async def read_stream(
    context: ClientContext, workflow_id: str, run_id: str, after: str, *, wait: bool, follow_runs: bool
) -> AsyncIterator[StreamEvent]:
    """Yield the events after a position, until the run, or the last one of its chain, has closed and all were seen.

    Raises:
        RPCError: The subclass that fits.
    """
    reading = _kept if await is_ours(context) else _from_heartbeats
    run_of, separator, place = after.partition(":")
    if after and not separator:
        raise InvalidArgumentError(f"after={after[:80]!r} is no position in a stream; give the id of one of its events")
    execution = await run_meant(context, workflow_id, run_of or run_id)
    while True:
        async for event in reading(context, execution, place, wait=wait):
            yield event
        if not follow_runs or not (wait or await _is_closed(context, execution)):
            return
        execution.run_id, place = await next_run_id(context, workflow_id, execution.run_id), ""
        if not execution.run_id:
            return


async def _kept(
    context: ClientContext, execution: WorkflowExecution, place: str, *, wait: bool
) -> AsyncIterator[StreamEvent]:
    if place and not place.isdecimal():
        raise InvalidArgumentError(f"{place[:80]!r} is no position in a stream that is kept; it is a number")
    offset = int(place or 0)
    while True:
        asked = QueryWorkflowRequest(namespace=context.namespace, execution=execution)
        asked.query.query_type = STREAM_QUERY
        asked.query.query_args.payloads.append(write_frame({"after": offset, "wait_s": _WAIT_S if wait else 0}))
        answer = (await context.calls.send(context.service.query_workflow, asked)).query_result
        page = read_frame(answer.payloads)
        for batch, events in zip(page["batches"], answer.payloads[1:], strict=True):
            values = _values(context, batch["kinds"], events)
            at = _EPOCH + timedelta(microseconds=batch["at_ns"] // 1000)
            for index, (kind, value) in enumerate(zip(batch["kinds"], values, strict=True)):
                if batch["first"] + index <= offset:
                    continue
                offset = batch["first"] + index
                yield StreamEvent(
                    f"{execution.run_id}:{offset}",
                    _KINDS[kind],
                    value,
                    batch["activity_id"],
                    batch["activity_type"],
                    batch["attempt"],
                    batch["seq"] + index,
                    at,
                )
        if page["closed"] or not (wait or page["batches"]):
            return


def _values(context: ClientContext, kinds: str, events: Payload) -> Sequence[Any]:
    if not events.metadata:
        return [None] * len(kinds)
    values: Sequence[Any] = context.payloads.from_payload(events, list)
    return values


# ---- where no stream is kept -----------------------------------------------------------------------------


async def _from_heartbeats(
    context: ClientContext, execution: WorkflowExecution, place: str, *, wait: bool
) -> AsyncIterator[StreamEvent]:
    seen: dict[str, tuple[int, int]] = {}  # by activity id: attempt and number
    if place:
        try:
            seen = {activity_id: (attempt, seq) for activity_id, (attempt, seq) in json.loads(place).items()}
        except (ValueError, AttributeError, TypeError):
            message = f"{place[:80]!r} is no position in a stream that is read from heartbeats"
            raise InvalidArgumentError(message) from None
    while True:
        found = await described(context, execution)
        for pending in found.pending_activities:
            for event in _news(context, execution.run_id, pending, seen):
                yield event
        if not wait or found.workflow_execution_info.HasField("close_time"):
            return
        await context.calls.sleep(_LOOK_EVERY_S)


def _news(
    context: ClientContext, run_id: str, pending: PendingActivityInfo, seen: dict[str, tuple[int, int]]
) -> list[StreamEvent]:
    details: Payloads = pending.heartbeat_details
    if not has_frame(details.payloads):
        return []
    frame = read_frame(details.payloads)
    attempt, first, kinds = frame["attempt"], frame["seq"], frame["kinds"]
    last = seen.get(pending.activity_id, (0, 0))
    expected = last[1] + 1 if last[0] == attempt else 1
    at = _EPOCH + timedelta(seconds=pending.last_heartbeat_time.seconds)
    found: list[StreamEvent] = []

    def tell(kind: StreamEventKind, value: Any, seq: int) -> None:
        seen[pending.activity_id] = (attempt, seq)
        place = json.dumps(seen, separators=(",", ":"))
        found.append(
            StreamEvent(
                f"{run_id}:{place}", kind, value, pending.activity_id, pending.activity_type.name, attempt, seq, at
            )
        )

    if first + len(kinds) <= expected:
        return []
    if first > expected:
        tell(StreamEventKind.GAP, None, first - 1)
    values = _values(context, kinds, details.payloads[FRAMED - 1])
    for index, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        if first + index >= expected:
            tell(_KINDS[kind], value, first + index)
    return found


async def _is_closed(context: ClientContext, execution: WorkflowExecution) -> bool:
    return (await described(context, execution)).workflow_execution_info.HasField("close_time")
