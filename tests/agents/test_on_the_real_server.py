"""The agent layer once more, with our worker on the real development server: it is workflow code, and nothing else.

Control, approvals, budgets, priority queues, durable agents and deep research have tests there in their own files too;
here are the rest, and one run that uses all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    AgentExecution,
    Allowance,
    Approvals,
    Budget,
    BudgetIncrease,
    BudgetInterceptor,
    BudgetState,
    BudgetView,
    Control,
    ControlStatus,
    Entry,
    EntryKind,
    ExecutionLog,
    KeyedLimit,
    Ledger,
    Limit,
    MemoryStore,
    Meter,
    RemoteApprovals,
    RemoteControl,
    Usage,
    compress,
    persist_agent_execution,
    recall,
    remember,
)
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle
from tsuzuki.common import RetryPolicy
from tsuzuki.demo import Question
from tsuzuki.demo.deep_research import DeepResearch, ResearchAgent, ResearchRequest, deep_research_activities
from tsuzuki.exceptions import is_cancelled_exception
from tsuzuki.replay import Replayer
from tsuzuki.worker import ActivityLimit, Worker

QUEUE = "agents-on-the-real-server"
BOUND = timedelta(minutes=1)
TEXT = "# Lamp\n\nA lamp gives light when current flows. A lamp must never be opened while it is hot.\n"


class Model:
    """Answers, and counts."""

    def __init__(self) -> None:
        self.calls = self.running = self.running_max = 0
        self.fail_first = False
        self.times: list[Any] = []

    @activity.defn(name="ask")
    async def ask(self, prompt: str) -> list[Any]:
        self.calls += 1
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        self.times.append(activity.info().scheduled_time)
        await asyncio.sleep(0.01)
        self.running -= 1
        if self.fail_first and activity.info().attempt == 1:
            raise ConnectionError("once more")
        return [prompt.upper(), 10]


@dataclass(frozen=True)
class Job:
    """What an agent is asked, one prompt after another by places of a limit."""

    prompts: list[str]
    session: str = ""
    approve: bool = False
    child: bool = False


@workflow.defn(name="RealAgent")
class Agent:
    """Control, approvals, a keyed limit, memory, the log of executions; and a budget that it knows nothing of."""

    @workflow.run
    async def run(self, job: Job) -> list[str]:
        approvals, places = Approvals(), KeyedLimit(2)
        async with Control() as control:
            said = await compress(await recall(job.session, job.prompts[0]), job.session)
            prompts = job.prompts
            if job.approve:
                decision = await approvals.ask("Ask all of it?", subject=prompts)
                prompts = decision.edited or prompts

            async def answer(prompt: str) -> str:
                async with places.place("model"):
                    await control.checkpoint(f"pre {prompt}")
                    answer, tokens = await workflow.execute_activity(
                        "ask",
                        prompt,
                        result_type=list[Any],
                        start_to_close_timeout=BOUND,
                        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3),
                    )
                    persist_agent_execution(AgentExecution("agent", prompt, answer, tokens))
                    return str(answer)

            answers = list(await asyncio.gather(*(answer(prompt) for prompt in prompts)))
            if job.child:
                child = await workflow.start_child_workflow(
                    Agent.run, Job(["of the child"]), id=f"{workflow.info().workflow_id}-child"
                )
                answers += await control.add_child(child)
            await control.checkpoint("pre_end")
            await remember(job.session, [Entry(EntryKind.USER, job.prompts[0]), Entry(EntryKind.REPLY, answers[0])])
            return [*(entry.text for entry in said), *answers]


class Site:
    def __init__(self, client: Client, ledger: Ledger | None = None) -> None:
        self.client = client
        self.model = Model()
        self.ledger = ledger or Ledger(":memory:")
        self.log = ExecutionLog(":memory:")
        self.memory = MemoryStore(":memory:")

    async def start(self, id: str, *prompts: str, **options: Any) -> WorkflowHandle[Any, list[str]]:
        return await self.client.start_workflow(Agent.run, Job(list(prompts), **options), id=id, task_queue=QUEUE)

    async def replay(self, id: str, interceptor: BudgetInterceptor) -> None:
        history = await self.client.get_workflow_handle(id).fetch_history()
        await Replayer(workflows=[Agent], interceptors=[interceptor]).replay_workflow(history)


@asynccontextmanager
async def site_on(
    target: str, allowance: Allowance, ledger: Ledger | None = None
) -> AsyncIterator[tuple[Site, BudgetInterceptor]]:
    async with await Client.connect(target) as client:
        site = Site(client, ledger)
        meter = Meter(Usage(tokens=10), used=lambda reply: Usage(tokens=reply[1]))
        budgets = BudgetInterceptor(site.ledger, meters={"ask": meter}, allowances={"RealAgent": allowance})
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[Agent],
            activities=[site.model.ask, *budgets.activities, *site.log.activities, *site.memory.activities],
            activity_limits={"ask": ActivityLimit(at_most=1)},
            interceptors=[budgets],
        ):
            yield site, budgets
        site.ledger.check()


async def test_one_run_uses_all_of_it(real_server: str) -> None:
    async with site_on(real_server, Allowance(Limit(tokens=20), wait=True)) as (site, budgets):
        handle = await site.start("all-of-it", "a", "b", "c", "d", session="s", approve=True, child=True)
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next()
        control = RemoteControl(handle, by="ann")
        await control.pause("lunch")
        await people.approve(asked.id, edited=["a", "b", "c"])
        while not (state := await control.state()).waiting_at:  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.01)
        assert (state.status, state.reason, state.by, site.model.calls) == (ControlStatus.PAUSED, "lunch", "ann", 0)
        assert state.waiting_at == ["pre a", "pre b"]  # the keyed limit has two places
        await control.resume()
        view = BudgetView("", 0, None)
        while not view.waiting:
            view = await handle.query("get_budget", result_type=BudgetView)
        assert site.ledger.state("all-of-it").used == Usage(tokens=20)
        increase = BudgetIncrease(20, by="ann", reason="worth it")
        state_of_budget = await handle.execute_update("increase_budget", increase, result_type=BudgetState)
        assert state_of_budget.limit == Limit(tokens=40)
        assert await handle.result() == ["A", "B", "C", "OF THE CHILD"]
        assert (site.model.calls, site.model.running_max) == (4, 1)
        assert site.ledger.state("all-of-it").used == Usage(tokens=40)  # the child's part is in it
        assert site.ledger.state("all-of-it-child").used == Usage(tokens=10)
        assert {record.execution.input for record in site.log.read("all-of-it")} == {"a", "b", "c"}
        assert [entry.text for entry in site.memory.messages("s")] == ["a", "A"]
        await site.replay("all-of-it", budgets)
        again = await site.start("in-the-session", "e", session="s")
        assert await again.result() == ["a", "A", "E"]


async def test_attempts_of_an_activity_are_one_call(real_server: str) -> None:
    """By the time of its scheduling, which the server gives all attempts alike."""
    async with site_on(real_server, Allowance(Limit(tokens=1000))) as (site, _):
        site.model.fail_first = True
        assert await (await site.start("attempts", "a")).result() == ["A"]
        assert (site.model.calls, len(set(site.model.times))) == (2, 1)
        (call,) = site.ledger.calls("attempts")
        assert (call.state, call.attempt, call.used) == ("done", 2, Usage(tokens=10))


async def test_a_cancel_at_a_checkpoint_is_clean(real_server: str) -> None:
    async with site_on(real_server, Allowance()) as (site, budgets):
        handle = await site.start("to-be-cancelled", "a", approve=True)
        control, people = RemoteControl(handle, by="bob"), RemoteApprovals(handle)
        await people.next()
        await control.pause()
        await control.cancel("enough")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert is_cancelled_exception(failed.value.cause or failed.value)
        assert site.model.calls == 0
        assert (await control.state()).status is ControlStatus.CANCELLED
        await site.replay("to-be-cancelled", budgets)


async def test_a_run_goes_on_at_once_when_its_worker_has_left(real_server: str) -> None:
    """The worker tells the server that nobody polls its own queue any more."""
    ledger = Ledger(":memory:")
    async with site_on(real_server, Allowance(), ledger) as (site, _):
        handle = await site.start("left", "a", approve=True)
        asked = await RemoteApprovals(handle).next()
        while await is_at_work(handle):  # noqa: ASYNC110 - what is on its way to the worker now is waited for
            await asyncio.sleep(0.01)
    async with site_on(real_server, Allowance(), ledger) as (site, _):
        handle = site.client.get_workflow_handle("left", result_type=list[str])
        await RemoteApprovals(handle).approve(asked.id)
        assert await handle.result() == ["A"]
        events = (await handle.fetch_history()).events
    assert not any(event.HasField("workflow_task_timed_out_event_attributes") for event in events)


async def is_at_work(handle: WorkflowHandle[Any, Any]) -> bool:
    described = (await handle.describe()).raw_description
    return bool(described.pending_activities) or described.HasField("pending_workflow_task")


async def test_deep_research_with_a_session_and_what_it_finds_on_the_way(
    real_server: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "lamps.md").write_text(TEXT)
    async with await Client.connect(real_server) as client:
        site = Site(client)
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[DeepResearch, ResearchAgent],
            activities=deep_research_activities(site.ledger, site.log, memory=site.memory),
        ):
            question = Question("How does a lamp work?", corpus=str(tmp_path / "texts"))
            request = ResearchRequest(question, limit=Limit(tokens=50_000), approve_plan=True, session_id="s")
            handle = await client.start_workflow(DeepResearch.run, request, id="research", task_queue=QUEUE)
            people = RemoteApprovals(handle)
            asked = await people.next()
            await people.approve(asked.id, edited=asked.subject[:2])
            assert (await handle.result()).citations
            assert len(site.memory.messages("s")) == 2
            assert site.ledger.state("research").used.tokens > 0
            assert len(site.log.read()) >= 2
        await Replayer(workflows=[DeepResearch]).replay_workflow(await handle.fetch_history())


async def test_a_budget_that_a_run_opens_itself(real_server: str) -> None:
    async with await Client.connect(real_server) as client:

        @workflow.defn
        class Opens:
            @workflow.run
            async def run(self) -> int | None:
                budget = await Budget.open(Limit(tokens=7))
                return (await budget.state()).limit.tokens

        ledger = Ledger(":memory:")
        activities = BudgetInterceptor(ledger, meters={}).activities
        async with Worker(client, task_queue=QUEUE, workflows=[Opens], activities=activities):
            assert await client.execute_workflow(Opens.run, id="opens", task_queue=QUEUE) == 7
