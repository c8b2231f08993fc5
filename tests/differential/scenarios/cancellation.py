"""Cancelling workflows, activities and what they wait for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from differential._driver import Driver

MINUTE = timedelta(minutes=1)

started = asyncio.Event()
stopped = asyncio.Event()
released = asyncio.Event()


@activity.defn
async def beat_until_cancelled() -> str:
    started.set()
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        stopped.set()
        raise


@activity.defn
async def finish_in_spite() -> str:
    """Hears of the cancellation and finishes its work all the same."""
    started.set()
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return "finished in spite"


@activity.defn
async def gated() -> str:
    started.set()
    await released.wait()
    return "released"


@activity.defn
async def clean_up() -> str:
    return "clean"


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self, kind: int) -> str:
        return await workflow.execute_activity(
            gated if kind == ActivityCancellationType.ABANDON else beat_until_cancelled,
            start_to_close_timeout=MINUTE,
            heartbeat_timeout=None if kind == ActivityCancellationType.ABANDON else timedelta(seconds=20),
            cancellation_type=ActivityCancellationType(kind),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn
class InSpite:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            finish_in_spite,
            start_to_close_timeout=MINUTE,
            heartbeat_timeout=timedelta(seconds=20),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(3600)


@workflow.defn
class CleansUp:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return await workflow.execute_activity(clean_up, start_to_close_timeout=MINUTE)
        return "not cancelled"


@workflow.defn
class CleansUpThenCancelled:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            await workflow.execute_activity(clean_up, start_to_close_timeout=MINUTE)
        return "not cancelled"


@workflow.defn
class CancelsItsActivity:
    """Cancels an activity itself, once a timer has fired, and goes on."""

    @workflow.run
    async def run(self) -> str:
        running = workflow.start_activity(
            beat_until_cancelled,
            start_to_close_timeout=MINUTE,
            heartbeat_timeout=timedelta(seconds=20),
            cancellation_type=ActivityCancellationType.TRY_CANCEL,
        )
        await asyncio.sleep(0.3)
        running.cancel()
        try:
            await running
        except ActivityError as error:
            return f"cancelled: {is_cancelled_exception(error)}"
        return "not cancelled"


@workflow.defn
class CancelledBeforeItIsSent:
    """Starts and cancels in one workflow task: neither may leave a trace."""

    @workflow.run
    async def run(self) -> str:
        activity_ = workflow.start_activity(clean_up, start_to_close_timeout=MINUTE)
        timer = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        activity_.cancel()
        timer.cancel()
        seen = await asyncio.gather(activity_, timer, return_exceptions=True)
        return " ".join(type(error).__name__ for error in seen)


async def _cancel_while_running(d: Driver, kind: ActivityCancellationType) -> None:
    handle = await d.start(OneActivity.run, int(kind))
    await started.wait()
    await handle.cancel()
    await d.outcome(handle)
    released.set()


async def scenario_try_cancel(d: Driver) -> None:
    await _cancel_while_running(d, ActivityCancellationType.TRY_CANCEL)


async def scenario_wait_for_completion(d: Driver) -> None:
    await _cancel_while_running(d, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)


async def scenario_abandon(d: Driver) -> None:
    await _cancel_while_running(d, ActivityCancellationType.ABANDON)


async def scenario_finishes_in_spite(d: Driver) -> None:
    handle = await d.start(InSpite.run)
    await started.wait()
    await handle.cancel()
    await d.outcome(handle)


async def scenario_during_timer(d: Driver) -> None:
    handle = await d.start(Sleeper.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.cancel()
    await d.outcome(handle)
    await d.attempt("cancel once more", handle.cancel())


async def scenario_twice(d: Driver) -> None:
    handle = await d.start(CleansUpThenCancelled.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.cancel()
    await handle.cancel()
    await d.outcome(handle)


async def scenario_before_first_task(d: Driver) -> None:
    handle = await d.start(Sleeper.run, start_delay=timedelta(milliseconds=700))
    await handle.cancel()
    await d.outcome(handle)


async def scenario_clean_up_then_return(d: Driver) -> None:
    handle = await d.start(CleansUp.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.cancel()
    await d.outcome(handle)


async def scenario_clean_up_then_cancelled(d: Driver) -> None:
    handle = await d.start(CleansUpThenCancelled.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.cancel()
    await d.outcome(handle)


async def scenario_by_the_workflow(d: Driver) -> None:
    await d.outcome(await d.start(CancelsItsActivity.run))


async def scenario_before_it_is_sent(d: Driver) -> None:
    await d.outcome(await d.start(CancelledBeforeItIsSent.run))
