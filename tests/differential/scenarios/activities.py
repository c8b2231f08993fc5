"""Activities: how many, in which order, tried how often, finished by whom."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from differential._driver import Driver

MINUTE = timedelta(minutes=1)
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)

gates = [asyncio.Event() for _ in range(3)]
tokens: list[bytes] = []
asked = asyncio.Event()


@dataclass
class Order:
    item: str
    count: int
    note: str | None = None


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@activity.defn
async def price(order: Order, tags: list[str]) -> Order:
    return Order(order.item, order.count * 2, note=",".join(tags))


@activity.defn
def in_thread(name: str) -> bool:
    return threading.current_thread() is not threading.main_thread() and bool(name)


@activity.defn
async def nothing() -> None:
    return None


@activity.defn
async def gated(index: int) -> int:
    await gates[index].wait()
    return index


@activity.defn
async def flaky(failures: int) -> int:
    attempt = activity.info().attempt
    if attempt <= failures:
        raise ApplicationError(f"attempt {attempt} fails", attempt, type="Flaky")
    return attempt


@activity.defn
async def hasty() -> int:
    attempt = activity.info().attempt
    if attempt == 1:
        raise ApplicationError("come back soon", next_retry_delay=timedelta(milliseconds=50))
    return attempt


@activity.defn
async def hopeless(how: str) -> None:
    if how == "flag":
        raise ApplicationError("never", "detail", type="Final", non_retryable=True)
    if how == "value error":
        raise ValueError("an ordinary exception")
    try:
        raise KeyError("root")
    except KeyError as root:
        raise ApplicationError("wrapped", type="Wrapped") from root


@activity.defn
async def outside(by: str) -> str:
    tokens.append(activity.info().task_token)
    asked.set()
    activity.raise_complete_async()


@workflow.defn
class One:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=MINUTE)


@workflow.defn
class Values:
    @workflow.run
    async def run(self, order: Order) -> Order:
        await workflow.execute_activity(nothing, start_to_close_timeout=MINUTE, summary="does nothing")
        return await workflow.execute_activity(
            price, args=[order, ["a", "b"]], start_to_close_timeout=MINUTE, activity_id="priced"
        )


@workflow.defn
class InThread:
    @workflow.run
    async def run(self) -> bool:
        return await workflow.execute_activity(in_thread, "x", schedule_to_close_timeout=MINUTE)


@workflow.defn
class Sequential:
    @workflow.run
    async def run(self) -> list[str]:
        return [await workflow.execute_activity(greet, name, start_to_close_timeout=MINUTE) for name in ("a", "b", "c")]


@workflow.defn
class Parallel:
    @workflow.run
    async def run(self) -> list[int]:
        return await asyncio.gather(
            *(workflow.execute_activity(gated, index, start_to_close_timeout=MINUTE) for index in range(3))
        )


@workflow.defn
class Retried:
    @workflow.run
    async def run(self, failures: int) -> int:
        return await workflow.execute_activity(flaky, failures, start_to_close_timeout=MINUTE, retry_policy=QUICK)


@workflow.defn
class Hasty:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            hasty,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)),
        )


@workflow.defn
class Hopeless:
    @workflow.run
    async def run(self, how: str) -> None:
        await workflow.execute_activity(
            hopeless,
            how,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100),
                backoff_coefficient=3,
                maximum_interval=timedelta(seconds=30),
                maximum_attempts=1 if how == "value error" else 9,
                non_retryable_error_types=["Wrapped", "Other"],
            ),
        )


@workflow.defn
class Caught:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(hopeless, "flag", start_to_close_timeout=MINUTE)
        except ActivityError as error:
            cause = error.cause
            assert isinstance(cause, ApplicationError)
            return f"{error.activity_type} {cause.type} {cause.message} {list(cause.details)}"
        return "no error"


@workflow.defn
class Outside:
    @workflow.run
    async def run(self, by: str) -> str:
        return await workflow.execute_activity(
            outside, by, start_to_close_timeout=MINUTE, activity_id="outside", retry_policy=QUICK
        )


async def scenario_one(d: Driver) -> None:
    await d.outcome(await d.start(One.run, "world"))


async def scenario_values(d: Driver) -> None:
    await d.outcome(await d.start(Values.run, Order("pen", 3), memo={"team": "a", "size": 3}))


async def scenario_sync_in_thread(d: Driver) -> None:
    await d.outcome(await d.start(InThread.run))


async def scenario_sequential(d: Driver) -> None:
    await d.outcome(await d.start(Sequential.run))


async def scenario_parallel(d: Driver) -> None:
    handle = await d.start(Parallel.run)
    for done, index in enumerate((2, 0, 1), start=2):
        await d.until(handle, "WORKFLOW_TASK_COMPLETED", done - 1)
        gates[index].set()
        await d.until(handle, "ACTIVITY_TASK_COMPLETED", done - 1)
    await d.outcome(handle)


async def scenario_retry_then_success(d: Driver) -> None:
    await d.outcome(await d.start(Retried.run, 2))


async def scenario_retries_exhausted(d: Driver) -> None:
    await d.outcome(await d.start(Retried.run, 5))


async def scenario_next_retry_delay(d: Driver) -> None:
    await d.outcome(await d.start(Hasty.run))


async def scenario_non_retryable_type(d: Driver) -> None:
    await d.outcome(await d.start(Hopeless.run, "type"))


async def scenario_non_retryable_flag(d: Driver) -> None:
    await d.outcome(await d.start(Hopeless.run, "flag"))


async def scenario_ordinary_exception(d: Driver) -> None:
    await d.outcome(await d.start(Hopeless.run, "value error"))


async def scenario_failure_caught(d: Driver) -> None:
    await d.outcome(await d.start(Caught.run))


async def scenario_completed_by_token(d: Driver) -> None:
    handle = await d.start(Outside.run, "token")
    await asked.wait()
    await d.client.get_async_activity_handle(task_token=tokens[0]).complete("from outside")
    await d.outcome(handle)
    again = d.client.get_async_activity_handle(task_token=tokens[0])
    await d.attempt("second completion", again.complete("twice"))


async def scenario_completed_by_id(d: Driver) -> None:
    handle = await d.start(Outside.run, "id")
    await asked.wait()
    outside = d.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="outside")
    await outside.heartbeat("half")
    await outside.complete("from outside")
    await d.outcome(handle)


async def scenario_failed_from_outside(d: Driver) -> None:
    handle = await d.start(Outside.run, "token")
    await asked.wait()
    outside = d.client.get_async_activity_handle(task_token=tokens[0])
    await outside.fail(ApplicationError("broken outside", type="Outside", non_retryable=True))
    await d.outcome(handle)
