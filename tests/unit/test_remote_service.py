"""The remote service: every RPC of the protocol, errors with their details, long polls that end empty."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator_rpc
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc
from temporalio.service import RPCError, RPCStatusCode

from tsuzuki.service import RemoteWorkflowService, ServiceError, StatusCode, WorkflowService

RPCS = [name for name, member in vars(WorkflowService).items() if inspect.iscoroutinefunction(member)]


class GrpcClient:
    """Stands where the official gRPC client stands: keeps calls, gives one answer."""

    def __init__(self, answer: Message | Exception) -> None:
        self.workflow_service = self.operator_service = self
        self.calls: list[tuple[str, Message, bool, timedelta]] = []
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        async def call(request: Message, *, retry: bool, timeout: timedelta) -> Message:
            self.calls.append((name, request, retry, timeout))
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


def remote(answer: Message | Exception) -> tuple[Any, GrpcClient]:
    client = GrpcClient(answer)
    return RemoteWorkflowService(client), client  # type: ignore[abstract, arg-type]


def request_for(name: str) -> Message:
    request = "".join(part.title() for part in name.split("_")) + "Request"
    message: Message = (getattr(rpc, request, None) or getattr(operator_rpc, request))()
    return message


def grpc_error(status: int, *details: Message) -> RPCError:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    raw = GrpcStatus(code=status, details=packed).SerializeToString()
    return RPCError("refused", RPCStatusCode(status), raw)


@pytest.mark.parametrize("name", RPCS)
async def test_every_rpc_of_the_protocol_is_passed_on(name: str) -> None:
    answer = rpc.GetSystemInfoResponse()
    service, client = remote(answer)
    request = request_for(name)

    assert await getattr(service, name)(request) is answer

    (called, sent, retry, timeout) = client.calls[0]
    assert (called, sent) == (name, request)
    poll = name.startswith("poll_") or name in ("update_workflow_execution", "execute_multi_operation")
    waits_for_nobody = name in ("shutdown_worker", "record_worker_heartbeat")
    assert retry is not (poll or waits_for_nobody)
    assert timeout == timedelta(seconds=70 if poll else 35 if name == "query_workflow" else 10)


async def test_waiting_for_events_is_a_long_poll() -> None:
    service, client = remote(rpc.GetWorkflowExecutionHistoryResponse())
    await service.get_workflow_execution_history(rpc.GetWorkflowExecutionHistoryRequest(wait_new_event=True))
    assert client.calls[0][2:] == (False, timedelta(seconds=70))


@pytest.mark.parametrize("status", [StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED])
async def test_a_long_poll_without_an_answer_is_an_empty_answer(status: StatusCode) -> None:
    service, _ = remote(grpc_error(status))
    assert (
        await service.poll_workflow_task_queue(rpc.PollWorkflowTaskQueueRequest())
        == rpc.PollWorkflowTaskQueueResponse()
    )
    assert (
        await service.poll_activity_task_queue(rpc.PollActivityTaskQueueRequest())
        == rpc.PollActivityTaskQueueResponse()
    )
    waiting = rpc.GetWorkflowExecutionHistoryRequest(wait_new_event=True)
    assert await service.get_workflow_execution_history(waiting) == rpc.GetWorkflowExecutionHistoryResponse()


async def test_other_calls_without_an_answer_fail() -> None:
    service, _ = remote(grpc_error(StatusCode.DEADLINE_EXCEEDED))
    with pytest.raises(ServiceError) as caught:
        await service.get_workflow_execution_history(rpc.GetWorkflowExecutionHistoryRequest())
    assert caught.value.status is StatusCode.DEADLINE_EXCEEDED


async def test_what_was_not_answered_in_time_is_named() -> None:
    service, _ = remote(RPCError("Timeout expired", RPCStatusCode.DEADLINE_EXCEEDED, b""))
    with pytest.raises(ServiceError, match=r"^query_workflow was not answered within 35 s; is a worker running"):
        await service.query_workflow(rpc.QueryWorkflowRequest())
    with pytest.raises(ServiceError, match=r"^get_system_info was not answered within 10 s$"):
        await service.get_system_info(rpc.GetSystemInfoRequest())


@pytest.mark.parametrize(
    ("status", "said"),
    [(RPCStatusCode.UNKNOWN, "transport error"), (RPCStatusCode.INTERNAL, "h2 protocol error: http2 error")],
)
async def test_a_connection_that_breaks_is_no_answer(status: RPCStatusCode, said: str) -> None:
    service, _ = remote(RPCError(said, status, b""))
    with pytest.raises(ServiceError, match=f"the connection broke before get_system_info .*{said}") as caught:
        await service.get_system_info(rpc.GetSystemInfoRequest())
    assert caught.value.status is StatusCode.UNAVAILABLE


async def test_the_detail_message_of_a_refusal_is_decoded() -> None:
    service, _ = remote(grpc_error(StatusCode.NOT_FOUND, NamespaceNotFoundFailure(namespace="x")))
    with pytest.raises(ServiceError) as caught:
        await service.get_system_info(rpc.GetSystemInfoRequest())
    error = caught.value
    assert (error.status, error.message) == (StatusCode.NOT_FOUND, "refused")
    assert error.detail == NamespaceNotFoundFailure(namespace="x")


async def test_a_detail_of_an_unknown_type_is_passed_over() -> None:
    unknown = AnyMessage(type_url="type.googleapis.com/no.such.Type", value=b"x")
    raw = GrpcStatus(code=5, details=[unknown]).SerializeToString()
    service, _ = remote(RPCError("refused", RPCStatusCode.NOT_FOUND, raw))
    with pytest.raises(ServiceError) as caught:
        await service.get_system_info(rpc.GetSystemInfoRequest())
    assert caught.value.detail is None


async def test_a_message_too_large_for_grpc_says_its_size_and_the_way_out() -> None:
    service, _ = remote(RPCError("grpc: received message larger than max 4", RPCStatusCode.RESOURCE_EXHAUSTED, b""))
    request = rpc.StartWorkflowExecutionRequest(workflow_id="x" * 5000)
    with pytest.raises(ServiceError, match=r"start_workflow_execution of 5,003 bytes .*pass a reference") as caught:
        await service.start_workflow_execution(request)
    assert caught.value.status is StatusCode.RESOURCE_EXHAUSTED


def test_it_is_not_local_and_watches_nothing() -> None:
    service, _ = remote(rpc.GetSystemInfoResponse())
    assert service.local is False
    assert service.watch_activity(b"token", lambda: None)() is None
