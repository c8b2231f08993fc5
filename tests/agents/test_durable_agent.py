"""An agent whose model requests and tool calls are activities: what was answered before a crash is not asked again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import ModelHTTPError, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from virtual_run import QUEUE, scheduled, virtual_site

from tsuzuki import workflow
from tsuzuki.agents import (
    AgentResult,
    AgentTool,
    ApprovalDecision,
    ApprovalRequest,
    Approvals,
    Budget,
    BudgetActivities,
    BudgetExhaustedError,
    Control,
    ControlStatus,
    DurableAgent,
    Ledger,
    Limit,
    RemoteApprovals,
    RemoteControl,
    Usage,
)
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError
from tsuzuki.worker import Worker

calls: Counter[str] = Counter()
FAST = workflow.ActivityConfig(retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3))


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


def said(messages: list[ModelMessage]) -> list[str]:
    """What a model is shown, in short."""
    shown = []
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart():
                    shown.append(f"user: {part.content}")
                case ToolReturnPart():
                    shown.append(f"{part.tool_name}: {part.content}")
                case TextPart():
                    shown.append(f"model: {part.content}")
                case ToolCallPart():
                    shown.append(f"call {part.tool_name}")
    return shown


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Ask for two searches at once, then for a price, then answer with all that was said."""
    calls["model"] += 1
    if calls["model"] == 2:
        raise ModelHTTPError(429, "scripted", "slow down")
    assert [tool.name for tool in info.function_tools] == ["search", "price"]
    match sum(isinstance(message, ModelResponse) for message in messages):
        case 0:
            return ModelResponse(
                parts=[ToolCallPart("search", {"topic": "owls"}), ToolCallPart("search", {"topic": 7})]
            )
        case 1:
            return ModelResponse(
                parts=[ToolCallPart("price", '{"of": "owls", "currency": "EUR"}'), ToolCallPart("fly", {})]
            )
        case _:
            return ModelResponse(parts=[TextPart(" | ".join(said(messages)))])


async def search(topic: str) -> list[str]:
    """Find facts.

    Args:
        topic: About what.
    """
    calls["search"] += 1
    return [f"a fact about {topic}"]


def price(of: str, currency: str = "USD") -> str:
    """Tell a price."""
    calls["price"] += 1
    if calls["price"] == 1:
        raise ConnectionError("try again")
    raise ModelRetry(f"{currency} is not traded")


thinker = DurableAgent(
    "thinker",
    FunctionModel(think),
    instructions="Think.",
    tools=[search, AgentTool(price, options=FAST)],
    model_options=FAST,
)

ANSWER = 'user: What about owls? | call search | call search | search: ["a fact about owls"] | search: Error: '


@workflow.defn
class Think:
    @workflow.run
    async def run(self, prompt: str) -> AgentResult:
        async with Control() as control:
            return await thinker.run(prompt, control=control)


def check_answer(result: AgentResult) -> None:
    assert result.output.startswith(ANSWER)
    assert "price: Error: EUR is not traded" in result.output
    assert "fly: Error: there is no tool 'fly'; there are: search, price" in result.output
    assert result.turns == 3
    assert result.used.tokens > 0
    # The second of the two searches got a number for a topic, and was told so without being called.
    assert calls == {"model": 4, "search": 1, "price": 2}


@pytest.mark.parametrize("cached", [100, 0])
async def test_model_and_tools_take_turns_until_the_model_has_finished(cached: int) -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[Think],
            activities=thinker.activities,
            max_cached_workflows=cached,
        ),
    ):
        handle = await client.start_workflow(Think.run, "What about owls?", id="w", task_queue=QUEUE)
        check_answer(await handle.result())
        assert await scheduled(handle) == [
            "thinker.model",
            "thinker.search",
            "thinker.search",
            "thinker.model",
            "thinker.price",
            "thinker.model",
        ]


async def test_it_works_on_the_real_server(real_server: str) -> None:
    async with (
        await Client.connect(real_server) as client,
        Worker(client, task_queue=QUEUE, workflows=[Think], activities=thinker.activities),
    ):
        check_answer(await client.execute_workflow(Think.run, "What about owls?", id="w", task_queue=QUEUE))


