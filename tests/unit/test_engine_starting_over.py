"""After a failed commit memory is dropped and the store is opened anew: who waited, and what was under way, go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from engine_requests import Refused
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse

from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore
from tsuzuki.testing import LocalServer
from tsuzuki.testing._faulty_store import Fault, FaultyStore, Moment, Point
from tsuzuki.testing._local_server import schedule_activity

OPENED_ANEW = timedelta(seconds=2)
NOTHING_WRITTEN = "Nothing is written until the store takes writes again"


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(SqliteStore.open(None))


@pytest.fixture
def server(store: FaultyStore) -> Iterator[LocalServer]:
    with LocalServer(store) as running:
        yield running


def _fail_next(store: FaultyStore, point: Point) -> None:
    store.faults[Moment(point, store.passed[point] + 1)] = Fault.FAILED


def test_a_reader_who_waited_is_told_what_came_after(server: LocalServer, store: FaultyStore) -> None:
    server.start_workflow()
    request = GetWorkflowExecutionHistoryRequest(namespace="default", wait_new_event=True)
    request.execution.workflow_id = "w"
    request.next_page_token = server.call(server.service.get_workflow_execution_history(request)).next_page_token

    async def wait() -> asyncio.Task[GetWorkflowExecutionHistoryResponse]:
        return asyncio.ensure_future(server.service.get_workflow_execution_history(request))

    reading = server.call(wait())
    _fail_next(store, Point.BEFORE_COMMIT)
    with Refused(StatusCode.UNAVAILABLE, NOTHING_WRITTEN):
        server.signal("lost")
    server.advance(OPENED_ANEW)
    server.signal("kept")
    assert reading.done(), "it waits for a run that is not in memory any more"
    (event,) = reading.result().history.events
    assert event.workflow_execution_signaled_event_attributes.signal_name == "kept"


def test_an_attempt_that_no_worker_has_seen_is_handed_out_as_the_same_one(
    server: LocalServer, store: FaultyStore
) -> None:
    """Its start may be on the disk: then it counts, and it must not wait for its timeout."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    _fail_next(store, Point.AFTER_COMMIT)
    assert not server.take_activity().task_token, "its start may be lost, so no worker may see it"
    server.advance(OPENED_ANEW)
    assert server.take_activity().attempt == 1
