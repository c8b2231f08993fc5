"""A workflow with a trace and a context variable, killed in its second activity; run again to go on.

Arguments: target, and a folder for the spans (a line of JSON each, written when they end) and the log of activities.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowNotFoundError
from tsuzuki.opentelemetry import TracingInterceptor, WorkflowSpanIds
from tsuzuki.propagation import ContextVarPropagation
from tsuzuki.worker import Worker

TARGET, FOLDER = sys.argv[1], Path(sys.argv[2])
USER: ContextVar[str] = ContextVar("user", default="nobody")


class ToFile(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with (FOLDER / "spans").open("a") as file:
            for span in spans:
                assert span.context is not None
                ids = [f"{span.context.trace_id:x}", f"{span.context.span_id:x}"]
                file.write(json.dumps([span.name, *ids, f"{span.parent.span_id:x}" if span.parent else ""]) + "\n")
        return SpanExportResult.SUCCESS


@activity.defn
async def step(name: str) -> str:
    with (FOLDER / "log").open("a") as file:
        file.write(f"{name} {USER.get()}\n")
    if name == "second" and activity.info().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


@workflow.defn
class Steps:
    @workflow.run
    async def run(self) -> str:
        for name in ("first", "second", "third"):
            await workflow.execute_activity(step, name, start_to_close_timeout=timedelta(seconds=30))
        return USER.get()


async def main() -> None:
    provider = TracerProvider(id_generator=WorkflowSpanIds())
    provider.add_span_processor(SimpleSpanProcessor(ToFile()))
    interceptors = [TracingInterceptor(provider.get_tracer("t")), ContextVarPropagation({"user": USER})]
    async with (
        await Client.connect(TARGET, interceptors=interceptors) as client,
        Worker(client, task_queue="q", workflows=[Steps], activities=[step]),
    ):
        handle = client.get_workflow_handle("w")
        try:
            await handle.describe()
        except WorkflowNotFoundError:
            USER.set("ada")  # only the process that dies knows
            await client.start_workflow(Steps.run, id="w", task_queue="q")
        print(await handle.result())


asyncio.run(main())