async def test_a_paused_agent_stops_between_two_turns() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Think], activities=thinker.activities),
    ):
        handle = await client.start_workflow(Think.run, "What about owls?", id="w", task_queue=QUEUE)
        control = RemoteControl(handle)
        await control.pause()
        assert await control.status() is ControlStatus.PAUSED
        await control.resume()
        check_answer(await handle.result())


async def test_a_refusal_that_no_repeat_can_help_ends_the_run_at_once() -> None:
    def refuse(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        calls["model"] += 1
        raise ModelHTTPError(401, "scripted", "no key")

    refused = DurableAgent("refused", FunctionModel(refuse), model_options=FAST)

    @workflow.defn
    class Ask:
        @workflow.run
        async def run(self) -> str:
            return (await refused.run("?")).output

    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Ask], activities=refused.activities),
    ):
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(Ask.run, id="w", task_queue=QUEUE)
    assert calls == {"model": 1}


async def test_a_conversation_goes_on_and_an_endless_one_ends() -> None:
    def again(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if "for ever" in said(messages)[-1]:
            return ModelResponse(parts=[ToolCallPart("nothing", {})])
        return ModelResponse(parts=[TextPart(" | ".join(said(messages)))])

    def nothing() -> str:
        return "for ever"

    echo = DurableAgent("echo", FunctionModel(again), tools=[nothing])

    @workflow.defn
    class Talk:
        @workflow.run
        async def run(self) -> list[str]:
            first = await echo.run("one")
            second = await echo.run("two", conversation=first.conversation)
            try:
                await echo.run("for ever", turns_max=3)
            except ApplicationError as error:
                return [second.output, str(error)]
            return []

    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Talk], activities=echo.activities),
    ):
        assert await client.execute_workflow(Talk.run, id="w", task_queue=QUEUE) == [
            "user: one | model: user: one | user: two",
            "TurnsExceeded: agent 'echo' has not finished after 3 model calls",
        ]


def writing(*pieces: str, until: asyncio.Event, heartbeat_timeout_ms: int) -> DurableAgent:
    """An agent whose model streams the pieces, falls silent until the event, and ends with a full stop."""

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        for piece in pieces:
            yield piece
        await until.wait()
        yield "."

    return DurableAgent(
        "writer",
        FunctionModel(stream_function=write),
        stream=True,
        model_options=workflow.ActivityConfig(heartbeat_timeout=timedelta(milliseconds=heartbeat_timeout_ms)),
    )


async def test_what_is_being_written_is_in_heartbeats_and_in_the_event_stream() -> None:
    may_end = asyncio.Event()
    writer = writing("It was a dark ", "and stormy night", until=may_end, heartbeat_timeout_ms=500)

    @workflow.defn
    class Write:
        @workflow.run
        async def run(self) -> str:
            return (await writer.run("Write!")).output

    async with virtual_site() as site, site.worker([Write], writer.activities):
        handle = await site.client.start_workflow(Write.run, id="w", task_queue=QUEUE)
        written = ""
        for _ in range(1000):
            (pending,) = (await handle.describe()).raw_description.pending_activities or [None]
            if pending is not None and pending.heartbeat_details.payloads:
                (written,) = site.client.data_converter.payload_converter.from_payloads(
                    pending.heartbeat_details.payloads, [str]
                )
            if "night" in written:
                break
            await asyncio.sleep(0.01)
        assert written == "It was a dark and stormy night"
        may_end.set()
        assert await handle.result() == "It was a dark and stormy night."
        said = [event.value async for event in handle.read_stream() if event.kind == "data"]
        assert "".join(said) == "It was a dark and stormy night."


async def test_a_model_that_says_nothing_for_long_is_alive_and_what_it_has_written_stays() -> None:
    may_end = asyncio.Event()
    thinker = writing("Let me think", until=may_end, heartbeat_timeout_ms=600)

    @workflow.defn
    class Thinking:
        @workflow.run
        async def run(self) -> str:
            return (await thinker.run("Think!")).output

    async with virtual_site() as site, site.worker([Thinking], thinker.activities):
        handle = await site.client.start_workflow(Thinking.run, id="w", task_queue=QUEUE)
        for _ in range(5):
            async with asyncio.timeout(60):
                while not await has_heard(handle, "think", site.clock.now_ns()):  # noqa: ASYNC110 - it is elsewhere
                    await asyncio.sleep(0.01)
            await site.advance(0.5)  # of the 0.6 s after which a silent attempt is taken for dead
        may_end.set()
        assert await handle.result() == "Let me think."


