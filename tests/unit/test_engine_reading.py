"""Looking at a run: describe, and histories in pages or as they grow."""

from __future__ import annotations

import asyncio

import pytest
from engine_requests import HOUR, MINUTE, SECOND, Refused, failure_of
from engine_site import Site
from temporalio.api.enums.v1 import (
    HistoryEventFilterType,
    PendingActivityState,
    PendingWorkflowTaskState,
    WorkflowExecutionStatus,
)
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    NAMESPACE,
    complete_workflow,
    schedule_activity,
    start_timer,
)

# ---- describe ----------------------------------------------------------------------------------------


def test_describe_shows_what_is_pending(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(
        schedule_activity("a", schedule_to_close=HOUR), schedule_activity("b"), schedule_activity("c")
    )
    failing, running = server.take_activity(), server.take_activity()
    server.heartbeat(failing, b"h")
    server.fail_activity(failing, failure_of("boom"))
    server.heartbeat(running, b"i")
    described = server.describe()
    backing_off, started, waiting = described.pending_activities
    assert (backing_off.activity_id, backing_off.attempt) == ("a", 2)
    assert backing_off.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    assert (backing_off.last_failure.message, backing_off.heartbeat_details.payloads[0].data) == ("boom", b"h")
    assert backing_off.current_retry_interval.ToTimedelta() == SECOND
    waits = (
        backing_off.next_attempt_schedule_time.ToNanoseconds() - backing_off.last_attempt_complete_time.ToNanoseconds()
    )
    assert waits == 1_000_000_000
    assert backing_off.expiration_time.seconds - described.workflow_execution_info.start_time.seconds == 3600
    assert started.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    assert started.heartbeat_details.payloads[0].data == b"i"
    assert started.HasField("last_heartbeat_time")
    assert started.last_worker_identity == "worker"
    assert (waiting.activity_id, waiting.attempt, waiting.HasField("last_started_time")) == ("c", 1, False)


def test_describe_shows_a_stuck_workflow_task(server: LocalServer) -> None:
    server.start_workflow()
    for _ in range(3):
        server.advance(MINUTE)
        server.fail_workflow_task(server.take_workflow_task())
    server.advance(MINUTE)
    pending = server.describe().pending_workflow_task
    assert (pending.attempt, pending.state) == (4, PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED)
    server.take_workflow_task()
    pending = server.describe().pending_workflow_task
    assert (pending.attempt, pending.state) == (4, PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED)


def test_describe_finds_the_newest_run_or_the_one_named(server: LocalServer) -> None:
    first = server.start_workflow()
    server.complete_workflow_task(complete_workflow())
    second = server.start_workflow()
    assert server.describe().workflow_execution_info.execution.run_id == second
    described = server.describe("w", first).workflow_execution_info
    assert (described.execution.run_id, described.status) == (
        first,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    )
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'w', run nonsense in this store"):
        server.describe("w", "nonsense")


# ---- history -----------------------------------------------------------------------------------------


def _history_request(**fields: object) -> GetWorkflowExecutionHistoryRequest:
    request = GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE, **fields)  # type: ignore[arg-type]
    request.execution.workflow_id = "w"
    return request


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 100, 0, -1])
def test_pages_of_a_history_join_to_the_whole(server: LocalServer, size: int) -> None:
    """Invariant 5."""
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", HOUR))
    server.signal("s")
    seen, token = [], b""
    while True:
        request = _history_request(maximum_page_size=size, next_page_token=token)
        page = server.call(server.service.get_workflow_execution_history(request))
        assert size < 1 or 1 <= len(page.history.events) <= size
        seen += [event.event_id for event in page.history.events]
        token = page.next_page_token
        if not token:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_history_is_the_same_from_memory_and_from_disk(site: Site) -> None:
    """Invariant 6."""
    site.server.start_workflow()
    site.server.complete_workflow_task(start_timer("t", HOUR), complete_workflow())
    before = site.server.history()
    assert site.restart().history() == before


def _while_waiting(
    server: LocalServer, request: GetWorkflowExecutionHistoryRequest, happens: object
) -> GetWorkflowExecutionHistoryResponse:
    """The answer to a long poll that waits until something happens."""

    async def wait() -> asyncio.Task[GetWorkflowExecutionHistoryResponse]:
        waiting = asyncio.ensure_future(server.service.get_workflow_execution_history(request))
        await server.clock.settle()
        assert not waiting.done(), "there was nothing to wait for"
        return waiting

    async def answer(waiting: asyncio.Task[GetWorkflowExecutionHistoryResponse]) -> GetWorkflowExecutionHistoryResponse:
        assert waiting.done(), "nothing was answered"
        return await waiting

    waiting = server.call(wait())
    happens()  # type: ignore[operator]
    return server.call(answer(waiting))


def test_a_long_poll_waits_for_more_events(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task()
    first = server.call(server.service.get_workflow_execution_history(_history_request(wait_new_event=True)))
    assert [event.event_id for event in first.history.events] == [1, 2, 3, 4]
    request = _history_request(wait_new_event=True, next_page_token=first.next_page_token)
    second = _while_waiting(server, request, lambda: server.signal("s"))
    assert [event.event_id for event in second.history.events] == [5, 6]
    request = _history_request(wait_new_event=True, next_page_token=second.next_page_token)
    last = _while_waiting(server, request, server.terminate)
    assert [event.event_id for event in last.history.events] == [7]
    assert not last.next_page_token


def test_a_long_poll_for_the_close_event(server: LocalServer) -> None:
    server.start_workflow()
    request = _history_request(
        wait_new_event=True, history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
    )

    def close() -> None:
        server.signal("not yet")
        server.complete_workflow_task(complete_workflow())

    closed = _while_waiting(server, request, close)
    [event] = closed.history.events
    assert event.HasField("workflow_execution_completed_event_attributes")
    again = server.call(server.service.get_workflow_execution_history(request))
    assert again.history == closed.history


def test_of_an_open_run_the_last_event_stands_for_the_close_event(server: LocalServer) -> None:
    server.start_workflow()
    request = _history_request(history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
    [event] = server.call(server.service.get_workflow_execution_history(request)).history.events
    assert event.event_id == 2
