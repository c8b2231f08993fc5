"""Frames and queries of event streams that nobody should send: refused in words, and the run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from engine_requests import Refused
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    QueryWorkflowRequest,
    RecordActivityTaskHeartbeatRequest,
)

from tsuzuki.common.stream_frames import FRAME_KEY, STREAM_QUERY
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import schedule_activity

DEEP = b"[" * 100_000
EVENTS = Payload(metadata={"encoding": b"json/plain"}, data=b'["a"]')


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
def task(server: LocalServer) -> PollActivityTaskQueueResponse:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    return server.take_activity()


def beat(server: LocalServer, task: PollActivityTaskQueueResponse, frame: bytes, *following: Payload) -> None:
    request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
    request.details.payloads.append(Payload(metadata={FRAME_KEY: b"1"}, data=frame))
    request.details.payloads.extend(following)
    server.call(server.service.record_activity_task_heartbeat(request))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"[" * 900 + b"]" * 900,
        DEEP,
        b'{"seq":' + DEEP,
        b'{"seq": NaN, "kinds": "d"}',
        b'{"seq": 1e400, "kinds": "d"}',
        b'{"seq": ' + b"9" * 4000 + b', "kinds": "d"}',
        b'{"seq": ' + b"9" * 5000 + b', "kinds": "d"}',
        b'{"seq": -1, "kinds": "d"}',
        b'{"seq": 0, "kinds": "d"}',
        b'{"seq": true, "kinds": "d"}',
        b'{"seq": 9007199254740991, "kinds": "dd"}',
        b'{"seq": 1, "kinds": ["d"]}',
        b'{"seq": 1, "kinds": "f"}',
        b'{"seq": 1, "kinds": "\\ud800"}',
        json.dumps({"seq": 1, "kinds": "d" * 1001}).encode(),
    ],
    ids=lambda frame: str(frame[:24]),
)
def test_a_frame_that_makes_no_sense_is_refused_and_the_attempt_goes_on(
    server: LocalServer, task: PollActivityTaskQueueResponse, frame: bytes
) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "stream"):
        beat(server, task, frame, EVENTS)
    beat(server, task, b'{"seq": 1, "kinds": "d"}', EVENTS)
    server.complete_activity(task)


def test_a_frame_without_events_is_refused(server: LocalServer, task: PollActivityTaskQueueResponse) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "stream"):
        beat(server, task, b'{"seq": 1, "kinds": "d"}')
    server.complete_activity(task)


def test_a_frame_of_an_attempt_that_is_over_is_refused(
    server: LocalServer, task: PollActivityTaskQueueResponse
) -> None:
    server.complete_activity(task)
    with Refused(StatusCode.NOT_FOUND, "activity"):
        beat(server, task, DEEP, EVENTS)


@pytest.mark.parametrize(
    "args",
    [
        b"",
        b"\xff",
        b"[]",
        DEEP,
        b'{"after": -1}',
        b'{"after": 1.5}',
        b'{"after": 9007199254740992}',
        b'{"after": true}',
        b'{"wait_s": NaN}',
        b'{"wait_s": -1}',
        b'{"wait_s": "1"}',
        b'{"wait_s": -Infinity}',
    ],
    ids=lambda args: str(args[:24]),
)
def test_a_query_that_makes_no_sense_is_refused(
    server: LocalServer, task: PollActivityTaskQueueResponse, args: bytes
) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "stream"):
        ask(server, args)


@pytest.mark.parametrize("wait_s", [b"Infinity", b"1e300", b"9" * 4000])
def test_a_query_waits_no_longer_than_its_bound(
    server: LocalServer, task: PollActivityTaskQueueResponse, wait_s: bytes
) -> None:
    beat(server, task, b'{"seq": 1, "kinds": "d"}', EVENTS)
    assert ask(server, b'{"wait_s": ' + wait_s + b"}") == 2


def ask(server: LocalServer, args: bytes) -> int:
    request = QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id = "w"
    request.query.query_type = STREAM_QUERY
    request.query.query_args.payloads.append(Payload(data=args))
    return len(server.call(server.service.query_workflow(request)).query_result.payloads)
