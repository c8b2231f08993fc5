"""Past generations of the deep research, and runs of all four: python tests/agents/research_generations.py

Record again only when an old generation itself was wrong. Of the third there is the recording alone, made from the code
as it was then; the fourth is recorded from the code as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from tsuzuki import workflow
from tsuzuki.agents import Entry, EntryKind, ExecutionLog, KeyedLimit, Ledger, Limit, MemoryStore, RemoteApprovals
from tsuzuki.client import Client
from tsuzuki.common import RetryPolicy
from tsuzuki.demo import Draft, Question, Report, make_plan, write_report
from tsuzuki.demo._topics import Finding, Plan, follow_up
from tsuzuki.demo.deep_research import (
    DeepResearch,
    Inquiry,
    ResearchAgent,
    ResearchRequest,
    deep_research_activities,
)
from tsuzuki.worker import Worker

HISTORIES = Path(__file__).with_name("histories")
TEXTS = {
    "lamps.md": "# Lamp\n\nA lamp gives light when current flows. A lamp must never be opened while it is hot.\n",
    "switches.md": "# Switch\n\nA switch opens and closes the current of a lamp. A switch fails when it gets wet.\n",
    "fuses.md": "# FuseBox\n\nThe FuseBox protects each lamp and each switch. A FuseBox cuts the current at once.\n",
}
FEW = RetryPolicy(maximum_attempts=5, non_retryable_error_types=["CorpusError"])


@workflow.defn(name="ResearchAgent")
class FirstAgent:
    @workflow.run
    async def run(self, inquiry: Inquiry) -> Finding:
        finding: Finding = await workflow.execute_activity(
            "research_look_up",
            inquiry,
            result_type=Finding,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=FEW,
        )
        return finding


class FirstTeam:
    def __init__(self, request: ResearchRequest) -> None:
        self.request = request
        self.places = KeyedLimit(3)
        self.started = 0

    async def look_up(self, topic: Any) -> Finding:
        async with self.places.place("agents"):
            self.started += 1
            return await workflow.execute_child_workflow(
                FirstAgent.run,
                Inquiry(topic, self.request.question),
                id=f"{workflow.info().workflow_id}-agent-{self.started}",
                static_summary=topic.title,
            )


async def plan_of(question: Question) -> Plan:
    return await workflow.execute_activity(
        make_plan,
        question,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=timedelta(seconds=30),
        retry_policy=FEW,
    )


async def report_of(question: Question, findings: list[Finding]) -> Report:
    return await workflow.execute_activity(
        write_report,
        Draft(question.text, findings),
        start_to_close_timeout=timedelta(minutes=3),
        retry_policy=RetryPolicy(maximum_attempts=3),
    )


@workflow.defn(name="DeepResearch")
class First:
    """A plan, a team, a report."""

    @workflow.run
    async def run(self, request: ResearchRequest) -> Report:
        plan = await plan_of(request.question)
        team = FirstTeam(request)
        findings = list(await asyncio.gather(*(team.look_up(topic) for topic in plan.first)))
        return await report_of(request.question, findings)


@workflow.defn(name="DeepResearch")
class Second:
    """Gaps are filled."""

    @workflow.run
    async def run(self, request: ResearchRequest) -> Report:
        plan = await plan_of(request.question)
        team = FirstTeam(request)
        findings = list(await asyncio.gather(*(team.look_up(topic) for topic in plan.first)))
        if workflow.get_version("iterative_research_v1", workflow.DEFAULT_VERSION, 1) >= 1:
            known = {passage for finding in findings for passage in finding.passages}
            for _ in range(6):
                finding = await team.look_up(follow_up(request.question.text, plan, findings))
                findings.append(finding)
                if known.issuperset(finding.passages):
                    break
                known.update(finding.passages)
        return await report_of(request.question, findings)


GENERATIONS: dict[str, list[Any]] = {
    "research_1": [First, FirstAgent],
    "research_2": [Second, FirstAgent],
    "research_4": [DeepResearch, ResearchAgent],
}
RECORDED = ("research_1", "research_2", "research_3", "research_4")


async def record(name: str) -> None:
    """Write the history of a run of one generation, and that of its first agent."""
    ledger, log, memory = Ledger("budgets.db"), ExecutionLog("executions.db"), MemoryStore("memory.db")
    memory.add("s1", [Entry(EntryKind.USER, "What is a fuse?")] * 30, key="before")
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue="research",
            workflows=GENERATIONS[name],
            activities=deep_research_activities(ledger, log, memory=memory),
        ),
    ):
        newest = name == "research_4"
        request = ResearchRequest(
            Question("How do a lamp and a switch work?", corpus="texts"),
            limit=Limit(tokens=50_000) if newest else None,
            approve_plan=newest,
            session_id="s1" if newest else "",
        )
        handle: Any = await client.start_workflow("DeepResearch", request, id=name, task_queue="research")
        if newest:
            approvals = RemoteApprovals(handle, by="ann")
            asked = await approvals.next()
            await approvals.approve(asked.id, edited=asked.subject[:4])
        await handle.result()
        for recorded, file in ((handle, name), (client.get_workflow_handle(f"{name}-agent-1"), f"{name}_agent")):
            text = (await recorded.fetch_history()).to_json()
            (HISTORIES / f"{file}.json").write_text(text + "\n", encoding="utf-8")
    ledger.close()
    log.close()
    memory.close()


if __name__ == "__main__":
    for generation in sys.argv[1:] or GENERATIONS:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.environ["XDG_CACHE_HOME"] = folder
            Path("texts").mkdir()
            for file_name, words in TEXTS.items():
                Path("texts", file_name).write_text(words)
            asyncio.run(record(generation))
