"""Deep research: approved, followed, paused, bounded; the same report whatever happens; four generations replay."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from crashing_site import QUEUE, CrashingSite, InlineExecutor, check_histories
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from research_generations import HISTORIES, RECORDED, TEXTS, First

from tsuzuki.agents import (
    BudgetExhaustedError,
    EntryKind,
    ExecutionLog,
    Ledger,
    Limit,
    MemoryStore,
    RemoteApprovals,
    RemoteControl,
    Usage,
)
from tsuzuki.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowNotFoundError,
)
from tsuzuki.demo import Question, Report
from tsuzuki.demo.deep_research import (
    DeepResearch,
    Progress,
    ResearchAgent,
    ResearchRequest,
    WebSearch,
    deep_research_activities,
)
from tsuzuki.exceptions import ApplicationError, is_cancelled_exception
from tsuzuki.replay import Replayer
from tsuzuki.testing import VirtualClock
from tsuzuki.worker import Worker
from tsuzuki.workflow import NondeterminismError

SEEDS = int(os.environ.get("TSUZUKI_SEEDS", "500"))
WORKFLOWS = [DeepResearch, ResearchAgent]
CHECKPOINTS = {
    "pre_plan",
    "pre_agent lamp: what it is",
    "pre_agent current",  # the gap
    "pre_synthesis",
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A corpus, indexed once for all tests; without a key for a model."""
    here = tmp_path_factory.mktemp("research")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(here / "cache"))
        for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
            patch.delenv(key, raising=False)
        folder = here / "texts"
        folder.mkdir()
        for name, text in TEXTS.items():
            (folder / name).write_text(text)
        yield str(folder)


class Books:
    """What a test keeps beside the engine; in memory it outlives a crash, as it would on a disk."""

    def __init__(self, **options: Any) -> None:
        self.ledger = Ledger(":memory:")
        self.log = ExecutionLog(":memory:")
        self.memory = MemoryStore(":memory:")
        self.activities = deep_research_activities(self.ledger, self.log, memory=self.memory, **options)

    def close(self) -> None:
        self.ledger.check()
        self.ledger.close()
        self.log.close()
        self.memory.close()


@asynccontextmanager
async def research(
    request: ResearchRequest, target: str = "sqlite://", **options: Any
) -> AsyncIterator[tuple[WorkflowHandle[Any, Report], Books, Client]]:
    books = Books(**options)
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, activities=books.activities),
    ):
        handle = await client.start_workflow(DeepResearch.run, request, id="deep", task_queue=QUEUE)
        yield handle, books, client
    books.close()


def ask(texts: str, **conditions: Any) -> ResearchRequest:
    return ResearchRequest(Question("How do a lamp and a switch work?", corpus=texts), **conditions)


async def test_agents_look_up_topics_and_gaps_and_a_report_cites_its_sources(texts: str) -> None:
    async with research(ask(texts, limit=Limit(tokens=50_000))) as (handle, books, client):
        report = await handle.result()
        assert "A lamp gives light when current flows" in report.text
        assert {citation.source for citation in report.citations}
        progress: Progress = await handle.query("get_progress", result_type=Progress)
        assert set(progress.planned) < set(progress.found)  # at least one gap was looked into
        assert len(books.log.read()) == len(progress.found)
        used = books.ledger.state("deep").used
        assert used.tokens == sum(record.execution.tokens_used for record in books.log.read()) > 0
        assert [run.id async for run in client.list_workflows()]


async def test_it_works_on_the_real_server(texts: str, real_server: str) -> None:
    request = ask(texts, limit=Limit(tokens=50_000), approve_plan=True)
    async with research(request, real_server) as (handle, books, _):
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next()
        await people.approve(asked.id, edited=asked.subject[:3])
        control = RemoteControl(handle)
        await control.pause("a moment")
        await control.resume()
        assert (await handle.result()).citations
        assert books.ledger.state("deep").used.tokens > 0


async def test_people_may_refuse_the_plan(texts: str) -> None:
    async with research(ask(texts, approve_plan=True)) as (handle, books, _):
        people = RemoteApprovals(handle, by="bob")
        await people.reject((await people.next()).id, reason="too dear")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert str(failed.value.cause) == "PlanRefused: the plan was refused by bob: too dear"
        assert books.log.read() == []


async def test_a_budget_that_is_used_up_ends_it_by_name(texts: str) -> None:
    async with research(ask(texts, limit=Limit(tokens=2300))) as (handle, books, _):  # one agent, undelayed
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        refused = BudgetExhaustedError.find(failed.value)
        assert refused is not None
        assert refused.exhausted.budget == "deep"
        assert books.ledger.state("deep").used.tokens <= 2300


async def test_only_a_few_agents_are_at_work_at_a_time(texts: str) -> None:
    async with research(ask(texts, agents_at_a_time=2)) as (handle, _, _):
        await handle.result()
        at_work = most = 0
        async for event in handle.fetch_history_events():
            if event.HasField("start_child_workflow_execution_initiated_event_attributes"):
                at_work += 1
                most = max(most, at_work)
            elif event.HasField("child_workflow_execution_completed_event_attributes"):
                at_work -= 1
        assert most == 2


