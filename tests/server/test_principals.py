"""Events say whose key asked for them: `HistoryEvent.principal`, which a caller cannot choose, unlike its identity."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    ResetWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from typer.testing import CliRunner

from server._guarded import Guarded, guarded
from server._running import in_process
from tsuzuki import workflow
from tsuzuki.cli._app import _app
from tsuzuki.client import Client
from tsuzuki.common import WorkflowIDConflictPolicy
from tsuzuki.server import HttpOptions
from tsuzuki.server.http._page._event_facts import facts
from tsuzuki.worker import Worker


@workflow.defn
class Listening:
    """Takes what comes until it is cancelled."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))

    @workflow.signal
    def hear(self, said: str) -> None: ...

    @workflow.update
    def change(self, said: str) -> str:
        return said


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, http=HttpOptions(port=0)) as running:
        yield running


async def client_of(server: Guarded, caller: str) -> Client:
    return await Client.connect(server.target, api_key=server.keys[caller], tls=False, identity="somebody else")


def signed(events: list[HistoryEvent]) -> list[str]:
    """Each event, and who asked for it."""
    return [_signed(event) for event in events]


def _signed(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").removeprefix("WORKFLOW_EXECUTION_")
    who = event.principal
    return f"{name} {who.type}:{who.name}" if event.HasField("principal") else name


@asynccontextmanager
async def people(server: Guarded) -> AsyncIterator[tuple[Client, Client]]:
    """A writer and an admin, with a worker beside them."""
    async with (
        await client_of(server, "writer") as writer,
        await client_of(server, "admin") as admin,
        await client_of(server, "worker") as works,
        Worker(works, task_queue="q", workflows=[Listening]),
    ):
        yield writer, admin


async def test_each_event_has_the_key_that_asked_for_it(server: Guarded) -> None:
    async with (
        await client_of(server, "writer") as writer,
        await client_of(server, "admin") as admin,
        await client_of(server, "worker") as works,
    ):
        handle = await writer.start_workflow(
            Listening.run, id="w", task_queue="q", start_signal="hear", start_signal_args=["a"]
        )
        by_admin = admin.get_workflow_handle("w")
        async with Worker(works, task_queue="q", workflows=[Listening]):
            await by_admin.execute_update("change", "x")
        await handle.signal("hear", "b")
        options = UpdateWorkflowExecutionOptionsRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id="w")
        )
        options.workflow_execution_options.priority.priority_key = 1
        options.update_mask.paths.append("priority.priority_key")
        await admin.service.update_workflow_execution_options(options)
        await handle.pause()
        await by_admin.unpause()
        await by_admin.cancel()
        await handle.terminate()
        found = signed(list((await handle.fetch_history()).events))
    assert [it for it in found if not it.startswith(("WORKFLOW_TASK", "TIMER"))] == [
        "STARTED api-key:writer",
        "SIGNALED api-key:writer",
        "UPDATE_ACCEPTED api-key:admin",
        "UPDATE_COMPLETED",
        "SIGNALED api-key:writer",
        "OPTIONS_UPDATED api-key:admin",
        "PAUSED api-key:writer",
        "UNPAUSED api-key:admin",
        "CANCEL_REQUESTED api-key:admin",
        "TERMINATED api-key:writer",
    ]
    assert not [it for it in found if it.startswith(("WORKFLOW_TASK", "TIMER")) and ":" in it]


async def test_a_start_that_ends_the_open_run_ends_it_by_its_key(server: Guarded) -> None:
    async with await client_of(server, "writer") as writer, await client_of(server, "admin") as admin:
        first = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
        await admin.start_workflow(Listening.run, id="w", task_queue="q", id_conflict_policy=policy)
        ended = writer.get_workflow_handle("w", run_id=first.result_run_id)
        found = signed(list((await ended.fetch_history()).events))
    assert found[-1] == "TERMINATED api-key:admin"


async def test_a_fork_is_started_by_the_key_that_forks(server: Guarded) -> None:
    """What it has of the other run keeps the keys that asked for it there."""
    async with people(server) as (writer, admin):
        handle = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        await handle.execute_update("change", "x")
        last = (await handle.fetch_history()).events[-1].event_id
        forked = await admin.fork_workflow("w", last, id="fork")
        found = signed(list((await forked.fetch_history()).events))
    assert [it for it in found if ":" in it] == ["STARTED api-key:admin", "UPDATE_ACCEPTED api-key:writer"]


