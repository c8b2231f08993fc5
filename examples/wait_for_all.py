"""Start everything at once, wait for all of it: python examples/wait_for_all.py [TARGET]"""

import asyncio
import sys
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker


@activity.defn
async def ask_agent(question: str) -> str:
    await asyncio.sleep(0.1 / len(question))  # the shorter the question, the longer the thought
    return f"{question} Because."


@workflow.defn
class AskAll:
    @workflow.run
    async def run(self, questions: list[str]) -> list[str]:
        answers = (
            workflow.execute_activity(ask_agent, question, start_to_close_timeout=timedelta(minutes=2))
            for question in questions
        )
        return await asyncio.gather(*answers)  # in the order asked, whoever answers first


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="wait-for-all", workflows=[AskAll], activities=[ask_agent]),
    ):
        questions = ["Why?", "Why do cats purr?", "Why is the sky blue at noon and red at night?"]
        answers = await client.execute_workflow(AskAll.run, questions, id="wait-for-all", task_queue="wait-for-all")
        print(*answers, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
