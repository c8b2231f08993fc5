"""Pausing, resuming and cancelling anywhere, with crashes in between: the same result, or a clean cancel.

A seed draws a program and what is done to it while it runs. `TSUZUKI_SEEDS=500 pytest tests/agents` tries more of them.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any, cast

import pytest
from control_programs import Controlled, Program, draw, expected
from sim_store import Disk

from tsuzuki import activity
from tsuzuki.agents import RemoteControl
from tsuzuki.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowNotFoundError
from tsuzuki.engine import EmbeddedService, open_embedded
from tsuzuki.exceptions import is_cancelled_exception
from tsuzuki.replay import Replayer
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker

SEEDS = int(os.environ.get("TSUZUKI_SEEDS", "25"))
QUEUE = "queue"
HOUR = timedelta(hours=1)


class Line:
    """Between worker and engine; once it is cut nothing gets through."""

    def __init__(self, service: EmbeddedService) -> None:
        self._service = service
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if not inspect.iscoroutinefunction(call := getattr(self._service, name)):
            return call

        async def through(request: Any) -> Any:
            if self.cut:
                raise ServiceError(StatusCode.PERMISSION_DENIED, "the line is cut")
            return await call(request)

        return through


class CrashingSite:
    """Engine and worker over one store; a crash takes both away, and what they knew."""

    def __init__(self, chance: random.Random) -> None:
        self.disk = Disk(None)
        self.chance = chance
        self.clock = VirtualClock()

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        self.store = self.disk.open()
        service = await open_embedded(None, store=self.store, clock=self.clock)
        self._service = service
        self.line = Line(service)
        self.client = Client(cast(Any, self.line))
        worker = Worker(
            self.client,
            task_queue=QUEUE,
            workflows=[Controlled],
            activities=[self.act],
            max_cached_workflows=self.chance.choice([0, 100]),
        )
        await self._stack.enter_async_context(worker)

    async def crash(self) -> None:
        self.line.cut = True  # what the worker would still say on its way out is lost
        with suppress(ServiceError):
            await self._stack.aclose()
        await self._service.close()
        await self.open()

    async def close(self) -> None:
        await self._stack.aclose()
        await self._service.close()

    @activity.defn(name="act")
    async def act(self, name: str) -> str:
        """Take some virtual time."""
        over = asyncio.Event()
        alarm = self.clock.call_at(self.clock.now_ns() + self.chance.choice([0, 1, 4]) * 10**9, over.set)
        try:
            await over.wait()
        finally:
            alarm.cancel()
        return name


async def disturb(site: CrashingSite, chance: random.Random, *, may_cancel: bool) -> str:
    """One thing that happens to the run; gives what it was."""
    deed = chance.choice(
        ["pause", "pause", "resume", "resume", "crash", *(["cancel", "announced"] if may_cancel else [])]
    )
    handle = site.client.get_workflow_handle("root")
    control = RemoteControl(handle, by="the test")
    try:
        match deed:
            case "pause":
                await control.pause("why not")
            case "resume":
                await control.resume()
            case "cancel":
                await handle.signal("cancel", "enough")
            case "announced":
                await control.cancel("enough")
            case "crash":
                await site.crash()
    except WorkflowNotFoundError:
        return "nothing"  # it has closed
    return deed


async def outcome(site: CrashingSite) -> Any:
    try:
        handle = site.client.get_workflow_handle("root", result_type=list[str])
        assert (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING, await RemoteControl(
            handle
        ).state()
        return await handle.result()
    except WorkflowFailureError as failed:
        if not is_cancelled_exception(failed.cause or failed):
            raise
        return None


async def check_histories(client: Client) -> None:
    """No run is left open, and each replays."""
    histories = []
    async for run in client.list_workflows():
        assert run.status is not WorkflowExecutionStatus.RUNNING, run.id
        histories.append(await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history())
    for history in histories:
        await Replayer(workflows=[Controlled]).replay_workflow(history)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_result_is_the_same_or_the_cancel_is_clean(seed: int) -> None:
    chance = random.Random(seed)
    program: Program = draw(chance)
    print(f"seed {seed}: {program}")
    site = CrashingSite(chance)
    await site.open()
    try:
        await site.client.start_workflow(Controlled.run, program, id="root", task_queue=QUEUE)
        may_cancel = chance.random() < 0.5
        deeds = []
        for _ in range(chance.randint(1, 8)):
            await site.clock.advance(timedelta(seconds=chance.choice([0, 0, 1, 2, 10])))
            deeds.append(await disturb(site, chance, may_cancel=may_cancel))
        print(deeds)
        if "cancel" not in deeds and "announced" not in deeds:
            with suppress(WorkflowNotFoundError):  # it has closed
                await RemoteControl(site.client.get_workflow_handle("root")).resume()
        await site.clock.advance(HOUR)
        given = await outcome(site)
        if given is None:
            assert "cancel" in deeds or "announced" in deeds
        else:
            assert given == expected(program)
        await check_histories(site.client)
    finally:
        await site.close()
