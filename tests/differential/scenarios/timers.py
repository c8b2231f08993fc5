"""Timers: alone, several, cancelled, and behind asyncio's time limits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.workflow import ActivityCancellationType

from differential._driver import Driver

MINUTE = timedelta(minutes=1)

released = asyncio.Event()


@activity.defn
async def quick() -> str:
    return "quick"


@activity.defn
async def gated() -> str:
    await released.wait()
    return "late"


@workflow.defn
class OneTimer:
    @workflow.run
    async def run(self, milliseconds: int) -> str:
        before = workflow.now()
        await asyncio.sleep(milliseconds / 1000)
        return f"slept enough: {workflow.now() - before >= timedelta(milliseconds=milliseconds)}"


@workflow.defn
class ZeroTimer:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(0)
        return "no event for a sleep of zero"


@workflow.defn
class ParallelTimers:
    @workflow.run
    async def run(self, seconds: list[float]) -> list[int]:
        order: list[int] = []

        async def wait(index: int) -> None:
            await asyncio.sleep(seconds[index])
            order.append(index)

        await asyncio.gather(*map(wait, range(len(seconds))))
        return order


@workflow.defn
class CancelledTimer:
    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0.1)
        timer.cancel()
        try:
            await timer
        except asyncio.CancelledError:
            return await workflow.execute_activity(quick, start_to_close_timeout=MINUTE)
        return "not cancelled"


@workflow.defn
class Race:
    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(3600))
        work = asyncio.ensure_future(workflow.execute_activity(quick, start_to_close_timeout=MINUTE))
        done, pending = await workflow.wait([timer, work], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return f"{len(done)} done, {len(pending)} pending"


@workflow.defn
class TimeLimit:
    @workflow.run
    async def run(self, in_time: bool) -> str:
        try:
            async with asyncio.timeout(3600 if in_time else 0.2):
                return await workflow.execute_activity(
                    quick if in_time else gated,
                    start_to_close_timeout=MINUTE,
                    cancellation_type=ActivityCancellationType.TRY_CANCEL,
                )
        except TimeoutError:
            return "too late"


@workflow.defn
class WaitFor:
    @workflow.run
    async def run(self) -> str:
        try:
            return await asyncio.wait_for(workflow.execute_activity(gated, start_to_close_timeout=MINUTE), timeout=0.2)
        except TimeoutError:
            return "too late"


@workflow.defn
class Condition:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: False, timeout=0.2)
        except TimeoutError:
            return "never true"
        return "true"


async def scenario_one(d: Driver) -> None:
    await d.outcome(await d.start(OneTimer.run, 150))


async def scenario_zero(d: Driver) -> None:
    await d.outcome(await d.start(ZeroTimer.run))


async def scenario_parallel(d: Driver) -> None:
    await d.outcome(await d.start(ParallelTimers.run, [0.2, 0.2, 0.2]))


async def scenario_one_after_another(d: Driver) -> None:
    """The real server fires together what is due within one second."""
    await d.outcome(await d.start(ParallelTimers.run, [2.5, 0.2]))


async def scenario_cancelled(d: Driver) -> None:
    await d.outcome(await d.start(CancelledTimer.run))


async def scenario_race(d: Driver) -> None:
    await d.outcome(await d.start(Race.run))


async def scenario_time_limit_kept(d: Driver) -> None:
    await d.outcome(await d.start(TimeLimit.run, True))


async def scenario_time_limit_passed(d: Driver) -> None:
    handle = await d.start(TimeLimit.run, False)
    await d.outcome(handle)
    released.set()


async def scenario_wait_for(d: Driver) -> None:
    handle = await d.start(WaitFor.run)
    await d.outcome(handle)
    released.set()


async def scenario_wait_condition(d: Driver) -> None:
    await d.outcome(await d.start(Condition.run))
