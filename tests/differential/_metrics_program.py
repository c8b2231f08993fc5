"""A workflow that succeeds or fails, with a metric of its own; loaded for either package."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from temporalio import activity, client, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

__all__ = ["Measured", "client", "work"]


@activity.defn
async def work(fail: bool) -> None:
    activity.metric_meter().create_counter("worked").add(1)
    if fail:
        raise ValueError("no")


@workflow.defn
class Measured:
    @workflow.run
    async def run(self, fail: bool) -> None:
        workflow.metric_meter().create_counter("mine", "what", "things").add(1, {"more": "yes"})
        await asyncio.sleep(0.05)
        await workflow.execute_local_activity(work, False, start_to_close_timeout=timedelta(seconds=10))
        with contextlib.suppress(ApplicationError):
            await workflow.execute_local_activity(
                work,
                True,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        await workflow.execute_activity(
            work,
            fail,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
