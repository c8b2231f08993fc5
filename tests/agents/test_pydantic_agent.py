"""A `pydantic_ai.Agent` in a workflow: the library's own loop replays, its model and tools are activities."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_ai import Agent, ModelHTTPError, ModelRetry, RunContext, Tool, UsageLimits
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_ai.toolsets.abstract import ToolsetTool
from virtual_run import QUEUE, scheduled

from tsuzuki import activity, workflow
from tsuzuki.agents import (
    Approvals,
    Budget,
    BudgetActivities,
    BudgetExhaustedError,
    Control,
    Ledger,
    Limit,
    PydanticAgent,
    RemoteApprovals,
    Usage,
)
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker

calls: Counter[str] = Counter()
FAST = workflow.ActivityConfig(retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3))


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


@dataclass(frozen=True)
class Shelf:
    """What the agent works on."""

    topic: str
    since: date


class Report(BaseModel):
    title: str
    facts: list[str]


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Search twice at once, one of them wrongly; ask for a price; answer with a wrong report, then a right one."""
    calls["model"] += 1
    if calls["model"] == 2:
        raise ModelHTTPError(429, "scripted", "slow down")
    turn = sum(isinstance(message, ModelResponse) for message in messages)
    parts = [part for message in messages for part in message.parts]
    returned = [it.content for it in parts if isinstance(it, ToolReturnPart) and it.outcome == "success"]
    told = [it for it in parts if "retry" in it.part_kind or getattr(it, "outcome", "") == "retried"]
    if turn == 0:
        return ModelResponse(
            parts=[
                ToolCallPart("search", {"word": "owls", "after": "2020-02-01"}),
                ToolCallPart("search", {"word": ["no"], "after": "yesterday"}),
            ]
        )
    if turn == 1:
        assert len(told) == 1
        return ModelResponse(parts=[ToolCallPart("price", '{"of": "owls"}')])
    (report,) = info.output_tools
    if turn == 2:
        assert len(told) == 2
        return ModelResponse(parts=[ToolCallPart(report.name, {"title": "Owls"})])
    assert len(told) == 3
    return ModelResponse(parts=[ToolCallPart(report.name, {"title": "Owls", "facts": [*map(str, returned)]})])


thinker = Agent(FunctionModel(think), name="thinker", deps_type=Shelf, output_type=Report, retries=2)


@thinker.instructions
def about(ctx: RunContext[Shelf]) -> str:
    return f"You know about {ctx.deps.topic}; it is {time.time()}."


@thinker.output_validator
def titled(report: Report) -> Report:
    if not report.title:
        raise ModelRetry("give it a title")
    return report


@thinker.tool
async def search(ctx: RunContext[Shelf], word: str, after: date) -> list[str]:
    """Find facts."""
    calls["search"] += 1
    assert activity.in_activity()
    return [f"{word} in {ctx.deps.topic} {ctx.deps.since.year} {after.year} {ctx.tool_name} {ctx.retry}"]


@thinker.tool_plain(retries=3)
def price(of: str) -> str:
    """Tell a price."""
    calls["price"] += 1
    if calls["price"] == 1:
        raise ConnectionError("try again")
    raise ModelRetry(f"{of} are not sold")


durable = PydanticAgent(thinker, model_options=FAST, options={"price": FAST})
messages_seen: list[str] = []


@workflow.defn
class Think:
    @workflow.run
    async def run(self, topic: str) -> Report:
        async with Control() as control:
            result = await durable.run("What about owls?", deps=Shelf(topic, date(2019, 1, 1)), control=control)
            messages_seen.append(repr(result.all_messages()))
            await asyncio.sleep(0.001)
            messages_seen.append(repr(result.all_messages()))
            return result.output


REPORT = Report(title="Owls", facts=["['owls in birds 2019 2020 search 0']"])
ACTIVITIES = ["thinker.model", "thinker.search", "thinker.model", "thinker.price", "thinker.model", "thinker.model"]


@pytest.mark.parametrize("cached", [100, 0])
async def test_the_library_s_own_loop_runs_and_replays_in_a_workflow(cached: int) -> None:
    messages_seen.clear()
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Think], activities=durable.activities, max_cached_workflows=cached),
    ):
        handle = await client.start_workflow(Think.run, "birds", id="w", task_queue=QUEUE)
        assert await handle.result() == REPORT
        assert await scheduled(handle) == ACTIVITIES
        # Each model request and tool call once, but for the attempts that failed and the call that did not fit.
        assert calls == {"model": 5, "search": 1, "price": 2}
        assert len(set(messages_seen)) == 1, "times and ids of messages are the same on every replay"
        history = await handle.fetch_history()
        assert (await Replayer(workflows=[Think]).replay_workflow(history)).replay_failure is None