async def has_heard(handle: WorkflowHandle[Any, Any], text: str, at_ns: int) -> bool:
    """Whether the first attempt of the one activity has sent a heartbeat with this text at this time."""
    (pending,) = (await handle.describe()).raw_description.pending_activities or [None]
    if pending is None:
        return False
    assert pending.attempt == 1
    details = "".join(str(payload.data) for payload in pending.heartbeat_details.payloads)
    return text in details and pending.last_heartbeat_time.ToNanoseconds() == at_ns


async def test_model_calls_are_booked_on_the_workflows_budget(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "budgets.db")
    frugal = DurableAgent(
        "frugal",
        FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart("yes")])),
        ledger=ledger,
        estimate=Usage(tokens=100),
        price=lambda read, written: read + 5 * written,
    )

    @workflow.defn
    class Ask:
        @workflow.run
        async def run(self) -> str:
            budget = await Budget.open(Limit(tokens=150))
            await frugal.run("first", budget=budget)
            try:
                await frugal.run("second", budget=budget)
            except BudgetExhaustedError as error:
                return error.exhausted.budget
            return ""

    async with (
        await Client.connect("sqlite://") as client,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[Ask],
            activities=[*frugal.activities, *BudgetActivities(ledger).all],
        ),
    ):
        assert await client.execute_workflow(Ask.run, id="ask", task_queue=QUEUE) == "ask"
    (call,) = ledger.calls("ask")
    assert (call.name, call.provider) == ("frugal.model", "function")
    assert call.used.tokens > 50
    assert call.used.micros > call.used.tokens
    ledger.close()


# ---- approvals ---------------------------------------------------------------------------------------------


def use_delete(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    if len(messages) == 1:
        return ModelResponse(parts=[ToolCallPart("delete", {"name": "everything"})])
    return ModelResponse(parts=[TextPart(said(messages)[-1])])


async def delete(name: str) -> str:
    calls[f"delete {name}"] += 1
    return f"deleted {name}"


careful = DurableAgent(
    "careful",
    FunctionModel(use_delete),
    tools=[AgentTool(delete, needs_approval=True, approval_timeout=timedelta(hours=1))],
)


@workflow.defn
class Careful:
    @workflow.run
    async def run(self) -> str:
        approvals = Approvals()
        return (await careful.run("Clean up!", approvals=approvals)).output


async def test_ids_of_questions_go_past_those_that_are_taken() -> None:
    @workflow.defn
    class Asks:
        @workflow.run
        async def run(self) -> list[str]:
            approvals, soon = Approvals(), timedelta(milliseconds=1)
            chosen = await approvals.ask("one", id="approval-2", timeout=soon)
            return [chosen.id, (await approvals.ask("two", timeout=soon)).id]

    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Asks]),
    ):
        ids = await client.execute_workflow(Asks.run, id="w", task_queue=QUEUE)
    assert ids == ["approval-2", "approval-3"]


@pytest.mark.parametrize(
    ("decision", "output", "called"),
    [
        (ApprovalDecision("approval-1", True, "ann"), "delete: deleted everything", "delete everything"),
        (
            ApprovalDecision("approval-1", True, "ann", edited={"name": "the cache"}),
            "delete: deleted the cache",
            "delete the cache",
        ),
        (
            ApprovalDecision("approval-1", False, "bob", "are you mad"),
            "delete: Error: the call was refused by bob: are you mad",
            "",
        ),
    ],
)
async def test_people_decide_about_a_tool_call(decision: ApprovalDecision, output: str, called: str) -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Careful], activities=careful.activities),
    ):
        handle = await client.start_workflow(Careful.run, id="w", task_queue=QUEUE)
        people = RemoteApprovals(handle, by="ann")
        asked = await people.next(look_every=timedelta(milliseconds=10))
        assert (asked.id, asked.question, asked.subject) == (
            "approval-1",
            "May careful call delete?",
            {"name": "everything"},
        )
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await people.reject("x")
        assert "there is no approval 'x' to decide; pending: approval-1" in str(failed.value.cause)
        await handle.execute_update("decide_approval", decision, result_type=ApprovalDecision)
        assert await handle.result() == output
        assert list(calls) == ([called] if called else [])
        (asked,) = await people.all()
        assert await people.pending() == []
        assert asked.decision is not None
        assert (asked.decision.by, asked.decision.approved) == (decision.by, decision.approved)
        assert asked.decision.at is not None


