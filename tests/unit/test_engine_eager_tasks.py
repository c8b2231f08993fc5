"""Tasks that come with the answer to a workflow task: on disk before, to nobody else, and lost to no one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import Refused
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    TerminateWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)

from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import QUEUE, complete_workflow, schedule_activity

STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def eager(activity_id: str, **options: Any) -> Command:
    command = schedule_activity(activity_id, **options)
    command.schedule_activity_task_command_attributes.request_eager_execution = True
    return command


def asked(task_token: bytes, *commands: Command, **fields: Any) -> RespondWorkflowTaskCompletedRequest:
    return RespondWorkflowTaskCompletedRequest(task_token=task_token, identity="asker", commands=commands, **fields)


def answer(server: LocalServer, *commands: Command, **fields: Any) -> RespondWorkflowTaskCompletedResponse:
    """Take the workflow task of a new run, and answer it."""
    server.start_workflow()
    token = server.take_workflow_task().task_token
    return server.call(server.service.respond_workflow_task_completed(asked(token, *commands, **fields)))


def pending(server: LocalServer) -> list[tuple[str, int, int]]:
    return [(each.activity_id, each.state, each.attempt) for each in server.describe().pending_activities]


def test_activities_come_to_the_worker_that_asked_for_them_and_the_others_to_all(server: LocalServer) -> None:
    given = answer(server, eager("a"), schedule_activity("b"), eager("c", queue="elsewhere"))
    assert [task.activity_id for task in given.activity_tasks] == ["a", "c"]
    assert server.take_activity().activity_id == "b"
    assert server.poll_activity() is None
    assert server.poll_activity("elsewhere") is None
    for task in given.activity_tasks:
        server.complete_activity(task)
    taken = [each for each in server.history() if each.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED]
    assert [each.activity_task_started_event_attributes.identity for each in taken] == ["asker", "asker"]


def test_they_are_not_for_those_who_wait_for_tasks(server: LocalServer) -> None:
    server.start_workflow()
    token = server.take_workflow_task().task_token
    wish = asked(token, eager("a"), return_new_workflow_task=True, force_create_new_workflow_task=True)

    async def answer_beside_waiting_polls() -> RespondWorkflowTaskCompletedResponse:
        workflow_poll, activity_poll = PollWorkflowTaskQueueRequest(), PollActivityTaskQueueRequest()
        for poll in (workflow_poll, activity_poll):
            poll.namespace, poll.task_queue.name = "default", QUEUE
        waiting = [
            asyncio.ensure_future(server.service.poll_workflow_task_queue(workflow_poll)),
            asyncio.ensure_future(server.service.poll_activity_task_queue(activity_poll)),
        ]
        await asyncio.sleep(0)
        given = await server.service.respond_workflow_task_completed(wish)
        await server.service.drain()
        assert not any(poll.done() for poll in waiting)
        for poll in waiting:
            poll.cancel()
        await asyncio.wait(waiting)
        return given

    given = server.call(answer_beside_waiting_polls())
    assert [task.activity_id for task in given.activity_tasks] == ["a"]
    assert given.HasField("workflow_task")


def test_they_are_activities_like_any_other(server: LocalServer) -> None:
    [task] = answer(server, eager("a", initial_interval=timedelta(seconds=1))).activity_tasks
    server.advance(timedelta(seconds=10))
    assert pending(server) == [("a", SCHEDULED, 2)]
    with Refused(StatusCode.NOT_FOUND, "attempt is over"):
        server.complete_activity(task)
    server.advance(timedelta(seconds=1))
    server.complete_activity(server.take_activity())
    assert "ActivityStarted #2 | ActivityCompleted" in server.notation()


def test_one_whose_run_ends_before_its_start_is_on_disk_leaves_a_gap_and_no_wait(server: LocalServer) -> None:
    server.start_workflow()
    token = server.take_workflow_task().task_token
    end = TerminateWorkflowExecutionRequest(namespace="default", workflow_execution=WorkflowExecution(workflow_id="w"))

    async def answer_and_terminate() -> RespondWorkflowTaskCompletedResponse | None:
        answering = asyncio.ensure_future(server.service.respond_workflow_task_completed(asked(token, eager("a"))))
        ending = asyncio.ensure_future(server.service.terminate_workflow_execution(end))
        await server.clock.settle()
        await server.service.drain()
        await server.clock.settle()
        assert ending.done()
        return answering.result() if answering.done() else None

    given = server.call(answer_and_terminate())
    assert given is not None, "the answer waits for another activity"
    assert not given.activity_tasks


def test_in_a_paused_run_they_wait_until_it_goes_on(server: LocalServer) -> None:
    run_id = server.start_workflow()
    token = server.take_workflow_task().task_token
    name = {"namespace": "default", "workflow_id": "w", "run_id": run_id}
    server.call(server.service.pause_workflow_execution(PauseWorkflowExecutionRequest(**name, request_id="1")))
    given = server.call(server.service.respond_workflow_task_completed(asked(token, eager("a"))))
    assert not given.activity_tasks
    assert server.poll_activity() is None
    server.call(server.service.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(**name, request_id="2")))
    assert server.take_activity().activity_id == "a"


def test_nothing_comes_from_a_completion_that_is_refused_or_ends_the_run(server: LocalServer) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "DUPLICATE_ID"):
        answer(server, eager("a"), eager("a"), return_new_workflow_task=True)
    again = server.take_workflow_task()
    closing = asked(again.task_token, eager("a"), complete_workflow(), return_new_workflow_task=True)
    given = server.call(server.service.respond_workflow_task_completed(closing))
    assert not given.activity_tasks
    assert not given.HasField("workflow_task")


def test_no_workflow_task_follows_where_the_run_ends_for_its_size() -> None:
    with LocalServer(limits=Limits(history_events_max=4)) as server:
        given = answer(
            server, schedule_activity("a"), return_new_workflow_task=True, force_create_new_workflow_task=True
        )
        assert not given.HasField("workflow_task")
        assert server.notation().endswith("Terminated")


def test_the_following_workflow_task_comes_with_the_answer_if_it_is_wished(server: LocalServer) -> None:
    given = answer(server, return_new_workflow_task=True, force_create_new_workflow_task=True)
    assert server.poll_workflow_task() is None
    task = given.workflow_task
    assert [event.event_id for event in task.history.events] == [4, 5, 6]
    assert task.history.events[-1].workflow_task_started_event_attributes.identity == "asker"
    server.answer_workflow_task(task, complete_workflow())
    assert server.notation() == "Started | WFT | WFT | Completed"


def test_without_that_wish_it_goes_to_all(server: LocalServer) -> None:
    assert not answer(server, force_create_new_workflow_task=True).HasField("workflow_task")
    assert server.poll_workflow_task() is not None


def test_a_following_task_that_is_not_answered_comes_again(server: LocalServer) -> None:
    answer(server, return_new_workflow_task=True, force_create_new_workflow_task=True)
    server.advance(timedelta(seconds=10))
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("WorkflowTaskTimedOut START_TO_CLOSE | WFT | Completed")


def test_a_worker_that_goes_away_before_the_answer_leaves_them_to_others(server: LocalServer) -> None:
    server.start_workflow()
    token = server.take_workflow_task().task_token
    wish = asked(token, eager("a"), return_new_workflow_task=True, force_create_new_workflow_task=True)

    async def answer_and_leave() -> None:
        answering = asyncio.ensure_future(server.service.respond_workflow_task_completed(wish))
        await asyncio.sleep(0)
        answering.cancel()
        await asyncio.wait({answering})

    server.call(answer_and_leave())
    assert pending(server) == [("a", STARTED, 1)]
    task = server.take_activity()
    assert task.attempt == 1
    server.complete_activity(task)
    server.complete_workflow_task(complete_workflow())


def test_no_task_leaves_whose_start_is_not_on_disk() -> None:
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        server.start_workflow()
        token = server.take_workflow_task().task_token
        store.faults[Moment(Point.BEFORE_COMMIT, store.passed[Point.BEFORE_COMMIT] + 1)] = Fault.FAILED
        with Refused(StatusCode.UNAVAILABLE, "Nothing is written"):
            server.call(server.service.respond_workflow_task_completed(asked(token, eager("a"))))


@pytest.mark.parametrize(("count", "size", "fit"), [(101, 0, 100), (6, 300_000, 3), (2, 1_100_000, 0)])
def test_what_the_answer_has_no_room_for_waits_for_polls(server: LocalServer, count: int, size: int, fit: int) -> None:
    """A worker that gets more than it takes would get nothing, and the activities would wait for their timeouts."""
    commands = [eager(f"a{number}") for number in range(count)]
    for command in commands:
        command.schedule_activity_task_command_attributes.input.payloads.add().data = bytes(size)
    given = answer(server, *commands)
    assert [task.activity_id for task in given.activity_tasks] == [f"a{number}" for number in range(fit)]
    rest = [server.take_activity().activity_id for _ in range(count - fit)]
    assert rest == [f"a{number}" for number in range(fit, count)]
    assert server.poll_activity() is None
