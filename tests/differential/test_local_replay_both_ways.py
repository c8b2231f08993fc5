"""Random programs with local activities, recorded on the real server: they replay on the other side, both ways.

As in `test_replay_both_ways`, but most activities are local, and take times of their own.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import temporalio.activity
import temporalio.client
import temporalio.common
import temporalio.exceptions
import temporalio.worker
import temporalio.workflow
from temporalio.api.history.v1 import HistoryEvent

import tsuzuki.workflow
from differential.test_replay_both_ways import replay_on_ours, small
from tsuzuki import activity
from tsuzuki.client import Client
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError
from tsuzuki.worker import Worker

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))

from test_local_official_replayer import Official, Ours, has_silent_news, with_local_ones
from test_official_replayer import program

PROGRAMS = 24
CLOSED_WITHIN_S = 60


def trees() -> Sequence[Any]:
    chance = random.Random(21)
    return [with_local_ones(small(program(chance, 3)), chance) for _ in range(PROGRAMS)]


def seconds(activity_id: str) -> float:
    """How long an activity takes: another order than that of their numbers."""
    return 0.05 * (int(activity_id) * 3 % 5)


def fails(name: str, activity_id: str, attempt: int) -> str:
    if name == "slow to retry" and attempt == 1:
        return "again"
    return "failed" if name in "abc" and int(activity_id) % 4 == 3 else ""


@temporalio.activity.defn(dynamic=True)
async def official_activity(args: Sequence[temporalio.common.RawValue]) -> str:
    info = temporalio.activity.info()
    await asyncio.sleep(seconds(info.activity_id))
    if failure := fails(info.activity_type, info.activity_id, info.attempt):
        raise temporalio.exceptions.ApplicationError(failure, non_retryable=failure == "failed")
    return f"r{info.activity_id}"


@activity.defn(dynamic=True)
async def our_activity(args: Sequence[RawValue]) -> str:
    info = activity.info()
    await asyncio.sleep(seconds(info.activity_id))
    if failure := fails(info.activity_type, info.activity_id, info.attempt):
        raise ApplicationError(failure, non_retryable=failure == "failed")
    return f"r{info.activity_id}"


def cancels_with_an_outcome(workflow: Any, meanwhile: Callable[[], None]) -> Callable[[str], Awaitable[list[str]]]:
    """A workflow that cancels a call when another one ends, and is told of a third by then."""

    def local(seconds: float) -> Any:
        return workflow.start_local_activity("takes", seconds, start_to_close_timeout=timedelta(minutes=1))

    async def run(cancels: str) -> list[str]:
        order: list[str] = []

        async def watch(name: str, call: Any) -> None:
            await asyncio.gather(call, return_exceptions=True)
            if name == "cancelled":
                for _ in range(9):
                    await asyncio.sleep(0)  # its news come first, and it is noted second
            order.append(name)

        first, third = local(0.1), local(0.3)
        cancelled = (
            workflow.start_activity("nobody runs it", start_to_close_timeout=timedelta(minutes=1))
            if cancels == "activity"
            else local(30)
        )
        watching = [asyncio.create_task(watch("cancelled", cancelled)), asyncio.create_task(watch("third", third))]
        await first
        cancelled.cancel()
        meanwhile()
        await asyncio.gather(*watching)
        await workflow.execute_local_activity(  # history shows the order
            "takes", 0, start_to_close_timeout=timedelta(minutes=1), activity_id=", ".join(order)
        )
        return order

    return run


_official_cancels = cancels_with_an_outcome(temporalio.workflow, lambda: time.sleep(0.6))
_our_cancels = cancels_with_an_outcome(tsuzuki.workflow, lambda: None)


@temporalio.workflow.defn(name="Cancels")
class OfficialCancels:
    @temporalio.workflow.run
    async def run(self, cancels: str) -> list[str]:
        return await _official_cancels(cancels)


@tsuzuki.workflow.defn(name="Cancels")
class OurCancels:
    @tsuzuki.workflow.run
    async def run(self, cancels: str) -> list[str]:
        return await _our_cancels(cancels)


@temporalio.activity.defn
async def takes(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def record(client: Any, queue: str) -> list[list[HistoryEvent]]:
    """Run the programs on whichever worker polls the queue; their histories."""
    handles = [
        await client.start_workflow("Program", tree, id=f"program-{uuid.uuid4()}", task_queue=queue) for tree in trees()
    ]
    # Some have closed by now, and refuse.
    await asyncio.gather(*(handle.signal("poke", 1) for handle in handles[::3]), return_exceptions=True)
    await asyncio.gather(*(handle.cancel() for handle in handles[::4]), return_exceptions=True)
    async with asyncio.timeout(CLOSED_WITHIN_S):
        await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
    return [list((await handle.fetch_history()).events) for handle in handles]


async def test_official_histories_replay_on_ours(real_server: str) -> None:
    client = await temporalio.client.Client.connect(real_server)
    queue = f"queue-{uuid.uuid4()}"
    async with temporalio.worker.Worker(
        client,
        task_queue=queue,
        workflows=[Official],
        activities=[official_activity],
        workflow_runner=temporalio.worker.UnsandboxedWorkflowRunner(),
    ):
        histories = await record(client, queue)
    for tree, events in zip(trees(), histories, strict=True):
        replay_on_ours(Ours, events, tree)


@pytest.mark.parametrize("cancels", ["activity", "local activity"])
async def test_what_a_cancellation_brings_is_told_together_with_an_outcome_that_came_meanwhile(
    real_server: str, cancels: str
) -> None:
    """The official worker tells the code of both in one step; a replay in two would have another order."""
    client = await temporalio.client.Client.connect(real_server)
    queue = f"queue-{uuid.uuid4()}"
    async with temporalio.worker.Worker(
        client,
        task_queue=queue,
        workflows=[OfficialCancels],
        activities=[takes],
        workflow_runner=temporalio.worker.UnsandboxedWorkflowRunner(),
        debug_mode=True,  # its code blocks on purpose
    ):
        handle = await client.start_workflow("Cancels", cancels, id=f"cancels-{uuid.uuid4()}", task_queue=queue)
        order = await handle.result()
        events = list((await handle.fetch_history()).events)
    replay_on_ours(OurCancels, events, order)


async def test_our_histories_replay_on_the_official_sdk(real_server: str) -> None:
    queue = f"queue-{uuid.uuid4()}"
    async with (
        await Client.connect(real_server) as client,
        Worker(client, task_queue=queue, workflows=[Ours], activities=[our_activity]),
    ):
        histories = await record(client, queue)
    replayer = temporalio.worker.Replayer(
        workflows=[Official],
        workflow_runner=temporalio.worker.UnsandboxedWorkflowRunner(),
        debug_mode=True,  # a busy machine is no deadlock
    )
    for events in histories:
        if not has_silent_news(events):
            await replayer.replay_workflow(temporalio.client.WorkflowHistory("id", events))
