"""Eager activities over gRPC: workers run activities that no poll has brought."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import tsuzuki.activity
import tsuzuki.client
import tsuzuki.worker
import tsuzuki.workflow
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


@tsuzuki.activity.defn
async def our_twice(value: int) -> int:
    return 2 * value


@tsuzuki.workflow.defn
class OurDoubles:
    @tsuzuki.workflow.run
    async def run(self, count: int) -> list[int]:
        each = timedelta(minutes=1)
        return await asyncio.gather(
            *(tsuzuki.workflow.execute_activity(our_twice, n, start_to_close_timeout=each) for n in range(count))
        )


def poll() -> PollActivityTaskQueueRequest:
    request = PollActivityTaskQueueRequest(namespace="default")
    request.task_queue.name = "q"
    return request


async def test_the_official_worker_gets_activities_with_the_answer_to_its_workflow_task(
    server: Server, client: Client
) -> None:
    first_in_line = asyncio.ensure_future(server.service.poll_activity_task_queue(poll()))
    await asyncio.sleep(0)
    async with Worker(
        client, task_queue="q", workflow_runner=UnsandboxedWorkflowRunner(), workflows=[Doubles], activities=[twice]
    ):
        results = asyncio.ensure_future(client.execute_workflow(Doubles.run, 3, id="w", task_queue="q"))
        await asyncio.wait({results, first_in_line}, return_when=asyncio.FIRST_COMPLETED)
        assert not first_in_line.done(), "an activity was offered to all"
        assert await results == [0, 2, 4]
    first_in_line.cancel()


async def test_our_worker_gets_them_so_too(server: Server) -> None:
    first_in_line = asyncio.ensure_future(server.service.poll_activity_task_queue(poll()))
    await asyncio.sleep(0)
    client = await tsuzuki.client.Client.connect(server.target)
    async with client, tsuzuki.worker.Worker(client, task_queue="q", workflows=[OurDoubles], activities=[our_twice]):
        results = asyncio.ensure_future(client.execute_workflow(OurDoubles.run, 3, id="w", task_queue="q"))
        await asyncio.wait({results, first_in_line}, return_when=asyncio.FIRST_COMPLETED)
        assert not first_in_line.done(), "an activity was offered to all"
        assert await results == [0, 2, 4]
    first_in_line.cancel()


async def test_our_worker_does_without_where_it_is_told_to(server: Server) -> None:
    client = await tsuzuki.client.Client.connect(server.target)
    worker = tsuzuki.worker.Worker(
        client,
        task_queue="q",
        workflows=[OurDoubles],
        activities=[our_twice],
        disable_eager_activity_execution=True,
    )
    first_in_line = asyncio.ensure_future(server.service.poll_activity_task_queue(poll()))
    await asyncio.sleep(0)
    async with client, worker:
        await client.start_workflow(OurDoubles.run, 1, id="w", task_queue="q")
        assert (await first_in_line).activity_type.name == "our_twice"
