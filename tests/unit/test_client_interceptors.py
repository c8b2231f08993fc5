"""Interceptors of a client: every call passes them in order, with headers where the request has a field for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from answering_service import AnsweringService
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

from tsuzuki.client import Client, Interceptor, OutboundInterceptor, WithStartWorkflowOperation, WorkflowUpdateStage
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.converter import DataConverter
from tsuzuki.worker import Interceptor as WorkerInterceptor
from tsuzuki.worker import Worker

CONVERTER = DataConverter.default.payload_converter
METHODS = [name for name, member in vars(OutboundInterceptor).items() if inspect.isfunction(member) and name[0] != "_"]


class Link(Interceptor):
    """Notes every call, and puts its name into the headers where there are any."""

    def __init__(self, name: str, seen: list[Any]) -> None:
        self.name = name
        self.seen = seen

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        def passing(method: str) -> Callable[..., Any]:
            def call(link: OutboundInterceptor, input: Any) -> Any:
                self.seen.append((self.name, method, input))
                for part in (input, *(getattr(input, f"{it}_workflow_input", None) for it in ("start", "update"))):
                    if hasattr(part, "headers"):
                        part.headers = {**part.headers, self.name: payload(self.name)}
                return getattr(link.next, method)(input)

            return call

        return type("Passing", (OutboundInterceptor,), {name: passing(name) for name in METHODS})(next)


def payload(value: object) -> Payload:
    return CONVERTER.to_payloads([value])[0]


def linked(*answers: Message) -> tuple[Client, AnsweringService, list[Any]]:
    service, seen = AnsweringService(*answers), []
    return Client(service.service, interceptors=[Link("a", seen), Link("b", seen)]), service, seen


def signal_with_start(client: Client) -> Any:
    return client.start_workflow("W", id="w", task_queue="q", start_signal="s", start_signal_args=[1])


def update_with_start(client: Client) -> Any:
    start = WithStartWorkflowOperation(
        "W", 1, id="w", task_queue="q", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    return client.start_update_with_start_workflow(
        "u", 2, start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )


async def every(events: Any) -> list[Any]:
    return [it async for it in events]


STARTED = rpc.StartWorkflowExecutionResponse(run_id="r")
ACCEPTED = rpc.UpdateWorkflowExecutionResponse(stage=2)
BOTH = rpc.ExecuteMultiOperationResponse(
    responses=[
        rpc.ExecuteMultiOperationResponse.Response(start_workflow=STARTED),
        rpc.ExecuteMultiOperationResponse.Response(update_workflow=ACCEPTED),
    ]
)
CALLS: dict[str, tuple[Callable[[Client], Any], Message, Callable[[Any], list[Any]]]] = {
    "start_workflow": (
        lambda client: client.start_workflow("W", 1, id="w", task_queue="q"),
        STARTED,
        lambda request: [request.header],
    ),
    "start_workflow with a signal": (
        signal_with_start,
        rpc.SignalWithStartWorkflowExecutionResponse(run_id="r"),
        lambda request: [request.header],
    ),
    "start_update_with_start_workflow": (
        update_with_start,
        BOTH,
        lambda request: [
            request.operations[0].start_workflow.header,
            request.operations[1].update_workflow.request.input.header,
        ],
    ),
    "list_workflows": (
        lambda client: every(client.list_workflows("q")),
        rpc.ListWorkflowExecutionsResponse(),
        lambda _: [],
    ),
    "count_workflows": (
        lambda client: client.count_workflows("q"),
        rpc.CountWorkflowExecutionsResponse(),
        lambda _: [],
    ),
    "describe_workflow": (
        lambda client: client.get_workflow_handle("w").describe(),
        rpc.DescribeWorkflowExecutionResponse(),
        lambda _: [],
    ),
    "fetch_workflow_history_events": (
        lambda client: client.get_workflow_handle("w").fetch_history(),
        rpc.GetWorkflowExecutionHistoryResponse(),
        lambda _: [],
    ),
    "cancel_workflow": (
        lambda client: client.get_workflow_handle("w").cancel(reason="why"),
        rpc.RequestCancelWorkflowExecutionResponse(),
        lambda _: [],
    ),
    "terminate_workflow": (
        lambda client: client.get_workflow_handle("w").terminate(1, reason="why"),
        rpc.TerminateWorkflowExecutionResponse(),
        lambda _: [],
    ),
    "signal_workflow": (
        lambda client: client.get_workflow_handle("w").signal("s", 1),
        rpc.SignalWorkflowExecutionResponse(),
        lambda request: [request.header],
    ),
    "query_workflow": (
        lambda client: client.get_workflow_handle("w").query("s", 1),
        rpc.QueryWorkflowResponse(),
        lambda request: [request.query.header],
    ),
    "start_workflow_update": (
        lambda client: client.get_workflow_handle("w").start_update(
            "u", 1, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        ),
        ACCEPTED,
        lambda request: [request.request.input.header],
    ),
    "heartbeat_async_activity": (
        lambda client: client.get_async_activity_handle(task_token=b"t").heartbeat(1),
        rpc.RecordActivityTaskHeartbeatResponse(),
        lambda _: [],
    ),
    "complete_async_activity": (
        lambda client: client.get_async_activity_handle(workflow_id="w", activity_id="1").complete(1),
        rpc.RespondActivityTaskCompletedByIdResponse(),
        lambda _: [],
    ),
    "fail_async_activity": (
        lambda client: client.get_async_activity_handle(task_token=b"t").fail(ValueError("no")),
        rpc.RespondActivityTaskFailedResponse(),
        lambda _: [],
    ),
    "report_cancellation_async_activity": (
        lambda client: client.get_async_activity_handle(task_token=b"t").report_cancellation(),
        rpc.RespondActivityTaskCanceledResponse(),
        lambda _: [],
    ),
}


def test_every_method_is_called_here() -> None:
    assert {name.partition(" ")[0] for name in CALLS} == set(METHODS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_passes_in_order_and_is_the_same_without(name: str) -> None:
    call, answer, headers_of = CALLS[name]
    client, service, seen = linked(answer)
    await call(client)
    method = name.partition(" ")[0]
    assert [(link, passed) for link, passed, _ in seen] == [("a", method), ("b", method)]
    (request,) = service.requests
    for header in headers_of(request):
        assert {name: CONVERTER.from_payloads([header.fields[name]])[0] for name in header.fields} == {
            "a": "a",
            "b": "b",
        }
        header.Clear()
    plain = AnsweringService(answer)
    await call(Client(plain.service))
    assert _settled(plain.requests[0]) == _settled(request)


def _settled(request: Any) -> str:
    """A request as text without what is made anew for each, and without headers that are empty."""
    text = "\n".join(
        line
        for line in str(request).splitlines()
        if not any(word in line for word in ("request_id", "update_id", "source:", "stack_trace"))
    )
    while "header {\n" in text:
        start = text.index("header {\n")
        text = text[:start].rstrip() + text[text.index("}", start) + 1 :]
    return "\n".join(line.strip() for line in text.splitlines())


async def test_the_handle_of_an_intercepted_start_is_intercepted_too() -> None:
    client, _, seen = linked(STARTED, rpc.SignalWorkflowExecutionResponse())
    handle = await client.start_workflow("W", 1, id="w", task_queue="q")
    await handle.signal("s")
    assert [(link, method) for link, method, _ in seen][2:] == [("a", "signal_workflow"), ("b", "signal_workflow")]


async def test_a_misspelt_option_is_named_as_without_interceptors() -> None:
    client, _, _ = linked()
    with pytest.raises(TypeError, match="did you mean 'task_queue'"):
        await client.start_workflow("W", id="w", task_queue="q", task_queu="q")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="start_workflow needs id="):
        await client.start_workflow("W", task_queue="q")  # type: ignore[call-overload]


async def test_the_wait_for_a_result_passes_as_the_reading_of_a_history() -> None:
    closed = rpc.GetWorkflowExecutionHistoryResponse()
    event = closed.history.events.add(event_type="EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED")
    event.workflow_execution_completed_event_attributes.result.payloads.append(payload(5))
    still_open = rpc.GetWorkflowExecutionHistoryResponse(next_page_token=b"more")
    client, service, seen = linked(still_open, closed)
    assert await client.get_workflow_handle("w").result() == 5
    assert [method for _, method, _ in seen] == ["fetch_workflow_history_events"] * 2
    assert all(request.wait_new_event for request in service.requests)


async def test_a_field_that_is_not_there_is_refused_and_not_lost() -> None:
    class Sets(Interceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            class Outbound(OutboundInterceptor):
                async def signal_workflow(self, input: Any) -> None:
                    input.rpc_metadata = {"a": "b"}

            return Outbound(next)

    client = Client(AnsweringService().service, interceptors=[Sets()])
    with pytest.raises(AttributeError, match="rpc_metadata"):
        await client.get_workflow_handle("w").signal("s")


class Everywhere(Interceptor, WorkerInterceptor):
    """An interceptor of clients and workers."""


async def test_a_worker_takes_those_of_its_client_before_its_own() -> None:
    async def noop() -> None: ...

    from tsuzuki import activity

    activity.defn(noop)
    everywhere, own = Everywhere(), WorkerInterceptor()
    client = Client(AnsweringService().service, interceptors=[Interceptor(), everywhere])
    worker = Worker(client, task_queue="q", activities=[noop], interceptors=[own])
    assert worker._interceptors == (everywhere, own)
