"""One child workflow for each topic; one that fails takes nobody along: python examples/children.py [TARGET]

Each child has an id, a history and a retry policy of its own.
"""

import asyncio
import logging
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError, ChildWorkflowError
from tsuzuki.worker import Worker


@activity.defn
async def search(topic: str) -> str:
    if topic == "unicorns":
        raise ApplicationError("there are none", non_retryable=True)
    return f"three facts about {topic}"


@workflow.defn
class ResearchTopic:
    @workflow.run
    async def run(self, topic: str) -> str:
        return await workflow.execute_activity(search, topic, start_to_close_timeout=timedelta(seconds=30))


@workflow.defn
class Research:
    @workflow.run
    async def run(self, topics: list[str]) -> list[str]:
        return await asyncio.gather(*(self.delegate(topic) for topic in topics))

    async def delegate(self, topic: str) -> str:
        try:
            return await workflow.execute_child_workflow(
                ResearchTopic.run,
                topic,
                id=f"{workflow.info().workflow_id}-{topic}",
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2),
            )
        except ChildWorkflowError as error:
            reason = error.__cause__  # what failed in the child: an activity, which has a cause itself
            return f"nothing about {topic}: {reason.__cause__ if reason else error}"


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="children", workflows=[Research, ResearchTopic], activities=[search]),
    ):
        topics = ["owls", "unicorns", "ants"]
        found = await client.execute_workflow(Research.run, topics, id="research", task_queue="children")
        print(*found, sep="\n")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what fails here is meant to
    asyncio.run(main(*sys.argv[1:]))
