"""A feature that grew twice while runs were open, behind two gates: python examples/memory.py [TARGET]

First there was no memory. Then came the messages of the session, behind `session_memory_v1`; then memory in
layers, behind `memory_retrieval_v1`. Each open run keeps what it began with.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker


@dataclass
class Request:
    question: str
    session_id: str = ""


@activity.defn
async def retrieve_hierarchical_memory(session_id: str) -> list[str]:
    return [f"summary of {session_id}", f"last message of {session_id}"]


@activity.defn
async def get_session_messages(session_id: str) -> list[str]:
    return [f"all messages of {session_id}"]


@activity.defn
async def answer(question: str, memory: list[str]) -> str:
    return f"{question} Knowing {', '.join(memory) or 'nothing'}."


@workflow.defn
class Chat:
    @workflow.run
    async def run(self, request: Request) -> str:
        with workflow.activity_options(start_to_close_timeout=timedelta(seconds=30)):
            memory: list[str] = []
            hierarchical = workflow.get_version("memory_retrieval_v1", workflow.DEFAULT_VERSION, 1)
            if hierarchical >= 1 and request.session_id:
                memory = await workflow.execute_activity(retrieve_hierarchical_memory, request.session_id)
            elif workflow.get_version("session_memory_v1", workflow.DEFAULT_VERSION, 1) >= 1 and request.session_id:
                memory = await workflow.execute_activity(get_session_messages, request.session_id)
            return await workflow.execute_activity(answer, args=[request.question, memory])


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(
            client,
            task_queue="chat",
            workflows=[Chat],
            activities=[retrieve_hierarchical_memory, get_session_messages, answer],
        ),
    ):
        for session_id in ("monday", ""):
            request = Request("What now?", session_id)
            print(await client.execute_workflow(Chat.run, request, id=f"chat-{session_id}", task_queue="chat"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
