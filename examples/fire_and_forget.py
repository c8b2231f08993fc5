"""Persist each step's result without waiting for it: python examples/fire_and_forget.py [TARGET]

The writing has 5 seconds and one attempt; that it fails changes nothing. `shield` lets the workflow close only
after the last of it, else an activity that is still running at the end would be cut off.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

persisted: list[str] = []
"""Stands for a database."""


@dataclass
class Execution:
    agent: str
    output: str
    tokens_used: int


@activity.defn
async def run_agent(agent: str) -> Execution:
    return Execution(agent, f"{agent} is done", tokens_used=100 * len(agent))


@activity.defn
async def persist(execution: Execution) -> None:
    if execution.agent == "critic":
        raise ConnectionError("the database is down")
    await asyncio.sleep(0.1)  # slower than the workflow, which does not wait
    persisted.append(f"{execution.agent}: {execution.tokens_used} tokens")


def persist_later(execution: Execution) -> None:
    writing = workflow.execute_activity(
        persist,
        execution,
        start_to_close_timeout=timedelta(seconds=5),
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
    workflow.fire_and_forget(workflow.shield(writing))


@workflow.defn
class Team:
    @workflow.run
    async def run(self, agents: list[str]) -> str:
        for agent in agents:
            execution = await workflow.execute_activity(run_agent, agent, start_to_close_timeout=timedelta(minutes=2))
            persist_later(execution)
        return execution.output


async def main(target: str = "sqlite://") -> None:
    persisted.clear()
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="team", workflows=[Team], activities=[run_agent, persist]),
    ):
        agents = ["planner", "critic", "writer"]
        print(await client.execute_workflow(Team.run, agents, id="team", task_queue="team"))
        print(*sorted(persisted), sep="\n")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what fails here is meant to
    asyncio.run(main(*sys.argv[1:]))
