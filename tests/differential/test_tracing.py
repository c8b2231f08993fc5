"""Traces are those of the official package's interceptor, and go on over the border between the two packages."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import temporalio.client
import temporalio.contrib.opentelemetry
import temporalio.worker
from opentelemetry.sdk.trace import ReadableSpan

from differential._program import load_module
from tsuzuki.client import Client
from tsuzuki.opentelemetry import TracingInterceptor

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))
from recorded_spans import recording, tree

PROGRAM = Path(__file__).with_name("_tracing_program.py")
WAIT_S = 60.0


def options(package: str) -> dict[str, Any]:
    return {"workflow_runner": temporalio.worker.UnsandboxedWorkflowRunner()} if package == "temporalio" else {}


async def connect(package: str, target: str, exporter_and_provider: Any) -> Any:
    """A client of a package, with that package's interceptor."""
    provider, _ = exporter_and_provider
    tracer = provider.get_tracer("t")
    if package == "temporalio":
        official = temporalio.contrib.opentelemetry.TracingInterceptor(tracer)
        return await temporalio.client.Client.connect(target, interceptors=[official])
    return await Client.connect(target, interceptors=[TracingInterceptor(tracer)])


async def drive(program: Any, client: Any, queue: str, activity_queue: str) -> None:
    name = f"w-{uuid.uuid4()}"
    handle = await client.start_workflow("Traced", activity_queue, id=name, task_queue=queue)
    await handle.execute_update("change")
    await handle.query("ask")
    await handle.signal("finish")
    with pytest.raises(program.client.WorkflowFailureError):
        await asyncio.wait_for(handle.result(), WAIT_S)


def described(spans: Sequence[ReadableSpan]) -> list[str]:
    """The tree, with the names of the attributes; a query may be answered more than once."""
    keys = sorted({f"{span.name} {sorted((span.attributes or {}).keys())}" for span in spans})
    return [*(line for line in tree(spans) if "HandleQuery" not in line), *keys]


async def spans_of(package: str, target: str) -> list[str]:
    """Run the program wholly with one package."""
    record = recording()
    program: Any = load_module(PROGRAM, package)
    client, queue = await connect(package, target, record), f"q-{uuid.uuid4()}"
    worker = program.worker.Worker(
        client,
        task_queue=queue,
        workflows=[program.Traced, program.Child],
        activities=[program.work],
        **options(package),
    )
    async with worker:
        await drive(program, client, queue, queue)
    return described(record[1].get_finished_spans())


async def test_spans_are_those_of_the_official_interceptor(real_server: str) -> None:
    reference = await spans_of("temporalio", real_server)
    assert len(reference) > 20
    assert await spans_of("tsuzuki", real_server) == reference
    assert await spans_of("tsuzuki", "sqlite://") == reference


async def test_a_trace_goes_on_over_the_border(real_server: str) -> None:
    """Workflows on one package, activities and the caller on the other; both ways the tree is the same."""
    reference = await spans_of("temporalio", real_server)
    for workflows_on, rest_on in (("temporalio", "tsuzuki"), ("tsuzuki", "temporalio")):
        record, queue = recording(), f"q-{uuid.uuid4()}"
        inside: Any = load_module(PROGRAM, workflows_on)
        outside: Any = load_module(PROGRAM, rest_on)
        inner, outer = await connect(workflows_on, real_server, record), await connect(rest_on, real_server, record)
        async with (
            inside.worker.Worker(
                inner,
                task_queue=queue,
                workflows=[inside.Traced, inside.Child],
                activities=[inside.work],  # for the local one
                **options(workflows_on),
            ),
            outside.worker.Worker(outer, task_queue=f"{queue}-there", activities=[outside.work]),
        ):
            await drive(outside, outer, queue, f"{queue}-there")
        assert described(record[1].get_finished_spans()) == reference, (workflows_on, rest_on)
