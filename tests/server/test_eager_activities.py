"""Eager activities over gRPC: the official worker runs activities that no poll has brought."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tsuzuki.server import Server


@activity.defn
async def twice(value: int) -> int:
    return 2 * value


@workflow.defn
class Doubles:
    @workflow.run
    async def run(self, count: int) -> list[int]:
        return await asyncio.gather(
            *(workflow.execute_activity(twice, n, start_to_close_timeout=timedelta(minutes=1)) for n in range(count))
        )


async def test_the_official_worker_gets_activities_with_the_answer_to_its_workflow_task(
    server: Server, client: Client
) -> None:
    poll = PollActivityTaskQueueRequest(namespace="default")
    poll.task_queue.name = "q"
    first_in_line = asyncio.ensure_future(server.service.poll_activity_task_queue(poll))
    await asyncio.sleep(0)
    async with Worker(
        client, task_queue="q", workflow_runner=UnsandboxedWorkflowRunner(), workflows=[Doubles], activities=[twice]
    ):
        results = asyncio.ensure_future(client.execute_workflow(Doubles.run, 3, id="w", task_queue="q"))
        await asyncio.wait({results, first_in_line}, return_when=asyncio.FIRST_COMPLETED)
        assert not first_in_line.done(), "an activity was offered to all"
        assert await results == [0, 2, 4]
    first_in_line.cancel()
