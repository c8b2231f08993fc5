"""Histories recorded on the real server replay on the other side: official ones on ours, ours on theirs.

The programs are random; several run at once, because the real server's timers are slow. What a replay
compares is every command with the event that records it, in order.
"""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import temporalio.activity
import temporalio.client
import temporalio.common
import temporalio.exceptions
import temporalio.worker
from temporalio.api.history.v1 import HistoryEvent

import tsuzuki.workflow
from tsuzuki import activity
from tsuzuki.client import Client
from tsuzuki.common import RawValue
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import ApplicationError
from tsuzuki.worker import Worker
from tsuzuki.worker._activation import activate
from tsuzuki.worker._run_settings import RunSettings
from tsuzuki.worker._workflow_run import WorkflowRun

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))

from test_official_replayer import Official, Ours, program

PROGRAMS = 16
SECONDS_SCALE = 0.1
CLOSED_WITHIN_S = 60


def small(tree: Any) -> Any:
    """The same program with shorter waits; a whole number of seconds is what the real server would take."""
    if tree[0] in ("sleep", "nap"):
        return [tree[0], tree[1] * SECONDS_SCALE]
    if tree[0] in ("timeout", "wait_for", "cancel"):
        return [tree[0], tree[1] * SECONDS_SCALE, small(tree[2])]
    if tree[0] == "until":
        return [tree[0], tree[1], tree[2] * SECONDS_SCALE]
    return [tree[0], *(small(part) if isinstance(part, list) else part for part in tree[1:])]


def trees() -> Sequence[Any]:
    chance = random.Random(20)
    return [small(program(chance, 3)) for _ in range(PROGRAMS)]


def fails(name: str, attempt_id: str) -> bool:
    return name in "abc" and int(attempt_id) % 4 == 3


@temporalio.activity.defn(dynamic=True)
async def official_activity(args: Sequence[temporalio.common.RawValue]) -> str:
    info = temporalio.activity.info()
    await asyncio.sleep(0.01)
    if fails(info.activity_type, info.activity_id):
        raise temporalio.exceptions.ApplicationError("failed", non_retryable=True)
    return f"r{info.activity_id}"


@activity.defn(dynamic=True)
async def our_activity(args: Sequence[RawValue]) -> str:
    info = activity.info()
    await asyncio.sleep(0.01)
    if fails(info.activity_type, info.activity_id):
        raise ApplicationError("failed", non_retryable=True)
    return f"r{info.activity_id}"


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


def replay_on_ours(workflow: type[Any], events: list[HistoryEvent], what: object) -> None:
    """Replay a whole history of a run that has closed."""
    settings = RunSettings("default", "queue", DataConverter.default)
    run = WorkflowRun(settings, tsuzuki.workflow.definition_of(workflow), events[0], "id", "run")
    activate(run, events, replay_only=True)
    assert run.closed, what
    run.evict()


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
        await replayer.replay_workflow(temporalio.client.WorkflowHistory("id", events))
