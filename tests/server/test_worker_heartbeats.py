"""A worker tells a server how it is, and that it has stopped; an engine in its process it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse, ListWorkersRequest

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.server import Server, ServerOptions
from tsuzuki.worker import Worker, _worker_heartbeats


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("wait", start_to_close_timeout=timedelta(minutes=1))
        await workflow.sleep(3600)


class Held:
    def __init__(self) -> None:
        self.begun, self.end = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def wait(self) -> None:
        self.begun.set()
        await self.end.wait()


async def heard(server: Server) -> list[WorkerHeartbeat]:
    listed = await server.service.list_workers(ListWorkersRequest(namespace="default"))
    return [info.worker_heartbeat for info in listed.workers_info]


async def heard_when(server: Server, condition: Callable[[WorkerHeartbeat], bool]) -> WorkerHeartbeat:
    """The one worker's heartbeat, once it fits."""
    async with asyncio.timeout(60):
        while not (found := await heard(server)) or not condition(found[0]):  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_server_is_told_what_is_in_use_and_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker_heartbeats, "EVERY_S", 0.02)
    server, held = await Server.start(ServerOptions(port=0)), Held()
    async with await Client.connect(server.target) as client:
        worker = Worker(
            client,
            task_queue="q",
            workflows=[Waits],
            activities=[held.wait],
            max_concurrent_activities=7,
            max_concurrent_workflow_tasks=5,
            identity="me",
        )
        async with worker:
            await client.start_workflow(Waits.run, id="w", task_queue="q")
            await held.begun.wait()
            busy = await heard_when(server, lambda it: it.activity_task_slots_info.current_used_slots == 1)
            assert (busy.worker_identity, busy.task_queue, busy.status) == (
                "me",
                "q",
                WorkerStatus.WORKER_STATUS_RUNNING,
            )
            assert busy.activity_task_slots_info.current_available_slots == 6
            assert busy.workflow_task_slots_info.current_available_slots == 5
            assert (busy.sdk_name, busy.host_info.process_id != "") == ("tsuzuki", True)
            held.end.set()
            done = await heard_when(server, lambda it: it.activity_task_slots_info.total_processed_tasks == 1)
            assert done.worker_instance_key == busy.worker_instance_key
            assert done.current_sticky_cache_size == 1
        (last,) = await heard(server)
        assert last.status == WorkerStatus.WORKER_STATUS_SHUTDOWN
    await server.stop()


async def test_a_namespace_that_does_not_listen_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = await Server.start(ServerOptions(port=0)), asyncio.Event()
    async with await Client.connect(server.target) as client:

        async def deaf(request: object) -> DescribeNamespaceResponse:
            asked.set()
            return DescribeNamespaceResponse()

        monkeypatch.setattr(client.service, "describe_namespace", deaf)
        async with Worker(client, task_queue="q", workflows=[Waits]):
            await asked.wait()
        assert await heard(server) == []
    await server.stop()


async def test_an_engine_in_the_process_is_not_told() -> None:
    async with await Client.connect("sqlite://") as client:
        async with Worker(client, task_queue="q", workflows=[Waits]):
            await asyncio.sleep(0)
        listed = await client.service.list_workers(ListWorkersRequest(namespace="default"))
        assert list(listed.workers_info) == []
