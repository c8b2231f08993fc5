"""Five searches at once, two minutes in all, any three are enough: python examples/three_of_five.py [TARGET]

What fails, hangs or comes late holds nobody up. When the time is over it goes on with what there is.
"""

import asyncio
import logging
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ActivityError
from tsuzuki.worker import Worker

ENOUGH = 3
LIMIT = timedelta(minutes=2)


@activity.defn
async def search(topic: str) -> str:
    if topic == "unicorns":
        raise LookupError("there are none")
    await asyncio.sleep(3600 if topic == "sloths" else len(topic) / 20)
    return topic


@activity.defn
async def write_report(found: list[str]) -> str:
    return f"a report on {', '.join(found) or 'nothing'}"


@workflow.defn
class ThreeOfFive:
    @workflow.run
    async def run(self, topics: list[str]) -> str:
        searches = [
            workflow.start_activity(
                search,
                topic,
                schedule_to_close_timeout=2 * LIMIT,
                retry_policy=RetryPolicy(maximum_attempts=2),
            )
            for topic in topics
        ]
        found: list[str] = []
        try:
            async with asyncio.timeout(LIMIT.total_seconds()):
                for next_done in workflow.as_completed(searches):
                    try:
                        found.append(await next_done)
                    except ActivityError:
                        continue  # the others may be enough
                    if len(found) == ENOUGH:
                        break
        except TimeoutError:
            workflow.logger.warning("only %s of %s within %s", len(found), ENOUGH, LIMIT)
        for each in searches:
            each.cancel()  # those that are done do not mind
        return await workflow.execute_activity(write_report, found, start_to_close_timeout=timedelta(seconds=30))


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="searches", workflows=[ThreeOfFive], activities=[search, write_report]),
    ):
        topics = ["wolves", "unicorns", "sloths", "cats", "zebrafish"]
        print(await client.execute_workflow(ThreeOfFive.run, topics, id="three-of-five", task_queue="searches"))


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what fails here is meant to
    asyncio.run(main(*sys.argv[1:]))
