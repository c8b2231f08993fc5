"""Workflows and activities on the official Python SDK, one for each thing that it can do with a server."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

STEP = timedelta(seconds=30)


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def fail_twice() -> int:
    if activity.info().attempt < 3:
        raise RuntimeError("not yet")
    return activity.info().attempt


@activity.defn
async def beat_until_cancelled() -> None:
    while True:
        activity.heartbeat("alive")
        await asyncio.sleep(0.05)


@activity.defn
async def finished_from_outside() -> int:
    activity.raise_complete_async()


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=STEP)


@workflow.defn
class Many:
    @workflow.run
    async def run(self, count: int) -> int:
        greetings = await asyncio.gather(
            *(workflow.execute_activity(greet, str(n), start_to_close_timeout=STEP) for n in range(count))
        )
        await workflow.sleep(0.01)
        return len(set(greetings))


@workflow.defn
class Retried:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            fail_twice,
            start_to_close_timeout=STEP,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.total = 0
        self.done = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.done)
        return self.total

    @workflow.signal
    def add(self, amount: int) -> None:
        self.total += amount

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.query
    def total_now(self) -> int:
        return self.total

    @workflow.query
    def broken(self) -> int:
        raise ValueError("no answer")

    @workflow.update
    async def add_and_get(self, amount: int) -> int:
        self.total += amount
        return self.total

    @add_and_get.validator
    def _check(self, amount: int) -> None:
        if amount < 0:
            raise ValueError("negative")


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        return await asyncio.gather(*(workflow.execute_child_workflow(Greeting.run, name) for name in names))


@workflow.defn
class Countdown:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return workflow.info().run_id


@workflow.defn
class Cancelled:
    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_activity(
            beat_until_cancelled,
            start_to_close_timeout=STEP,
            heartbeat_timeout=timedelta(seconds=10),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await handle
        return "not cancelled"


@workflow.defn
class Failing:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("broken", "detail", type="Broken", non_retryable=True)


@workflow.defn
class Elsewhere:
    """Its activity is finished from outside."""

    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(finished_from_outside, start_to_close_timeout=STEP)


WORKFLOWS = [Greeting, Many, Retried, Counter, Parent, Countdown, Cancelled, Failing, Elsewhere]
ACTIVITIES = [greet, fail_twice, beat_until_cancelled, finished_from_outside]
