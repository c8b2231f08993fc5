"""The RPCs that read a run's history, forwards and backwards, and wait for more of it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from typing import Final

from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import MIB, check_id
from tsuzuki.core.refusal import InvalidInput, NotFound

from ._engine import Engine
from ._lifecycle import not_found_message
from ._refusals import refusals_as_errors

_PAGE: Final = struct.Struct(">qq")
"""A page token: run key, next event id."""
_PAGE_EVENTS_MAX: Final = 10_000
PAGE_BYTES_MAX: Final = 2 * MIB
"""Of a page that is longer than one commit: clients take 4 MiB, by default."""
_READ_EVENTS: Final = 500
"""Read at once."""
_CLOSE_ONLY: Final = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT


class HistoryReading:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(
        self, request: GetWorkflowExecutionHistoryRequest, *, wait_ns: int | None = None
    ) -> GetWorkflowExecutionHistoryResponse:
        """A page of history; `wait_ns` bounds the wait for a new event (None: any time), an empty page is none."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            run, first_event_id = self._position(request)
        if not request.wait_new_event:  # who waits for events sees durable ones as they come, now or later
            await engine.durable_if_writable()
        close_only = request.history_event_filter_type == _CLOSE_ONLY
        if not _is_final(run):  # else it may have left memory meanwhile, and is at hand all the same
            run = self._run(run.key)
        until_ns = None if wait_ns is None else engine.clock.now_ns() + wait_ns
        while request.wait_new_event:
            if _is_final(run) or (not close_only and run.durable_event_id >= first_event_id):
                break
            if until_ns is not None and engine.clock.now_ns() >= until_ns:
                return GetWorkflowExecutionHistoryResponse(next_page_token=_PAGE.pack(run.key, first_event_id))
            await self._more(run, until_ns)
            if not _is_final(run):
                run = self._run(run.key)
        if close_only:
            return self._close_event(run, waited=request.wait_new_event)
        return self._page(run, first_event_id, request)

    def _position(
        self, request: GetWorkflowExecutionHistoryRequest | GetWorkflowExecutionHistoryReverseRequest
    ) -> tuple[Execution, int]:
        if request.next_page_token:
            run_key, first_event_id = _parse_page(request.next_page_token)
            run = self._run(run_key)
            if run.namespace != request.namespace:
                raise InvalidInput(f"next_page_token is of another namespace than '{request.namespace}'.")
            return run, first_event_id
        check_id("the workflow id", request.execution.workflow_id, self._engine.limits)
        found = self._engine.find(request.namespace, request.execution.workflow_id, request.execution.run_id)
        if found is None:
            raise NotFound(not_found_message(request.execution))
        return found, 1

    def _run(self, run_key: int) -> Execution:
        run = self._engine.run(run_key)
        if run is None:
            with refusals_as_errors():
                raise NotFound("the run is not in this store (any more).")
        return run

    async def _more(self, run: Execution, until_ns: int | None) -> None:
        """Return when more of the run is durable, when the engine starts over, or when it is late."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        if not self._engine.when_writable(wake):
            run.waiters.append(wake)
        alarm = None if until_ns is None else self._engine.clock.call_at(until_ns, wake)
        try:
            await future
        finally:
            if alarm is not None:
                alarm.cancel()
            if wake in run.waiters:
                run.waiters.remove(wake)

    def _close_event(self, run: Execution, *, waited: bool) -> GetWorkflowExecutionHistoryResponse:
        response = GetWorkflowExecutionHistoryResponse()
        last = run.durable_event_id
        if run.tail and run.tail_first_event_id + len(run.tail) - 1 == last:
            response.history.MergeFromString(run.tail[-1])
        else:
            batches = self._engine.store.history(run.key, last, last)
            events = History.FromString(b"".join(batch.events for batch in batches)).events
            response.history.events.append(events[-1])
        return response

    def _page(
        self, run: Execution, first_event_id: int, request: GetWorkflowExecutionHistoryRequest
    ) -> GetWorkflowExecutionHistoryResponse:
        events = self._events(run, first_event_id, _page_size(request.maximum_page_size))
        response = GetWorkflowExecutionHistoryResponse()
        response.history.CopyFrom(events)
        next_event_id = events.events[-1].event_id + 1 if events.events else first_event_id
        if next_event_id <= run.durable_event_id or (request.wait_new_event and run.is_open):
            response.next_page_token = _PAGE.pack(run.key, next_event_id)
        return response

    def _events(self, run: Execution, first_event_id: int, count: int) -> History:
        """At most so many durable events from an id on, and not many more bytes than a page has."""
        history = History()
        last_event_id = min(first_event_id + count - 1, run.durable_event_id)
        frames: list[bytes] = []
        size, next_event_id = 0, first_event_id
        while next_event_id <= last_event_id and size < PAGE_BYTES_MAX:
            until_event_id = min(next_event_id + _READ_EVENTS - 1, last_event_id)
            for batch in self._engine.store.history(run.key, next_event_id, until_event_id):
                if frames and size + len(batch.events) > PAGE_BYTES_MAX:
                    size = PAGE_BYTES_MAX
                    break
                frames.append(batch.events)
                size += len(batch.events)
                next_event_id = batch.last_event_id + 1
        history.MergeFromString(b"".join(frames))
        events = history.events
        if events and (events[0].event_id < first_event_id or events[-1].event_id > last_event_id):
            return History(events=[each for each in events if first_event_id <= each.event_id <= last_event_id])
        return history

    async def get_reverse(
        self, request: GetWorkflowExecutionHistoryReverseRequest
    ) -> GetWorkflowExecutionHistoryReverseResponse:
        """A page of history, the newest event first."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        with refusals_as_errors():
            run, last_event_id = self._position(request)
            if not request.next_page_token:
                last_event_id = run.durable_event_id
        response = GetWorkflowExecutionHistoryReverseResponse()
        size = 0
        for event in self._backwards(run, last_event_id, _page_size(request.maximum_page_size)):
            size += event.ByteSize()
            if response.history.events and size > PAGE_BYTES_MAX:
                break
            response.history.events.append(event)
        last = response.history.events[-1].event_id if response.history.events else 1
        if last > 1:
            response.next_page_token = _PAGE.pack(run.key, last - 1)
        return response

    def _backwards(self, run: Execution, last_event_id: int, count: int) -> Iterator[HistoryEvent]:
        least = max(1, last_event_id - count + 1)
        while last_event_id >= least:
            first = max(least, last_event_id - _READ_EVENTS + 1)
            stored = self._engine.store.history(run.key, first, last_event_id)
            events = History.FromString(b"".join(batch.events for batch in stored)).events
            for event in reversed(events):
                if first <= event.event_id <= last_event_id:
                    yield event
            last_event_id = first - 1


def _page_size(asked: int) -> int:
    return asked if 0 < asked < _PAGE_EVENTS_MAX else _PAGE_EVENTS_MAX


def _parse_page(token: bytes) -> tuple[int, int]:
    run_key, first_event_id = _PAGE.unpack(token) if len(token) == _PAGE.size else (0, 0)
    if first_event_id < 1:
        raise InvalidInput("next_page_token is none of this engine's; pass the token as it was received.")
    return run_key, first_event_id


def _is_final(run: Execution) -> bool:
    """True when the run is closed and all of it is on disk: it will not change any more."""
    return not run.is_open and run.next_event_id - 1 <= run.durable_event_id
