"""What callers are told beside histories: the messages themselves, from the real server and from ours."""

from __future__ import annotations

import uuid
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client

import tsuzuki.client
from differential._pairings import our_server
from tsuzuki import workflow
from tsuzuki.worker import Worker


async def starts_and_signals(target: str) -> list[dict[str, Any]]:
    """The answers to a start in several ways and to signals, with run ids replaced."""
    service = (await Client.connect(target)).workflow_service
    workflow_id = str(uuid.uuid4())

    def about(kind: Any, **fields: Any) -> Any:
        return kind(
            namespace="default",
            workflow_id=workflow_id,
            workflow_type={"name": "Nobody"},
            task_queue={"name": "nobody polls"},
            **fields,
        )

    again = about(
        StartWorkflowExecutionRequest,
        request_id="second",
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
    )
    signal = SignalWorkflowExecutionRequest(
        namespace="default", workflow_execution={"workflow_id": workflow_id}, signal_name="s", request_id="fourth"
    )
    with_start = about(SignalWithStartWorkflowExecutionRequest, signal_name="s", request_id="third")
    first = about(StartWorkflowExecutionRequest, request_id="first")
    answers: list[Message] = [
        await service.start_workflow_execution(first),
        await service.start_workflow_execution(first),
        await service.start_workflow_execution(again),
        await service.signal_with_start_workflow_execution(with_start),
        await service.signal_with_start_workflow_execution(with_start),
        await service.signal_workflow_execution(signal),
        await service.signal_workflow_execution(signal),
    ]
    run_id = answers[0].run_id  # type: ignore[attr-defined]
    return [_masked(MessageToDict(answer), {run_id: "<run>", workflow_id: "<workflow>"}) for answer in answers]


def _masked(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, names) for key, inner in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


async def test_starts_and_signals_are_answered_as_by_the_real_server(real_server: str) -> None:
    expected = await starts_and_signals(real_server)
    async with our_server() as target:
        assert await starts_and_signals(target) == expected


# ---- histories of many pages -------------------------------------------------------------------------

SIGNALS = 300
"""The real server hands out 256 batches of events at once."""


@workflow.defn
class Counting:
    def __init__(self) -> None:
        self.count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.count >= SIGNALS)
        return self.count

    @workflow.signal
    def add(self) -> None:
        self.count += 1


async def test_our_worker_follows_the_pages_of_the_real_server(real_server: str) -> None:
    queue = str(uuid.uuid4())
    async with await tsuzuki.client.Client.connect(real_server) as client:
        handle = await client.start_workflow(Counting.run, id=queue, task_queue=queue)
        for _ in range(SIGNALS):
            await handle.signal(Counting.add)
        async with Worker(client, task_queue=queue, workflows=[Counting]):
            assert await handle.result() == SIGNALS
