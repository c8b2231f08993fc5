"""Activities that people pause or reset while they run: what their code is told, and what it then leaves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from differential._driver import Driver

PAUSED = 4
"""PENDING_ACTIVITY_STATE_PAUSED"""
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0)


async def _beat_until_stopped() -> None:
    while True:
        activity.heartbeat(f"attempt {activity.info().attempt}")
        await asyncio.sleep(0.02)


def _told() -> str:
    details = activity.cancellation_details()
    return f"paused {details.paused}, reset {details.reset}, cancelled {details.cancel_requested}"


@activity.defn
async def says_what_it_is_told() -> str:
    try:
        await _beat_until_stopped()
    except asyncio.CancelledError:
        return _told()
    return ""


@activity.defn
async def stops_once() -> list[str]:
    info = activity.info()
    if info.attempt == 1:
        await _beat_until_stopped()
    return [*info.heartbeat_details, f"attempt {info.attempt}"]


@activity.defn
def says_in_a_thread() -> str:
    try:
        while True:
            activity.heartbeat()
            activity.wait_for_cancelled_sync(timedelta(milliseconds=20))
    except BaseException as error:
        return f"{type(error).__name__}: {_told()}"


@workflow.defn
class Runs:
    @workflow.run
    async def run(self, name: str) -> Any:
        return await workflow.execute_activity(
            name,
            activity_id="a",
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=QUICK,
        )


async def _begin(d: Driver, name: str) -> Any:
    handle = await d.start(Runs.run, name)
    await d.until_pending(handle, lambda pending: pending.HasField("last_heartbeat_time"))
    return handle


async def scenario_pause_is_told(d: Driver) -> None:
    handle = await _begin(d, "says_what_it_is_told")
    await d.operate("pause_activity", handle, "a")
    await d.outcome(handle)


async def scenario_reset_is_told(d: Driver) -> None:
    handle = await _begin(d, "says_what_it_is_told")
    await d.operate("reset_activity", handle, "a")
    await d.outcome(handle)


async def scenario_pause_is_told_in_a_thread(d: Driver) -> None:
    handle = await _begin(d, "says_in_a_thread")
    await d.operate("pause_activity", handle, "a")
    await d.outcome(handle)


async def scenario_a_paused_attempt_stops_and_another_follows(d: Driver) -> None:
    handle = await _begin(d, "stops_once")
    await d.operate("pause_activity", handle, "a")
    await d.until_pending(handle, lambda pending: pending.state == PAUSED)
    [pending] = (await handle.describe()).raw_description.pending_activities
    d.note(f"attempt {pending.attempt} after {pending.last_failure.message}")
    d.note(pending.last_failure.application_failure_info.type)
    await d.operate("unpause_activity", handle, "a")
    await d.outcome(handle)


async def scenario_a_reset_attempt_stops_and_another_follows(d: Driver) -> None:
    handle = await _begin(d, "stops_once")
    await d.operate("reset_activity", handle, "a")
    await d.outcome(handle)
