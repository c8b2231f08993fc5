"""The request that a start sends, compared with the one that the official client sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import temporalio.client
import temporalio.common
from answering_service import AnsweringService
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from tsuzuki import common, workflow
from tsuzuki.client import Client


@workflow.defn
class Research:
    @workflow.run
    async def run(self, question: str) -> list[int]:
        return [len(question)]


@workflow.defn(name="countdown")
async def count_down(seconds: int) -> str:
    return str(seconds)


async def sent(*args: Any, **options: Any) -> StartWorkflowExecutionRequest:
    service = AnsweringService(StartWorkflowExecutionResponse(run_id="r"))
    await Client(service.service, identity="me").start_workflow(*args, **{"id": "w", "task_queue": "q"} | options)
    (request,) = service.requests
    assert isinstance(request, StartWorkflowExecutionRequest)
    return request


class _Recorder:
    """Stands where the official client expects its gRPC client and keeps the request."""

    def __init__(self) -> None:
        self.request: StartWorkflowExecutionRequest | None = None

    async def start_workflow_execution(self, request: Any, **_: Any) -> StartWorkflowExecutionResponse:
        self.request = request
        return StartWorkflowExecutionResponse(run_id="r")


class _Connection:
    def __init__(self, recorder: _Recorder) -> None:
        self.workflow_service = recorder
        self.config = type("Config", (), {"identity": "me", "rpc_metadata": {}, "payload_limits": None})()


OPTIONS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    (("one",), {}),
    ((), {"args": ["one", 2, None]}),
    (
        (),
        {
            "execution_timeout": timedelta(hours=1),
            "run_timeout": timedelta(minutes=1, microseconds=1),
            "task_timeout": timedelta(seconds=5),
        },
    ),
    ((), {"cron_schedule": "@hourly"}),
    ((), {"memo": {"who": "me", "n": [1]}}),
    ((), {"start_delay": timedelta(seconds=3)}),
    ((), {"static_summary": "one line", "static_details": "several\nlines"}),
]


@pytest.mark.parametrize(("args", "options"), OPTIONS, ids=str)
async def test_a_start_says_what_the_official_client_says(args: tuple[Any, ...], options: dict[str, Any]) -> None:
    recorder = _Recorder()
    official = temporalio.client.Client(_Connection(recorder))  # type: ignore[arg-type]
    await official.start_workflow("Research", *args, id="w", task_queue="q", **options)

    ours, theirs = await sent("Research", *args, **options), recorder.request

    assert theirs is not None
    theirs.request_id = ours.request_id
    theirs.ClearField("priority")  # an empty message, which says nothing
    assert ours == theirs


async def test_policies_and_priority_are_written() -> None:
    request = await sent(
        "Research",
        id_reuse_policy=common.WorkflowIDReusePolicy.REJECT_DUPLICATE,
        id_conflict_policy=common.WorkflowIDConflictPolicy.USE_EXISTING,
        retry_policy=common.RetryPolicy(maximum_attempts=3),
        priority=common.Priority(priority_key=1, fairness_key="tenant"),
        request_id="my-request",
    )
    assert request.workflow_id_reuse_policy == 3
    assert request.workflow_id_conflict_policy == 2
    assert request.retry_policy.maximum_attempts == 3
    assert (request.priority.priority_key, request.priority.fairness_key) == (1, "tenant")
    assert request.request_id == "my-request"


async def test_search_attributes_are_plain_json() -> None:
    request = await sent(
        "Research",
        search_attributes={
            "Topic": "x",
            "Count": 3,
            "Done": True,
            "At": datetime(2026, 1, 2, tzinfo=UTC),
            "Tags": ["a", "b"],
        },
    )
    fields = {name: payload.data.decode() for name, payload in request.search_attributes.indexed_fields.items()}
    assert fields == {
        "Topic": '"x"',
        "Count": "3",
        "Done": "true",
        "At": '"2026-01-02T00:00:00+00:00"',
        "Tags": '["a","b"]',
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [(Research, "Research"), (Research.run, "Research"), (count_down, "countdown"), ("Other", "Other")],
)
async def test_a_workflow_is_given_as_class_method_function_or_name(given: Any, name: str) -> None:
    assert (await sent(given, 1)).workflow_type.name == name


async def test_the_handle_of_a_start_is_pinned_to_the_chain_not_to_the_run() -> None:
    service = AnsweringService(StartWorkflowExecutionResponse(run_id="r2", first_execution_run_id="r1"))
    handle = await Client(service.service).start_workflow(Research.run, "x", id="w", task_queue="q")
    assert (handle.id, handle.run_id, handle.result_run_id, handle.first_execution_run_id) == (
        "w",
        None,
        "r2",
        "r1",
    )


async def test_a_start_signal_goes_with_the_start() -> None:
    service = AnsweringService(SignalWithStartWorkflowExecutionResponse(run_id="r"))
    client = Client(service.service)

    handle = await client.start_workflow(
        "Research",
        1,
        id="w",
        task_queue="q",
        start_signal="go",
        start_signal_args=["a", 2],
        start_delay=timedelta(hours=1),
    )

    assert handle.result_run_id == "r"
    [request] = service.requests
    assert isinstance(request, SignalWithStartWorkflowExecutionRequest)
    assert (request.workflow_id, request.task_queue.name, request.workflow_type.name) == ("w", "q", "Research")
    assert (request.signal_name, request.workflow_start_delay.seconds) == ("go", 3600)
    payloads = client.data_converter.payload_converter
    assert payloads.from_payloads(request.signal_input.payloads) == ["a", 2]
    assert payloads.from_payloads(request.input.payloads) == [1]
    assert request.request_id
    assert request.identity