async def test_a_session_remembers_what_was_asked_and_the_next_plan_takes_it_into_account(texts: str) -> None:
    async with research(ask(texts, session_id="s1")) as (handle, books, client):
        await handle.result()
        said = books.memory.messages("s1")
        assert [entry.kind for entry in said] == [EntryKind.USER, EntryKind.REPLY]
        assert said[1].text.startswith("# How do a lamp and a switch work?")
        planned = []
        for session in ("s1", "another"):
            request = ResearchRequest(Question("What about a FuseBox?", corpus=texts), session_id=session)
            next_one = await client.start_workflow(DeepResearch.run, request, id=session, task_queue=QUEUE)
            assert (await next_one.result()).question == "What about a FuseBox?"
            progress: Progress = await next_one.query("get_progress", result_type=Progress)
            planned.append({title.split(":")[0] for title in progress.planned})
    assert planned[0] >= {"fusebox", "lamp"}
    assert "lamp" not in planned[1]


async def test_findings_are_streamed_as_the_agents_come_back(texts: str) -> None:
    async with research(ask(texts)) as (handle, _, _):
        await handle.result()
        progress: Progress = await handle.query("get_progress", result_type=Progress)
        shown = [event.value async for event in handle.read_stream() if event.kind == "data"]
    assert {finding["topic"]: len(finding["passages"]) for finding in shown} == progress.found
    assert {"source", "title", "text"} == set(shown[0]["passages"][0])


class SearchService(BaseHTTPRequestHandler):
    """Finds one page for everything, for those who have the key."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(parse_qs(urlsplit(self.path).query)["q"][0])
        allowed = self.headers["Authorization"] == "Bearer key"
        page = {
            "url": "https://lamps.example/",
            "title": "Lamps",
            "content": "The first electric lamp was shown to the public in London in 1878.",
        }
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"results": [page, {"url": "https://empty.example/"}]}).encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def search_service() -> Iterator[str]:
    SearchService.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), SearchService) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/search?format=json"
        server.shutdown()


async def test_with_a_key_agents_search_the_web_too_and_the_report_cites_it(texts: str, search_service: str) -> None:
    web = WebSearch(search_service, "key")
    async with research(ask(texts, web=True), web=web) as (handle, _, _):
        report = await handle.result()
    assert "https://lamps.example/" in {citation.source for citation in report.citations}
    assert SearchService.asked
    assert "How do a lamp and a switch work?" in SearchService.asked[0]


@pytest.mark.parametrize(
    ("web", "kind"), [(None, "NoWebSearch"), ("wrong key", "WebSearchRefused"), ("file", "WebSearchRefused")]
)
async def test_a_web_search_that_is_missing_or_refused_ends_it_by_name(
    web: str | None, kind: str, texts: str, search_service: str
) -> None:
    given = {None: None, "wrong key": WebSearch(search_service, "no"), "file": WebSearch("file:///etc/passwd")}[web]
    async with research(ask(texts, web=True), web=given) as (handle, _, _):
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    error: BaseException | None = failed.value
    while error is not None and getattr(error, "type", None) != kind:
        error = error.__cause__
    assert error is not None


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Search the texts and the web once for what was asked, then say so."""
    assert [tool.name for tool in info.function_tools] == ["search_texts", "search_web"]
    if any(isinstance(message, ModelResponse) for message in messages):
        return ModelResponse(parts=[TextPart("It gives light.")])
    return ModelResponse(parts=[ToolCallPart(tool, {"query": "lamp light"}) for tool in ("search_texts", "search_web")])


async def test_agents_may_be_models_that_search_as_they_see_fit(texts: str, search_service: str) -> None:
    request = ask(texts, with_model=True, limit=Limit(tokens=500_000), agents_at_a_time=9)
    given = {"model": FunctionModel(think), "corpus": texts, "web": WebSearch(search_service, "key")}
    async with research(request, **given) as (handle, books, client):
        report = await handle.result()
        assert {"lamps.md", "https://lamps.example/"} <= {citation.source for citation in report.citations}
        assert {record.execution.output for record in books.log.read()} == {"It gives light."}
        assert books.ledger.state("deep").used.tokens > 0
        agent = client.get_workflow_handle("deep-agent-1")
        await Replayer(workflows=WORKFLOWS).replay_workflow(await agent.fetch_history())


# ---- whatever happens to it --------------------------------------------------------------------------------


MINUTE = timedelta(minutes=1)