async def test_it_works_on_the_real_server(real_server: str) -> None:
    async with (
        await Client.connect(real_server) as client,
        Worker(client, task_queue=QUEUE, workflows=[Think], activities=durable.activities, max_cached_workflows=0),
    ):
        handle = await client.start_workflow(Think.run, "birds", id="pydantic-agent", task_queue=QUEUE)
        assert await handle.result() == REPORT
        assert await scheduled(handle) == ACTIVITIES
    assert calls == {"model": 5, "search": 1, "price": 2}


def one_workflow(run: Any) -> Any:
    """A workflow class of a function."""

    @workflow.defn(name="One")
    class One:
        @workflow.run
        async def run(self) -> Any:
            return await run()

    return One


async def outcome(agent: PydanticAgent[Any, Any], run: Any, *activities: Any) -> Any:
    """Run a function as a workflow, and give its result."""
    one = one_workflow(run)
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[one],
            activities=[*agent.activities, *activities],
            max_cached_workflows=0,
        ),
    ):
        return await client.execute_workflow("One", id="w", task_queue=QUEUE)


async def test_what_is_streamed_goes_into_the_event_stream() -> None:
    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        if len(messages) == 1:
            yield {0: DeltaToolCall("look", '{"at":', tool_call_id="1")}
            yield {0: DeltaToolCall(None, ' "owls"}', tool_call_id="1")}
        else:
            for token in ("It ", "was ", "dark"):
                yield token

    writer = Agent(FunctionModel(stream_function=write), name="writer")

    @writer.tool_plain
    def look(at: str) -> str:
        return f"{at} seen"

    streaming = PydanticAgent(writer, stream=True)
    one = one_workflow(lambda: _output(streaming))
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[one], activities=streaming.activities),
    ):
        handle = await client.start_workflow("One", id="w", task_queue=QUEUE)
        events = [(it.activity_type, it.value) async for it in handle.read_stream() if it.kind == "data"]
        assert await handle.result() == "It was dark"
    assert events[0] == ("writer.model", {"tool_call": "look", "id": "1", "arguments": {"at": "owls"}})
    assert events[1] == ("writer.look", {"tool_result": "look", "id": "1", "content": "owls seen"})
    assert "".join(text for name, text in events[2:] if name == "writer.model") == "It was dark"


async def _output(agent: PydanticAgent[Any, Any], prompt: str = "Go!", **how: Any) -> Any:
    return (await agent.run(prompt, **how)).output


async def test_a_handler_of_events_runs_in_the_activity_and_can_publish() -> None:
    told: list[str] = []

    async def handle_events(ctx: RunContext[str], events: AsyncIterable[Any]) -> None:
        async with activity.open_stream() as stream:
            async for event in events:
                told.append(type(event).__name__)
                await stream.publish({"of": ctx.deps, "event": event.event_kind})

    own = Agent(TestModel(custom_output_text="done"), name="own", deps_type=str)
    streaming = PydanticAgent(own, event_stream_handler=handle_events)
    one = one_workflow(lambda: _output(streaming, deps="ann"))
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[one], activities=streaming.activities, max_cached_workflows=0),
    ):
        handle = await client.start_workflow("One", id="w", task_queue=QUEUE)
        events = [it.value async for it in handle.read_stream() if it.kind == "data"]
        assert await handle.result() == "done"
    assert told[0] == "PartStartEvent"
    assert len(events) == len(told), "not once more in the workflow"
    assert events[0] == {"of": "ann", "event": "part_start"}


async def test_model_calls_are_booked_on_the_workflows_budget(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "budgets.db")
    frugal = PydanticAgent(
        Agent(TestModel(custom_output_text="yes"), name="frugal"),
        ledger=ledger,
        estimate=Usage(tokens=100),
        price=lambda read, written: read + 5 * written,
    )

    async def run() -> str:
        budget = await Budget.open(Limit(tokens=150))
        await frugal.run("first", budget=budget)
        try:
            await frugal.run("second", budget=budget)
        except BudgetExhaustedError as error:
            return error.exhausted.budget
        return ""

    assert await outcome(frugal, run, *BudgetActivities(ledger).all) == "w"
    (call,) = ledger.calls("w")
    assert (call.name, call.provider) == ("frugal.model", "test")
    assert call.used.tokens > 50
    assert call.used.micros > call.used.tokens
    ledger.close()


