"""Our worker and client over gRPC: the same code that runs on an embedded engine."""

from __future__ import annotations

from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.server import Server
from tsuzuki.worker import Worker


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn
class Doubling:
    def __init__(self) -> None:
        self.start = 0

    @workflow.run
    async def run(self, times: int) -> int:
        await workflow.wait_condition(lambda: self.start > 0)
        number = self.start
        for _ in range(times):
            number = await workflow.execute_activity(double, number, start_to_close_timeout=timedelta(seconds=30))
        return number

    @workflow.signal
    def begin(self, number: int) -> None:
        self.start = number

    @workflow.query
    def started(self) -> bool:
        return self.start > 0


async def test_our_worker_and_client_work_over_grpc(server: Server) -> None:
    client = await Client.connect(server.target)
    async with client, Worker(client, task_queue="own", workflows=[Doubling], activities=[double]):
        handle = await client.start_workflow(Doubling.run, 5, id="d", task_queue="own")
        assert await handle.query(Doubling.started) is False
        await handle.signal(Doubling.begin, 3)
        assert await handle.result() == 96
