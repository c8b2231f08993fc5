"""What the worker does with the answers to workflow tasks; the processor here is the test's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_service import ScriptedService, VirtualPace, settle
from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.converter import DataConverter
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.worker._workflow_poller import WorkflowTaskHandler
from tsuzuki.worker._workflow_worker import WorkflowWorker


def workflow_task(number: int = 1, attempt: int = 1) -> PollWorkflowTaskQueueResponse:
    task = PollWorkflowTaskQueueResponse(task_token=b"task %d" % number, attempt=attempt)
    task.workflow_execution.workflow_id = "workflow"
    task.workflow_execution.run_id = f"run {number}"
    task.workflow_type.name = "Research"
    return task


def answer(task: PollWorkflowTaskQueueResponse) -> RespondWorkflowTaskCompletedRequest:
    return RespondWorkflowTaskCompletedRequest(task_token=task.task_token)


class TestProcessor:
    """Answers as the test says, and remembers what was evicted."""

    __test__ = False

    def __init__(self, reply: Callable[[PollWorkflowTaskQueueResponse], Any]) -> None:
        self._reply = reply
        self.evicted: list[str] = []
        self.closed = False

    async def process(self, task: PollWorkflowTaskQueueResponse) -> Any:
        reply = self._reply(task)
        return await reply if isinstance(reply, Awaitable) else reply

    def evict(self, run_id: str) -> None:
        self.evicted.append(run_id)

    def close(self) -> None:
        self.closed = True


class Scene:
    def __init__(self, reply: Callable[[PollWorkflowTaskQueueResponse], Any] = answer) -> None:
        self.service = ScriptedService()
        self.time = VirtualPace()
        self.processor = TestProcessor(reply)
        self.handler = WorkflowTaskHandler(
            self.service,  # type: ignore[arg-type]
            self.processor,
            namespace="default",
            identity="me",
            converter=DataConverter.default,
            pace=self.time.pace,
        )

    def worker(self, slots: int, sticky_queue: str | None) -> WorkflowWorker:
        return WorkflowWorker(
            self.service,  # type: ignore[arg-type]
            self.handler,
            namespace="default",
            task_queue="queue",
            sticky_queue=sticky_queue,
            identity="me",
            slots=slots,
            shared_share=0.2,
            pace=self.time.pace,
            on_fatal=pytest.fail,
        )


async def test_answer_is_handed_in() -> None:
    scene = Scene()
    await scene.handler.execute(workflow_task())
    assert scene.service.sent == [answer(workflow_task())]
    assert scene.processor.evicted == []


async def test_task_that_comes_with_the_response_is_worked_on_at_once() -> None:
    scene = Scene()
    following = [RespondWorkflowTaskCompletedResponse(workflow_task=workflow_task(2))]

    async def respond(request: RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse:
        scene.service.sent.append(request)
        return following.pop() if following else RespondWorkflowTaskCompletedResponse()

    scene.service.respond_workflow_task_completed = respond  # type: ignore[method-assign,assignment]
    await scene.handler.execute(workflow_task(1))
    assert scene.service.sent == [answer(workflow_task(1)), answer(workflow_task(2))]


@pytest.mark.parametrize(
    ("status", "level"),
    [(StatusCode.NOT_FOUND, logging.DEBUG), (StatusCode.INVALID_ARGUMENT, logging.WARNING)],
)
async def test_answer_that_is_not_taken_evicts_the_run(
    status: StatusCode, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = Scene()
    scene.service.refuse("workflow completed", ServiceError(status, "no"))
    await scene.handler.execute(workflow_task())
    assert scene.processor.evicted == ["run 1"]
    assert [record.levelno for record in caplog.records if "was not taken" in record.getMessage()] == [level]


async def test_answer_too_large_for_a_message_ends_the_run() -> None:
    """Every answer to that task would be as large."""
    scene = Scene()
    scene.service.refuse("workflow completed", _TOO_LARGE)
    await scene.handler.execute(workflow_task())
    refused, failed = scene.service.sent
    assert refused == answer(workflow_task())
    assert isinstance(failed, RespondWorkflowTaskFailedRequest)
    assert failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE
    assert _TOO_LARGE.message in failed.failure.message
    assert scene.processor.evicted == ["run 1", "run 1"]


_TOO_LARGE = ServiceError(StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (5 vs. 4)")


async def test_query_that_makes_an_answer_too_large_fails_and_the_run_goes_on() -> None:
    """What only looks at a run must not end it."""

    def reply(task: PollWorkflowTaskQueueResponse) -> RespondWorkflowTaskCompletedRequest:
        response = answer(task)
        response.query_results["1"].result_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
        response.query_results["1"].answer.payloads.add().data = b"large"
        response.query_results["2"].result_type = QueryResultType.QUERY_RESULT_TYPE_FAILED
        response.query_results["2"].error_message = "unknown"
        return response

    scene = Scene(reply)
    scene.service.refuse("workflow completed", _TOO_LARGE)
    await scene.handler.execute(workflow_task())
    results = scene.service.sent[-1].query_results
    assert isinstance(scene.service.sent[-1], RespondWorkflowTaskCompletedRequest)
    assert {result.result_type for result in results.values()} == {QueryResultType.QUERY_RESULT_TYPE_FAILED}
    assert (results["1"].error_message, results["2"].error_message) == (_TOO_LARGE.message, "unknown")
    assert not results["1"].HasField("answer")
    assert scene.processor.evicted == []


async def test_answer_to_a_query_that_is_too_large_fails_the_query() -> None:
    def reply(task: PollWorkflowTaskQueueResponse) -> RespondQueryTaskCompletedRequest:
        response = RespondQueryTaskCompletedRequest(task_token=task.task_token)
        response.completed_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
        response.query_result.payloads.add().data = b"large"
        return response

    scene = Scene(reply)
    sent: list[RespondQueryTaskCompletedRequest] = []

    async def respond(request: RespondQueryTaskCompletedRequest) -> None:
        told = RespondQueryTaskCompletedRequest()
        told.CopyFrom(request)
        sent.append(told)
        if len(sent) == 1:
            raise _TOO_LARGE

    scene.service.respond_query_task_completed = respond  # type: ignore[attr-defined]
    await scene.handler.execute(workflow_task())
    assert [each.completed_type for each in sent] == [
        QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
        QueryResultType.QUERY_RESULT_TYPE_FAILED,
    ]
    assert (sent[1].error_message, sent[1].HasField("query_result")) == (_TOO_LARGE.message, False)


async def test_outage_is_waited_out_for_ten_seconds_then_the_run_is_evicted() -> None:
    scene = Scene()
    scene.service.refuse("workflow completed", *[ServiceError(StatusCode.UNAVAILABLE, "away")] * 20)
    running = asyncio.ensure_future(scene.handler.execute(workflow_task()))
    while not running.done():
        await settle()
        if not running.done():
            await scene.time.advance(scene.time.slept[-1])
    assert 6 < scene.time.now_s < 10
    assert len(scene.service.sent) == len(scene.time.slept) + 1
    assert all(sent is scene.service.sent[0] for sent in scene.service.sent)
    assert scene.processor.evicted == ["run 1"]


async def test_history_that_cannot_be_fetched_is_no_failure_of_the_workflow() -> None:
    def reply(task: PollWorkflowTaskQueueResponse) -> Any:
        raise ServiceError(StatusCode.UNAVAILABLE, "away")

    scene = Scene(reply)
    await scene.handler.execute(workflow_task())
    assert scene.service.sent == []
    assert scene.processor.evicted == ["run 1"]


async def test_bug_in_the_worker_fails_the_task_with_its_stack() -> None:
    def reply(task: PollWorkflowTaskQueueResponse) -> Any:
        raise AssertionError("a bug")

    scene = Scene(reply)
    await scene.handler.execute(workflow_task())
    (sent,) = scene.service.sent
    assert isinstance(sent, RespondWorkflowTaskFailedRequest)
    assert sent.failure.message == "a bug"
    assert "reply" in sent.failure.stack_trace
    assert scene.processor.evicted == ["run 1"]


async def test_both_queues_are_polled_in_their_shares() -> None:
    scene = Scene()
    worker = scene.worker(slots=10, sticky_queue="mine")
    worker.start()
    await settle()
    queues = [request.task_queue for request in scene.service.poll_requests]  # type: ignore[attr-defined]
    assert (
        sorted((queue.name, queue.kind, queue.normal_name) for queue in queues)
        == [("mine", TaskQueueKind.TASK_QUEUE_KIND_STICKY, "queue")] * 8
        + [("queue", TaskQueueKind.TASK_QUEUE_KIND_NORMAL, "")] * 2
    )
    scene.service.give_workflow_task(workflow_task(1), kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY)
    scene.service.give_workflow_task(workflow_task(2), kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL)
    await settle()
    assert {sent.task_token for sent in scene.service.sent} == {b"task 1", b"task 2"}  # type: ignore[attr-defined]
    await worker.stop()
    assert scene.processor.closed


async def test_stop_waits_for_the_task_in_work() -> None:
    release = asyncio.Event()

    async def reply_late(task: PollWorkflowTaskQueueResponse) -> RespondWorkflowTaskCompletedRequest:
        await release.wait()
        return answer(task)

    scene = Scene(reply_late)
    worker = scene.worker(slots=2, sticky_queue=None)
    worker.start()
    scene.service.give_workflow_task(workflow_task())
    await settle()
    stopping = asyncio.ensure_future(worker.stop())
    await settle()
    assert not stopping.done()
    release.set()
    await stopping
    assert scene.service.sent == [answer(workflow_task())]
