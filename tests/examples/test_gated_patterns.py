"""What the patterns promise beyond their output: gates for runs from before, and draining before the close."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import fire_and_forget
import pytest
from memory import Chat, Request, answer, get_session_messages, retrieve_hierarchical_memory
from pause_resume import Reading
from virtual_run import QUEUE, events, scheduled, virtual_site

from tsuzuki import activity, workflow
from tsuzuki.client import WorkflowExecutionStatus, WorkflowQueryFailedError

BOUND = timedelta(seconds=30)
MEMORIES = [retrieve_hierarchical_memory, get_session_messages]


@workflow.defn(name="Chat")
class WithoutMemory:
    @workflow.run
    async def run(self, request: Request) -> str:
        return await workflow.execute_activity(answer, args=[request.question, []], start_to_close_timeout=BOUND)


@workflow.defn(name="Chat")
class WithSessionMemory:
    @workflow.run
    async def run(self, request: Request) -> str:
        memory: list[str] = []
        if workflow.get_version("session_memory_v1", workflow.DEFAULT_VERSION, 1) >= 1 and request.session_id:
            memory = await workflow.execute_activity(
                get_session_messages, request.session_id, start_to_close_timeout=BOUND
            )
        return await workflow.execute_activity(answer, args=[request.question, memory], start_to_close_timeout=BOUND)


@pytest.mark.parametrize(
    ("began_as", "way"),
    [
        (WithoutMemory, ["answer"]),
        (WithSessionMemory, ["get_session_messages", "answer"]),
        (Chat, ["retrieve_hierarchical_memory", "answer"]),
    ],
)
async def test_an_open_chat_keeps_the_memory_it_began_with(began_as: Any, way: list[str]) -> None:
    may_answer = asyncio.Event()

    @activity.defn(name="answer")
    async def answers_late(question: str, memory: list[str]) -> str:
        await may_answer.wait()
        return "42"

    async with virtual_site() as site, site.worker(activities=[*MEMORIES, answers_late]):
        async with site.worker([began_as]):
            handle = await site.client.start_workflow("Chat", Request("?", "monday"), id="chat", task_queue=QUEUE)
            await site.advance(1)
            assert await scheduled(handle) == way
        async with site.worker([Chat]):
            may_answer.set()
            await site.advance(15)  # the sticky queue of the first worker is given up meanwhile
            assert await handle.result() == "42"
        assert await scheduled(handle) == way


@workflow.defn(name="Reading")
class ReadingWithoutControl:
    @workflow.run
    async def run(self, pages: int) -> str:
        for number in range(1, pages + 1):
            await workflow.execute_activity("read_page", number, start_to_close_timeout=BOUND)
        return f"read all {pages} pages"


@pytest.mark.parametrize(("began_as", "can_be_paused"), [(ReadingWithoutControl, False), (Reading, True)])
async def test_only_runs_that_began_with_the_control_can_be_paused(began_as: Any, can_be_paused: bool) -> None:
    async with virtual_site() as site:

        @activity.defn
        async def read_page(number: int) -> None:
            await site.sleep(5 if number == 1 else 1)

        async with site.worker(activities=[read_page]):
            async with site.worker([began_as]):
                handle = await site.client.start_workflow("Reading", 3, id="reading", task_queue=QUEUE)
                await site.advance(1)
            async with site.worker([Reading]):
                await handle.signal("pause")
                await site.advance(15)
                if can_be_paused:
                    assert await handle.query("get_status") == "paused"
                else:
                    with pytest.raises(WorkflowQueryFailedError, match="get_status"):
                        await handle.query("get_status")
                await site.advance(3600)
                paused = (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
                assert paused == can_be_paused
                assert len(await scheduled(handle)) == (1 if can_be_paused else 3)
                if can_be_paused:
                    assert "TIMER_STARTED" not in await events(handle)  # it waits without asking every second
                    await handle.signal("resume")
                    await site.advance(10)
                assert await handle.result() == "read all 3 pages"


async def test_the_workflow_closes_after_what_it_forgot_and_does_not_wait_for_it_before() -> None:
    order: list[str] = []
    async with virtual_site() as site:

        @activity.defn(name="run_agent")
        async def run_agent(agent: str) -> fire_and_forget.Execution:
            order.append(agent)
            return fire_and_forget.Execution(agent, "done", 1)

        @activity.defn(name="persist")
        async def persist(execution: fire_and_forget.Execution) -> None:
            info = activity.info()
            assert info.start_to_close_timeout == timedelta(seconds=5)
            await site.sleep(3)
            order.append(f"persisted {execution.agent}, attempt {info.attempt}")
            raise ConnectionError("the database is down")

        async with site.worker([fire_and_forget.Team], [run_agent, persist]):
            handle = await site.client.start_workflow(
                fire_and_forget.Team.run, ["planner", "writer"], id="team", task_queue=QUEUE
            )
            await site.advance(2.9)
            assert order == ["planner", "writer"]
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
            await site.advance(0.2)
            assert order[2:] == ["persisted planner, attempt 1", "persisted writer, attempt 1"]
            assert await handle.result() == "done"
            assert (await events(handle))[-1] == "WORKFLOW_EXECUTION_COMPLETED"