async def test_people_are_told(server: Guarded) -> None:
    async with await client_of(server, "writer") as writer:
        handle = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        await handle.signal("hear", "a")
        *_, signal = (await handle.fetch_history()).events
    assert facts(signal)[-1] == {"title": "Asked by", "text": "api-key writer", "bad": False}
    ask = ("workflow", "show", "-w", "w", "--target", server.target, "--api-key", server.keys["reader"], "--no-tls")
    for more in ((), ("--detailed",)):
        shown = (await asyncio.to_thread(CliRunner().invoke, _app, [*ask, *more])).output
        line = next(line for line in shown.splitlines() if "WorkflowExecutionSignaled" in line)
        assert line.endswith("  [api-key writer]")
        assert "WorkflowTaskScheduled  [" not in shown


async def test_callers_at_the_same_time_are_not_mixed_up(server: Guarded) -> None:
    async with await client_of(server, "writer") as writer, await client_of(server, "admin") as admin:
        handle = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        assert server.server.http is not None
        async with httpx.AsyncClient(base_url=server.server.http.url, trust_env=False, timeout=60) as http:

            async def over_http(count: int) -> None:
                body = {"input": [f"server admin {count}"]}
                metadata = dict(server.metadata("server admin"))
                (await http.post("/api/v1/workflows/w/signal/hear", json=body, headers=metadata)).raise_for_status()

            await asyncio.gather(
                *(
                    it
                    for count in range(10)
                    for it in (
                        handle.signal("hear", f"writer {count}"),
                        admin.get_workflow_handle("w").signal("hear", f"admin {count}"),
                        over_http(count),
                    )
                )
            )
        events = (await handle.fetch_history()).events
    signals = [event for event in events if event.HasField("workflow_execution_signaled_event_attributes")]
    for event in signals:
        said = event.workflow_execution_signaled_event_attributes.input.payloads[0].data.decode()
        assert said.startswith(f'"{event.principal.name} '), said
    assert len(signals) == 30


async def test_what_waits_for_its_place_in_history_keeps_it_over_a_restart(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path) as server,
        await client_of(server, "writer") as writer,
        await client_of(server, "worker") as works,
    ):
        handle = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        poll = PollWorkflowTaskQueueRequest(namespace="default")
        poll.task_queue.name = "q"
        await works.service.poll_workflow_task_queue(poll)
        await handle.signal("hear", "while a worker has the task")
    async with guarded(tmp_path) as server, await client_of(server, "admin") as admin:
        await admin.get_workflow_handle("w").terminate()
        found = signed(list((await admin.get_workflow_handle("w").fetch_history()).events))
    assert [it for it in found if not it.startswith("WORKFLOW_TASK")] == [
        "STARTED api-key:writer",
        "SIGNALED api-key:writer",
        "TERMINATED api-key:admin",
    ]


async def test_without_keys_nobody_is_named() -> None:
    async with in_process() as server, await Client.connect(server.target) as client:
        handle = await client.start_workflow(Listening.run, id="w", task_queue="q")
        await handle.signal("hear", "a")
        await handle.terminate()
        assert not any(event.HasField("principal") for event in (await handle.fetch_history()).events)


async def test_a_reset_keeps_who_asked_for_what_is_asked_again(server: Guarded) -> None:
    async with people(server) as (writer, admin):
        handle = await writer.start_workflow(Listening.run, id="w", task_queue="q")
        await handle.signal("hear", "a")
        await handle.execute_update("change", "x")
        first = next(
            event.event_id
            for event in (await handle.fetch_history()).events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        )
        request = ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id="w"),
            workflow_task_finish_event_id=first,
            request_id="again",
        )
        run_id = (await admin.service.reset_workflow_execution(request)).run_id
        again = writer.get_workflow_handle("w", run_id=run_id)
        await again.execute_update("change", "y")  # the one before has been accepted by then
        found = signed(list((await again.fetch_history()).events))
    assert [it for it in found if it.startswith(("SIGNALED", "UPDATE_A"))] == [
        "SIGNALED api-key:writer",
        "UPDATE_ADMITTED api-key:writer",
        "UPDATE_ACCEPTED api-key:writer",
        "UPDATE_ACCEPTED api-key:writer",
    ]
