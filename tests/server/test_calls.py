"""What every call has in common: routing, refusals, long polls, health and reflection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, WorkflowExecutionAlreadyStartedFailure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from tsuzuki.engine import open_embedded
from tsuzuki.server import PortTakenError, Server, ServerOptions, _calls
from tsuzuki.server._about import About
from tsuzuki.server._calls import Calls
from tsuzuki.server._signed_tokens import TokenSeal

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"


@pytest_asyncio.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.target) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> WorkflowServiceStub:
    return WorkflowServiceStub(channel)


def start_request(workflow_id: str, namespace: str = "default") -> rpc.StartWorkflowExecutionRequest:
    request = rpc.StartWorkflowExecutionRequest(namespace=namespace, workflow_id=workflow_id)
    request.workflow_type.name = "Any"
    request.task_queue.name = "q"
    request.request_id = f"start {workflow_id} {time.monotonic_ns()}"
    return request


def details(error: grpc.aio.AioRpcError) -> GrpcStatus:
    trailers = dict(error.trailing_metadata() or ())
    return GrpcStatus.FromString(trailers["grpc-status-details-bin"])


async def test_an_rpc_that_is_not_offered_says_so_with_its_name(stub: WorkflowServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ListWorkflowRules(rpc.ListWorkflowRulesRequest(namespace="default"))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "ListWorkflowRules" in (refused.value.details() or "")


async def test_refusals_carry_temporals_details(stub: WorkflowServiceStub) -> None:
    await stub.StartWorkflowExecution(start_request("w"))
    with pytest.raises(grpc.aio.AioRpcError) as again:
        await stub.StartWorkflowExecution(start_request("w"))
    assert again.value.code() is grpc.StatusCode.ALREADY_EXISTS
    failure = WorkflowExecutionAlreadyStartedFailure()
    assert details(again.value).details[0].Unpack(failure)
    assert failure.run_id

    with pytest.raises(grpc.aio.AioRpcError) as elsewhere:
        await stub.StartWorkflowExecution(start_request("w", namespace="nowhere"))
    assert elsewhere.value.code() is grpc.StatusCode.NOT_FOUND
    assert details(elsewhere.value).details[0].Unpack(NamespaceNotFoundFailure())


@pytest.mark.parametrize("data", [b"\x0a\xff", b"\xff" * 40, b"\x0a\x02\xff\xfe"], ids=["short", "junk", "not utf-8"])
async def test_malformed_bytes_are_the_callers_mistake(channel: grpc.aio.Channel, data: bytes) -> None:
    call = channel.unary_unary(SERVICE + "StartWorkflowExecution")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(data)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_over_4_mib_is_refused(stub: WorkflowServiceStub) -> None:
    request = start_request("big")
    request.input.payloads.add().data = b"x" * (4 * 1024 * 1024)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.StartWorkflowExecution(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    expected = f"grpc: received message larger than max ({request.ByteSize()} vs. 4194304)"  # the words that SDKs know
    assert refused.value.details() == expected


async def test_a_message_over_64_mib_is_not_read(stub: WorkflowServiceStub) -> None:
    request = start_request("huge")
    request.input.payloads.add().data = b"x" * (64 * 1024 * 1024)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.StartWorkflowExecution(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_compressed_request_is_read(server: Server) -> None:
    async with grpc.aio.insecure_channel(server.target, compression=grpc.Compression.Gzip) as channel:
        answer = await WorkflowServiceStub(channel).StartWorkflowExecution(start_request("zipped"))
    assert answer.run_id


@pytest.fixture
def waiting_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """A deadline for a call that waits, half of which is left for its empty answer: more than a busy machine needs."""
    monkeypatch.setattr(_calls, "_BEFORE_DEADLINE_S", 4.0)
    return 8.0


async def test_an_empty_poll_is_answered_before_its_deadline(stub: WorkflowServiceStub, waiting_s: float) -> None:
    polled = {"namespace": "default", "task_queue": TaskQueue(name="empty")}
    workflow_task, activity_task = await asyncio.gather(
        stub.PollWorkflowTaskQueue(rpc.PollWorkflowTaskQueueRequest(**polled), timeout=waiting_s),
        stub.PollActivityTaskQueue(rpc.PollActivityTaskQueueRequest(**polled), timeout=waiting_s),
    )
    assert not workflow_task.task_token
    assert not activity_task.task_token


async def test_an_empty_wait_for_history_says_where_to_go_on(stub: WorkflowServiceStub, waiting_s: float) -> None:
    started = await stub.StartWorkflowExecution(start_request("waited"))
    request = rpc.GetWorkflowExecutionHistoryRequest(namespace="default", wait_new_event=True)
    request.execution.workflow_id = "waited"
    first = await stub.GetWorkflowExecutionHistory(request, timeout=60)
    request.next_page_token = first.next_page_token
    empty = await stub.GetWorkflowExecutionHistory(request, timeout=waiting_s)
    assert [event.event_id for event in first.history.events] == [1, 2]
    assert (len(empty.history.events), empty.next_page_token) == (0, first.next_page_token)
    assert started.run_id


async def test_polls_end_empty_when_the_server_stops() -> None:
    server = await Server.start(ServerOptions(port=0))
    async with grpc.aio.insecure_channel(server.target) as channel:
        stub = WorkflowServiceStub(channel)
        poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name="empty"))
        polls = [asyncio.ensure_future(stub.PollWorkflowTaskQueue(poll, timeout=50)) for _ in range(5)]
        waiting = server.service._engine.matching._queues  # type: ignore[attr-defined]
        while sum(len(queue.waiting) for queue in waiting.values()) < len(polls):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await server.stop()
        assert [(await each).task_token for each in polls] == [b""] * 5


async def test_health_and_reflection(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "temporal.api.workflowservice.v1.WorkflowService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = reflection.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await call.read()
    await call.done_writing()
    names = {service.name for service in listed.list_services_response.service}
    assert {"grpc.health.v1.Health", "temporal.api.operatorservice.v1.OperatorService"} < names


async def test_a_second_server_on_the_port_is_refused(server: Server) -> None:
    with pytest.raises(PortTakenError, match="--port"):
        await Server.start(ServerOptions(port=server.port))


async def test_a_question_of_its_own_says_how_far_to_replay(stub: WorkflowServiceStub) -> None:
    """As the real server does it; the Go SDK refuses a question whose history does not reach that event."""
    await stub.StartWorkflowExecution(start_request("w"))
    poll = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name="q"))
    task = await stub.PollWorkflowTaskQueue(poll, timeout=60)
    done = rpc.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token)
    command = done.commands.add(command_type="COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION")
    command.complete_workflow_execution_command_attributes.SetInParent()
    await stub.RespondWorkflowTaskCompleted(done)
    request = rpc.QueryWorkflowRequest(namespace="default")
    request.execution.workflow_id, request.query.query_type = "w", "any"
    asked = asyncio.ensure_future(stub.QueryWorkflow(request, timeout=60))
    question = await stub.PollWorkflowTaskQueue(poll, timeout=60)
    await stub.RespondQueryTaskCompleted(
        rpc.RespondQueryTaskCompletedRequest(
            namespace="default", task_token=question.task_token, completed_type="QUERY_RESULT_TYPE_ANSWERED"
        )
    )
    await asked
    assert (question.previous_started_event_id, question.started_event_id) == (3, 0)


class Gone:
    """The context of a call whose client goes away while its answer is written."""

    async def write(self, data: bytes) -> None:
        raise asyncio.CancelledError

    def time_remaining(self) -> float:
        return 60.0


async def test_a_task_that_cannot_be_written_goes_to_the_next_poll() -> None:
    engine = await open_embedded(None, local=False)
    about = About(engine, cluster_id="", persistence="")
    calls = Calls(engine, about, engine.take_back_task, seal=TokenSeal(b"secret"))
    handler = calls.service(SimpleNamespace(method=SERVICE + "PollWorkflowTaskQueue", invocation_metadata=()))
    assert handler is not None
    request = rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name="q"))
    await engine.start_workflow_execution(start_request("w"))
    with pytest.raises(asyncio.CancelledError):
        await handler.unary_stream(request.SerializeToString(), Gone())
    task = await engine.poll_workflow_task_queue(request, wait_ns=5_000_000_000)
    assert task.workflow_execution.workflow_id == "w"
    await engine.close()
