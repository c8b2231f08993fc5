"""`workflow.unsafe.workflow_clock`: a library's own clock and chance become the workflow's; the rest stays refused."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

QUEUE = "queue"
seen: list[dict[str, Any]] = []


def stamps() -> dict[str, Any]:
    return {
        "time": [time.time(), time.monotonic(), time.perf_counter()],
        "time_ns": [time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()],
        "now": [datetime.now(UTC), datetime.now(tz=UTC), datetime.now().replace(tzinfo=UTC)],
        "day": date.today(),
        "chance": [random.random(), random.randint(1, 10**9), random.choice(range(10**9))],
        "ids": [uuid.uuid4(), uuid.uuid4()],
    }


@workflow.defn
class Stamping:
    @workflow.run
    async def run(self) -> None:
        for _ in range(2):
            with workflow.unsafe.workflow_clock():
                seen.append(await asyncio.create_task(_in_a_task()))
            assert seen[-1]["time"] == [workflow.time()] * 3
            assert seen[-1]["time_ns"] == [workflow.time_ns()] * 3
            assert seen[-1]["now"] == [workflow.now()] * 3
            await asyncio.sleep(0.001)


async def _in_a_task() -> dict[str, Any]:
    return stamps()


async def test_stamps_are_the_same_on_every_replay_and_differ_from_one_another() -> None:
    seen.clear()
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Stamping], max_cached_workflows=0),
    ):
        await client.execute_workflow(Stamping.run, id="w", task_queue=QUEUE)
    first, _, *_ = seen
    firsts = [it for it in seen if it["ids"] == first["ids"]]
    assert len(seen) == 5  # once, twice, and twice again to the end
    assert firsts == [first] * 3
    assert len({str(it) for it in seen}) == 2
    assert len(set(first["ids"])) == 2
    assert abs(datetime.now(UTC) - first["now"][0]) < timedelta(minutes=1)
    assert time.time() != time.time_ns()  # outside nothing has changed


@workflow.defn
class Reaching:
    @workflow.run
    async def run(self, act: str) -> None:
        with workflow.unsafe.workflow_clock():
            ACTS[act]()


ACTS: dict[str, Any] = {
    "open": lambda: open(__file__, encoding="utf-8"),  # noqa: SIM115 - it is refused
    "sleep": lambda: time.sleep(0),
    "secret": lambda: random.SystemRandom().random(),
    "seed": lambda: random.seed(),
    "thread": lambda: concurrent.futures.ThreadPoolExecutor().submit(print),
    "clock_gettime": lambda: time.clock_gettime(0),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_reaches_outside_stays_refused(act: str) -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[Reaching],
            workflow_failure_exception_types=[workflow.DeterminismError],
        ),
    ):
        handle = await client.start_workflow(Reaching.run, act, id="w", task_queue=QUEUE)
        failure = None
        while failure is None:
            async for event in handle.fetch_history_events(wait_new_event=True):
                if event.HasField("workflow_task_failed_event_attributes"):
                    failure = event.workflow_task_failed_event_attributes.failure
                    break
        assert "in workflow code" in failure.message
        await handle.terminate()


@workflow.defn
class Inline:
    @workflow.run
    async def run(self) -> list[str]:
        loop = asyncio.get_running_loop()
        order = []
        with workflow.InlineExecutor() as executor:
            order.append(await loop.run_in_executor(executor, "{}".format, "result"))
            try:
                await loop.run_in_executor(executor, int, "x")
            except ValueError as error:
                order.append(type(error).__name__)
        try:
            loop.run_in_executor(None, print)
        except workflow.NotAllowedInWorkflowError as error:
            order.append(str(error))
        return order


async def test_an_inline_executor_is_the_only_one() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Inline]),
    ):
        result, error, refused = await client.execute_workflow(Inline.run, id="w", task_queue=QUEUE)
    assert (result, error) == ("result", "ValueError")
    assert "workflow.InlineExecutor" in refused
