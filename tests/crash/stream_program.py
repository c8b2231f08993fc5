"""A worker whose activity streams numbers, and dies where it is told to, the first time.

    python stream_program.py TARGET FLAG DIES COUNT

With a database for a target it starts the workflow too. `FLAG` is a file that says that it has died before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy, WorkflowIDConflictPolicy
from tsuzuki.worker import Worker

QUEUE = "queue"

target, flag, dies, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def die_once() -> None:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@activity.defn
async def count_up() -> int:
    async with activity.open_stream(every=0) as stream:
        await stream.publish("acknowledged")
    async with activity.open_stream(every=0) as stream:
        for number in range(count):
            await stream.publish({"number": number})
            await asyncio.sleep(0)
            if number == dies:
                die_once()
    return count


@workflow.defn
class Counting:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            count_up,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )


async def main() -> None:
    async with await Client.connect(target) as client:
        if target.startswith("sqlite:"):
            await client.start_workflow(
                Counting.run, id="w", task_queue=QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
            )
        # Nothing is cached: the next worker would have to wait until this one's own queue is given up.
        async with Worker(
            client, task_queue=QUEUE, workflows=[Counting], activities=[count_up], max_cached_workflows=0
        ):
            await client.get_workflow_handle("w").result()


asyncio.run(main())
