"""Workflows and activities that the client tests drive: an official program, or ours with the imports changed.

A fresh copy is loaded for each test, inside its event loop; the globals are the moments that the test waits for.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

SHORT = timedelta(seconds=30)

second_attempt = asyncio.Event()
token: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


@activity.defn
async def fail_once() -> str:
    if activity.info().attempt == 1:
        activity.heartbeat({"done": 3})
        raise ApplicationError("no", {"why": "net"}, type="Offline")
    second_attempt.set()
    await asyncio.Event().wait()
    return "never"


@activity.defn
async def hand_over() -> str:
    token.set_result(activity.info().task_token)
    activity.raise_complete_async()


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, value: Any) -> Any:
        return value


@workflow.defn
class Fail:
    @workflow.run
    async def run(self) -> None:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise ApplicationError("outer", 7, type="Outer", non_retryable=True) from error


@workflow.defn
class Stuck:
    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("this code is broken")


@workflow.defn
class RunActivity:
    @workflow.run
    async def run(self, name: str, attempts: int) -> Any:
        return await workflow.execute_activity(
            name,
            start_to_close_timeout=SHORT,
            heartbeat_timeout=SHORT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=attempts),
        )


@workflow.defn
class FailFirstRun:
    @workflow.run
    async def run(self) -> int:
        attempt = workflow.info().attempt
        if attempt < 3:
            raise ApplicationError(f"run {attempt}")
        return attempt


@workflow.defn
class Wait:
    @workflow.run
    async def run(self) -> None:
        await asyncio.Event().wait()
