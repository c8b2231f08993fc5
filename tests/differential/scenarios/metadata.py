"""What is said for people: summaries and details of workflows, children, timers and activities."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

from differential._driver import Driver

MINUTE = timedelta(minutes=1)


@activity.defn
def nothing() -> None:
    pass


@workflow.defn
class Says:
    def __init__(self) -> None:
        self.ended = False

    @workflow.run
    async def run(self) -> str:
        before = workflow.get_current_details()
        workflow.set_current_details("waits for **end**")
        await workflow.wait_condition(lambda: self.ended)
        workflow.set_current_details("ended")
        return f"{before!r} {workflow.get_current_details()!r}"

    @workflow.signal
    def end(self) -> None:
        self.ended = True

    @workflow.query
    def set_in_a_query(self) -> str:
        try:
            workflow.set_current_details("no")
        except Exception:
            return "refused"
        return "taken"


@workflow.defn
class Child:
    @workflow.run
    async def run(self) -> None:
        pass


@workflow.defn
class Summarizes:
    @workflow.run
    async def run(self, child_id: str) -> None:
        await workflow.sleep(0.1, summary="a short rest")
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: False, timeout=0.1, timeout_summary="in vain")
        await workflow.execute_activity(nothing, start_to_close_timeout=MINUTE, summary="does nothing")
        await workflow.execute_child_workflow(
            Child.run, id=child_id, static_summary="a child", static_details="of few words"
        )


async def scenario_current_details(d: Driver) -> None:
    handle = await d.start(Says.run)
    await _look(d, handle)
    await handle.signal("end")
    await d.until(handle, "WORKFLOW_EXECUTION_COMPLETED")
    await _look(d, handle)
    await d.outcome(handle)


async def _look(d: Driver, handle: Any) -> None:
    metadata = await handle.query("__temporal_workflow_metadata")
    d.note(metadata.current_details)
    await d.attempt("set in a query", handle.query("set_in_a_query"))


async def scenario_summaries(d: Driver) -> None:
    handle = await d.start(
        Summarizes.run, d.workflow_id("child"), static_summary="a parent", static_details="of some words"
    )
    await d.outcome(handle)
    child = d.client.get_workflow_handle(d.workflow_id("child"))
    for described in (await handle.describe(), await child.describe()):
        d.note([await described.static_summary(), await described.static_details()])
    d.watch(d.client.get_workflow_handle(child.id, run_id=described.run_id))


async def scenario_summary_after_continue_as_new(d: Driver) -> None:
    handle = await d.start(Continues.run, True, static_summary="first", static_details="and more")
    await d.outcome(handle)
    following = await d.watch_next_run(handle)
    described: Any = await following.describe()
    d.note([await described.static_summary(), await described.static_details()])


@workflow.defn
class Continues:
    @workflow.run
    async def run(self, again: bool) -> None:
        if again:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
