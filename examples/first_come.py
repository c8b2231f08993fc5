"""Start everything at once, take each result as it comes: python examples/first_come.py [TARGET]

The order in which results came is in the history, so a replay takes them in the same order.
"""

import asyncio
import functools
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.exceptions import ActivityError
from tsuzuki.worker import Worker

SECONDS = {"snails": 0.6, "hares": 0.1, "tortoises": 0.3}


@activity.defn
async def search(topic: str) -> str:
    await asyncio.sleep(SECONDS[topic])
    return f"three facts about {topic}"


@workflow.defn
class FirstCome:
    @workflow.run
    async def run(self, topics: list[str]) -> list[str]:
        lines: list[str] = []

        def process(topic: str, done: asyncio.Future[str]) -> None:
            try:
                lines.append(f"{len(lines) + 1}. {done.result()}")
            except ActivityError as error:
                lines.append(f"{len(lines) + 1}. nothing about {topic}: {error.cause}")

        selector = workflow.Selector()
        for topic in topics:
            found = workflow.start_activity(search, topic, start_to_close_timeout=timedelta(seconds=30))
            selector.add_future(found, functools.partial(process, topic))
        for _ in topics:
            await selector.select()  # calls `process` for whichever is next
        return lines


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="first-come", workflows=[FirstCome], activities=[search]),
    ):
        lines = await client.execute_workflow(FirstCome.run, list(SECONDS), id="first-come", task_queue="first-come")
        print(*lines, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
