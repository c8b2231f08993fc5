"""A program that pauses an activity while it runs, or its workflow, and dies at the acknowledgement.

Run again, it waits to be sure that nothing of it goes on, lets it go on, and says the result.

    python paused_program.py DATABASE PAUSES       (PAUSES: activity or workflow)
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.common import RetryPolicy, WorkflowIDConflictPolicy
from tsuzuki.worker import Worker

LONG = timedelta(minutes=5)
A_WHILE_S = 0.3
"""In which a worker would have taken what is not paused a hundred times."""

database, pauses = sys.argv[1:]
begun = asyncio.Event()


@activity.defn
async def work() -> str:
    begun.set()
    if activity.info().attempt == 1:
        await asyncio.sleep(LONG.total_seconds())
    return f"attempt {activity.info().attempt}"


@workflow.defn
class Works:
    @workflow.run
    async def run(self) -> str:
        once = RetryPolicy(maximum_attempts=1) if pauses == "activity" else None
        return await workflow.execute_activity(work, activity_id="w", start_to_close_timeout=LONG, retry_policy=once)


async def is_paused(handle: WorkflowHandle[Any, Any]) -> bool:
    seen = await handle.describe()
    return seen.pause is not None or any(each.pause is not None for each in seen.pending_activities)


async def main() -> None:
    async with await Client.connect(database) as client:
        handle = await client.start_workflow(
            Works.run, id="works", task_queue="queue", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        held = handle.pending_activity("w") if pauses == "activity" else handle
        async with Worker(client, task_queue="queue", workflows=[Works], activities=[work]):
            if not await is_paused(handle):
                await begun.wait()
                await held.pause(reason="before the end")
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.sleep(A_WHILE_S)
            print("went on" if begun.is_set() else "waits")
            await held.unpause()
            print(await handle.result())


asyncio.run(main())
