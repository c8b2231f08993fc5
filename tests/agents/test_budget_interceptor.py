"""Budgets by an interceptor: code that knows nothing of budgets is bounded, billed once, and waits for more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from crashing_site import InlineExecutor
from virtual_run import QUEUE, VirtualSite, events, virtual_site

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    Allowance,
    BudgetExhaustedError,
    BudgetIncrease,
    BudgetInterceptor,
    BudgetState,
    BudgetView,
    Ledger,
    Limit,
    Meter,
    Usage,
    spend,
)
from tsuzuki.agents._budget_interceptor import _BudgetedActivity, _Share
from tsuzuki.agents._usage import Exhausted
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.converter import PayloadEncodeError
from tsuzuki.exceptions import is_cancelled_exception
from tsuzuki.replay import Replayer
from tsuzuki.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    Worker,
)

BOUND = timedelta(minutes=2)
FEW = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3)


@dataclass
class Answer:
    text: str
    tokens: int


calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@activity.defn
async def ask(prompt: str) -> Answer:
    calls[prompt] += 1
    await asyncio.sleep(0)
    return Answer(prompt.upper(), 10 + prompt.count("!"))


@activity.defn
def ask_in_a_thread(prompt: str) -> str:
    calls[prompt] += 1
    spend(Usage(tokens=len(prompt)))
    return prompt.upper()


@workflow.defn
class Asking:
    """Asks everything at once, each by an activity or by a child; of what is refused it gives the budget."""

    @workflow.run
    async def run(self, prompts: list[str]) -> list[str]:
        return list(await asyncio.gather(*(self.ask(prompt) for prompt in prompts)))

    async def ask(self, prompt: str) -> str:
        try:
            if prompt.startswith("child "):
                id = prompt.removeprefix("child ")
                (answer,) = await workflow.execute_child_workflow(Asking.run, [id], id=f"child-{id}")
                return answer
            if prompt.startswith("part "):
                id = prompt.removeprefix("part ")
                (answer,) = await workflow.execute_child_workflow("Part", [id], id=f"part-{id}", result_type=list[str])
                return answer
            if prompt.startswith("thread "):
                return await workflow.execute_activity(ask_in_a_thread, prompt, start_to_close_timeout=BOUND)
            answer = await workflow.execute_activity(ask, prompt, start_to_close_timeout=BOUND, retry_policy=FEW)
            return answer.text
        except BudgetExhaustedError as error:
            return f"refused by {error.exhausted.budget}"


@workflow.defn(name="Part")
class Part(Asking):
    @workflow.run
    async def run(self, prompts: list[str]) -> list[str]:
        return await super().run(prompts)


METERS = {
    "ask": Meter(Usage(tokens=10), used=lambda answer: Usage(tokens=answer.tokens)),
    "ask_in_a_thread": Meter(lambda prompt: Usage(tokens=2 * len(prompt))),
}
WORKFLOWS = [Asking, Part]


class Site:
    def __init__(self, client: Client, ledger: Ledger) -> None:
        self.client = client
        self.ledger = ledger

    async def ask(self, *prompts: str, id: str = "run") -> list[str]:
        answers: list[str] = await self.client.execute_workflow(Asking.run, list(prompts), id=id, task_queue=QUEUE)
        return answers

    def used(self, budget: str = "run") -> int:
        return self.ledger.state(budget).used.tokens


@asynccontextmanager
async def site_on(
    target: str, allowances: Mapping[str, Allowance], meters: Mapping[str, Meter] = METERS, *others: Interceptor
) -> AsyncIterator[Site]:
    ledger = Ledger(":memory:")
    budgets = BudgetInterceptor(ledger, meters=meters, allowances=allowances)
    async with (
        await Client.connect(target) as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=WORKFLOWS,
            activities=[ask, ask_in_a_thread, *budgets.activities],
            interceptors=[*others, budgets],
        ),
    ):
        yield Site(client, ledger)
    ledger.check()
    ledger.close()


def limited(tokens: int, **options: Any) -> dict[str, Allowance]:
    return {"Asking": Allowance(Limit(tokens=tokens), **options)}


async def test_code_that_knows_no_budget_is_bounded_by_one_and_told_its_refusal_by_name() -> None:
    async with site_on("sqlite://", limited(30)) as site:
        answers = Counter(await site.ask("a", "b", "c", "d"))
        assert answers["refused by run"] == 1
        assert calls.total() == 3
        assert site.used() == 30


async def test_what_a_call_used_is_read_from_its_result_or_said_by_it() -> None:
    async with site_on("sqlite://", limited(1000)) as site:
        assert await site.ask("a!!", "thread 7") == ["A!!", "THREAD 7"]
        assert site.used() == 12 + 8
        assert {(call.name, call.estimate.tokens) for call in site.ledger.calls("run")} == {
            ("ask", 10),
            ("ask_in_a_thread", 16),
        }


async def test_a_meter_that_cannot_read_the_result_bills_the_estimate_and_fails_nothing() -> None:
    meters = {"ask": Meter(Usage(tokens=10), used=lambda answer: answer.no_such_thing)}
    async with site_on("sqlite://", limited(1000), meters) as site:
        assert await site.ask("a") == ["A"]
        assert (site.used(), calls["a"]) == (10, 1)


async def test_a_refusal_that_nobody_catches_ends_the_workflow_under_its_name() -> None:
    @workflow.defn
    class Unaware:
        @workflow.run
        async def run(self) -> str:
            return (await workflow.execute_activity(ask, "a", start_to_close_timeout=BOUND)).text

    budgets = BudgetInterceptor(
        ledger := Ledger(":memory:"), meters=METERS, allowances={"Unaware": Allowance(Limit(5))}
    )
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[Unaware],
            activities=[ask, *budgets.activities],
            interceptors=[budgets],
        ),
    ):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(Unaware.run, id="run", task_queue=QUEUE)
    assert BudgetExhaustedError.find(failed.value) is not None
    assert getattr(failed.value.cause, "type", "") == "BudgetExhaustedError"
    assert not calls
    ledger.close()


async def test_a_tree_books_on_the_budget_of_its_root_and_a_part_on_its_own_too() -> None:
    allowances = {**limited(50), "Part": Allowance(Limit(tokens=15))}
    async with site_on("sqlite://", allowances) as site:
        answers = await site.ask("child a", "child b", "part c")
        assert answers == ["A", "B", "C"]
        assert (site.used(), site.used("part-c")) == (30, 10)
        assert site.ledger.state("part-c").parent == "run"


async def test_children_without_an_allowance_are_refused_by_the_budget_of_the_root() -> None:
    async with site_on("sqlite://", {"Part": Allowance(Limit(tokens=15))}) as site:
        answers = await site.client.execute_workflow("Part", ["child a", "child b"], id="root", task_queue=QUEUE)
        assert sorted(answers)[-1] == "refused by root"
        assert (calls.total(), site.used("root")) == (1, 10)


async def test_runs_share_a_budget_by_its_id() -> None:
    async with site_on("sqlite://", limited(50, id="shared")) as site:
        parts = await asyncio.gather(*(site.ask("a", "b", "c", id=f"run-{number}") for number in range(3)))
        assert Counter(answer for part in parts for answer in part)["refused by shared"] == 4
        assert site.used("shared") == 50


async def test_a_call_is_billed_once_when_its_attempt_fails_after_the_bill() -> None:
    class FailsTwice(Interceptor):
        failures = 2

        def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
            outer = self

            class Link(ActivityInboundInterceptor):
                async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                    result = await super().execute_activity(input)
                    if activity.info().activity_type == "ask" and outer.failures:
                        outer.failures -= 1
                        raise ConnectionError("the worker lost the engine after the call was billed")
                    return result

            return Link(next)

    async with site_on("sqlite://", limited(1000), METERS, FailsTwice()) as site:
        assert await site.ask("a!") == ["A!"]
        assert (calls["a!"], site.used()) == (1, 11)


async def test_under_200_concurrent_calls_only_running_calls_go_over() -> None:
    meters = {"ask": Meter(Usage(tokens=10), used=lambda _: Usage(tokens=15))}
    async with site_on("sqlite://", limited(1000), meters) as site:
        answers = await site.ask(*(f"p{number}" for number in range(200)))
        made = sum(not answer.startswith("refused") for answer in answers)
        assert (calls.total(), site.used()) == (made, 15 * made)
        assert set(calls.values()) == {1}
        assert 1000 - 10 < site.used() <= 1000 + 5 * 100
        assert site.ledger.state("run").reserved == Usage()


async def test_a_run_can_be_asked_while_its_budget_is_being_opened() -> None:
    @workflow.defn
    class Asked:
        @workflow.run
        async def run(self) -> str:
            workflow.set_query_handler("where", lambda: "here")
            return (await workflow.execute_activity(ask, "a", start_to_close_timeout=BOUND)).text

    ledger = Ledger(":memory:")
    budgets = BudgetInterceptor(ledger, meters=METERS, allowances={"Asked": Allowance(Limit(tokens=10))})
    async with await Client.connect("sqlite://") as client:
        handle = await client.start_workflow(Asked.run, id="run", task_queue=QUEUE)
        async with Worker(client, task_queue=QUEUE, workflows=[Asked], interceptors=[budgets]):  # no activities yet
            assert await handle.query("where") == "here"
            assert await handle.query("get_budget", result_type=BudgetView) == BudgetView("run", 0, None)
        given: dict[str, Any] = {"workflows": [Asked], "activities": [ask, *budgets.activities]}
        async with Worker(client, task_queue=QUEUE, interceptors=[budgets], **given):
            assert await handle.result() == "A"
    assert ledger.state("run").used.tokens == 10
    ledger.close()


async def test_a_budget_that_cannot_be_opened_ends_what_needs_it() -> None:
    async with site_on("sqlite://", {"Asking": Allowance(parent="no such budget")}) as site:
        with pytest.raises(WorkflowFailureError) as failed:
            await site.ask("a")
    assert "no budget 'no such budget'" in str(failed.value.cause and failed.value.cause.__cause__)
    assert not calls


async def test_an_activity_that_cannot_be_started_tells_the_code_that_waits() -> None:
    @workflow.defn
    class Wrong:
        @workflow.run
        async def run(self) -> str:
            try:
                await workflow.execute_activity("ask", object(), start_to_close_timeout=BOUND)
            except PayloadEncodeError as error:
                return str(error)
            return ""

    ledger = Ledger(":memory:")
    budgets = BudgetInterceptor(ledger, meters=METERS, allowances={"Wrong": Allowance()})
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Wrong], activities=budgets.activities, interceptors=[budgets]),
    ):
        said = await client.execute_workflow(Wrong.run, id="run", task_queue=QUEUE)
    assert said.startswith("argument number 1 of activity 'ask': value 0 (object) cannot be encoded")
    ledger.close()


# ---- waiting, in virtual time ------------------------------------------------------------------------------


@asynccontextmanager
async def waiting_site(allowance: Allowance) -> AsyncIterator[tuple[VirtualSite, Ledger]]:
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    ledger = Ledger(":memory:")
    budgets = BudgetInterceptor(ledger, meters=METERS, allowances={"Asking": allowance})
    async with (
        virtual_site() as site,
        Worker(
            site.client,
            task_queue=QUEUE,
            workflows=WORKFLOWS,
            activities=[ask, ask_in_a_thread, *budgets.activities],
            activity_executor=InlineExecutor(),
            interceptors=[budgets],
        ),
    ):
        yield site, ledger
    ledger.check()
    ledger.close()


async def test_refused_calls_wait_for_an_increase_and_go_on() -> None:
    async with waiting_site(Allowance(Limit(tokens=10), wait=True)) as (site, _):
        handle = await site.client.start_workflow(Asking.run, ["a", "b", "c"], id="run", task_queue=QUEUE)
        await site.advance(1)
        view: BudgetView = await handle.query("get_budget", result_type=BudgetView)
        assert (view.id, view.waiting) == ("run", 2)
        state = await handle.execute_update("increase_budget", BudgetIncrease(20, by="ann"), result_type=BudgetState)
        assert state.limit == Limit(tokens=30)
        await site.advance(1)
        assert await handle.result() == ["A", "B", "C"]


async def test_a_child_goes_on_after_an_increase_that_was_made_elsewhere_asking_less_and_less_often() -> None:
    async with waiting_site(Allowance(Limit(tokens=5), wait=True, ask_again=timedelta(seconds=30))) as (site, ledger):
        handle = await site.client.start_workflow(Asking.run, ["child a"], id="run", task_queue=QUEUE)
        await site.advance(29)
        child: Any = site.client.get_workflow_handle("child-a")
        # The child has an allowance of its type: a part of its parent's budget, and the parent's has no room.
        assert (await events(child)).count("ACTIVITY_TASK_FAILED") == 1
        await site.advance(30 + 60 + 120)
        assert (await events(child)).count("ACTIVITY_TASK_FAILED") == 4
        for budget in ("run", "child-a"):
            ledger.increase(budget, Usage(tokens=10), key=f"for {budget}")
        await site.advance(240)
        assert await handle.result() == ["A"]


async def test_a_run_that_waits_can_be_cancelled() -> None:
    async with waiting_site(Allowance(Limit(tokens=5), wait=True)) as (site, ledger):
        handle = await site.client.start_workflow(Asking.run, ["a", "b"], id="run", task_queue=QUEUE)
        await site.advance(1)
        await handle.cancel()
        await site.advance(1)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert is_cancelled_exception(failed.value.cause or failed.value)
        assert ledger.state("run").reserved == Usage()


async def test_calls_slow_down_from_the_soft_limit_on() -> None:
    naps: list[float] = []
    async with site_on("sqlite://", limited(20, soft=0.5, delay_s_max=0.01)) as site:
        reserve: Callable[..., Any] = site.ledger.reserve

        def noted(*args: Any, **options: Any) -> Any:
            grant = reserve(*args, **options)
            naps.append(grant.delay_s)
            return grant

        site.ledger.reserve = noted  # type: ignore[method-assign]
        await site.ask("a", "b")
    assert sorted(naps) == [0.0, 0.01]


async def test_open_runs_go_on_when_a_worker_is_given_the_interceptor() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, activities=[ask, ask_in_a_thread]),
    ):
        handle = await client.start_workflow(Asking.run, ["a", "child b"], id="run", task_queue=QUEUE)
        await handle.result()
        history = await handle.fetch_history()
    ledger = Ledger(":memory:")
    budgets = BudgetInterceptor(ledger, meters=METERS, allowances=limited(1))
    await Replayer(workflows=WORKFLOWS, interceptors=[budgets]).replay_workflow(history)
    ledger.close()


async def test_a_call_that_is_cancelled_in_the_moment_of_its_refusal_waits_for_nothing() -> None:
    """Both come with one workflow task: there is nothing left to cancel, and what would follow must not begin."""
    began: list[asyncio.Future[Any]] = []
    waits = 0

    def start() -> Any:
        began.append(asyncio.get_running_loop().create_future())
        return began[-1]

    class Book:
        increases = 0

        async def wait_for_more(self, *_: Any) -> None:
            nonlocal waits
            waits += 1
            await asyncio.Event().wait()

    async def result_of(call: asyncio.Future[Any]) -> Any:
        return await call

    opening = asyncio.get_running_loop().create_future()
    opening.set_result(Book())
    call = _BudgetedActivity(start, opening, _Share("b", wait=True, ask_again_s=30))
    waiting = asyncio.ensure_future(result_of(call))
    await asyncio.sleep(0)
    began[0].set_exception(BudgetExhaustedError(Exhausted("b", Limit(), Usage(), Usage(), Usage())))
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=60)
    assert (waiting.cancelled(), len(began), waits) == (True, 1, 0)
