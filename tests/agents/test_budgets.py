"""Budgets around activities (the chapter's exercise 3): checked before a call, billed after it, one specific error."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    Budget,
    BudgetActivities,
    BudgetExhaustedError,
    BudgetIncrease,
    BudgetState,
    BudgetView,
    Ledger,
    Limit,
    RateLimit,
    Usage,
    metered,
    spend,
)
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.worker import Worker

QUEUE = "agents"
BOUND = timedelta(minutes=2)


class Provider:
    """A model that answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.running = 0
        self.running_max = 0

    async def answer(self, prompt: str) -> str:
        self.calls[prompt] += 1
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        await asyncio.sleep(0)
        self.running -= 1
        return prompt.upper()


class Site:
    """A client, a ledger and a provider, with an activity that asks it."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self.client = client
        self.ledger = ledger
        self.provider = Provider()
        self.cost: Callable[[str], int] = lambda prompt: 10
        self.fail_after_billing = 0

        @metered(ledger, estimate=Usage(tokens=10), provider="wordy")
        async def call(prompt: str) -> str:
            answer = await self.provider.answer(prompt)
            spend(Usage(tokens=self.cost(prompt)))
            if prompt == "refused by the model":
                raise ValueError(prompt)
            return answer

        @activity.defn(name="ask")
        async def ask(prompt: str) -> str:
            answer: str = await call(prompt)
            if self.fail_after_billing:
                self.fail_after_billing -= 1
                raise ConnectionError("the worker lost the engine after the call was billed")
            return answer

        @activity.defn(name="ask_in_a_thread")
        @metered(ledger, estimate=lambda prompt: Usage(tokens=len(prompt)))
        def ask_in_a_thread(prompt: str) -> str:
            return prompt.upper()

        self.activities = [ask, ask_in_a_thread, *BudgetActivities(ledger).all]


@asynccontextmanager
async def site_on(target: str, folder: Path, **options: Any) -> AsyncIterator[Site]:
    ledger = Ledger(folder / "budgets.db", **options)
    async with await Client.connect(target) as client:
        site = Site(client, ledger)
        async with Worker(client, task_queue=QUEUE, workflows=[Ask, Team], activities=site.activities):
            yield site
        ledger.check()
    ledger.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_on("sqlite://", tmp_path) as site:
        yield site


async def asked(prompt: str, name: str = "ask") -> str:
    answer: str = await workflow.execute_activity(
        name,
        prompt,
        result_type=str,
        start_to_close_timeout=BOUND,
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3),
    )
    return answer


@workflow.defn
class Ask:
    """Makes all calls at once, and gives the answers; of a refused one the name of its budget."""

    @workflow.run
    async def run(
        self, prompts: list[str], limit: Limit, wait: bool = False, budget_id: str | None = None
    ) -> list[str]:
        budget = await Budget.open(limit, id=budget_id)

        async def answer(prompt: str) -> str:
            name = "ask_in_a_thread" if prompt.startswith("thread") else "ask"
            try:
                return await budget.run(lambda: asked(prompt, name), wait=wait)
            except BudgetExhaustedError as error:
                return f"refused by {error.exhausted.budget}"

        return list(await asyncio.gather(*(answer(prompt) for prompt in prompts)))


@workflow.defn
class Team:
    """Two children, each with a part of the budget."""

    @workflow.run
    async def run(self, limit: Limit, part: Limit) -> list[list[str]]:
        await Budget.open(limit)
        return list(
            await asyncio.gather(
                *(
                    workflow.execute_child_workflow(
                        Ask.run, args=[[f"{name}{number}" for number in range(4)], part], id=f"agent-{name}"
                    )
                    for name in "ab"
                )
            )
        )


async def ask(site: Site, *prompts: str, limit: int, id: str = "run", **options: Any) -> list[str]:
    args = [list(prompts), Limit(tokens=limit), options.get("wait", False), options.get("budget_id")]
    return await site.client.execute_workflow(Ask.run, args=args, id=id, task_queue=QUEUE)


async def test_calls_are_made_until_the_budget_is_used_up(site: Site) -> None:
    answers = await ask(site, "a", "b", "c", "d", limit=30)
    assert sorted(answers) == [*sorted(set("ABCD") & set(answers)), "refused by run"]
    assert site.provider.calls.total() == 3
    assert site.ledger.state("run").used == Usage(tokens=30)


async def test_the_error_that_nobody_catches_fails_the_workflow_under_its_name(site: Site) -> None:
    @workflow.defn
    class Spendthrift:
        @workflow.run
        async def run(self) -> str:
            budget = await Budget.open(Limit(tokens=5))
            return await budget.run(lambda: asked("a"))

    async with Worker(site.client, task_queue="other", workflows=[Spendthrift], activities=site.activities):
        with pytest.raises(WorkflowFailureError) as failed:
            await site.client.execute_workflow(Spendthrift.run, id="w", task_queue="other")
    refused = BudgetExhaustedError.find(failed.value)
    assert refused is not None
    assert (refused.exhausted.budget, refused.exhausted.limit, refused.exhausted.wanted) == (
        "w",
        Limit(tokens=5),
        Usage(tokens=10),
    )
    assert site.provider.calls.total() == 0


async def test_an_attempt_after_the_bill_is_given_the_answer_and_makes_no_call(site: Site) -> None:
    site.fail_after_billing = 2
    assert await ask(site, "a", limit=10) == ["A"]
    assert site.provider.calls == {"a": 1}
    assert site.ledger.state("run").used == Usage(tokens=10)


async def test_attempts_that_fail_in_the_call_are_billed_what_they_used(site: Site) -> None:
    with pytest.raises(WorkflowFailureError):
        await ask(site, "refused by the model", limit=1000)
    assert site.provider.calls.total() == 3
    assert site.ledger.state("run").used == Usage(tokens=30)
    assert site.ledger.state("run").reserved == Usage()


async def test_an_activity_in_a_thread_is_metered_by_its_arguments(site: Site) -> None:
    assert await ask(site, "thread one", limit=10) == ["THREAD ONE"]
    assert site.ledger.state("run").used == Usage(tokens=10)  # it never said: the estimate


async def test_a_run_waits_for_an_increase_and_goes_on(site: Site) -> None:
    args = [["a", "b", "c"], Limit(tokens=10), True, None]
    handle = await site.client.start_workflow(Ask.run, args=args, id="run", task_queue=QUEUE)
    for _ in range(1000):
        view: BudgetView = await handle.query("get_budget", result_type=BudgetView)
        if view.waiting == 2:
            break
        await asyncio.sleep(0.01)
    assert view.exhausted is not None
    assert view.exhausted.budget == "run"
    for _ in range(2):  # the second one finds its update id used
        state = await handle.execute_update(
            "increase_budget", BudgetIncrease(20, reason="worth it", by="ann"), id="u1", result_type=BudgetState
        )
    assert state.limit == Limit(tokens=30)
    assert await handle.result() == ["A", "B", "C"]


async def test_an_increase_counts_once_when_a_reset_has_its_update_come_again(site: Site) -> None:
    @workflow.defn
    class Increased:
        @workflow.run
        async def run(self) -> int:
            budget = await Budget.open(Limit(tokens=10))
            await workflow.wait_condition(lambda: budget.increases > 0)
            return ((await budget.state()).limit).tokens or 0

    async with Worker(site.client, task_queue="increased", workflows=[Increased], activities=site.activities):
        handle = await site.client.start_workflow(Increased.run, id="run", task_queue="increased")
        await handle.execute_update("increase_budget", BudgetIncrease(20), result_type=BudgetState)
        assert await handle.result() == 30
        history = await handle.fetch_history()
        opened = next(it for it in history.events if it.HasField("activity_task_completed_event_attributes"))
        reset = await site.client.service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id="run", run_id=history.run_id),
                workflow_task_finish_event_id=opened.event_id + 3,  # scheduled, started, finished
                request_id="once",
            )
        )
        again = site.client.get_workflow_handle_for(Increased.run, "run", run_id=reset.run_id)
        assert await again.result() == 30
    assert site.ledger.state("run").limit == Limit(tokens=30)


async def test_an_activity_id_that_is_used_again_is_another_call(site: Site) -> None:
    @workflow.defn
    class Again:
        @workflow.run
        async def run(self) -> list[str]:
            await Budget.open(Limit(tokens=100))
            return [
                await workflow.execute_activity(
                    "ask", prompt, activity_id="ask", result_type=str, start_to_close_timeout=BOUND
                )
                for prompt in ("a", "b")
            ]

    async with Worker(site.client, task_queue="other", workflows=[Again], activities=site.activities):
        assert await site.client.execute_workflow(Again.run, id="run", task_queue="other") == ["A", "B"]
    assert site.ledger.state("run").used == Usage(tokens=20)


async def test_children_use_parts_of_their_parents_budget(site: Site) -> None:
    args = [Limit(tokens=50), Limit(tokens=30)]
    answers = await site.client.execute_workflow(Team.run, args=args, id="team", task_queue=QUEUE)
    flat = [answer for part in answers for answer in part]
    refusals = Counter(answer for answer in flat if answer.startswith("refused"))
    assert site.provider.calls.total() == 5
    assert refusals.total() == 3
    assert set(refusals) <= {"refused by agent-a", "refused by agent-b", "refused by team"}
    assert site.ledger.state("team").used == Usage(tokens=50)
    assert all(site.ledger.state(f"agent-{name}").used.tokens <= 30 for name in "ab")


async def test_runs_share_a_budget(site: Site) -> None:
    answers = await asyncio.gather(
        *(ask(site, "a", "b", "c", limit=50, id=f"run-{number}", budget_id="shared") for number in range(3))
    )
    assert sum(answer.startswith("refused by shared") for part in answers for answer in part) == 4
    assert site.ledger.state("shared").used == Usage(tokens=50)


async def test_under_200_concurrent_calls_only_running_calls_go_over(site: Site) -> None:
    site.cost = lambda prompt: 15  # each costs half as much again as was reserved
    answers = await ask(site, *(f"p{number}" for number in range(200)), limit=1000)
    made = sum(not answer.startswith("refused") for answer in answers)
    state = site.ledger.state("run")
    assert state.used == Usage(tokens=15 * made)
    assert site.provider.calls.total() == made
    assert set(site.provider.calls.values()) == {1}
    # A call begins only while used and reserved leave room for it, so 5 tokens a call that ran then is the most.
    assert 1000 - 10 < state.used.tokens <= 1000 + 5 * 100
    assert state.reserved == Usage()


async def test_a_provider_is_called_at_its_rate(tmp_path: Path) -> None:
    rates = {"wordy": RateLimit(requests_per_minute=60_000, burst=timedelta(0))}
    async with site_on("sqlite://", tmp_path, rates=rates) as site:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await ask(site, *(f"p{number}" for number in range(50)), limit=1000)
        assert loop.time() - began >= 0.049


async def test_it_works_on_the_real_server(real_server: str, tmp_path: Path) -> None:
    async with site_on(real_server, tmp_path) as site:
        site.fail_after_billing = 1
        answers = await site.client.execute_workflow(
            Team.run, args=[Limit(tokens=50), Limit(tokens=30)], id="team", task_queue=QUEUE
        )
        assert sum(answer.startswith("refused") for part in answers for answer in part) == 3
        assert site.provider.calls.total() == 5
        assert site.ledger.state("team").used == Usage(tokens=50)
