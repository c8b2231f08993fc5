"""A run's history as server-sent events, live until the run closes.

Each event's id is `<run id>:<event id>`. A client that reconnects with `Last-Event-ID` goes on after it, in the same
run, also when a newer run has begun meanwhile. After the last event of a closed run comes one of type `end`, and a
client that comes back after it gets 204, which ends its reconnecting.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)

from tsuzuki.service import ServiceError, StatusCode

from ._answers import Answers, Caller
from ._payload_json import to_json
from ._refusals import refusal

PAGE_EVENTS: Final = 1000
CLOSE_EVENTS: Final = frozenset(
    EventType.Value(f"EVENT_TYPE_WORKFLOW_EXECUTION_{end}")
    for end in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW")
)
_RETRY_MS: Final = 1000


class EventStreams:
    """Answers requests for streams."""

    def __init__(self, answers: Answers, namespace: str) -> None:
        self._answers = answers
        self._namespace = namespace

    async def respond(self, request: Request) -> Response:
        """Answer with a stream, or with why there is none."""
        try:
            caller = self._answers.caller(request)
            run_id, after = position(request)
            asked = GetWorkflowExecutionHistoryRequest(
                namespace=unquote(request.path_params.get("namespace", quote(self._namespace))),
                maximum_page_size=PAGE_EVENTS,
            )
            asked.execution.workflow_id = unquote(request.path_params["workflow_id"])
            asked.execution.run_id = run_id or await current_run(caller, asked.namespace, asked.execution)
            events = _events(caller, asked, after)
            first = await anext(events, None)
        except ServiceError as error:
            return refusal(error)
        if first is None:
            return Response(status_code=204)
        return StreamingResponse(written(first, events), media_type="text/event-stream")


async def current_run(caller: Caller, namespace: str, execution: WorkflowExecution) -> str:
    """The id of the newest run of a workflow id."""
    describe = DescribeWorkflowExecutionRequest(namespace=namespace, execution=execution)
    described = await caller.ask(describe, DescribeWorkflowExecutionResponse)
    return described.workflow_execution_info.execution.run_id


async def _events(caller: Caller, asked: GetWorkflowExecutionHistoryRequest, after: int) -> AsyncIterator[str]:
    """Blocks of events as they are sent; nothing at all of a closed run whose last event was seen."""
    run_id = asked.execution.run_id
    if after and not await _skip(caller, asked, after):
        return
    asked.wait_new_event = True
    while True:
        page = await caller.ask(asked, GetWorkflowExecutionHistoryResponse)
        events = [event for event in page.history.events if event.event_id > after]
        yield "".join(_block(run_id, event) for event in events) or ": still waiting\n\n"
        if page.history.events and page.history.events[-1].event_type in CLOSE_EVENTS:
            yield _end(page.history.events[-1])
            return
        asked.next_page_token = page.next_page_token


async def _skip(caller: Caller, asked: GetWorkflowExecutionHistoryRequest, after: int) -> bool:
    """Move the request to the first event after one; False if the run closed with that one."""
    seen = 0
    while seen < after:
        asked.maximum_page_size = min(after - seen, PAGE_EVENTS)
        page = await caller.ask(asked, GetWorkflowExecutionHistoryResponse)
        if not page.history.events:
            break
        last = page.history.events[-1]
        if last.event_id >= after and last.event_type in CLOSE_EVENTS:
            return False
        seen = last.event_id
        if not page.next_page_token:  # the newest event: read this page again, and wait
            break
        asked.next_page_token = page.next_page_token
    asked.maximum_page_size = PAGE_EVENTS
    return True


def position(request: Request) -> tuple[str, int]:
    """The run and the number after which to begin; none for the beginning of the run that is asked for."""
    asked_run = request.query_params.get("runId") or request.query_params.get("execution.runId", "")
    last = request.headers.get("last-event-id") or request.query_params.get("lastEventId", "")
    if not last:
        return asked_run, 0
    run_id, _, event_id = last.rpartition(":")
    if not event_id.isdecimal() or len(event_id) > 18:
        message = f"Last-Event-ID {last[:80]!r} is none of this stream: it is '<run id>:<number>'."
        raise ServiceError(StatusCode.INVALID_ARGUMENT, message)
    return run_id or asked_run, int(event_id)


def _block(run_id: str, event: HistoryEvent) -> str:
    return f"id: {run_id}:{event.event_id}\ndata: {sse_json(to_json(event))}\n\n"


def _end(event: HistoryEvent) -> str:
    attributes = getattr(event, str(event.WhichOneof("attributes")))
    told: dict[str, Any] = {"eventType": EventType.Name(event.event_type)}
    if getattr(attributes, "new_execution_run_id", ""):
        told["newExecutionRunId"] = attributes.new_execution_run_id
    return f"event: end\ndata: {sse_json(told)}\n\n"


def sse_json(value: Any) -> str:
    """A value as the data of an event."""
    return json.dumps(value, separators=(",", ":"))  # ASCII: no kind of line end may stand in it


async def written(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    """A stream's bytes; a refusal half way is an event of type `refused`."""
    yield f"retry: {_RETRY_MS}\n\n"
    yield first
    try:
        async for block in rest:
            yield block
    except ServiceError as error:
        yield f"event: refused\ndata: {sse_json({'code': int(error.status), 'message': error.message})}\n\n"
