"""The demo grown up: research by a team of agents, which people can follow, approve, pause, and bound in cost.

What was said in the session before; a plan, which people may approve or shorten; one agent for each topic, as a child
workflow, a few at a time; what they find is streamed as it comes; then the gaps are filled one by one, as long as that
finds anything new; then a report with cited sources. It works offline over local text. With a key the report is written
by a model; the agents may be models too (`with_model`), and search the web (`web`).

Four generations of this code have run. Each part that came later stands behind its gate, so that runs of all go on:
`iterative_research_v1` (filling gaps); then `pause_resume_v1`, `plan_approval_v1`, `research_budget_v1` and
`agent_persistence_v1`; then memory (`memory_retrieval_v1`, `context_compress_v1`, `memory_storage_v1`),
`stream_findings_v1` and `durable_agents_v1`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    AgentExecution,
    Approvals,
    Budget,
    BudgetActivities,
    Control,
    Entry,
    EntryKind,
    ExecutionLog,
    KeyedLimit,
    Ledger,
    Limit,
    MemoryStore,
    Usage,
    compress,
    metered,
    persist_agent_execution,
    recall,
    remember,
    spend,
)
from tsuzuki.common import RetryPolicy
from tsuzuki.demo._index import open_index
from tsuzuki.demo._model_researcher import RESEARCHER, TURNS_MAX, finding_of, researcher, task_of
from tsuzuki.demo._passages import Passage
from tsuzuki.demo._report import Report
from tsuzuki.demo._search import find
from tsuzuki.demo._topics import Finding, Plan, Topic, follow_up
from tsuzuki.demo._web_search import ADDRESS, WebSearch
from tsuzuki.demo.research import Draft, Question, make_plan, write_report
from tsuzuki.exceptions import ApplicationError

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["DeepResearch", "Inquiry", "ResearchAgent", "ResearchRequest", "WebSearch", "deep_research_activities"]

ESTIMATE = Usage(tokens=2000)
GAPS_MAX = 6
BEFORE_MAX = 3
"""Earlier questions of a session that go into a plan."""
REMEMBERED = 1000
"""Characters of a report that a session keeps."""
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
        session_id: The session that it belongs to: what was asked there before is taken into account, and this question
            and its answer are remembered. Empty for none.
        with_model: Have the agents be models that search as they see fit. The worker must have been given one.
        web: Have the agents search the web too. The worker must know a search service.
    """

    question: Question
    limit: Limit | None = None
    approve_plan: bool = False
    approval_timeout: timedelta = timedelta(days=1)
    agents_at_a_time: int = 3
    session_id: str = ""
    with_model: bool = False
    web: bool = False


@dataclass(frozen=True)
class Inquiry:
    """What an agent is to look up, and how; as in `ResearchRequest`."""

    topic: Topic
    question: Question
    budgeted: bool = False
    with_model: bool = False
    web: bool = False


@dataclass
class Progress:
    """The answer to the query `get_progress`.

    Attributes:
        planned: Titles of the topics.
        found: Number of passages found, by title, in the order in which the agents came back.
    """

    planned: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)


def deep_research_activities(
    ledger: Ledger,
    log: ExecutionLog,
    *,
    memory: MemoryStore | None = None,
    web: WebSearch | None = None,
    model: Model | str | None = None,
    corpus: str = "",
) -> list[Callable[..., Any]]:
    """Make the activities of `DeepResearch`, which book what agents read and keep what they did.

    Args:
        ledger: Where the agents' calls are booked.
        log: Where executions are kept.
        memory: Where sessions are kept; None for a worker that serves none.
        web: The search service; the default is the one that the environment names, if any.
        model: For agents that are models, as for `DurableAgent`; None for none. Needs the extra `agents`.
        corpus: What agents that are models search: a folder; empty for Python's documentation.
    """
    found_web = web or WebSearch.from_environment()

    @activity.defn(name="research_look_up")
    @metered(ledger, estimate=ESTIMATE)
    def look_up(inquiry: Inquiry) -> Finding:
        with open_index(inquiry.question.corpus) as index:
            finding = find(inquiry.topic, inquiry.question.text, index)
        if inquiry.web:
            finding = replace(finding, passages=(*finding.passages, *search_web(found_web, inquiry)))
        spend(Usage(tokens=words_of(finding)))
        return finding

    return [
        look_up,
        publish_finding,
        make_plan,
        write_report,
        *BudgetActivities(ledger).all,
        *log.activities,
        *(memory.activities if memory is not None else ()),
        *(researcher(model, corpus, found_web, ledger).activities if model is not None else ()),
    ]