@workflow.defn
class AskPeople:
    @workflow.run
    async def run(self, approve_on_timeout: bool) -> ApprovalDecision:
        approvals = Approvals()
        decision = await approvals.ask(
            "Really?", subject=[1, 2], timeout=timedelta(hours=1), approve_on_timeout=approve_on_timeout
        )
        assert approvals.pending == []
        return decision


@pytest.mark.parametrize("approve_on_timeout", [True, False])
async def test_time_decides_when_nobody_does(approve_on_timeout: bool) -> None:
    async with virtual_site() as site, site.worker([AskPeople]):
        handle = await site.client.start_workflow(AskPeople.run, approve_on_timeout, id="w", task_queue=QUEUE)
        await site.advance(3599)
        (asked,) = await handle.query("list_approvals", result_type=list[ApprovalRequest])
        assert asked.decision is None
        assert asked.expires_at == asked.requested_at + timedelta(hours=1)
        await site.advance(2)
        decision = await handle.result()
        assert (decision.approved, decision.timed_out, decision.by) == (approve_on_timeout, True, "")


@workflow.defn
class AskAndGoOn:
    @workflow.run
    async def run(self, before: list[ApprovalRequest]) -> list[ApprovalRequest]:
        approvals = Approvals(before)
        if before:
            await approvals.ask("Once more?", approve_on_timeout=True, timeout=timedelta(minutes=1))
            return approvals.trail
        waiting = asyncio.create_task(approvals.ask("Never mind?"))
        try:
            async with asyncio.timeout(10):
                await approvals.ask("In time?")
        except TimeoutError:
            assert [it.question for it in approvals.pending] == ["Never mind?"]
            workflow.continue_as_new(approvals.trail)
        return [] if waiting.done() else approvals.pending


async def test_a_question_that_nobody_waits_for_is_withdrawn_and_the_trail_goes_on_in_the_next_run() -> None:
    async with virtual_site() as site, site.worker([AskAndGoOn]):
        handle = await site.client.start_workflow(AskAndGoOn.run, [], id="w", task_queue=QUEUE)
        await site.advance(1)
        assert [it.id for it in await RemoteApprovals(handle).pending()] == ["approval-1", "approval-2"]
        await site.advance(10)
        late = RemoteApprovals(site.client.get_workflow_handle("w"), by="ann")
        assert [it.id for it in await late.pending()] == ["approval-3"]
        for id in ("approval-1", "approval-2"):
            with pytest.raises(WorkflowUpdateFailedError) as failed:
                await late.approve(id)
            assert f"approval '{id}' was withdrawn" in str(failed.value.cause)
        await site.advance(61)
        trail = await handle.result()
        assert [(it.question, it.decision.withdrawn, it.decision.timed_out) for it in trail if it.decision] == [
            ("In time?", True, False),
            ("Never mind?", True, False),
            ("Once more?", False, True),
        ]


async def test_a_decision_counts_once() -> None:
    async with virtual_site() as site, site.worker([AskPeople]):
        handle = await site.client.start_workflow(AskPeople.run, False, id="w", task_queue=QUEUE)
        await site.advance(1)
        both = await asyncio.gather(
            *(
                handle.execute_update("decide_approval", ApprovalDecision("approval-1", True, by), id=by)
                for by in ("ann", "bob")
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(it, WorkflowUpdateFailedError) for it in both) == 1
        await site.advance(1)
        assert (await handle.result()).by in ("ann", "bob")
