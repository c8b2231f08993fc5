"""What runs hold that nobody should write, and requests that nobody should make: the HTTP port never breaks on them."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import httpx
import pytest
import pytest_asyncio
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from server._http import in_process_with_http, sent_events
from server.test_calls import start_request
from tsuzuki.common.stream_frames import write_frame
from tsuzuki.core.fork import MEMO

RUN = "/api/v1/namespaces/default/workflows/w"
ODD = {
    "nan": b'{"score": NaN}',
    "infinity": b"[Infinity, -Infinity]",
    "half a character": b'{"text": "\\ud800"}',
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "rather deep": b"[" * 940 + b"]" * 940,
    "no json": b"{",
    "no text": b"\xff\xfe",
    "markup": b'"</script><img src=x onerror=alert(1)>"',
}


def payload(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


@pytest_asyncio.fixture
async def site(caplog: pytest.LogCaptureFixture) -> AsyncIterator[tuple[WorkflowServiceStub, httpx.AsyncClient]]:
    """A server with HTTP, asked by gRPC too; nothing may break inside meanwhile."""
    async with (
        in_process_with_http() as (server, http),
        grpc.aio.insecure_channel(server.target) as channel,
    ):
        yield WorkflowServiceStub(channel), http
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def strict(content: bytes) -> object:
    """JSON as a browser reads it."""

    def refuse(name: str) -> object:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(content, parse_constant=refuse)


async def begin_activity(stub: WorkflowServiceStub, data: bytes) -> bytes:
    """A run with the data wherever it may stand; the token of its activity."""
    start = start_request("w")
    start.input.payloads.append(payload(data))
    start.memo.fields["odd"].CopyFrom(payload(data))
    start.memo.fields[MEMO].CopyFrom(payload(data))
    await stub.StartWorkflowExecution(start)
    poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=start.task_queue)
    task = await stub.PollWorkflowTaskQueue(poll)
    done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
    marker = done.commands.add(command_type=CommandType.COMMAND_TYPE_RECORD_MARKER)
    marker.record_marker_command_attributes.marker_name = "core_local_activity"
    for name in ("data", "result"):
        marker.record_marker_command_attributes.details[name].payloads.append(payload(data))
    done.commands.append(scheduled(data))
    await stub.RespondWorkflowTaskCompleted(done)
    polled = await stub.PollActivityTaskQueue(
        rpc.PollActivityTaskQueueRequest(namespace="default", task_queue=start.task_queue)
    )
    token: bytes = polled.task_token
    return token


async def begin_and_end(stub: WorkflowServiceStub) -> str:
    """The id of a run that is over, so that nobody waits for its worker."""
    started = await stub.StartWorkflowExecution(start_request("w"))
    end = rpc.TerminateWorkflowExecutionRequest(namespace="default", workflow_execution={"workflow_id": "w"})
    await stub.TerminateWorkflowExecution(end)
    run_id: str = started.run_id
    return run_id


def scheduled(data: bytes) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_id, attributes.activity_type.name, attributes.task_queue.name = "a", "<b>'\"", "q"
    attributes.start_to_close_timeout.FromTimedelta(timedelta(minutes=1))
    attributes.input.payloads.append(payload(data))
    return command


@pytest.mark.parametrize("odd", ODD)
async def test_what_a_run_holds_is_shown_whatever_it_is(
    site: tuple[WorkflowServiceStub, httpx.AsyncClient], odd: str
) -> None:
    stub, http = site
    token = await begin_activity(stub, ODD[odd])
    beat = rpc.RecordActivityTaskHeartbeatRequest(namespace="default", task_token=token)
    beat.details.payloads.extend([write_frame({"seq": 1, "kinds": "d"}), payload(b"[" + ODD[odd] + b"]")])
    beat.details.payloads.append(payload(ODD[odd]))
    await stub.RecordActivityTaskHeartbeat(beat)
    result = Payloads(payloads=[payload(ODD[odd])])
    await stub.RespondActivityTaskCompleted(
        rpc.RespondActivityTaskCompletedRequest(namespace="default", task_token=token, result=result)
    )
    await stub.TerminateWorkflowExecution(
        rpc.TerminateWorkflowExecutionRequest(
            namespace="default", workflow_execution={"workflow_id": "w"}, details=result
        )
    )
    described = (await http.get(RUN)).json()
    run_id = described["workflowExecutionInfo"]["execution"]["runId"]
    page = f"/ui/default/workflows/w/{run_id}"
    for path in (RUN, f"{RUN}?pretty", f"{RUN}/history", f"{RUN}/history?pretty", "/api/v1/workflows"):
        answer = await http.get(path)
        assert answer.status_code == 200, path
        strict(answer.content)
    for path in ("rows", "relations", "children", *(f"events/{number}" for number in range(1, 9)), "history.json"):
        answer = await http.get(f"{page}/{path}")
        assert answer.status_code == 200, path
        strict(answer.content)
    for path in (
        page,
        f"{page}/time-travel",
        "/ui/default/workflows",
        "/ui/default/task-queues",
        "/ui/default/workers",
    ):
        answer = await http.get(path)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text
    for path in ("events", "stream"):
        async with http.stream("GET", f"{RUN}/{path}") as answer:
            assert [event async for event in sent_events(answer)][-1].kind == "end"


BODIES = [
    b"[" * 100_000,
    b'{"reason":' * 20_000,
    b"[" * 960 + b"]" * 960,
    b'{"reason": "\\ud800"}',
    b'{"by": "\\ud800"}',
    b'{"edited": {"a": "\\ud800"}, "reason": "x"}',
    b'{"tokens": NaN}',
    b'{"tokens": ' + b"9" * 5000 + b"}",
    b"\xff\xfe\x00",
    b'{"signalName": "\\ud800", "input": ["\\ud800"]}',
    b'{"input": ' + b"[" * 940 + b"]" * 940 + b"}",
    b'{"eventId": NaN, "changes": {"result": NaN}}',
]
POSTS = [
    *(f"{RUN}/control/{action}" for action in ("pause", "resume", "cancel")),
    f"{RUN}/approvals/1/approve",
    f"{RUN}/approvals/%2e%2e%2f%00/reject",
    f"{RUN}/budget/increase",
    f"{RUN}/signal/s",
    f"{RUN}/query/__tsuzuki_stream",
    f"{RUN}/pause",
    "/ui/sign-in",
    "/ui/default/workflows/w/RUN/fork",
]


async def test_bodies_that_make_no_sense_are_refused(site: tuple[WorkflowServiceStub, httpx.AsyncClient]) -> None:
    stub, http = site
    run_id = await begin_and_end(stub)
    for path, body in itertools.product(POSTS, BODIES):
        where = path.replace("RUN", run_id)
        answer = await http.post(where, content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500, (path, body[:40], answer.text[:200])


PATHS = [
    "/ui/default/workflows?page=%C3%A9",
    "/ui/default/workflows?page=x",
    "/ui/default/workflows/w/x/rows?token=%C3%A9",
    "/ui/default/workflows/w/x/events/1?token=%C3%A9",
    "/ui/default/workflows/w/x/children?page=%C3%A9",
    "/ui/default/workflows/w/x/state/1?queue=%00",
    "/ui/default/workflows?since=%C3%A9&id='%22&query=)",
    "/ui/default/compare?left=w&right=%C3%A9&left_run=%00",
    "/api/v1/workflows/%00/stream",
    "/api/v1/workflows/%2e%2e%2f%2e%2e/stream",
    f"/api/v1/workflows/{'x' * 5000}/stream",
    "/api/v1/workflows/%ff%fe/stream",
    "/api/v1/workflows/%ED%A0%80/approvals",
    "/api/v1/namespaces/%00/workflows/w/stream",
    "/api/v1/namespaces/%2F/approvals",
    f"{RUN}/stream?runId=%00",
    f"{RUN}/stream?lastEventId=%00",
    f"{RUN}/stream?lastEventId=x:999999999999999999",
    f"{RUN}/stream?lastEventId=x:-1",
    f"{RUN}/stream?lastEventId=:%D9%A3",
    f"{RUN}/events?lastEventId=:999999999999999999",
    f"/ui/default/workflows/w/x/events/{'9' * 30}",
    f"/ui/default/workflows/w/x/events/{'9' * 5000}",
    f"/ui/default/workflows/w/x/state/{'9' * 30}",
    "/ui/default/workflows/w/x/children?page=%00",
    "/ui/default/workflows/w/x/rows?page=%00&after=-1",
    "/ui/%00/workers",
    "/ui/default/task-queues?queue=%00",
    "/ui/default/workers?page=%ff",
    "/api/v1/executions?limit=99999999999",
    "/api/v1/executions?limit=%D9%A3",
    "/api/v1/executions/totals?by=%27;drop",
    "/api/v1/approvals?query=%27)%20OR%20(",
    f"/api/v1/approvals?query={'(' * 3000}",
]


async def test_paths_that_make_no_sense_are_refused(site: tuple[WorkflowServiceStub, httpx.AsyncClient]) -> None:
    stub, http = site
    await begin_and_end(stub)
    for path in PATHS:
        answer = await http.get(path)
        assert answer.status_code < 500 or answer.status_code == 501, (path, answer.text[:200])
        for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "HEAD"):
            answer = await http.request(method, path.partition("?")[0])
            assert answer.status_code < 500 or answer.status_code == 501, (method, path, answer.text[:200])
