"""The order of futures and tasks is that of a replay, whatever the run was asked that left no trace in its history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowUpdateFailedError
from tsuzuki.common import RawValue
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker

MINUTE = timedelta(minutes=1)
GROUPS = 8


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> None:
    """Of any name."""


@workflow.defn
class Ordered:
    """Does things in the order in which sets give them: small ones, so that a place further is another order."""

    def __init__(self) -> None:
        self.going = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.going)
        for group in range(GROUPS):
            futures = [asyncio.get_running_loop().create_future() for _ in range(4)]
            number = {future: place for place, future in enumerate(futures)}
            for future in set(futures):
                await workflow.execute_activity(f"a{group}-{number[future]}", start_to_close_timeout=MINUTE)

    @workflow.signal
    def go(self) -> None:
        self.going = True

    @workflow.query
    def look(self) -> str:
        asyncio.get_running_loop().create_future()
        return ""

    @workflow.update
    def change(self, to: int) -> None:
        pass

    @change.validator
    def check(self, to: int) -> None:
        asyncio.get_running_loop().create_future()
        if to < 0:
            raise ValueError("negative")


@pytest.mark.parametrize("asked", ["query", "rejected", "accepted"])
async def test_what_leaves_no_trace_moves_nothing(asked: str) -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="q", workflows=[Ordered], activities=[anything]),
    ):
        handle = await client.start_workflow(Ordered.run, id="w", task_queue="q")
        if asked == "query":
            await handle.query(Ordered.look)
        elif asked == "accepted":
            await handle.execute_update(Ordered.change, 1)
        else:
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(Ordered.change, -1)
        await handle.signal(Ordered.go)
        await handle.result()
        await Replayer(workflows=[Ordered]).replay_workflow(await handle.fetch_history())