def cleaner() -> PydanticAgent[None, str]:
    def delete(name: str) -> str:
        calls[f"delete {name}"] += 1
        return f"{name} is gone"

    def clean(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart("delete", {"name": "everything"}, "1")])
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[0].content))])  # type: ignore[union-attr]

    agent = Agent(FunctionModel(clean), name="cleaner", tools=[Tool(delete, requires_approval=True)])
    return PydanticAgent(agent, approval_timeout=timedelta(hours=1))


@pytest.mark.parametrize(
    ("answer", "output", "called"),
    [
        (lambda people, id: people.approve(id), "everything is gone", ["delete everything"]),
        (lambda people, id: people.approve(id, edited={"name": "cache"}), "cache is gone", ["delete cache"]),
        (lambda people, id: people.reject(id, reason="no!"), "The call was refused by ann: no!", []),
    ],
)
async def test_people_decide_about_tools_that_require_approval(answer: Any, output: str, called: list[str]) -> None:
    agent = cleaner()
    one = one_workflow(lambda: _output(agent, approvals=Approvals()))
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[one], activities=agent.activities, max_cached_workflows=0),
    ):
        handle = await client.start_workflow("One", id="w", task_queue=QUEUE)
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next(look_every=timedelta(milliseconds=10))
        assert (asked.question, asked.subject) == ("May cleaner call delete?", {"name": "everything"})
        await answer(people, asked.id)
        assert await handle.result() == output
    assert list(calls) == called


async def test_tools_return_more_than_text_and_toolsets_have_names_of_their_own() -> None:
    seen: list[Any] = []

    def look(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            names = [tool.name for tool in info.function_tools]
            return ModelResponse(parts=[ToolCallPart(name, {}, name) for name in names])
        seen.append([part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)])
        return ModelResponse(parts=[TextPart("done")])

    album: FunctionToolset[None] = FunctionToolset(id="album")

    @album.tool_plain
    def picture() -> BinaryContent:
        return BinaryContent(b"\x89PNG", media_type="image/png")

    @album.tool_plain
    def note() -> ToolReturn:
        return ToolReturn(return_value={"a": [1, None]}, metadata={"kept": True})

    agent = PydanticAgent(Agent(FunctionModel(look), name="viewer", toolsets=[album.prefixed("my")]))
    assert [activity.definition_of(it).name for it in agent.activities] == [
        "viewer.model",
        "viewer.album.picture",
        "viewer.album.note",
    ]
    assert await outcome(agent, lambda: _output(agent)) == "done"
    assert {"a": [1, None]} in seen[0]
    assert any(isinstance(it, BinaryContent) and it.data == b"\x89PNG" for it in seen[0]) or len(seen[0]) == 2


class Remote(AbstractToolset[str]):
    """Stands for a server of tools: it must be connected, and finds out in a thread what there is."""

    def __init__(self) -> None:
        self.connected = 0

    @property
    def id(self) -> str:
        return "remote"

    async def __aenter__(self) -> Remote:
        assert activity.in_activity()
        self.connected += 1
        return self

    async def __aexit__(self, *args: object) -> None:
        self.connected -= 1

    async def get_tools(self, ctx: RunContext[str]) -> dict[str, ToolsetTool[str]]:
        assert self.connected
        await asyncio.to_thread(calls.update, ["listed"])
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        kinds: dict[str, Any] = {"double": "function", "drop": "unapproved"}
        return {
            name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(name=name, parameters_json_schema=schema, kind=kind),
                max_retries=1,
                args_validator=TypeAdapter(dict[str, int]).validator,  # type: ignore[arg-type]
            )
            for name, kind in kinds.items()
        }

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: RunContext[str], tool: Any) -> Any:
        assert self.connected
        calls[name] += 1
        return f"{ctx.deps}: {2 * tool_args['n']}"


