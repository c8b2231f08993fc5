# examples/order.py
import asyncio
import os
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker


@activity.defn
def charge(order: str) -> None:
    print(f"charging the card for {order}", flush=True)


@activity.defn
def ship(order: str) -> str:
    if activity.info().attempt == 1:
        os.kill(os.getpid(), 9)  # the process dies here, after the card was charged
    return f"{order} is paid and shipped"


@workflow.defn
async def fulfil(order: str) -> str:
    await workflow.execute_activity(charge, order, start_to_close_timeout=timedelta(minutes=1))
    return await workflow.execute_activity(ship, order, start_to_close_timeout=timedelta(minutes=1))


async def main() -> None:
    async with (
        await Client.connect("sqlite:///orders.db") as client,
        Worker(client, task_queue="orders", workflows=[fulfil], activities=[charge, ship]),
    ):
        print(await client.execute_workflow(fulfil, "order 7", id="o7", task_queue="orders", request_id="o7"))


asyncio.run(main())
