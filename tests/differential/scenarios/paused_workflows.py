"""Workflows that people pause: their code goes on as if nothing had been, and replays."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

from differential._driver import Driver

MINUTE = timedelta(minutes=1)

gate = asyncio.Event()


@activity.defn
async def gated() -> str:
    await gate.wait()
    return "passed"


@workflow.defn
class Waits:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        passed = await workflow.execute_activity(gated, start_to_close_timeout=MINUTE)
        await workflow.sleep(0.1)
        await workflow.wait_condition(lambda: len(self.heard) == 2)
        return [passed, *self.heard]

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)

    @workflow.query
    def so_far(self) -> list[str]:
        return self.heard


async def scenario_what_came_while_paused_is_seen(d: Driver) -> None:
    handle = await d.start(Waits.run)
    await d.until(handle, "ACTIVITY_TASK_SCHEDULED")
    await handle.signal(Waits.hear, "before")
    await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await d.operate("pause_workflow_execution", handle)
    await handle.signal(Waits.hear, "meanwhile")
    gate.set()
    await d.until(handle, "ACTIVITY_TASK_COMPLETED")
    await d.operate("unpause_workflow_execution", handle)
    await d.outcome(handle)
    await d.attempt("query", handle.query(Waits.so_far))


async def scenario_paused_and_cancelled(d: Driver) -> None:
    handle = await d.start(Waits.run)
    await d.until(handle, "ACTIVITY_TASK_SCHEDULED")
    await d.operate("pause_workflow_execution", handle)
    await handle.cancel()
    await d.until(handle, "WORKFLOW_EXECUTION_CANCEL_REQUESTED")
    gate.set()
    await d.until(handle, "ACTIVITY_TASK_COMPLETED")
    await d.operate("unpause_workflow_execution", handle)
    await d.outcome(handle)
