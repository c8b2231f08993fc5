"""An agent of `pydantic-ai` in a workflow on a database, and a process that dies where it is told to, the first time.

    python agent_program.py DATABASE LOG DIES

`LOG` gets a line for each model request and each tool call, on disk before it is answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tsuzuki import workflow
from tsuzuki.agents import PydanticAgent
from tsuzuki.client import Client
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.worker import Worker

QUEUE = "queue"
TURNS = 4

database, log, dies = sys.argv[1:]


def note(name: str) -> None:
    """Note a call, and die in it if this is the one."""
    with open(log, "a+", encoding="utf-8") as lines:
        lines.seek(0)
        first_time = name not in lines.read().split()
        lines.write(name + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    if first_time and name == dies:
        os.kill(os.getpid(), signal.SIGKILL)


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    turn = sum(isinstance(message, ModelResponse) for message in messages) + 1
    note(f"model-{turn}")
    if turn < TURNS:
        return ModelResponse(parts=[ToolCallPart("look", {"number": turn}), ToolCallPart("look", {"number": -turn})])
    return ModelResponse(parts=[TextPart(f"{len(messages)} messages")])


agent = Agent(FunctionModel(think), name="looker")


@agent.tool_plain
def look(number: int) -> int:
    note(f"look-{number}")
    return number


looker = PydanticAgent(agent)


@workflow.defn
class Looking:
    @workflow.run
    async def run(self) -> str:
        return (await looker.run("Look!")).output


async def main() -> None:
    async with await Client.connect(database) as client:
        handle = await client.start_workflow(
            Looking.run, id="w", task_queue=QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        async with Worker(client, task_queue=QUEUE, workflows=[Looking], activities=looker.activities):
            print(await handle.result())


asyncio.run(main())
