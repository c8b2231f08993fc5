"""Limits of single activity types: their bound holds, in order, without keeping other types from the worker's slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import ActivityLimit, ActivityLimits, Worker

BOUND = timedelta(minutes=2)


@workflow.defn
class Calls:
    """Makes calls at once; a call is the type of its activity and a name."""

    @workflow.run
    async def run(self, calls: list[list[str]]) -> list[int]:
        return list(await asyncio.gather(*(self.call(*call) for call in calls)))

    async def call(self, type: str, name: str) -> int:
        attempts: int = await workflow.execute_activity(
            type,
            name,
            result_type=int,
            start_to_close_timeout=BOUND,
            heartbeat_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )
        return attempts


class Site:
    """A client, and activities that wait until they may end; each gives the number of its attempt."""

    client: Client

    def __init__(self) -> None:
        self.started: list[str] = []
        self.running = self.running_max = 0
        self.may_end = asyncio.Event()
        self.changed = asyncio.Event()

        @activity.defn
        async def limited(name: str) -> int:
            self.started.append(name)
            self.running += 1
            self.running_max = max(self.running, self.running_max)
            self.changed.set()
            try:
                await self.may_end.wait()
            finally:
                self.running -= 1
            return activity.info().attempt

        @activity.defn
        async def free(name: str) -> int:
            return activity.info().attempt

        self.activities = [limited, free]

    def worker(self, limits: Any, slots: int = 3) -> Worker:
        return Worker(
            self.client,
            task_queue="q",
            workflows=[Calls],
            activities=self.activities,
            activity_limits=limits,
            max_concurrent_activities=slots,
        )

    async def start(self, *calls: str, id: str = "calls") -> WorkflowHandle[Any, list[int]]:
        pairs = [call.split() for call in calls]
        return await self.client.start_workflow(Calls.run, pairs, id=id, task_queue="q")

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.started) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def site_with(*limits: Any, slots: int = 3) -> AsyncIterator[Site]:
    """One worker for each of the limits."""
    site = Site()
    async with await Client.connect("sqlite://") as site.client, AsyncExitStack() as workers:
        for each in limits:
            await workers.enter_async_context(site.worker(each, slots))
        yield site


def many(count: int) -> list[str]:
    return [f"limited {number}" for number in range(count)]


async def test_a_flood_of_a_limited_type_is_bounded_and_keeps_no_slot_from_others() -> None:
    async with site_with({"limited": ActivityLimit(2)}) as site:
        flood = await site.start(*many(20))
        await site.begun(2)
        other = await site.start(*["free x"] * 5, id="other")
        assert await other.result() == [1] * 5
        assert (site.running, len(site.started)) == (2, 2)
        site.may_end.set()
        assert await flood.result() == [1] * 20
        assert site.running_max == 2
        assert site.started == [str(number) for number in range(20)]  # in the order of their scheduling


async def test_those_that_wait_beyond_the_bound_hold_slots() -> None:
    async with site_with({"limited": ActivityLimit(1, waiting_max=2)}) as site:
        flood = await site.start(*many(20))
        await site.begun(1)
        other = await site.start("free x", id="other")
        described = await other.describe()
        while not described.pending_activities:
            described = await other.describe()
        assert described.pending_activities[0].attempt == 1
        assert await _is_still_scheduled(other)  # one runs, two wait beside, two more hold the other slots
        site.may_end.set()
        assert await flood.result() == [1] * 20
        assert await other.result() == [1]


async def _is_still_scheduled(handle: WorkflowHandle[Any, Any]) -> bool:
    for _ in range(50):
        await asyncio.sleep(0)
    pending = (await handle.describe()).raw_description.pending_activities
    return [it.state for it in pending] == [1]  # PENDING_ACTIVITY_STATE_SCHEDULED


async def test_a_rate_spreads_the_starts() -> None:
    async with site_with({"limited": ActivityLimit(per_second=1000)}, slots=50) as site:
        site.may_end.set()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await (await site.start(*many(30))).result()
        assert loop.time() - began >= 0.029


async def test_a_burst_may_begin_at_once() -> None:
    async with site_with({"limited": ActivityLimit(per_second=0.001, burst=5)}) as site:
        site.may_end.set()
        assert await (await site.start(*many(5))).result() == [1] * 5


async def test_workers_share_the_limits_that_both_were_given() -> None:
    shared = ActivityLimits({"limited": ActivityLimit(2)})
    async with site_with(shared, shared) as site:
        flood = await site.start(*many(12))
        await site.begun(2)
        await (await site.start("free x", id="other")).result()
        site.may_end.set()
        await flood.result()
        assert site.running_max == 2


async def test_one_that_waits_too_long_is_tried_again_later() -> None:
    limit = ActivityLimit(1, wait_max=timedelta(milliseconds=20))
    async with site_with({"limited": limit}) as site:
        handle = await site.start(*many(2))
        while all(it.attempt < 3 for it in (await handle.describe()).pending_activities):  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.005)
        failure = max((await handle.describe()).pending_activities, key=lambda it: it.attempt).last_failure
        assert "has waited 0.02 s for its limit" in str(failure)
        site.may_end.set()
        assert sorted(await handle.result())[0] == 1


async def test_those_that_give_up_use_up_nothing_of_the_rate() -> None:
    """Of thirty at a hundred a second two or three begin within 20 ms; what the others gave up is left for later."""
    limit = ActivityLimit(per_second=100, wait_max=timedelta(milliseconds=20))
    async with site_with({"limited": limit}) as site, asyncio.timeout(60):
        site.may_end.set()
        attempts = await (await site.start(*many(30))).result()
        assert (len(site.started), max(attempts) > 1) == (30, True)


async def test_one_that_waits_can_be_cancelled_and_leaves_no_place_taken() -> None:
    async with site_with({"limited": ActivityLimit(1)}) as site:
        first = await site.start("limited 1", id="first")
        await site.begun(1)
        second = await site.start("limited 2", id="second")
        await (await site.start("free x", id="other")).result()
        await second.cancel()
        with pytest.raises(WorkflowFailureError):
            await second.result()
        site.may_end.set()
        await first.result()
        assert await (await site.start("limited 3", id="third")).result() == [1]
        assert site.started == ["1", "3"]


async def test_a_worker_that_stops_waits_for_those_beside_its_slots() -> None:
    site = Site()
    async with await Client.connect("sqlite://") as site.client:
        async with site.worker({"limited": ActivityLimit(1)}, slots=2):
            await site.start(*many(3))
            await site.begun(1)
            await (await site.start("free x", id="other")).result()
            site.may_end.set()  # the first ends, and one that waited beside the slot runs
            site.may_end = asyncio.Event()
            await site.begun(2)
        assert site.running == 0


@pytest.mark.parametrize(
    "limit",
    [{}, {"at_most": 0}, {"per_second": 0}, {"at_most": 1, "burst": 0}, {"at_most": 1, "waiting_max": -1}],
    ids=str,
)
def test_limits_that_are_none_are_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at_most|per_second|burst"):
        ActivityLimit(**limit)
