"""Failures of workflows, and of the workflow tasks that run them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

MINUTE = timedelta(minutes=1)

bugs = 0
"""How many more workflow tasks fail before the code is mended."""


def stumble() -> None:
    global bugs
    if bugs > 0:
        bugs -= 1
        raise RuntimeError("a bug in the workflow")


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@activity.defn
async def refuse() -> None:
    raise ApplicationError("refused", {"code": 7}, type="Refused", non_retryable=True)


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, how: str) -> None:
        if how == "chain":
            try:
                try:
                    raise KeyError("root")
                except KeyError as root:
                    raise ValueError("middle") from root
            except ValueError as middle:
                raise ApplicationError("top", "detail", 3, type="Top", non_retryable=True) from middle
        if how == "activity":
            await workflow.execute_activity(refuse, start_to_close_timeout=MINUTE)
        if how == "cancelled":
            raise asyncio.CancelledError
        raise ApplicationError("plain")


@workflow.defn
class Mended:
    @workflow.run
    async def run(self) -> str:
        first = await workflow.execute_activity(greet, "first", start_to_close_timeout=MINUTE)
        stumble()
        return first + await workflow.execute_activity(greet, "second", start_to_close_timeout=MINUTE)


@workflow.defn
class MendedAtOnce:
    @workflow.run
    async def run(self) -> str:
        stumble()
        return "mended"


@workflow.defn(failure_exception_types=[ValueError])
class OwnFailureTypes:
    @workflow.run
    async def run(self) -> None:
        raise ValueError("counts as a failure here")


@workflow.defn
class FailsOnce:
    @workflow.run
    async def run(self, times: int) -> int:
        attempt = workflow.info().attempt
        if attempt <= times:
            raise ApplicationError(f"run {attempt} fails", type="Again")
        return attempt


async def scenario_application_error(d: Driver) -> None:
    await d.outcome(await d.start(Fails.run, "plain"))


async def scenario_cause_chain(d: Driver) -> None:
    await d.outcome(await d.start(Fails.run, "chain"))


async def scenario_activity_error_not_caught(d: Driver) -> None:
    await d.outcome(await d.start(Fails.run, "activity"))


async def scenario_own_failure_types(d: Driver) -> None:
    await d.outcome(await d.start(OwnFailureTypes.run))


async def _mended_after(d: Driver, failures: int, workflow_: type[Mended] | type[MendedAtOnce]) -> None:
    global bugs
    bugs = failures
    await d.outcome(await d.start(workflow_.run))


async def scenario_task_failure_then_mended(d: Driver) -> None:
    await _mended_after(d, 1, Mended)


async def scenario_two_task_failures_then_mended(d: Driver) -> None:
    await _mended_after(d, 2, Mended)


async def scenario_three_task_failures_then_mended(d: Driver) -> None:
    await _mended_after(d, 3, Mended)


async def scenario_first_task_failure_then_mended(d: Driver) -> None:
    await _mended_after(d, 1, MendedAtOnce)


async def scenario_first_task_failing_twice_then_mended(d: Driver) -> None:
    await _mended_after(d, 2, MendedAtOnce)


INTERVAL = timedelta(milliseconds=1100)
"""The real server starts no run within a second of the one before; a longer interval it keeps as it is."""


async def _retried(d: Driver, times: int, policy: RetryPolicy, runs: int) -> None:
    handle = await d.start(FailsOnce.run, times, retry_policy=policy)
    await d.outcome(handle)
    for _ in range(runs - 1):
        handle = await d.watch_next_run(handle)


async def scenario_workflow_retried(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=INTERVAL, backoff_coefficient=1, maximum_attempts=3)
    await _retried(d, 2, policy, runs=3)


async def scenario_workflow_retries_exhausted(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=INTERVAL, maximum_attempts=2)
    await _retried(d, 5, policy, runs=2)


async def scenario_workflow_not_retried_for_type(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=INTERVAL, non_retryable_error_types=["Again"])
    await _retried(d, 5, policy, runs=1)
