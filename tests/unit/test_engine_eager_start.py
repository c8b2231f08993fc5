"""An eager start: the first workflow task comes with the answer, on disk, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import duration
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, StartWorkflowExecutionResponse

from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import QUEUE, complete_workflow


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def asked(**fields: Any) -> StartWorkflowExecutionRequest:
    request = StartWorkflowExecutionRequest(
        namespace="default", workflow_id="w", request_id="1", identity="client", request_eager_execution=True, **fields
    )
    request.workflow_type.name, request.task_queue.name = "Workflow", QUEUE
    return request


def start(server: LocalServer, **fields: Any) -> StartWorkflowExecutionResponse:
    return server.call(server.service.start_workflow_execution(asked(**fields)))


def test_the_first_task_comes_with_the_answer(server: LocalServer) -> None:
    answer = start(server)
    assert server.poll_workflow_task() is None
    task = answer.eager_workflow_task
    assert [event.event_id for event in task.history.events] == [1, 2, 3]
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == "Started | WFT | Completed"
    started, _, taken = server.history()[:3]
    assert started.workflow_execution_started_event_attributes.eager_execution_accepted
    assert taken.workflow_task_started_event_attributes.identity == "client"


def test_a_task_that_is_not_answered_goes_to_another_worker(server: LocalServer) -> None:
    start(server)
    server.advance(timedelta(seconds=10))
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("WorkflowTaskTimedOut START_TO_CLOSE | WFT | Completed")


def test_a_run_that_begins_later_has_no_task_yet(server: LocalServer) -> None:
    answer = start(server, workflow_start_delay=duration(timedelta(minutes=1)))
    assert not answer.HasField("eager_workflow_task")
    assert not server.history()[0].workflow_execution_started_event_attributes.eager_execution_accepted
    server.advance(timedelta(minutes=1))
    assert server.poll_workflow_task() is not None


def test_a_caller_that_goes_away_before_the_answer_leaves_the_task_to_others(server: LocalServer) -> None:
    async def start_and_leave() -> None:
        starting = asyncio.ensure_future(server.service.start_workflow_execution(asked()))
        await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})

    server.call(start_and_leave())
    assert server.poll_workflow_task() is not None


def test_it_is_offered_to_all_if_it_was_not_asked_for(server: LocalServer) -> None:
    request = asked()
    request.request_eager_execution = False
    answer = server.call(server.service.start_workflow_execution(request))
    assert not answer.HasField("eager_workflow_task")
    assert server.poll_workflow_task() is not None
