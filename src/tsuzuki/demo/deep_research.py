"""The demo grown up: research by a team of agents, which people can follow, approve, pause, and bound in cost.

A plan, which people may approve or shorten; one agent for each topic, as a child workflow, a few at a time; what they
find is shown as it comes; then the gaps are filled one by one, as long as that finds anything new; then a report with
cited sources. It works offline over local text, and writes with a model when there is a key for one.

Three generations of this code have run. Each part that came later stands behind its gate, so that runs of all
three go on: `iterative_research_v1` (filling gaps), then `pause_resume_v1`, `plan_approval_v1`, `research_budget_v1`
and `agent_persistence_v1`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    AgentExecution,
    Approvals,
    Budget,
    BudgetActivities,
    Control,
    ExecutionLog,
    KeyedLimit,
    Ledger,
    Limit,
    Usage,
    metered,
    persist_agent_execution,
    spend,
)
from tsuzuki.common import RetryPolicy
from tsuzuki.demo._index import open_index
from tsuzuki.demo._report import Report
from tsuzuki.demo._search import find
from tsuzuki.demo._topics import Finding, Plan, Topic, follow_up
from tsuzuki.demo.research import Draft, Question, make_plan, write_report
from tsuzuki.exceptions import ApplicationError

__all__ = ["DeepResearch", "Inquiry", "ResearchAgent", "ResearchRequest", "deep_research_activities"]

ESTIMATE = Usage(tokens=2000)
GAPS_MAX = 6
MINUTE = timedelta(minutes=1)
FEW_ATTEMPTS = RetryPolicy(maximum_attempts=5, non_retryable_error_types=["CorpusError"])


@dataclass(frozen=True)
class ResearchRequest:
    """What to find out, and under which conditions.

    Attributes:
        question: The question, and where to look.
        limit: What the agents may read, in tokens; None to ask no ledger.
        approve_plan: Ask people before the agents start.
        approval_timeout: How long they have; then the plan is followed.
        agents_at_a_time: Agents at work at the same time.
    """

    question: Question
    limit: Limit | None = None
    approve_plan: bool = False
    approval_timeout: timedelta = timedelta(days=1)
    agents_at_a_time: int = 3


@dataclass(frozen=True)
class Inquiry:
    """What an agent is to look up."""

    topic: Topic
    question: Question
    budgeted: bool = False


@dataclass
class Progress:
    """The answer to the query `get_progress`.

    Attributes:
        planned: Titles of the topics.
        found: Number of passages found, by title, in the order in which the agents came back.
    """

    planned: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)


def deep_research_activities(ledger: Ledger, log: ExecutionLog) -> list[Callable[..., Any]]:
    """Make the activities of `DeepResearch`, which book what agents read and keep what they did."""

    @activity.defn(name="research_look_up")
    @metered(ledger, estimate=ESTIMATE)
    def look_up(inquiry: Inquiry) -> Finding:
        with open_index(inquiry.question.corpus) as index:
            finding = find(inquiry.topic, inquiry.question.text, index)
        spend(Usage(tokens=words_of(finding)))
        return finding

    return [look_up, make_plan, write_report, *BudgetActivities(ledger).all, *log.activities]


def words_of(finding: Finding) -> int:
    """What an agent has read, in words: what stands for tokens where no model reads."""
    return sum(len(passage.text.split()) for passage in finding.passages)


@workflow.defn
class ResearchAgent:
    """Looks up one topic."""

    @workflow.run
    async def run(self, inquiry: Inquiry) -> Finding:
        async with Control() as control:
            if inquiry.budgeted and workflow.get_version("research_budget_v1", workflow.DEFAULT_VERSION, 1) >= 1:
                await Budget.open()
            await control.checkpoint("pre_look_up")
            finding: Finding = await workflow.execute_activity(
                "research_look_up",
                inquiry,
                result_type=Finding,
                start_to_close_timeout=MINUTE,
                retry_policy=FEW_ATTEMPTS,
            )
            found = f"{len(finding.passages)} passages"
            persist_agent_execution(AgentExecution("researcher", inquiry.topic.title, found, words_of(finding)))
            return finding


@workflow.defn
class DeepResearch:
    """Plan, research, fill the gaps, write."""

    def __init__(self) -> None:
        self._progress = Progress()

    @workflow.query
    def get_progress(self) -> Progress:
        """How far it is."""
        return self._progress

    @workflow.run
    async def run(self, request: ResearchRequest) -> Report:
        approvals = Approvals()
        async with Control() as control:
            if (
                request.limit is not None
                and workflow.get_version("research_budget_v1", workflow.DEFAULT_VERSION, 1) >= 1
            ):
                await Budget.open(request.limit, soft=0.9)
            await control.checkpoint("pre_plan")
            plan = await self._approved(await self._plan(request.question), request, approvals)
            agents = Agents(request, control, self._progress)
            findings = list(await asyncio.gather(*(agents.look_up(topic) for topic in plan.first)))
            if workflow.get_version("iterative_research_v1", workflow.DEFAULT_VERSION, 1) >= 1:
                await self._fill_gaps(request.question, plan, findings, agents)
            await control.checkpoint("pre_synthesis")
            return await workflow.execute_activity(
                write_report,
                Draft(request.question.text, findings),
                start_to_close_timeout=3 * MINUTE,
                retry_policy=RetryPolicy(maximum_attempts=3),
            )

    async def _plan(self, question: Question) -> Plan:
        return await workflow.execute_activity(
            make_plan,
            question,
            start_to_close_timeout=2 * MINUTE,
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=FEW_ATTEMPTS,
        )

    async def _approved(self, plan: Plan, request: ResearchRequest, approvals: Approvals) -> Plan:
        """Let people leave topics out, or refuse the plan."""
        titles = [topic.title for topic in plan.first]
        if request.approve_plan and workflow.get_version("plan_approval_v1", workflow.DEFAULT_VERSION, 1) >= 1:
            decision = await approvals.ask(
                "Follow this plan?", subject=titles, timeout=request.approval_timeout, approve_on_timeout=True
            )
            if not decision.approved:
                raise ApplicationError(f"the plan was refused by {decision.by}: {decision.reason}", type="PlanRefused")
            if decision.edited is not None:
                titles = [title for title in titles if title in decision.edited]
        self._progress.planned = titles
        return replace(plan, first=tuple(topic for topic in plan.first if topic.title in titles))

    async def _fill_gaps(self, question: Question, plan: Plan, findings: list[Finding], agents: Agents) -> None:
        """Follow what was found, as long as that finds anything new."""
        known = {passage for finding in findings for passage in finding.passages}
        for _ in range(GAPS_MAX):
            finding = await agents.look_up(follow_up(question.text, plan, findings))
            findings.append(finding)
            if known.issuperset(finding.passages):
                return
            known.update(finding.passages)


class Agents:
    """The team of one run: a child workflow for each topic, a few at a time."""

    def __init__(self, request: ResearchRequest, control: Control, progress: Progress) -> None:
        self._request = request
        self._control = control
        self._progress = progress
        self._places = KeyedLimit(request.agents_at_a_time)
        self._started = 0

    async def look_up(self, topic: Topic) -> Finding:
        """Have an agent look up a topic."""
        async with self._places.place("agents"):
            await self._control.checkpoint(f"pre_agent {topic.title}")
            self._started += 1
            child = await workflow.start_child_workflow(
                ResearchAgent.run,
                Inquiry(topic, self._request.question, budgeted=self._request.limit is not None),
                id=f"{workflow.info().workflow_id}-agent-{self._started}",
                static_summary=topic.title,
            )
            finding = await self._control.add_child(child)
        self._progress.found[topic.title] = len(finding.passages)
        workflow.set_current_details(f"{len(self._progress.found)} agents came back; the last: {topic.title}")
        return finding
