"""Workers of this package that come and go at a server of it: no task is lost on its way to one that leaves."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

from server._running import in_process
from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowExecutionStatus, WorkflowHandle
from tsuzuki.worker import Worker

RUNS, STEPS = 15, 40


@activity.defn
async def step(number: int) -> int:
    return activity.info().attempt


@workflow.defn
class Steps:
    @workflow.run
    async def run(self) -> int:
        """The most attempts that a step took."""
        attempts = [
            await workflow.execute_activity(step, number, start_to_close_timeout=timedelta(hours=1))
            for number in range(STEPS)
        ]
        return max(attempts)


async def test_no_task_is_lost_when_workers_come_and_go() -> None:
    chance = random.Random(1)
    async with in_process() as server, await Client.connect(server.target) as client:
        handles: list[WorkflowHandle[Any, int]] = [
            await client.start_workflow(Steps.run, id=f"run-{number}", task_queue="q") for number in range(RUNS)
        ]
        restarts = 0
        while await are_open(handles):
            async with Worker(
                client,
                task_queue="q",
                workflows=[Steps],
                activities=[step],
                max_cached_workflows=0,  # what waits in the queue of one that leaves is another matter
                graceful_shutdown_timeout=timedelta(seconds=30),
            ):
                await asyncio.sleep(chance.random() * 0.1)
            restarts += 1
        assert restarts > 3
        for handle in handles:
            assert await handle.result() == 1
            async for event in handle.fetch_history_events():
                assert not event.HasField("workflow_task_timed_out_event_attributes"), handle.id


async def are_open(handles: list[WorkflowHandle[Any, int]]) -> bool:
    return any([(await handle.describe()).status is WorkflowExecutionStatus.RUNNING for handle in handles])
