"""One interceptor, written once, on both packages: it sees and sends the same headers, and histories keep the same.

The pairings are those of the scenarios: the official package on the real server is the reference.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import temporalio.activity
import temporalio.client
import temporalio.converter
import temporalio.worker
import temporalio.workflow

import tsuzuki.worker
from differential._program import load_module
from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.propagation import ContextVarPropagation

WAIT = timedelta(seconds=20)
PROGRAM = Path(__file__).with_name("_interceptor_program.py")
HEADERS = {
    "workflow_execution_started_event_attributes",
    "workflow_execution_signaled_event_attributes",
    "workflow_execution_update_accepted_event_attributes",
    "workflow_execution_continued_as_new_event_attributes",
    "activity_task_scheduled_event_attributes",
    "start_child_workflow_execution_initiated_event_attributes",
    "signal_external_workflow_execution_initiated_event_attributes",
}


async def transcript(package: str, connect: Callable[[Any], Any]) -> dict[str, list[str]]:
    """Run the program with the interceptor and give what it saw, and the headers in the histories."""
    program: Any = load_module(PROGRAM, package)
    connected = await connect(program.Both())
    queue, name = f"q-{uuid.uuid4()}", f"w-{uuid.uuid4()}"
    options = {"workflow_runner": temporalio.worker.UnsandboxedWorkflowRunner()} if package == "temporalio" else {}
    worker = program.worker.Worker(
        connected,
        task_queue=queue,
        workflows=[program.Parent, program.Child],
        activities=[program.work],
        **options,
    )
    async with worker:
        handle = await connected.start_workflow(
            "Parent", True, id=name, task_queue=queue, start_signal="begin", start_signal_args=["b"]
        )
        assert await handle.query("ask", "x") == "x"
        assert await handle.execute_update("change", "y", id="u") == "y"
        await handle.signal("finish")
        assert await asyncio.wait_for(handle.result(), WAIT.total_seconds()) == "done"
        first = connected.get_workflow_handle(name, run_id=handle.first_execution_run_id)
        histories = []
        for each in (first, connected.get_workflow_handle(name), connected.get_workflow_handle(f"{name}-child")):
            histories += [found async for found in _headers(each)]
    return {"seen": sorted(set(program.seen)), "histories": sorted(histories)}


async def _headers(handle: Any) -> Any:
    async for event in handle.fetch_history_events():
        kind = event.WhichOneof("attributes")
        if kind in HEADERS:
            attributes = getattr(event, kind)
            if kind == "workflow_execution_update_accepted_event_attributes":
                attributes = attributes.accepted_request.input
            fields = attributes.header.fields
            yield f"{kind.removesuffix('_event_attributes')} {[f'{it}={fields[it].data.decode()}' for it in fields]}"


async def test_headers_and_calls_are_those_of_the_official_package(real_server: str) -> None:
    async def official(interceptor: Any) -> Any:
        return await temporalio.client.Client.connect(real_server, interceptors=[interceptor])

    async def ours(interceptor: Any) -> Any:
        return await Client.connect(real_server, interceptors=[interceptor])

    async def embedded(interceptor: Any) -> Any:
        return await Client.connect("sqlite://", interceptors=[interceptor])

    reference = await transcript("temporalio", official)
    assert len(reference["histories"]) >= 8
    assert await transcript("tsuzuki", ours) == reference
    assert await transcript("tsuzuki", embedded) == reference


TENANT: ContextVar[str] = ContextVar("tenant")


@activity.defn
async def ours_tenant() -> str:
    return TENANT.get("none")


@temporalio.activity.defn
async def their_tenant() -> str:
    return _their_tenant.get()


_their_tenant: ContextVar[str] = ContextVar("their tenant", default="none")


class ReadsTenant(temporalio.worker.Interceptor):
    """What a user of the official package writes to read the header."""

    def intercept_activity(self, next: Any) -> Any:
        class Inbound(temporalio.worker.ActivityInboundInterceptor):
            async def execute_activity(self, input: Any) -> Any:
                converter = temporalio.converter.default().payload_converter
                if "tenant" in input.headers:
                    _their_tenant.set(converter.from_payload(input.headers["tenant"], str))
                return await super().execute_activity(input)

        return Inbound(next)


class SendsTenant(temporalio.client.Interceptor):
    def intercept_client(self, next: Any) -> Any:
        class Outbound(temporalio.client.OutboundInterceptor):
            async def start_workflow(self, input: Any) -> Any:
                converter = temporalio.converter.default().payload_converter
                input.headers = {**input.headers, "tenant": converter.to_payload("theirs")}
                return await super().start_workflow(input)

        return Outbound(next)


@workflow.defn
class AsksBoth:
    @workflow.run
    async def run(self, other_queue: str) -> list[str]:
        return [
            await workflow.execute_activity(ours_tenant, start_to_close_timeout=WAIT),
            await workflow.execute_activity("their_tenant", task_queue=other_queue, start_to_close_timeout=WAIT),
            TENANT.get("none"),
        ]


@pytest.mark.parametrize("sender", ["ours", "official"])
async def test_propagated_context_crosses_to_and_from_the_official_package(real_server: str, sender: str) -> None:
    queue, other_queue = f"q-{uuid.uuid4()}", f"q-{uuid.uuid4()}"
    official = await temporalio.client.Client.connect(real_server, interceptors=[SendsTenant()])
    async with (
        await Client.connect(real_server, interceptors=[ContextVarPropagation({"tenant": TENANT})]) as client,
        tsuzuki.worker.Worker(client, task_queue=queue, workflows=[AsksBoth], activities=[ours_tenant]),
        temporalio.worker.Worker(
            official, task_queue=other_queue, activities=[their_tenant], interceptors=[ReadsTenant()]
        ),
    ):
        if sender == "ours":
            token = TENANT.set("ours")
            handle: Any = await client.start_workflow(AsksBoth, other_queue, id=f"w-{uuid.uuid4()}", task_queue=queue)
            TENANT.reset(token)
        else:
            handle = await official.start_workflow("AsksBoth", other_queue, id=f"w-{uuid.uuid4()}", task_queue=queue)
        expected = "ours" if sender == "ours" else "theirs"
        assert await asyncio.wait_for(handle.result(), WAIT.total_seconds()) == [expected] * 3
