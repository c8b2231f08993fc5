"""Deep research: approved, followed, paused, bounded; the same report whatever happens; three generations replay."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from crashing_site import QUEUE, CrashingSite, check_histories
from research_generations import GENERATIONS, HISTORIES, TEXTS, First

from tsuzuki.agents import BudgetExhaustedError, ExecutionLog, Ledger, Limit, RemoteApprovals, RemoteControl
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory, WorkflowNotFoundError
from tsuzuki.demo import Question, Report
from tsuzuki.demo.deep_research import (
    DeepResearch,
    Progress,
    ResearchAgent,
    ResearchRequest,
    deep_research_activities,
)
from tsuzuki.exceptions import ApplicationError, is_cancelled_exception
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker
from tsuzuki.workflow import NondeterminismError

SEEDS = int(os.environ.get("TSUZUKI_SEEDS", "6"))
WORKFLOWS = [DeepResearch, ResearchAgent]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return str(folder)


class Books:
    """Ledger and log of a test."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "budgets.db")
        self.log = ExecutionLog(folder / "executions.db")
        self.activities = deep_research_activities(self.ledger, self.log)

    def close(self) -> None:
        self.ledger.check()
        self.ledger.close()
        self.log.close()


@asynccontextmanager
async def research(
    folder: Path, request: ResearchRequest, target: str = "sqlite://"
) -> AsyncIterator[tuple[WorkflowHandle[Any, Report], Books, Client]]:
    books = Books(folder)
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, activities=books.activities),
    ):
        handle = await client.start_workflow(DeepResearch.run, request, id="deep", task_queue=QUEUE)
        yield handle, books, client
    books.close()


def ask(texts: str, **conditions: Any) -> ResearchRequest:
    return ResearchRequest(Question("How do a lamp and a switch work?", corpus=texts), **conditions)


async def test_agents_look_up_topics_and_gaps_and_a_report_cites_its_sources(texts: str, tmp_path: Path) -> None:
    async with research(tmp_path, ask(texts, limit=Limit(tokens=50_000))) as (handle, books, client):
        report = await handle.result()
        assert "A lamp gives light when current flows" in report.text
        assert {citation.source for citation in report.citations}
        progress: Progress = await handle.query("get_progress", result_type=Progress)
        assert set(progress.planned) < set(progress.found)  # at least one gap was looked into
        assert len(books.log.read()) == len(progress.found)
        used = books.ledger.state("deep").used
        assert used.tokens == sum(record.execution.tokens_used for record in books.log.read()) > 0
        assert [run.id async for run in client.list_workflows()]


async def test_it_works_on_the_real_server(texts: str, tmp_path: Path, real_server: str) -> None:
    request = ask(texts, limit=Limit(tokens=50_000), approve_plan=True)
    async with research(tmp_path, request, real_server) as (handle, books, _):
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next()
        await people.approve(asked.id, edited=asked.subject[:3])
        control = RemoteControl(handle)
        await control.pause("a moment")
        await control.resume()
        assert (await handle.result()).citations
        assert books.ledger.state("deep").used.tokens > 0


async def test_people_may_refuse_the_plan(texts: str, tmp_path: Path) -> None:
    async with research(tmp_path, ask(texts, approve_plan=True)) as (handle, books, _):
        people = RemoteApprovals(handle, by="bob")
        await people.reject((await people.next()).id, reason="too dear")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert str(failed.value.cause) == "PlanRefused: the plan was refused by bob: too dear"
        assert books.log.read() == []


async def test_a_budget_that_is_used_up_ends_it_by_name(texts: str, tmp_path: Path) -> None:
    async with research(tmp_path, ask(texts, limit=Limit(tokens=2000))) as (handle, books, _):
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        refused = BudgetExhaustedError.find(failed.value)
        assert refused is not None
        assert refused.exhausted.budget == "deep"
        assert books.ledger.state("deep").used.tokens <= 2000


async def test_only_a_few_agents_are_at_work_at_a_time(texts: str, tmp_path: Path) -> None:
    async with research(tmp_path, ask(texts, agents_at_a_time=2)) as (handle, _, _):
        await handle.result()
        at_work = most = 0
        async for event in handle.fetch_history_events():
            if event.HasField("start_child_workflow_execution_initiated_event_attributes"):
                at_work += 1
                most = max(most, at_work)
            elif event.HasField("child_workflow_execution_completed_event_attributes"):
                at_work -= 1
        assert most == 2


# ---- whatever happens to it --------------------------------------------------------------------------------


async def disturb(site: CrashingSite, chance: random.Random, *, may_cancel: bool) -> str:
    deeds = ["pause", "pause", "resume", "resume", "crash", *(["cancel", "announced"] if may_cancel else [])]
    deed = chance.choice(deeds)
    handle = site.client.get_workflow_handle("deep")
    control = RemoteControl(handle, by="the test")
    with suppress(WorkflowNotFoundError):  # it has closed
        match deed:
            case "pause":
                await control.pause()
            case "resume":
                await control.resume()
            case "cancel":
                await handle.signal("cancel", "enough")
            case "announced":
                await control.cancel("enough")
            case "crash":
                await site.crash()
        return deed
    return "nothing"


async def outcome(site: CrashingSite) -> Report | None:
    handle = site.client.get_workflow_handle("deep", result_type=Report)
    try:
        report: Report = await handle.result()
    except WorkflowFailureError as failed:
        if not is_cancelled_exception(failed.cause or failed):
            raise
        return None
    return report


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_report_is_the_same_or_the_cancel_is_clean(seed: int, texts: str, tmp_path: Path) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    (tmp_path / "undisturbed").mkdir()
    request = ask(texts, limit=Limit(tokens=50_000))
    async with research(tmp_path / "undisturbed", request) as (handle, books, _):
        expected = await handle.result()
        read = books.ledger.state("deep").used
    books = Books(tmp_path)
    site = CrashingSite(chance, WORKFLOWS, books.activities)
    await site.open()
    try:
        await site.client.start_workflow(DeepResearch.run, request, id="deep", task_queue=QUEUE)
        may_cancel = chance.random() < 0.4
        deeds = []
        for _ in range(chance.randint(1, 8)):
            for _ in range(chance.choice([0, 20, 100, 300])):  # turns of the loop: a time within the run
                await asyncio.sleep(0)
            deeds.append(await disturb(site, chance, may_cancel=may_cancel))
        print(deeds)
        cancelled = "cancel" in deeds or "announced" in deeds
        if not cancelled:
            with suppress(WorkflowNotFoundError):
                await RemoteControl(site.client.get_workflow_handle("deep")).resume()
        report = await asyncio.wait_for(outcome(site), 60)
        if report is None:
            assert cancelled
        else:
            assert report == expected
            assert books.ledger.state("deep").used == read  # nothing was billed twice
        await check_histories(site.client, WORKFLOWS)
    finally:
        await site.close()
        books.close()


# ---- its own past --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*GENERATIONS, *(f"{name}_agent" for name in GENERATIONS)])
async def test_runs_of_all_generations_replay_on_the_code_as_it_is(name: str) -> None:
    history = WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    await Replayer(workflows=WORKFLOWS).replay_workflow(history)


async def test_without_its_gate_a_change_would_have_broken_runs_of_the_first() -> None:
    text = (HISTORIES / "research_2.json").read_text(encoding="utf-8")
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[First, ResearchAgent]).replay_workflow(WorkflowHistory.from_json("r", text))
