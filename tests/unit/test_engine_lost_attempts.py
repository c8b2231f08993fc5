"""An attempt that died with its process is tried again once, however many workers are waiting for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.engine import EmbeddedService, open_embedded


def _start(workflow_id: str) -> StartWorkflowExecutionRequest:
    request = StartWorkflowExecutionRequest(namespace="default", workflow_id=workflow_id, request_id=workflow_id)
    request.workflow_type.name = "Any"
    request.task_queue.name = "q"
    return request


def _poll_activity(service: EmbeddedService) -> asyncio.Task[object]:
    request = PollActivityTaskQueueRequest(namespace="default", identity="worker")
    request.task_queue.name = "q"
    return asyncio.ensure_future(service.poll_activity_task_queue(request))


async def _schedule_activity(service: EmbeddedService) -> None:
    await service.start_workflow_execution(_start("w"))
    poll = PollWorkflowTaskQueueRequest(namespace="default")
    poll.task_queue.name = "q"
    task = await service.poll_workflow_task_queue(poll)
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_id = "a"
    attributes.activity_type.name = "search"
    attributes.task_queue.name = "q"
    attributes.start_to_close_timeout.FromTimedelta(timedelta(minutes=1))
    await service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token, commands=[command])
    )


async def test_a_lost_attempt_is_handed_to_one_of_two_waiting_workers(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    before = await open_embedded(path)
    await _schedule_activity(before)
    await _poll_activity(before)  # started, never answered: the worker dies with its process
    await before.close()

    after = await open_embedded(path)
    await after.start_workflow_execution(_start("first"))  # by its commit, all that is due has woken up
    polls = [_poll_activity(after), _poll_activity(after)]
    await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    # One more commit and its answer: whatever was due before it has been handed out by now.
    await after.start_workflow_execution(_start("second"))
    handed_out = [poll.result().attempt for poll in polls if poll.done()]  # type: ignore[attr-defined]
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    await after.close()
    assert handed_out == [2]
