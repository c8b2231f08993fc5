"""Executions of agents are written down beside the main flow, which never waits for it and never fails by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from virtual_run import QUEUE, events, virtual_site

from tsuzuki import activity, workflow
from tsuzuki.agents import AgentExecution, ExecutionLog, persist_agent_execution
from tsuzuki.client import Client, WorkflowFailureError, WorkflowHistory
from tsuzuki.exceptions import ApplicationError
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker


@workflow.defn
class Agent:
    """Does nothing but have itself written down, then ends as it is told."""

    @workflow.run
    async def run(self, ends: str) -> str:
        persist_agent_execution(AgentExecution("planner", "what?", "this", tokens_used=7))
        persist_agent_execution(AgentExecution("writer", "what?", "that", tokens_used=8, error=ends))
        if ends == "cancelled":
            await workflow.sleep(1000)
        if ends == "failed":
            raise ApplicationError("bad luck")
        return ends


@workflow.defn(name="Agent")
class AgentBefore:
    @workflow.run
    async def run(self, ends: str) -> str:
        await workflow.sleep(10)
        return ends


@workflow.defn(name="Agent")
class AgentAfter:
    @workflow.run
    async def run(self, ends: str) -> str:
        await workflow.sleep(10)
        persist_agent_execution(AgentExecution("planner", "what?", "this"))
        return ends


async def outcome(target: str, log: ExecutionLog, ends: str) -> list[AgentExecution]:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue=QUEUE, workflows=[Agent], activities=log.activities),
    ):
        handle = await client.start_workflow(Agent.run, ends, id=ends, task_queue=QUEUE)
        if ends == "cancelled":
            await handle.cancel()
        if ends == "returned":
            assert await handle.result() == ends
        else:
            with pytest.raises(WorkflowFailureError):
                await handle.result()
    assert {record.workflow_id for record in log.read(ends)} == {ends}
    return sorted((record.execution for record in log.read()), key=lambda it: it.agent_id)


@pytest.mark.parametrize("ends", ["returned", "failed", "cancelled"])
async def test_however_the_workflow_ends_what_was_done_is_written_first(ends: str, tmp_path: Path) -> None:
    log = ExecutionLog(tmp_path / "log.db")
    assert await outcome("sqlite://", log, ends) == [
        AgentExecution("planner", "what?", "this", tokens_used=7),
        AgentExecution("writer", "what?", "that", tokens_used=8, error=ends),
    ]
    log.close()


async def test_on_the_real_server_too(real_server: str, tmp_path: Path) -> None:
    log = ExecutionLog(tmp_path / "log.db")
    assert len(await outcome(real_server, log, "returned")) == 2
    log.close()


@activity.defn(name="persist_agent_execution")
async def broken(execution: AgentExecution) -> None:
    raise ConnectionError("the database is down")


@activity.defn(name="persist_agent_execution")
async def silent(execution: AgentExecution) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("sink", "closes_after"), [(broken, 0), (silent, 5), (None, 10)])
async def test_a_sink_that_fails_or_is_silent_or_missing_only_delays_the_close_within_the_bound(
    sink: Callable[..., Any] | None, closes_after: int
) -> None:
    activities = [] if sink is None else [sink]
    async with virtual_site() as site, site.worker([Agent], activities):
        handle = await site.client.start_workflow(Agent.run, "returned", id="w", task_queue=QUEUE)
        await site.advance(60)
        assert await handle.result() == "returned"
        described = await handle.describe()
        assert described.close_time is not None
        assert described.close_time - described.start_time == timedelta(seconds=closes_after)


async def test_the_main_flow_does_not_wait() -> None:
    @workflow.defn
    class Busy:
        @workflow.run
        async def run(self) -> float:
            began = workflow.time()
            for number in range(20):
                persist_agent_execution(AgentExecution(str(number), "", ""))
            await workflow.sleep(1)
            return workflow.time() - began

    async with virtual_site() as site, site.worker([Busy], [silent]):
        handle = await site.client.start_workflow(Busy.run, id="w", task_queue=QUEUE)
        await site.advance(60)
        assert await handle.result() == 1.0
        assert (await events(handle)).count("ACTIVITY_TASK_TIMED_OUT") == 20


async def test_runs_from_before_replay_and_do_not_write() -> None:
    async with virtual_site() as site, site.worker([AgentBefore]):
        handle = await site.client.start_workflow(AgentBefore.run, "returned", id="w", task_queue=QUEUE)
        await site.advance(60)
        history = WorkflowHistory.from_json("w", (await handle.fetch_history()).to_json())
    await Replayer(workflows=[AgentAfter]).replay_workflow(history)
