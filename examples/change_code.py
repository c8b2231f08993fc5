"""Change a workflow while a run of it is open: python examples/change_code.py [TARGET]

Before: step A, then step B. After: step C in between, and step B is step B2, which takes something else. A run
that had passed the place when the code changed goes on as it began; every other takes the new way.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

STEP = timedelta(seconds=30)
b_began, b_may_end = asyncio.Event(), asyncio.Event()
"""Keep step B of the old run busy until the code has been changed."""


@dataclass
class Parcel:
    content: str
    express: bool


@activity.defn
async def step_a(order: str) -> str:
    return f"A({order})"


@activity.defn
async def step_b(content: str) -> str:
    b_began.set()
    await b_may_end.wait()
    return f"B({content})"


@activity.defn
async def step_c(content: str) -> str:
    return f"C({content})"


@activity.defn
async def step_b2(parcel: Parcel) -> str:
    return f"B2({parcel.content}, express={parcel.express})"


@workflow.defn(name="MyWorkflow")
class Before:
    @workflow.run
    async def run(self, order: str) -> str:
        content = await workflow.execute_activity(step_a, order, start_to_close_timeout=STEP)
        return await workflow.execute_activity(step_b, content, start_to_close_timeout=STEP)


@workflow.defn(name="MyWorkflow")
class After:
    @workflow.run
    async def run(self, order: str) -> str:
        content = await workflow.execute_activity(step_a, order, start_to_close_timeout=STEP)
        if workflow.get_version("insert_step_c_v1", workflow.DEFAULT_VERSION, 1) >= 1:
            content = await workflow.execute_activity(step_c, content, start_to_close_timeout=STEP)
        if workflow.get_version("step_b_with_parcel_v1", workflow.DEFAULT_VERSION, 1) >= 1:
            return await workflow.execute_activity(step_b2, Parcel(content, express=True), start_to_close_timeout=STEP)
        return await workflow.execute_activity(step_b, content, start_to_close_timeout=STEP)


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="orders", activities=[step_a, step_b, step_c, step_b2]),
    ):
        async with Worker(client, task_queue="orders", workflows=[Before]):
            old = await client.start_workflow(Before.run, "old", id="order-old", task_queue="orders")
            await b_began.wait()
        b_may_end.set()
        async with Worker(client, task_queue="orders", workflows=[After]):
            print("the old run:", await old.result())
            new = await client.execute_workflow(After.run, "new", id="order-new", task_queue="orders")
            print("a new run:  ", new)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
