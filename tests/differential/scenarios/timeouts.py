"""The four activity timeouts, and what heartbeats leave behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from differential._driver import Driver

MINUTE = timedelta(minutes=1)
SHORT = timedelta(milliseconds=300)
ONCE = RetryPolicy(maximum_attempts=1)
TWICE = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2)


@activity.defn
async def hang() -> None:
    await asyncio.Event().wait()


@activity.defn
async def fail() -> None:
    raise ApplicationError("again", type="Again")


@activity.defn
async def beat_then_hang() -> list[str]:
    before = [str(detail) for detail in activity.info().heartbeat_details]
    if before and activity.info().attempt == 2:
        return before
    activity.heartbeat("half", 5)
    await asyncio.Event().wait()
    return []


@activity.defn
async def always_beat_then_hang() -> None:
    activity.heartbeat("stuck here")
    await asyncio.Event().wait()


@workflow.defn
class ScheduleToStart:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(
                hang,
                task_queue="nobody-polls-here",
                start_to_close_timeout=MINUTE,
                schedule_to_start_timeout=SHORT,
            )
        except ActivityError as error:
            kind = error.cause.type if isinstance(error.cause, TimeoutError) else None
            return f"{kind!r} {error.retry_state!r}"
        return "no error"


@workflow.defn
class ScheduleToClose:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(hang, schedule_to_close_timeout=SHORT)


@workflow.defn
class ScheduleToCloseWhileRetrying:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            fail,
            schedule_to_close_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=3)),
        )


@workflow.defn
class StartToClose:
    @workflow.run
    async def run(self, again: bool) -> None:
        await workflow.execute_activity(hang, start_to_close_timeout=SHORT, retry_policy=TWICE if again else ONCE)


@workflow.defn
class Heartbeat:
    @workflow.run
    async def run(self) -> list[str]:
        return await workflow.execute_activity(
            beat_then_hang, start_to_close_timeout=MINUTE, heartbeat_timeout=SHORT, retry_policy=TWICE
        )


@workflow.defn
class HeartbeatExhausted:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            always_beat_then_hang, start_to_close_timeout=MINUTE, heartbeat_timeout=SHORT, retry_policy=TWICE
        )


async def scenario_schedule_to_start(d: Driver) -> None:
    await d.outcome(await d.start(ScheduleToStart.run))


async def scenario_schedule_to_close(d: Driver) -> None:
    await d.outcome(await d.start(ScheduleToClose.run))


async def scenario_schedule_to_close_while_retrying(d: Driver) -> None:
    await d.outcome(await d.start(ScheduleToCloseWhileRetrying.run))


async def scenario_start_to_close(d: Driver) -> None:
    await d.outcome(await d.start(StartToClose.run, False))


async def scenario_start_to_close_twice(d: Driver) -> None:
    await d.outcome(await d.start(StartToClose.run, True))


async def scenario_heartbeat_details(d: Driver) -> None:
    await d.outcome(await d.start(Heartbeat.run))


async def scenario_heartbeat_exhausted(d: Driver) -> None:
    await d.outcome(await d.start(HeartbeatExhausted.run))
