"""An agent that survives, and tells what it does while it does it: python examples/streaming_agent.py [TARGET]

The agent is one of `pydantic-ai`, as it would run anywhere. In a workflow each of its model requests and tool calls is
an activity; the first search fails, and is made again. A scripted model stands in for a real one, so no key is needed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from tsuzuki import activity, workflow
from tsuzuki.agents import PydanticAgent
from tsuzuki.client import Client
from tsuzuki.worker import Worker


@dataclass
class Library:
    shelf: str


class Report(BaseModel):
    title: str
    sentences: int


async def scripted(
    messages: list[ModelMessage], info: AgentInfo
) -> AsyncIterator[str | dict[int, DeltaToolCall]]:  # in place of "anthropic:claude-haiku-5-5"
    found = [part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if not found:
        for word in ("Let me ", "look it ", "up."):
            yield word
        yield {1: DeltaToolCall("search", '{"topic": "owls"}', tool_call_id="1")}
    else:
        (report,) = info.output_tools
        yield {0: DeltaToolCall(report.name, f'{{"title": "Owls", "sentences": {len(found)}}}', tool_call_id="2")}


librarian = Agent(FunctionModel(stream_function=scripted), name="librarian", deps_type=Library, output_type=Report)


@librarian.tool
async def search(ctx: RunContext[Library], topic: str) -> str:
    """Find what the library has about a topic."""
    if activity.info().attempt == 1:
        raise ConnectionError("the catalogue is busy")
    return f"one sentence about {topic}, from the shelf of {ctx.deps.shelf}"


durable = PydanticAgent(librarian, stream=True)


@workflow.defn
class Ask:
    @workflow.run
    async def run(self, question: str) -> Report:
        return (await durable.run(question, deps=Library("birds"))).output


async def main(target: str) -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="library", workflows=[Ask], activities=durable.activities),
    ):
        handle = await client.start_workflow(Ask.run, "What about owls?", id="ask", task_queue="library")
        said = ""
        async for event in handle.read_stream():
            if isinstance(event.value, str):
                said += event.value
            elif event.kind == "begin" and event.attempt > 1:
                print(f"{event.activity_type} is tried again")
            elif event.kind == "data":
                print("the model:", said) if said else None
                said = ""
                print(*(f"{name}={value}" for name, value in event.value.items() if name != "id"))
        report = await handle.result()
        print(report.title, report.sentences)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:] or ["sqlite://"]))
