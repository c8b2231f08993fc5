"""What a run says beside its history, its event stream (`activity.open_stream`) and its log, as server-sent events.

Live until the run closes. As with the stream of its history, each event's id is `<run id>:<offset>`, a client that
reconnects with `Last-Event-ID` goes on after it in the same run, after the last event of a closed run comes one of type
`end`, and who comes back after that gets 204. It is read with a query of a reserved type, so it takes the permission
that queries take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse

from tsuzuki.common.stream_frames import BEGIN, DATA, END, FULL, read_frame, write_frame
from tsuzuki.core.times import SECOND
from tsuzuki.service import ServiceError, StatusCode

from ._answers import Answers, Caller
from ._events import current_run, position, sse_json, written
from ._foreign_json import read_json
from ._payload_json import to_json
from ._refusals import refusal

_WAIT_S: Final = 15
_KINDS: Final = {BEGIN: "begin", DATA: "data", END: "end", FULL: "full"}
_NAMES: Final = {"activity_id": "activityId", "activity_type": "activityType"}
_TIMES_END_NS: Final = 253_402_300_800 * SECOND
"""The year 10000, which no timestamp reaches."""
_END: Final = "event: end\ndata: {}\n\n"


Unpack: TypeAlias = Callable[[dict[str, Any], Payload], Iterator[tuple[int, dict[str, Any]]]]
"""Of a batch and its payload: each event with its offset."""


class RunStreams:
    """Answers requests for what runs say.

    Args:
        answers: The service behind.
        namespace: That of the short form.
        query_type: The reserved query that reads it.
        unpack: Makes events of a batch.
    """

    def __init__(self, answers: Answers, namespace: str, query_type: str, unpack: Unpack) -> None:
        self._answers = answers
        self._namespace = namespace
        self._query_type = query_type
        self._unpack = unpack

    async def respond(self, request: Request) -> Response:
        """Answer with a stream, or with why there is none."""
        try:
            caller = self._answers.caller(request)
            if not await self._answers.forks():
                raise ServiceError(
                    StatusCode.UNIMPLEMENTED, "The server behind keeps neither streams nor logs of runs."
                )
            run_id, after = position(request)
            namespace = unquote(request.path_params.get("namespace", quote(self._namespace)))
            execution = WorkflowExecution(workflow_id=unquote(request.path_params["workflow_id"]), run_id=run_id)
            execution.run_id = execution.run_id or await current_run(caller, namespace, execution)
            asked = QueryWorkflowRequest(namespace=namespace, execution=execution)
            asked.query.query_type = self._query_type
            blocks = _blocks(caller, asked, after, _last(request), self._unpack)
            first = await anext(blocks)
        except ServiceError as error:
            return refusal(error)
        if first == _END and after:
            return Response(status_code=204)
        return StreamingResponse(written(first, blocks), media_type="text/event-stream")


def _last(request: Request) -> int | None:
    """How many of the newest to begin with; None for all."""
    text = request.query_params.get("last", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise ServiceError(StatusCode.INVALID_ARGUMENT, f"last={text[:80]!r} is no number of lines to begin with.")
    return int(text)


async def _blocks(
    caller: Caller, asked: QueryWorkflowRequest, after: int, last: int | None, unpack: Unpack
) -> AsyncIterator[str]:
    run_id, wait_s = asked.execution.run_id, 0
    while True:
        del asked.query.query_args.payloads[:]
        asked.query.query_args.payloads.append(write_frame({"after": after, "last": last, "wait_s": wait_s}))
        payloads = (await caller.ask(asked, QueryWorkflowResponse)).query_result.payloads
        page, text = read_frame(payloads), ""
        after, last = max(after, page.get("after", 0)), None
        for batch, events in zip(page["batches"], payloads[1:], strict=True):
            for offset, event in unpack(batch, events):
                if offset > after:
                    after = offset
                    text += f"id: {run_id}:{offset}\ndata: {sse_json(event)}\n\n"
        if text or not page["closed"]:
            yield text or ": still waiting\n\n"
        if page["closed"]:
            yield _END
            return
        wait_s = _WAIT_S


def stream_events(batch: dict[str, Any], events: Payload) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of a batch of an event stream."""
    values = _values(batch["kinds"], events)
    at = _time_text(batch["at_ns"])
    for index, (kind, value) in enumerate(zip(batch["kinds"], values, strict=True)):
        offset = batch["first"] + index
        yield (
            offset,
            {
                "offset": offset,
                "kind": _KINDS[kind],
                "activityId": batch["activity_id"],
                "activityType": batch["activity_type"],
                "attempt": batch["attempt"],
                "seq": batch["seq"] + index,
                "time": at,
                **value,
            },
        )


def log_lines(batch: dict[str, Any], lines: Payload) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a batch of a log. Those that cannot be read, such as encrypted ones, stand whole at the first."""
    values = _list(lines, batch["lines"])
    if values is None:
        values = [{"payload": to_json(lines)}, *({} for _ in range(batch["lines"] - 1))]
    for offset, value in enumerate(values, batch["first"]):
        yield offset, {"offset": offset, **(_line(value) if isinstance(value, dict) else {})}


def _line(said: dict[str, Any]) -> dict[str, Any]:
    """A line as a worker sent it, in the names and times of this API's JSON; a worker may send anything."""
    line = {_NAMES.get(name, name): value for name, value in said.items() if name != "at_ns"}
    at_ns = said.get("at_ns")
    if type(at_ns) is int and 0 <= at_ns < _TIMES_END_NS:
        line["time"] = _time_text(at_ns)
    return line


def _time_text(ns: int) -> str:
    seconds, nanos = divmod(ns, SECOND)
    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


def _values(kinds: str, events: Payload) -> list[dict[str, Any]]:
    """What is said of each event: its value. What is no JSON, such as an encrypted batch, stands whole at the first."""
    values = _list(events, len(kinds))
    if values is not None:
        return [{"value": value} if kind == DATA else {} for kind, value in zip(kinds, values, strict=True)]
    whole = {"payload": to_json(events)} if events.metadata else {}
    return [whole, *({} for _ in kinds[1:])]


def _list(payload: Payload, length: int) -> list[Any] | None:
    """The values of a payload that is a list of a length in plain JSON."""
    if payload.metadata.get("encoding") != b"json/plain":
        return None
    try:
        values = read_json(payload.data)
    except ValueError:
        return None
    return values if isinstance(values, list) and len(values) == length else None
