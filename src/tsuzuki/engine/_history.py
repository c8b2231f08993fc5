"""The RPCs that read a run's history, forwards and backwards, and wait for more of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.refusal import InvalidInput, NotFound
from tsuzuki.core.workflow_task import WorkflowTaskState, transient_frames

from ._engine import Engine
from ._history_pages import PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PageToken, read_backwards, read_page
from ._lifecycle import not_found_message
from ._news import wait_for_news
from ._refusals import refusals_as_errors

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
            run, token = self._position(request)
        first_event_id = token.next_event_id
        if not request.wait_new_event:  # who waits for events sees durable ones as they come, now or later
            await engine.durable_if_writable()
        close_only = request.history_event_filter_type == _CLOSE_ONLY
        if not _is_final(run):  # else it may have left memory meanwhile, and is at hand all the same
            run = self._run(run.key)
        if token.last_event_id:
            with refusals_as_errors():
                return self._page_of_task(run, token, _page_size(request.maximum_page_size))
        until_ns = None if wait_ns is None else engine.clock.now_ns() + wait_ns
        while request.wait_new_event:
            if _is_final(run) or (not close_only and run.durable_event_id >= first_event_id):
                break
            if until_ns is not None and engine.clock.now_ns() >= until_ns:
                return GetWorkflowExecutionHistoryResponse(next_page_token=PageToken(run.key, first_event_id).pack())
            await wait_for_news(self._engine, run, until_ns)
            if not _is_final(run):
                run = self._run(run.key)
        if close_only:
            return self._close_event(run, waited=request.wait_new_event)
        return self._page(run, first_event_id, request)

    def _position(
        self, request: GetWorkflowExecutionHistoryRequest | GetWorkflowExecutionHistoryReverseRequest
    ) -> tuple[Execution, PageToken]:
        if request.next_page_token:
            token = PageToken.parse(request.next_page_token)
            run = self._run(token.run_key)
            if run.namespace != request.namespace:
                raise InvalidInput(f"next_page_token is of another namespace than '{request.namespace}'.")
            return run, token
        check_id("the workflow id", request.execution.workflow_id, self._engine.limits)
        found = self._engine.runs.find(request.namespace, request.execution.workflow_id, request.execution.run_id)
        if found is None:
            raise NotFound(not_found_message(request.execution))
        return found, PageToken(found.key, 1)

    def _run(self, run_key: int) -> Execution:
        run = self._engine.runs.get(run_key)
        if run is None:
            with refusals_as_errors():
                raise NotFound("the run is not in this store (any more).")
        return run

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
        count = _page_size(request.maximum_page_size)
        frames, next_event_id = read_page(self._engine.store, run, first_event_id, run.durable_event_id, count)
        response = GetWorkflowExecutionHistoryResponse()
        response.history.MergeFromString(frames)
        if next_event_id <= run.durable_event_id or (request.wait_new_event and run.is_open):
            response.next_page_token = PageToken(run.key, next_event_id).pack()
        return response

    def _page_of_task(self, run: Execution, token: PageToken, count: int) -> GetWorkflowExecutionHistoryResponse:
        """More of what a worker was handed with a task: nothing that came after, and what history does not show."""
        task = run.workflow_task
        if token.stamp and (task.stamp != token.stamp or task.state != WorkflowTaskState.STARTED):
            raise NotFound(
                f"the workflow task whose history this is is over (workflow '{run.workflow_id}', run {run.run_id}): it "
                "timed out, was answered before, or its run closed. Drop it; the current attempt is handed out anew."
            )
        last_event_id = min(token.last_event_id, run.durable_event_id)
        frames, next_event_id = read_page(self._engine.store, run, token.next_event_id, last_event_id, count)
        response = GetWorkflowExecutionHistoryResponse()
        response.history.MergeFromString(frames)
        if next_event_id <= last_event_id:
            response.next_page_token = replace(token, next_event_id=next_event_id).pack()
        elif token.stamp:
            response.history.MergeFromString(b"".join(transient_frames(run)))
        return response

    async def get_reverse(
        self, request: GetWorkflowExecutionHistoryReverseRequest
    ) -> GetWorkflowExecutionHistoryReverseResponse:
        """A page of history, the newest event first."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        with refusals_as_errors():
            run, token = self._position(request)
        last_event_id = token.next_event_id if request.next_page_token else run.durable_event_id
        least = max(1, last_event_id - _page_size(request.maximum_page_size) + 1)
        response = GetWorkflowExecutionHistoryReverseResponse()
        size = 0
        for event in read_backwards(engine.store, run, last_event_id, least):
            size += event.ByteSize()
            if response.history.events and size > PAGE_BYTES_MAX:
                break
            response.history.events.append(event)
        last = response.history.events[-1].event_id if response.history.events else 1
        if last > 1:
            response.next_page_token = PageToken(run.key, last - 1).pack()
        return response


def _page_size(asked: int) -> int:
    return asked if 0 < asked < PAGE_EVENTS_MAX else PAGE_EVENTS_MAX


def _is_final(run: Execution) -> bool:
    """True when the run is closed and all of it is on disk: it will not change any more."""
    return not run.is_open and run.next_event_id - 1 <= run.durable_event_id
