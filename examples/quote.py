"""Short calls inside the workflow task, by local activities: python examples/quote.py [TARGET]

Each price is one marker in the history; a busy price list is asked again in place. What was looked up is looked up
again if the process dies before the workflow task is answered: a look-up is the right kind of work for it.
"""

import asyncio
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

PRICES = {"lamp": 40, "switch": 12, "fuse": 3}
QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=3)


@activity.defn
async def price_of(item: str) -> int:
    if item == "switch" and activity.info().attempt == 1:
        raise ConnectionError("the price list is busy")
    return PRICES[item]


@activity.defn
async def send(total: int) -> str:
    return f"a quote of {total}"


@workflow.defn
class Quote:
    @workflow.run
    async def run(self, items: list[str]) -> str:
        prices = [
            workflow.execute_local_activity(
                price_of, item, start_to_close_timeout=timedelta(seconds=5), retry_policy=QUICKLY
            )
            for item in items
        ]
        total = sum(await asyncio.gather(*prices))
        return await workflow.execute_activity(send, total, start_to_close_timeout=timedelta(minutes=1))


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="quotes", workflows=[Quote], activities=[price_of, send]),
    ):
        handle = await client.start_workflow(Quote.run, list(PRICES), id="quote", task_queue="quotes")
        print(await handle.result())
        print(len((await handle.fetch_history()).events), "events")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
