"""What comes with the answer to a workflow task, and the history that it leaves: on the real server and on ours."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, TaskQueueKind
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    PauseWorkflowExecutionRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client

from differential._pairings import our_server

STICKY = {
    "worker_task_queue": {"name": "its own", "kind": TaskQueueKind.TASK_QUEUE_KIND_STICKY},
    "schedule_to_start_timeout": Duration(seconds=5),
}


def schedule(activity_id: str, *, eager: bool = True, queue: str = "q") -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    asked = command.schedule_activity_task_command_attributes
    asked.activity_id, asked.activity_type.name, asked.task_queue.name = activity_id, "Activity", queue
    asked.start_to_close_timeout.seconds = 60
    asked.request_eager_execution = eager
    return command


COMPLETE = Command(
    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, complete_workflow_execution_command_attributes={}
)
CASES: dict[str, tuple[Sequence[Command], Sequence[str], dict[str, Any]]] = {
    "five here, one elsewhere, one not eager": (
        [*(schedule(f"a{n}") for n in range(5)), schedule("b", queue="elsewhere"), schedule("c", eager=False)],
        (),
        {},
    ),
    "nothing": ([schedule("a")], (), {"return_new_workflow_task": True}),
    "heartbeat": ([], (), {"return_new_workflow_task": True, "force_create_new_workflow_task": True}),
    "heartbeat, not returned": ([], (), {"force_create_new_workflow_task": True}),
    "both": ([schedule("a")], (), {"return_new_workflow_task": True, "force_create_new_workflow_task": True}),
    "a signal came meanwhile": ([schedule("a")], ("signal",), {"return_new_workflow_task": True}),
    "a signal, not returned": ([schedule("a")], ("signal",), {}),
    "a signal, sticky": ([], ("signal",), {"return_new_workflow_task": True, "sticky_attributes": STICKY}),
    "paused": ([schedule("a")], ("signal", "pause"), {"return_new_workflow_task": True}),
    "the end": ([schedule("a"), COMPLETE], (), {"return_new_workflow_task": True}),
}
"""By name: the commands, what comes before them, and what else the answer says."""


async def what_comes(target: str) -> dict[str, list[str]]:
    return {name: await _case((await Client.connect(target)).workflow_service, *case) for name, case in CASES.items()}


async def _case(service: Any, commands: Sequence[Command], before: Sequence[str], more: dict[str, Any]) -> list[str]:
    workflow_id = queue = str(uuid.uuid4())
    start = StartWorkflowExecutionRequest(namespace="default", workflow_id=workflow_id, request_id=workflow_id)
    start.workflow_type.name, start.task_queue.name = "Workflow", queue
    run_id = (await service.start_workflow_execution(start)).run_id
    poll = PollWorkflowTaskQueueRequest(namespace="default", identity="poller")
    poll.task_queue.name = queue
    task = await service.poll_workflow_task_queue(poll)
    execution = {"workflow_id": workflow_id}
    if "signal" in before:
        await service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(namespace="default", workflow_execution=execution, signal_name="s")
        )
    if "pause" in before:
        await service.pause_workflow_execution(
            PauseWorkflowExecutionRequest(
                namespace="default", workflow_id=workflow_id, run_id=run_id, request_id=workflow_id
            )
        )
    answer = await service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            namespace="default", task_token=task.task_token, identity="answerer", commands=commands, **more
        )
    )
    seen = [*_activities(answer, workflow_id), *_workflow_task(answer, queue)]
    if answer.activity_tasks:
        await service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace="default", task_token=answer.activity_tasks[0].task_token, identity="worker"
            )
        )
    request = GetWorkflowExecutionHistoryRequest(namespace="default", execution=execution)
    history = (await service.get_workflow_execution_history(request)).history.events
    return seen + [f"{event.event_id} {EventType.Name(event.event_type)} {_identity(event)}" for event in history]


def _activities(answer: RespondWorkflowTaskCompletedResponse, workflow_id: str) -> list[str]:
    return [
        f"activity {task.activity_id} {task.activity_type.name} attempt {task.attempt} in {task.workflow_namespace}, "
        f"of it: {task.workflow_execution.workflow_id == workflow_id}, {task.workflow_type.name}, "
        f"{task.start_to_close_timeout.seconds} s, {task.retry_policy.backoff_coefficient}"
        for task in answer.activity_tasks
    ]


def _workflow_task(answer: RespondWorkflowTaskCompletedResponse, queue: str) -> list[str]:
    task: PollWorkflowTaskQueueResponse = answer.workflow_task
    if not task.task_token:
        return ["no workflow task"]
    return [
        f"workflow task of {task.workflow_type.name}, attempt {task.attempt}, after {task.previous_started_event_id}, "
        f"started {task.started_event_id}, events {[event.event_id for event in task.history.events]}, "
        f"its queue: {task.workflow_execution_task_queue.name == queue}"
    ]


def _identity(event: Any) -> str:
    return str(getattr(getattr(event, event.WhichOneof("attributes")), "identity", ""))


async def test_both_servers_hand_out_the_same(real_server: str) -> None:
    there = await what_comes(real_server)
    async with our_server() as target:
        here = await what_comes(target)
    assert here == there
    assert any(line.startswith("activity a4") for line in there["five here, one elsewhere, one not eager"])
    assert any(line.startswith("workflow task") for line in there["both"])
