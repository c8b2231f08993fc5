"""Ask the demo's research workflow from a program of your own: python examples/research.py [QUESTION]

The workflow and its activities are in src/tsuzuki/demo/research.py. Kill this program and start it again: it
goes on where it stopped. `tsuzuki demo` is the same with a display, and a crash on request.
"""

import asyncio
import hashlib
import sys

from tsuzuki.client import Client
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.demo import Question, Research, make_plan, search, write_report
from tsuzuki.worker import Worker


async def main(question: str) -> None:
    async with (
        await Client.connect("sqlite:///research.db") as client,
        Worker(client, task_queue="research", workflows=[Research], activities=[make_plan, search, write_report]),
    ):
        report = await client.execute_workflow(
            Research.run,
            Question(question),
            id="research-" + hashlib.sha256(question.encode()).hexdigest()[:16],
            task_queue="research",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,  # go on with an open run
        )
        print(report.text)


asyncio.run(main(" ".join(sys.argv[1:]) or "How does garbage collection work?"))
