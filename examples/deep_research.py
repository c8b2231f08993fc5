"""Research by a team of agents that people can follow, pause and bound: python examples/deep_research.py [TARGET]

Kill it and start it again with a database file (`sqlite:///deep.db`): it goes on where it stopped. The workflow is in
src/tsuzuki/demo/deep_research.py.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tsuzuki.agents import ExecutionLog, Ledger, Limit, RemoteApprovals, RemoteControl
from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.demo import Question, Report
from tsuzuki.demo.deep_research import DeepResearch, ResearchAgent, ResearchRequest, deep_research_activities
from tsuzuki.worker import Worker

TEXTS = {
    "lamps.md": "# Lamp\n\nA lamp gives light when current flows. A lamp must never be opened while it is hot.\n",
    "switches.md": "# Switch\n\nA switch opens and closes the current of a lamp. A switch fails when it gets wet.\n",
    "fuses.md": "# FuseBox\n\nThe FuseBox protects each lamp and each switch. A FuseBox cuts the current at once.\n",
}


async def look_after(handle: WorkflowHandle[DeepResearch, Report]) -> None:
    """Do what people do; a process of this program that was killed may have done some of it."""
    approvals, control = RemoteApprovals(handle, by="ann"), RemoteControl(handle, by="ann")
    if (await control.state()).status == "paused":
        await control.resume("lunch was long")
    asked = await approvals.next()
    print(f"{asked.question} {len(asked.subject)} topics; the first three will do")
    await control.pause("lunch first")
    await approvals.approve(asked.id, edited=asked.subject[:3])
    print("paused:", (await control.state()).reason)
    await control.resume()


def folder_of(target: str) -> AbstractContextManager[str]:
    """Where texts, budgets and executions are: beside a database file, so that they outlive a crash as it does."""
    path = target.removeprefix("sqlite:///")
    return tempfile.TemporaryDirectory() if path == target else nullcontext(str(Path(path).with_suffix("").resolve()))


async def main(target: str = "sqlite://") -> None:
    with folder_of(target) as folder:
        here = Path(folder)
        os.environ.setdefault("XDG_CACHE_HOME", folder)  # for the index of the texts
        (here / "texts").mkdir(parents=True, exist_ok=True)
        for name, text in TEXTS.items():
            (here / "texts" / name).write_text(text)
        ledger, log = Ledger(here / "budgets.db"), ExecutionLog(here / "executions.db")
        async with (
            await Client.connect(target) as client,
            Worker(
                client,
                task_queue="research",
                workflows=[DeepResearch, ResearchAgent],
                activities=deep_research_activities(ledger, log),
            ),
        ):
            request = ResearchRequest(
                Question("How do a lamp and a switch work?", corpus=str(here / "texts")),
                limit=Limit(tokens=50_000),
                approve_plan=True,
            )
            handle = await client.start_workflow(
                DeepResearch.run,
                request,
                id="deep",
                task_queue="research",
                request_id="deep",  # starting again with the same request id gives the same run
            )
            async with asyncio.TaskGroup() as group:
                people = group.create_task(look_after(handle))
                report = await handle.result()
                people.cancel()  # after a crash they may wait for a question that was answered before it
            print(report.text.splitlines()[0])
            print(f"{len(report.citations)} citations by {len(log.read())} agents")
            print(f"{ledger.state('deep').used.tokens} words read")
        ledger.close()
        log.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
