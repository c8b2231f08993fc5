"""A program that runs a workflow with local activities on a database, and dies where it is told to, the first time.

Beside the database it keeps a log: a line for each execution, on disk before the activity returns.

    python local_activity_program.py DATABASE LOG DIES
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.worker import Worker

QUEUE = "queue"
LONG = timedelta(minutes=5)
POLL_S = 0.01

database, log, dies = sys.argv[1:]


def note(name: str) -> bool:
    """Note an execution; True when the process is to die in it."""
    with open(log, "a+") as lines:
        lines.seek(0)
        first_time = name not in lines.read().split()
        lines.write(name + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    return first_time and name == dies.partition(":")[0]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@activity.defn
async def first() -> str:
    if note("first"):
        die()
    return "first"


@activity.defn
async def second() -> str:
    if note("second"):
        if dies == "second:late":
            await heartbeat_recorded()
        die()
    return "second"


@activity.defn
async def ordinary() -> str:
    if note("ordinary"):
        die()
    return "ordinary"


@workflow.defn
class Calls:
    @workflow.run
    async def run(self) -> list[str]:
        return [
            await workflow.execute_local_activity(first, start_to_close_timeout=LONG),
            await workflow.execute_local_activity(second, start_to_close_timeout=LONG),
            await workflow.execute_activity(ordinary, start_to_close_timeout=LONG),
        ]


handle: WorkflowHandle[Any, Any]


async def heartbeat_recorded() -> None:
    """Wait for the heartbeat of the workflow task, which records what ended before it."""
    while True:
        events = (await handle.fetch_history()).events
        if any(event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED for event in events):
            return
        await asyncio.sleep(POLL_S)


async def main() -> None:
    global handle
    async with await Client.connect(database) as client:
        handle = await client.start_workflow(
            Calls.run,
            id="calls",
            task_queue=QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        async with Worker(client, task_queue=QUEUE, workflows=[Calls], activities=[first, second, ordinary]):
            print(await handle.result())


asyncio.run(main())
