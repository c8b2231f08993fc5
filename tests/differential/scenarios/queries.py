"""Queries: answered from the state that everything acknowledged leads to, and recorded nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict
from temporalio import workflow
from temporalio.common import QueryRejectCondition, RawValue
from temporalio.exceptions import ApplicationError

from differential._driver import Driver


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.done = False

    @workflow.run
    async def run(self, fails: bool = False) -> int:
        await workflow.wait_condition(lambda: self.done)
        if fails:
            raise ApplicationError("as asked")
        return self.count

    @workflow.signal(description="one more")
    def add(self, by: int) -> None:
        self.count += by

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.query
    def current(self) -> int:
        return self.count

    @workflow.query(name="times", description="the count so many times")
    def multiplied(self, factor: int) -> int:
        return self.count * factor

    @workflow.query
    def broken(self) -> int:
        raise ApplicationError("no answer", "a detail", type="Broken")

    @workflow.query
    def acts(self) -> int:
        asyncio.get_running_loop().call_later(1, print)
        return 1


@workflow.defn
class Setter:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self) -> None:
        workflow.set_query_handler("set", lambda: "by the code")
        await workflow.wait_condition(lambda: self.done)

    @workflow.query(dynamic=True)
    def others(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} with {len(args)}"

    @workflow.signal
    def finish(self) -> None:
        self.done = True


async def scenario_query(d: Driver) -> None:
    handle = await d.start(Counter.run)
    await d.attempt("at once", handle.query(Counter.current))
    for by in (1, 2, 3):
        await handle.signal(Counter.add, by)
        await d.attempt("after a signal", handle.query(Counter.current))
    await d.attempt("by name", handle.query("times", 2))
    await d.attempt("by method", handle.query(Counter.multiplied, args=[3]))
    await handle.signal(Counter.finish)
    await d.outcome(handle)
    await d.attempt("closed", handle.query(Counter.current))


async def scenario_query_of_a_failed_run(d: Driver) -> None:
    handle = await d.start(Counter.run, True)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    await handle.signal(Counter.add, 5)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await handle.signal(Counter.finish)
    await d.outcome(handle)
    await d.attempt("failed", handle.query(Counter.current))


async def scenario_query_of_a_terminated_run(d: Driver) -> None:
    handle = await d.start(Counter.run)
    await d.attempt("open", handle.query(Counter.current))
    await handle.signal(Counter.add, 5)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await handle.terminate(reason="enough")
    await d.attempt("terminated", handle.query(Counter.current))


async def scenario_query_fails(d: Driver) -> None:
    handle = await d.start(Counter.run)
    await d.attempt("raises", handle.query(Counter.broken))
    await d.attempt("unknown", handle.query("no such query"))
    await d.attempt("acts", handle.query(Counter.acts))
    await d.attempt("too many arguments", handle.query("current", args=[1, 2]))
    await d.attempt("and it goes on", handle.query(Counter.current))
    await handle.signal(Counter.finish)
    await d.outcome(handle)


async def scenario_query_rejected(d: Driver) -> None:
    async def ask(handle: object, condition: QueryRejectCondition) -> None:
        query = handle.query(Counter.current, reject_condition=condition)  # type: ignore[attr-defined]
        await d.attempt(condition.name, query)

    for name, fails in (("good", False), ("bad", True)):
        handle = await d.start(Counter.run, fails, name=name)
        for condition in QueryRejectCondition:
            await ask(handle, condition)
        await handle.signal(Counter.finish)
        await d.outcome(handle)
        for condition in QueryRejectCondition:
            await ask(handle, condition)


async def scenario_query_dynamic_and_set(d: Driver) -> None:
    handle = await d.start(Setter.run)
    await d.attempt("set", handle.query("set"))
    await d.attempt("dynamic", handle.query("whatever", args=[1, 2]))
    await handle.signal(Setter.finish)
    await d.outcome(handle)
    await d.attempt("closed", handle.query("set"))


async def scenario_query_metadata(d: Driver) -> None:
    handle = await d.start(Counter.run)
    metadata = await handle.query("__temporal_workflow_metadata")
    d.note(MessageToDict(metadata))
    await handle.signal(Counter.finish)
    await d.outcome(handle)


async def scenario_query_of_nothing(d: Driver) -> None:
    handle = d.client.get_workflow_handle(d.workflow_id("never started"))
    await d.attempt("query", handle.query("current"))