class Disturbed:
    """A run under virtual time, and everything that may happen to it; without threads, so a seed gives one run."""

    def __init__(self, seed: int, request: ResearchRequest) -> None:
        self.chance = random.Random(seed)
        self.request = request
        self.clock = VirtualClock()
        self.books = Books()
        self.site = CrashingSite(self.chance, WORKFLOWS, self.books.activities, self.clock, InlineExecutor())
        self.deeds: list[str] = []
        self.waited_at: set[str] = set()
        self.approved = False
        self.used = Usage()

    async def live(self) -> Report | None:
        """The report; None if it was cancelled."""
        asyncio.get_running_loop().set_default_executor(InlineExecutor())
        await self.site.open()
        try:
            await self.site.client.start_workflow(DeepResearch.run, self.request, id="deep", task_queue=QUEUE)
            deeds = ["pause", "pause", "resume", "crash", "approve"]
            deeds += ["cancel", "announced"] if self.chance.random() < 0.4 else []
            for _ in range(self.chance.randint(1, 8)):
                for _ in range(self.chance.choice([0, 10, 40, 120])):  # turns of the loop: a time within the run
                    await asyncio.sleep(0)
                await self.do(self.chance.choice(deeds))
            for deed in ("resume", "approve") if not self.cancelled else ():
                await self.do(deed)
            report = await self.outcome()
            await check_histories(self.site.client, WORKFLOWS)
            if report is not None:
                self.used = self.books.ledger.state("deep").used
            return report
        finally:
            await self.site.close()
            self.books.close()

    @property
    def cancelled(self) -> bool:
        return bool({"cancel", "announced"} & set(self.deeds))

    async def do(self, deed: str) -> None:
        handle = self.site.client.get_workflow_handle("deep")
        control = RemoteControl(handle, by="the test")
        with suppress(WorkflowNotFoundError):  # it has closed
            match deed:
                case "pause":
                    await control.pause()
                    await self.clock.settle()
                    self.waited_at.update((await control.state()).waiting_at)
                case "resume":
                    await control.resume()
                case "cancel":
                    await handle.signal("cancel", "enough")
                case "announced":
                    await control.cancel("enough")
                case "approve":
                    await self.approve()
                case "crash":
                    await self.site.crash()
            self.deeds.append(deed)

    async def approve(self) -> None:
        """One topic of the plan, as soon as people are asked."""
        people = RemoteApprovals(self.site.client.get_workflow_handle("deep"), by="ann")
        for _ in range(0 if self.approved else 6):
            await self.clock.advance(timedelta(seconds=11))  # a worker that is gone has its queue for 10
            for asked in await people.pending():
                await people.approve(asked.id, edited=asked.subject[:1])
                self.approved = True
                return

    async def outcome(self) -> Report | None:
        handle = self.site.client.get_workflow_handle("deep", result_type=Report)
        for _ in range(60):
            await self.clock.advance(MINUTE)
            if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
                break
        else:
            raise AssertionError("it is still open after an hour")
        try:
            report: Report = await handle.result()
        except WorkflowFailureError as failed:
            if not is_cancelled_exception(failed.cause or failed):
                raise
            return None
        return report


@pytest.fixture(scope="module")
def undisturbed(texts: str) -> tuple[Report, Usage]:
    """What a run gives that nothing happens to, and what it has used."""

    async def run() -> tuple[Report, Usage]:
        async with research(ask(texts, limit=Limit(tokens=50_000), approve_plan=True)) as (handle, books, _):
            people = RemoteApprovals(handle, by="ann")
            asked = await people.next()
            await people.approve(asked.id, edited=asked.subject[:1])
            return await handle.result(), books.ledger.state("deep").used

    return asyncio.run(run())


@pytest.fixture
def quiet() -> Iterator[None]:
    """Crashes leave thousands of log lines, and formatting them takes longer than the runs."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


async def test_the_report_is_the_same_or_the_cancel_is_clean(
    texts: str, undisturbed: tuple[Report, Usage], quiet: None
) -> None:
    """`TSUZUKI_SEEDS=5000` tries more of them."""
    expected, read = undisturbed
    waited_at: set[str] = set()
    cancelled = 0
    for seed in range(SEEDS):
        run = Disturbed(seed, ask(texts, limit=Limit(tokens=50_000), approve_plan=True))
        report = await run.live()
        print(f"seed {seed}: {run.deeds}")
        if report is None:
            assert run.cancelled
            cancelled += 1
        else:
            assert report == expected
            assert run.used == read  # nothing was billed twice
        waited_at |= run.waited_at
    if SEEDS >= 500:
        assert waited_at == CHECKPOINTS, waited_at
        assert 0 < cancelled < SEEDS / 2


# ---- its own past --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RECORDED, *(f"{name}_agent" for name in RECORDED)])
async def test_runs_of_all_generations_replay_on_the_code_as_it_is(name: str) -> None:
    history = WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    await Replayer(workflows=WORKFLOWS).replay_workflow(history)


async def test_without_its_gate_a_change_would_have_broken_runs_of_the_first() -> None:
    text = (HISTORIES / "research_2.json").read_text(encoding="utf-8")
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[First, ResearchAgent]).replay_workflow(WorkflowHistory.from_json("r", text))