def search_web(web: WebSearch | None, inquiry: Inquiry) -> list[Passage]:
    """Search the web for a topic.

    Raises:
        ApplicationError: No service is known, or it gives no answer.
    """
    if web is None:
        raise ApplicationError(
            f"this worker knows no web search: set {ADDRESS}, or give deep_research_activities(web=...)",
            type="NoWebSearch",
            non_retryable=True,
        )
    return web.search(f"{inquiry.topic.title} {inquiry.question.text}")


@activity.defn
async def publish_finding(finding: Finding) -> None:
    """Put what an agent has found into the run's event stream."""
    async with activity.open_stream() as stream:
        await stream.publish({"topic": finding.topic.title, "passages": [asdict(it) for it in finding.passages]})


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
            if inquiry.with_model and workflow.get_version("durable_agents_v1", workflow.DEFAULT_VERSION, 1) >= 1:
                return await self._by_model(inquiry, control)
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

    async def _by_model(self, inquiry: Inquiry, control: Control) -> Finding:
        task = task_of(inquiry.topic, inquiry.question.text)
        result = await RESEARCHER.run(task, control=control, turns_max=TURNS_MAX)
        persist_agent_execution(
            AgentExecution("researcher", task, result.output, result.used.tokens, result.used.micros)
        )
        return finding_of(inquiry.topic, result)


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
            question = await self._in_context(request)
            plan = await self._approved(await self._plan(question), request, approvals)
            agents = Agents(replace(request, question=question), control, self._progress)
            findings = list(await asyncio.gather(*(agents.look_up(topic) for topic in plan.first)))
            if workflow.get_version("iterative_research_v1", workflow.DEFAULT_VERSION, 1) >= 1:
                await self._fill_gaps(question, plan, findings, agents)
            await control.checkpoint("pre_synthesis")
            report = await workflow.execute_activity(
                write_report,
                Draft(request.question.text, findings),
                start_to_close_timeout=3 * MINUTE,
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
            said = (Entry(EntryKind.USER, request.question.text), Entry(EntryKind.REPLY, report.text[:REMEMBERED]))
            await remember(request.session_id, said)
            return report

    async def _in_context(self, request: ResearchRequest) -> Question:
        """The question, with what was asked in the session before: "and fuses?" is about fuses and lamps then."""
        said = await recall(request.session_id, request.question.text)
        asked = [entry.text for entry in await compress(said, request.session_id) if entry.kind is EntryKind.USER]
        return replace(request.question, text=" ".join((request.question.text, *asked[-BEFORE_MAX:])))

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
        request = self._request
        async with self._places.place("agents"):
            await self._control.checkpoint(f"pre_agent {topic.title}")
            self._started += 1
            child = await workflow.start_child_workflow(
                ResearchAgent.run,
                Inquiry(topic, request.question, request.limit is not None, request.with_model, request.web),
                id=f"{workflow.info().workflow_id}-agent-{self._started}",
                static_summary=topic.title,
            )
            finding = await self._control.add_child(child)
        self._progress.found[topic.title] = len(finding.passages)
        self._show(finding)
        workflow.set_current_details(f"{len(self._progress.found)} agents came back; the last: {topic.title}")
        return finding

    def _show(self, finding: Finding) -> None:
        """Stream a finding; nothing waits for it, and nothing fails by it."""
        if workflow.get_version("stream_findings_v1", workflow.DEFAULT_VERSION, 1) >= 1:
            showing = workflow.execute_activity(
                publish_finding,
                finding,
                start_to_close_timeout=timedelta(seconds=10),
                schedule_to_close_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
            workflow.fire_and_forget(workflow.shield(showing))
