"""Heartbeats: details for the next attempt, and the way in which a request to cancel reaches the attempt."""

from __future__ import annotations

import pytest
from engine_requests import MIB, SECOND, Refused, failure_of, outcome, payloads_of
from engine_site import Site
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, request_cancel_activity, schedule_activity


def _details(task: object) -> list[bytes]:
    return [payload.data for payload in task.heartbeat_details.payloads]  # type: ignore[attr-defined]


def test_the_next_attempt_gets_the_last_details(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    first = server.take_activity()
    assert _details(first) == []
    server.heartbeat(first, b"1")
    server.heartbeat(first, b"2")
    server.fail_activity(first, failure_of())
    server.advance(SECOND)
    assert _details(server.take_activity()) == [b"2"]


def test_a_heartbeat_without_details_takes_them_away(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    first = server.take_activity()
    server.heartbeat(first, b"1")
    server.heartbeat(first)
    server.fail_activity(first, failure_of())
    server.advance(SECOND)
    assert _details(server.take_activity()) == []


def test_a_failure_may_bring_the_last_details(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    request = RespondActivityTaskFailedRequest(task_token=server.take_activity().task_token, failure=failure_of())
    request.last_heartbeat_details.payloads.add().data = b"last"
    server.call(server.service.respond_activity_task_failed(request))
    server.advance(SECOND)
    assert _details(server.take_activity()) == [b"last"]


def test_details_outlive_the_process(site: Site) -> None:
    """Invariant 29."""
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.heartbeat(server.take_activity(), b"half way")
    server = site.restart()
    task = server.take_activity()
    assert (task.attempt, _details(task)) == (2, [b"half way"])


def test_a_request_to_cancel_reaches_the_attempt_with_its_heartbeat(server: LocalServer) -> None:
    """Invariant 31."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    assert server.heartbeat(task) is False
    server.signal("stop it")
    server.complete_workflow_task(request_cancel_activity(5))
    assert server.heartbeat(task) is True


def test_an_attempt_may_beat_by_its_id(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", heartbeat=2 * SECOND))
    request = RecordActivityTaskHeartbeatByIdRequest(namespace=NAMESPACE, workflow_id="w", activity_id="a")
    with Refused(StatusCode.NOT_FOUND, "the activity attempt is over"):
        server.call(server.service.record_activity_task_heartbeat_by_id(request))
    task = server.take_activity()
    server.advance(SECOND)
    assert not server.call(server.service.record_activity_task_heartbeat_by_id(request)).cancel_requested
    server.advance(SECOND)
    server.complete_activity(task)


@pytest.mark.parametrize(("size", "told_to_stop"), [(2 * MIB, False), (2 * MIB + 1, True)])
def test_details_over_the_limit_fail_the_activity(server: LocalServer, size: int, told_to_stop: bool) -> None:
    """Invariant 41."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    request = RecordActivityTaskHeartbeatRequest(
        task_token=server.take_activity().task_token, details=payloads_of(size)
    )
    answer = server.call(server.service.record_activity_task_heartbeat(request))
    assert answer.cancel_requested is told_to_stop
    if told_to_stop:
        assert server.notation().endswith("ActivityStarted #1 | ActivityFailed | WorkflowTaskScheduled")
        assert "heartbeat details of activity 'Activity' (id 'a') has 2,097,153 bytes" in outcome(server.history()[6])
        assert outcome(server.history()[6]).endswith("NON_RETRYABLE_FAILURE")
