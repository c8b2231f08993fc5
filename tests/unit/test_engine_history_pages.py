"""Pages of a history: forwards and backwards, by events and by bytes, together always the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_requests import MIB, Refused, payloads_of
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    SignalWorkflowExecutionRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import complete_workflow


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def forwards(server: LocalServer, page_size: int = 0) -> list[list[int]]:
    """The event ids of each page."""
    request, pages = GetWorkflowExecutionHistoryRequest(namespace="default", maximum_page_size=page_size), []
    request.execution.workflow_id = "w"
    while True:
        page = server.call(server.service.get_workflow_execution_history(request))
        pages.append([event.event_id for event in page.history.events])
        if not page.next_page_token:
            return pages
        request.next_page_token = page.next_page_token


def backwards(server: LocalServer, page_size: int = 0) -> list[list[int]]:
    request, pages = GetWorkflowExecutionHistoryReverseRequest(namespace="default", maximum_page_size=page_size), []
    request.execution.workflow_id = "w"
    while True:
        page = server.call(server.service.get_workflow_execution_history_reverse(request))
        pages.append([event.event_id for event in page.history.events])
        if not page.next_page_token:
            return pages
        request.next_page_token = page.next_page_token


def joined(pages: list[list[int]]) -> list[int]:
    return [event_id for page in pages for event_id in page]


@pytest.mark.parametrize("page_size", [0, 1, 2, 3, 5, 6, 100])
def test_pages_of_a_size(server: LocalServer, page_size: int) -> None:
    server.start_workflow()
    server.signal("s")
    server.complete_workflow_task(complete_workflow())
    ids = [1, 2, 3, 4, 5, 6]
    for read, expected in ((forwards, ids), (backwards, ids[::-1])):
        pages = read(server, page_size)
        assert joined(pages) == expected
        assert all(len(page) == page_size for page in pages[:-1])


def test_a_page_is_not_longer_than_clients_take(server: LocalServer) -> None:
    server.start_workflow()
    for _ in range(6):
        request = SignalWorkflowExecutionRequest(namespace="default", signal_name="s", input=payloads_of(MIB))
        request.workflow_execution.workflow_id = "w"
        server.call(server.service.signal_workflow_execution(request))
    ids = list(range(1, 9))
    assert joined(forwards(server)) == ids
    assert joined(backwards(server)) == ids[::-1]
    assert max(map(len, forwards(server))) <= 4
    assert max(map(len, backwards(server))) <= 4


def test_more_events_than_are_read_at_once(server: LocalServer) -> None:
    server.start_workflow()
    for number in range(1100):
        server.signal(f"s{number}")
    ids = list(range(1, 1103))
    assert joined(forwards(server)) == ids
    assert joined(backwards(server)) == ids[::-1]
    assert [len(page) for page in backwards(server, 501)] == [501, 501, 100]


def test_a_token_from_elsewhere_is_refused(server: LocalServer) -> None:
    server.start_workflow()
    request = GetWorkflowExecutionHistoryReverseRequest(namespace="default", next_page_token=b"x")
    request.execution.workflow_id = "w"
    with Refused(StatusCode.INVALID_ARGUMENT, "next_page_token is none"):
        server.call(server.service.get_workflow_execution_history_reverse(request))
