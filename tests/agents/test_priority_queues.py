"""A flood of low work does not delay critical work, and one tenant does not starve another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tsuzuki import activity, workflow
from tsuzuki.agents import PRIORITY_SLOTS, Level, PriorityQueues, Slots, queue_of
from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.common import Priority
from tsuzuki.worker import Worker

BOUND = timedelta(minutes=5)


class Work:
    """An activity that notes its start, and waits until it may end."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.may_end = asyncio.Event()

    @activity.defn(name="work")
    async def work(self, name: str) -> str:
        self.started.append(name)
        if name.startswith("blocked"):
            await self.may_end.wait()
        return name

    async def reach(self, count: int) -> None:
        """Wait until so many have started."""
        for _ in range(2000):
            if len(self.started) >= count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {len(self.started)} of {count} started")


@workflow.defn
class Job:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity("work", name, result_type=str, start_to_close_timeout=BOUND)


async def start(
    client: Client, names: Sequence[str], queue: str, priority: Priority | None = None
) -> list[WorkflowHandle[Any, str]]:
    options = {} if priority is None else {"priority": priority}
    return [await client.start_workflow(Job.run, name, id=name, task_queue=queue, **options) for name in names]


@asynccontextmanager
async def connected(target: str) -> AsyncIterator[Client]:
    async with await Client.connect(target) as client:
        yield client


async def flood_of_low_work(client: Client, prefix: str) -> None:
    work = Work()
    options: dict[str, Any] = {"task_queue": prefix, "workflows": [Job], "activities": [work.work]}
    async with PriorityQueues(client, graceful_shutdown_timeout=BOUND, **options):
        low = await start(client, [f"blocked {n}" for n in range(40)], queue_of(prefix, Level.LOW))
        await work.reach(4)
        for level in (Level.CRITICAL, Level.HIGH, Level.NORMAL):
            (handle,) = await start(client, [f"{level.value} job"], queue_of(prefix, level))
            assert await handle.result() == f"{level.value} job"
        assert (
            len([name for name in work.started if name.startswith("blocked")]) == PRIORITY_SLOTS[Level.LOW].activities
        )
        work.may_end.set()
        for handle in low:
            await handle.result()


async def test_a_flood_of_low_work_does_not_delay_critical_work() -> None:
    async with connected("sqlite://") as client:
        await flood_of_low_work(client, "agents")


async def test_nor_on_the_real_server(real_server: str) -> None:
    async with connected(real_server) as client:
        await flood_of_low_work(client, "agents")


async def test_all_queues_are_drained_on_shutdown() -> None:
    work = Work()
    async with connected("sqlite://") as client:
        queues = PriorityQueues(
            client, task_queue="q", workflows=[Job], activities=[work.work], graceful_shutdown_timeout=BOUND
        )
        running = asyncio.create_task(queues.run())
        for level in Level:
            await start(client, [f"blocked {level.value}"], queue_of("q", level))
        await work.reach(4)
        stopping = asyncio.create_task(queues.shutdown())
        await asyncio.sleep(0)
        assert not stopping.done()
        work.may_end.set()
        await stopping
        await running
        assert all(worker.is_shutdown for worker in queues.workers)
        for level in Level:  # each result was recorded, though its workflow has not seen it
            pending = (await client.get_workflow_handle(f"blocked {level.value}").describe()).raw_description
            assert not pending.pending_activities


def test_levels_slots_and_names_are_the_chapters_and_can_be_others() -> None:
    assert {level.value: (s.activities, s.workflow_tasks) for level, s in PRIORITY_SLOTS.items()} == {
        "critical": (12, 12),
        "high": (10, 10),
        "normal": (8, 8),
        "low": (4, 4),
    }
    assert [queue_of("tasks", level) for level in Level] == ["tasks-critical", "tasks-high", "tasks", "tasks-low"]
    client = Client.__new__(Client)
    with pytest.raises(ValueError, match="no level"):
        PriorityQueues(client, task_queue="q", workflows=[Job], slots={})
    assert Slots(1, 2).activities == 1


# ---- one queue, with the keys of the engine -----------------------------------------------------------------


async def test_on_one_queue_critical_work_overtakes_the_low_work_that_waits() -> None:
    work = Work()
    async with connected("sqlite://") as client:
        await start(client, [f"low {n}" for n in range(100)], "q", Priority(priority_key=5))
        await start(client, [f"critical {n}" for n in range(3)], "q", Priority(priority_key=1))
        options: dict[str, Any] = {"workflows": [Job], "activities": [work.work]}
        async with Worker(client, task_queue="q", max_concurrent_activities=2, **options):
            await work.reach(103)
    last_critical = max(work.started.index(f"critical {n}") for n in range(3))
    assert last_critical < 3 + 2 + 2  # the two slots may have been taken by low work, twice


async def test_on_one_queue_a_tenant_does_not_starve_another() -> None:
    work = Work()
    async with connected("sqlite://") as client:
        await start(client, [f"loud {n}" for n in range(100)], "q", Priority(fairness_key="loud"))
        await start(client, [f"quiet {n}" for n in range(5)], "q", Priority(fairness_key="quiet"))
        options: dict[str, Any] = {"workflows": [Job], "activities": [work.work]}
        async with Worker(client, task_queue="q", max_concurrent_activities=2, **options):
            await work.reach(105)
    last_quiet = max(work.started.index(f"quiet {n}") for n in range(5))
    assert last_quiet < 2 * 5 + 4
