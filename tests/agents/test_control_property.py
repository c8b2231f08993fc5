"""Pausing, resuming and cancelling anywhere, with crashes in between: the same result, or a clean cancel.

A seed draws a program and what is done to it while it runs. `TSUZUKI_SEEDS=500 pytest tests/agents` tries more of them.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from control_programs import Controlled, Program, draw, expected
from crashing_site import QUEUE, CrashingSite, check_histories

from tsuzuki import activity
from tsuzuki.agents import RemoteControl
from tsuzuki.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowNotFoundError
from tsuzuki.exceptions import is_cancelled_exception
from tsuzuki.testing import VirtualClock

SEEDS = int(os.environ.get("TSUZUKI_SEEDS", "25"))
HOUR = timedelta(hours=1)


def act_taking_time(clock: VirtualClock, chance: random.Random) -> Callable[..., Any]:
    @activity.defn(name="act")
    async def act(name: str) -> str:
        """Take some virtual time."""
        over = asyncio.Event()
        alarm = clock.call_at(clock.now_ns() + chance.choice([0, 1, 4]) * 10**9, over.set)
        try:
            await over.wait()
        finally:
            alarm.cancel()
        return name

    return act


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


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_result_is_the_same_or_the_cancel_is_clean(seed: int) -> None:
    chance = random.Random(seed)
    program: Program = draw(chance)
    print(f"seed {seed}: {program}")
    clock = VirtualClock()
    site = CrashingSite(chance, [Controlled], [act_taking_time(clock, chance)], clock)
    await site.open()
    try:
        await site.client.start_workflow(Controlled.run, program, id="root", task_queue=QUEUE)
        may_cancel = chance.random() < 0.5
        deeds = []
        for _ in range(chance.randint(1, 8)):
            await clock.advance(timedelta(seconds=chance.choice([0, 0, 1, 2, 10])))
            deeds.append(await disturb(site, chance, may_cancel=may_cancel))
        print(deeds)
        if "cancel" not in deeds and "announced" not in deeds:
            with suppress(WorkflowNotFoundError):  # it has closed
                await RemoteControl(site.client.get_workflow_handle("root")).resume()
        await clock.advance(HOUR)
        given = await outcome(site)
        if given is None:
            assert "cancel" in deeds or "announced" in deeds
        else:
            assert given == expected(program)
        await check_histories(site.client, [Controlled])
    finally:
        await site.close()