async def test_tools_of_a_server_are_found_and_called_in_activities() -> None:
    remote = Remote()
    agent = PydanticAgent(Agent(TestModel(), name="client", deps_type=str, toolsets=[remote]))
    one = one_workflow(lambda: _output(agent, deps="ann", approvals=Approvals()))
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[one], activities=agent.activities, max_cached_workflows=0),
    ):
        handle = await client.start_workflow("One", id="w", task_queue=QUEUE)
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next(look_every=timedelta(milliseconds=10))
        await people.approve(asked.id, edited={"n": 21})
        assert await handle.result() == '{"double":"ann: 0","drop":"ann: 42"}'
        assert sorted(await scheduled(handle)) == [
            "client.model",
            "client.model",
            "client.remote.call_tool",
            "client.remote.call_tool",
            "client.remote.get_tools",
        ]
    assert (calls["double"], calls["drop"], remote.connected) == (1, 1, 0)


async def test_a_tool_may_be_workflow_code_and_deps_may_be_made_on_the_worker() -> None:
    agent = Agent(TestModel(), name="both", deps_type=int)

    @agent.tool
    async def wait(ctx: RunContext[int]) -> str:
        await workflow.sleep(3600 if ctx.deps != 7 else 0.001)
        return "waited"

    @agent.tool
    def use(ctx: RunContext[str]) -> str:  # type: ignore[arg-type]
        return ctx.deps

    async def open_client(number: int) -> str:
        return f"client {number}"

    both = PydanticAgent(agent, in_workflow=["wait"], make_deps=open_client)
    assert [activity.definition_of(it).name for it in both.activities] == ["both.model", "both.use"]
    assert await outcome(both, lambda: _output(both, deps=7)) == '{"wait":"waited","use":"client 7"}'


async def test_agents_may_run_side_by_side_and_go_on_with_what_was_said() -> None:
    def count(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(str(len(messages)))])

    agent = PydanticAgent(Agent(FunctionModel(count), name="counter"))

    async def run() -> list[str]:
        results = await asyncio.gather(*(agent.run(str(number)) for number in range(5)))
        more = await agent.run("more", message_history=results[0].all_messages())
        return [*(it.output for it in results), more.output]

    assert await outcome(agent, run) == ["1"] * 5 + ["3"]


@pytest.mark.parametrize(
    ("how", "type"),
    [
        ({"usage_limits": UsageLimits(request_limit=1)}, "UsageLimitExceeded"),
        ({"retries": 0}, "UnexpectedModelBehavior"),
    ],
)
async def test_the_run_fails_with_the_name_of_the_library_s_error(how: dict[str, Any], type: str) -> None:
    agent = Agent(TestModel(), name="stubborn")

    @agent.tool_plain
    def never() -> str:
        raise ModelRetry("once more")

    stubborn = PydanticAgent(agent)
    with pytest.raises(WorkflowFailureError) as failed:
        await outcome(stubborn, lambda: _output(stubborn, **how))
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == type


async def test_a_refusal_that_no_repeat_can_help_ends_the_run_at_once() -> None:
    def refuse(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        calls["model"] += 1
        raise ModelHTTPError(401, "scripted", "no key")

    refused = PydanticAgent(Agent(FunctionModel(refuse), name="refused"), model_options=FAST)
    with pytest.raises(WorkflowFailureError):
        await outcome(refused, lambda: _output(refused))
    assert calls == {"model": 1}


async def test_a_cancelled_agent_stops_where_it_waits() -> None:
    cancelled = asyncio.Event()

    async def hang(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        calls["model"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    slow = PydanticAgent(Agent(FunctionModel(hang), name="slow"))
    one = one_workflow(lambda: _output(slow))
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[one], activities=slow.activities),
    ):
        handle = await client.start_workflow("One", id="w", task_queue=QUEUE)
        while not calls:  # noqa: ASYNC110 - the model is another coroutine of this loop
            await asyncio.sleep(0.001)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert "cancelled" in str(failed.value.cause).lower()
        await asyncio.wait_for(cancelled.wait(), 60)


def test_what_cannot_run_in_a_workflow_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="has no name"):
        PydanticAgent(Agent(TestModel()))
    with pytest.raises(ValueError, match="has no model"):
        PydanticAgent(Agent(name="a"))
    with pytest.raises(ValueError, match="has no id"):
        PydanticAgent(Agent(TestModel(), name="a", toolsets=[FunctionToolset()]))
    with pytest.raises(ValueError, match="two toolsets have one id"):
        PydanticAgent(Agent(TestModel(), name="a", toolsets=[FunctionToolset(id="b"), FunctionToolset(id="b")]))
