"""Forks of real runs: from any event the new run ends as the old one did, or as it was changed; nothing else moves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import temporalio.workflow
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory as OfficialHistory
from temporalio.worker import Replayer as OfficialReplayer
from temporalio.worker import UnsandboxedWorkflowRunner

from tsuzuki import activity, workflow
from tsuzuki.client import (
    Client,
    InvalidArgumentError,
    RPCError,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowNotFoundError,
)
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import WorkflowAlreadyStartedError
from tsuzuki.replay import Replayer
from tsuzuki.store import check_store
from tsuzuki.worker import Worker

MINUTE = timedelta(minutes=1)
SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@activity.defn
async def look_up(word: str) -> str:
    if word == "bad":
        raise ValueError("no such word")
    return word.upper()


def interpreter(package: Any) -> Any:
    """Runs a program, in one package or the other; its result does not depend on what was first."""

    async def run_node(node: list[Any], inbox: list[int]) -> Any:
        match node:
            case ["look_up", word]:
                return await package.execute_activity(
                    "look_up",
                    word,
                    start_to_close_timeout=MINUTE,
                    schedule_to_close_timeout=MINUTE,
                    retry_policy=retry_once(package),
                )
            case ["sleep"]:
                await asyncio.sleep(0.001)
                return "slept"
            case ["signals", count]:
                await package.wait_condition(lambda: len(inbox) >= count)
                return inbox[:count]
            case ["patched", name]:
                return package.patched(name)
            case ["seq", *nodes]:
                return [await run_node(each, inbox) for each in nodes]
            case ["gather", *nodes]:
                return list(await asyncio.gather(*(run_node(each, inbox) for each in nodes)))
            case ["catch", inner]:
                try:
                    return await run_node(inner, inbox)
                except Exception as error:
                    return type(error).__name__
            case ["child", inner]:
                return await package.execute_child_workflow("Program", inner, id="the-child")
        raise AssertionError(node)

    return run_node


def retry_once(package: Any) -> Any:
    return (temporalio.common.RetryPolicy if package is temporalio.workflow else RetryPolicy)(maximum_attempts=1)


program_node = interpreter(workflow)
official_node = interpreter(temporalio.workflow)


@workflow.defn(name="Program")
class Program:
    def __init__(self) -> None:
        self.inbox: list[int] = []

    @workflow.run
    async def run(self, program: list[Any]) -> Any:
        return await program_node(program, self.inbox)

    @workflow.signal
    def put(self, number: int) -> None:
        self.inbox.append(number)


@temporalio.workflow.defn(name="Program")
class Official:
    def __init__(self) -> None:
        self.inbox: list[int] = []

    @temporalio.workflow.run
    async def run(self, program: list[Any]) -> Any:
        return await official_node(program, self.inbox)

    @temporalio.workflow.signal
    def put(self, number: int) -> None:
        self.inbox.append(number)


LEAVES = st.one_of(
    st.tuples(st.just("look_up"), st.sampled_from(["tea", "coffee"])),
    st.just(("catch", ("look_up", "bad"))),
    st.just(("sleep",)),
    st.tuples(st.just("patched"), st.sampled_from(["first_v1", "second_v1"])),
    st.tuples(st.just("signals"), st.integers(1, 2)),
)
PROGRAMS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda kind, nodes: (kind, *nodes), st.sampled_from(["seq", "gather"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@asynccontextmanager
async def world(path: Path | None = None) -> AsyncIterator[Client]:
    target = f"sqlite:///{path}" if path is not None else "sqlite://"
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="q", workflows=[Program], activities=[look_up]),
    ):
        yield client


async def run_program(
    client: Client, program: Any, signals: Sequence[int] = ()
) -> tuple[WorkflowHandle[Any, Any], Any]:
    handle = await client.start_workflow("Program", program, id="old", task_queue="q")
    for number in signals:
        with suppress(WorkflowNotFoundError):  # it has not waited for it
            await handle.signal("put", number)
    return handle, await handle.result()


@given(program=PROGRAMS, seed=st.integers(0, 2**16))
@settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
def test_a_fork_without_changes_ends_as_the_original(program: Any, seed: int) -> None:
    """From every event. The signals that the fork does not have yet are injected."""
    note(f"program {program}")

    async def body() -> None:
        async with world() as client:
            handle, result = await run_program(client, program, (1, 2))
            before = await handle.fetch_history()
            chosen = random.Random(seed).sample(range(1, len(before.events) + 1), min(5, len(before.events)))
            for event_id in chosen:
                note(f"fork at event {event_id} of {len(before.events)}")
                await check_fork(client, before.events, event_id, result)
            assert (await handle.fetch_history()).to_json() == before.to_json()

    asyncio.run(body())


async def check_fork(client: Client, events: Sequence[HistoryEvent], event_id: int, result: Any) -> None:
    from tsuzuki.core.fork import cut

    missing = [
        (
            "put",
            client.data_converter.payload_converter.from_payloads(
                event.workflow_execution_signaled_event_attributes.input.payloads
            ),
        )
        for event in events[cut(events, event_id) :]
        if event.event_type == SIGNALED
    ]
    fork = await client.fork_workflow("old", event_id, id=f"fork-{event_id}", signals=missing)
    assert await asyncio.wait_for(fork.result(), 60) == result
    history = await fork.fetch_history()
    await Replayer(workflows=[Program]).replay_workflow(history)
    # debug_mode: a busy machine is no deadlock
    official = OfficialReplayer(workflows=[Official], workflow_runner=UnsandboxedWorkflowRunner(), debug_mode=True)
    await official.replay_workflow(OfficialHistory.from_json(fork.id, history.to_json()))


CHAIN = ["seq", ["look_up", "tea"], ["look_up", "coffee"]]


async def test_another_result_of_an_activity_leads_on() -> None:
    """Events: 5 scheduled, 6 started, 7 completed, 8-10 the task that saw it, 11 the next one scheduled."""
    async with world() as client:
        await run_program(client, CHAIN)
        for event_id in (4, 5, 6, 7, 8, 9):  # under way, or its outcome not seen yet
            fork = await client.fork_workflow("old", event_id, results={"1": "MILK"})
            assert await asyncio.wait_for(fork.result(), 60) == ["MILK", "COFFEE"], event_id
            await Replayer(workflows=[Program]).replay_workflow(await fork.fetch_history())
        with pytest.raises(InvalidArgumentError, match="fork from an event from 7 to 9"):
            await client.fork_workflow("old", 10, results={"1": "MILK"})
        with pytest.raises(InvalidArgumentError, match="is not scheduled up to event 5; fork from event 11 or a later"):
            await client.fork_workflow("old", 5, results={"2": "MILK"})
        with pytest.raises(InvalidArgumentError, match="up to event 5; this run has no such activity"):
            await client.fork_workflow("old", 5, results={"nine": "MILK"})


async def test_a_failed_activity_is_given_a_result() -> None:
    async with world() as client:
        handle = await client.start_workflow("Program", ["look_up", "bad"], id="old", task_queue="q")
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        last = len((await handle.fetch_history()).events)
        fork = await client.fork_workflow("old", last, results={"1": "GOOD"})  # the task that failed it is done again
        assert await asyncio.wait_for(fork.result(), 60) == "GOOD"


async def test_a_fork_says_where_it_comes_from() -> None:
    async with world() as client:
        handle, _ = await run_program(client, CHAIN)
        fork = await client.fork_workflow("old", 7, id="new")
        described = await fork.describe()
        assert await described.memo_value("tsuzuki_forked_from") == {
            "workflow_id": "old",
            "run_id": handle.result_run_id,
            "event_id": 7,
        }
        trace = next(
            event.workflow_task_failed_event_attributes
            for event in (await fork.fetch_history()).events
            if event.HasField("workflow_task_failed_event_attributes")
        )
        assert (trace.base_run_id, trace.new_run_id) == (handle.result_run_id, fork.result_run_id)
        assert described.parent_id is None


async def test_children_that_have_ended_are_not_started_again() -> None:
    async with world() as client:
        _, result = await run_program(client, ["seq", ["child", ["look_up", "tea"]], ["look_up", "coffee"]])
        events = (await client.get_workflow_handle("old").fetch_history()).events
        for event in events:
            fork = await client.fork_workflow("old", event.event_id, id="fork") if event.event_id > 4 else None
            if fork is not None:
                assert await asyncio.wait_for(fork.result(), 60) == result, event.event_id
        children = [run async for run in client.list_workflows() if run.id == "the-child"]
        assert len(children) == 1


async def test_a_child_that_still_runs_is_a_reason_to_refuse() -> None:
    async with world() as client:
        handle = await client.start_workflow("Program", ["child", ["signals", 1]], id="old", task_queue="q")
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
                break
        with pytest.raises(InvalidArgumentError, match="has not answered yet"):
            await client.fork_workflow("old", event.event_id)


async def test_what_cannot_be_forked_is_named(tmp_path: Path) -> None:
    async with world(tmp_path / "runs.db") as client:
        await run_program(client, CHAIN)
        with pytest.raises(InvalidArgumentError, match="there is no event 99 to fork from"):
            await client.fork_workflow("old", 99)
        with pytest.raises(WorkflowNotFoundError):
            await client.fork_workflow("nobody", 1)
        await client.fork_workflow("old", 4, id="new", request_id="once")
        await client.fork_workflow("old", 4, id="new", request_id="once")
        waits = await client.start_workflow("Program", ["signals", 1], id="waits", task_queue="q")
        with pytest.raises(WorkflowAlreadyStartedError):
            await client.fork_workflow("old", 4, id=waits.id)
        await waits.terminate()
        runs = [run.id async for run in client.list_workflows()]
        assert sorted(runs) == ["new", "old", "waits"]
    assert not check_store(tmp_path / "runs.db")


async def test_a_terminated_run_goes_on_in_a_fork() -> None:
    async with world() as client:
        handle = await client.start_workflow(
            "Program", ["seq", ["look_up", "tea"], ["signals", 1]], id="old", task_queue="q"
        )
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == COMPLETED and event.event_id > 5:
                break
        await handle.terminate()
        last = len((await handle.fetch_history()).events)
        fork = await client.fork_workflow("old", last, signals=[("put", [5])])
        assert await asyncio.wait_for(fork.result(), 60) == ["TEA", [5]]


class Cluster:
    """A service that is not ours."""

    local = False

    def watch_activity(self, *_: Any) -> Any:
        raise AssertionError

    async def get_system_info(self, request: Any) -> Any:
        from temporalio.api.workflowservice.v1 import GetSystemInfoResponse

        return GetSystemInfoResponse(server_version="1.31.0")


async def test_a_cluster_is_not_asked_for_what_it_would_misunderstand() -> None:
    client = Client(Cluster())  # type: ignore[arg-type]
    with pytest.raises(RPCError, match=r"version 1.31.0\) cannot fork a run.*temporal workflow reset"):
        await client.fork_workflow("old", 4)
