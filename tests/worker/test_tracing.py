"""Traces: one tree over client, workflow, activities and children; nothing twice, whatever is replayed or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from recorded_spans import recording, tree
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError
from tsuzuki.opentelemetry import TracingInterceptor, WorkflowSpanIds, completed_span
from tsuzuki.worker import Worker, WorkflowInterceptorClassInput

LONG = timedelta(seconds=30)
ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
async def work(text: str) -> str:
    with trace.get_tracer_provider().get_tracer("user").start_as_current_span("inner"):
        return text


@activity.defn
def work_in_thread(fail: bool) -> None:
    if fail:
        raise ValueError("no")


@workflow.defn
class Child:
    def __init__(self) -> None:
        self.told = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.told)

    @workflow.signal
    def tell(self) -> None:
        self.told = True


@workflow.defn
class Parent:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, again: bool, fail: bool) -> str:
        if fail:
            raise ApplicationError("as asked")
        if not again:
            return "done"
        completed_span("between", attributes={"step": 1})
        await workflow.execute_activity(work, "a", start_to_close_timeout=LONG)
        await workflow.execute_activity(work_in_thread, False, start_to_close_timeout=LONG)
        await workflow.execute_local_activity(work, "b", start_to_close_timeout=LONG)
        child = await workflow.start_child_workflow(Child.run, id="child")
        await child.signal(Child.tell)
        await child
        await workflow.wait_condition(lambda: self.done)
        workflow.continue_as_new(args=[False, False])
        return ""

    @workflow.signal
    async def finish(self) -> None:
        await workflow.execute_activity(work, "c", start_to_close_timeout=LONG)
        self.done = True

    @workflow.query
    def ask(self) -> bool:
        return self.done

    @workflow.update
    async def change(self) -> None:
        pass

    @change.validator
    def check(self) -> None:
        pass


@asynccontextmanager
async def running(target: str, interceptor: TracingInterceptor, cached: int = 100) -> AsyncIterator[Client]:
    async with (
        await Client.connect(target, interceptors=[interceptor]) as client,
        Worker(
            client,
            task_queue="q",
            workflows=[Parent, Child],
            activities=[work, work_in_thread],
            max_cached_workflows=cached,
        ),
    ):
        yield client


EXPECTED = """\
QueryWorkflow:ask [CLIENT UNSET]
QueryWorkflow:ask > HandleQuery:ask [SERVER UNSET] linked with StartWorkflow:Parent
SignalWorkflow:finish [CLIENT UNSET]
StartWorkflow:Parent [CLIENT UNSET]
StartWorkflow:Parent > CompleteWorkflow:Parent [INTERNAL UNSET]
StartWorkflow:Parent > HandleSignal:finish [SERVER UNSET] linked with SignalWorkflow:finish
StartWorkflow:Parent > HandleUpdate:change [SERVER UNSET] linked with StartWorkflowUpdate:change
StartWorkflow:Parent > RunWorkflow:Parent [SERVER UNSET]
StartWorkflow:Parent > RunWorkflow:Parent [SERVER UNSET]
StartWorkflow:Parent > SignalChildWorkflow:tell [SERVER UNSET]
StartWorkflow:Parent > StartActivity:work [CLIENT UNSET]
StartWorkflow:Parent > StartActivity:work [CLIENT UNSET]
StartWorkflow:Parent > StartActivity:work [CLIENT UNSET]
StartWorkflow:Parent > StartActivity:work > RunActivity:work [SERVER UNSET]
StartWorkflow:Parent > StartActivity:work > RunActivity:work [SERVER UNSET]
StartWorkflow:Parent > StartActivity:work > RunActivity:work [SERVER UNSET]
StartWorkflow:Parent > StartActivity:work_in_thread [CLIENT UNSET]
StartWorkflow:Parent > StartActivity:work_in_thread > RunActivity:work_in_thread [SERVER UNSET]
StartWorkflow:Parent > StartChildWorkflow:Child [CLIENT UNSET]
StartWorkflow:Parent > StartChildWorkflow:Child > CompleteWorkflow:Child [INTERNAL UNSET]
StartWorkflow:Parent > StartChildWorkflow:Child > HandleSignal:tell [SERVER UNSET] linked with SignalChildWorkflow:tell
StartWorkflow:Parent > StartChildWorkflow:Child > RunWorkflow:Child [SERVER UNSET]
StartWorkflow:Parent > ValidateUpdate:change [SERVER UNSET] linked with StartWorkflowUpdate:change
StartWorkflow:Parent > between [INTERNAL UNSET]
StartWorkflowUpdate:change [CLIENT UNSET]
"""


@pytest.mark.parametrize("cached", [100, 0], ids=["incremental", "replay"])
async def test_one_tree_and_no_span_twice(cached: int) -> None:
    provider, exporter = recording(id_generator=WorkflowSpanIds())
    async with running("sqlite://", TracingInterceptor(provider.get_tracer("t")), cached) as client:
        handle = await client.start_workflow(Parent.run, args=[True, False], id="w", task_queue="q")
        await handle.execute_update(Parent.change)
        await handle.signal(Parent.finish)
        assert await asyncio.wait_for(handle.result(), 60) == "done"
        await handle.query(Parent.ask)
    spans = exporter.get_finished_spans()
    assert tree(spans) == sorted(EXPECTED.splitlines())
    roots = {span.context.trace_id for span in spans if span.context is not None}
    assert len(roots) == 4  # the start, and what came from outside later
    ids = [span.context.span_id for span in spans if span.context is not None]
    assert len(set(ids)) == len(ids)
    for span in spans:
        attributes = dict(span.attributes or {})
        assert attributes["temporalWorkflowID"] in ("w", "child")
        if span.name.partition(":")[0] in ("RunWorkflow", "CompleteWorkflow", "StartActivity", "RunActivity"):
            assert "temporalRunID" in attributes
        if span.name.startswith("RunActivity"):
            assert attributes["temporalActivityID"] in ("1", "2", "3", "4", "5")
        if span.name == "between":
            assert attributes["step"] == 1
            assert span.start_time == span.end_time


async def test_failures_are_on_the_spans() -> None:
    provider, exporter = recording()
    async with running("sqlite://", TracingInterceptor(provider.get_tracer("t"))) as client:
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(Parent.run, args=[True, True], id="w", task_queue="q")
        with pytest.raises(Exception, match="nobody"):
            await client.get_workflow_handle("nobody").signal("s")
    assert tree(exporter.get_finished_spans()) == [
        "SignalWorkflow:s [CLIENT ERROR] ! exception",
        "StartWorkflow:Parent > CompleteWorkflow:Parent [INTERNAL UNSET] ! exception",
        "StartWorkflow:Parent > RunWorkflow:Parent [SERVER UNSET]",
        "StartWorkflow:Parent [CLIENT UNSET]",
    ]


async def test_the_trace_goes_on_after_a_crash_and_the_new_worker_repeats_nothing(tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'runs.db'}"
    before, seen_before = recording()
    after, seen_after = recording()
    async with running(target, TracingInterceptor(before.get_tracer("t"))) as client:
        handle = await client.start_workflow(Parent.run, args=[True, False], id="w", task_queue="q")
        while True:
            described = await client.get_workflow_handle("w").fetch_history()
            if any(event.HasField("child_workflow_execution_completed_event_attributes") for event in described.events):
                break
            await asyncio.sleep(0)
    async with running(target, TracingInterceptor(after.get_tracer("t"))) as client:
        handle = client.get_workflow_handle("w")
        await handle.signal(Parent.finish)
        assert await asyncio.wait_for(handle.result(), 60) == "done"
    spans = seen_before.get_finished_spans() + seen_after.get_finished_spans()
    kept = [line for line in EXPECTED.splitlines() if "ask" not in line and "change" not in line]
    assert tree(spans) == sorted(kept)
    assert {"RunActivity:work", "HandleSignal:finish"} <= {span.name for span in seen_after.get_finished_spans()}


def scripted(interceptor: TracingInterceptor, definition: Any, **options: Any) -> ScriptedRun:
    """A run whose start came with a span."""
    (cls,) = [interceptor.workflow_interceptor_class(WorkflowInterceptorClassInput())]
    run = ScriptedRun(definition, interceptors=[cls], **options)
    carrier = {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}
    header = run.events[0].workflow_execution_started_event_attributes.header
    header.fields["_tracer-data"].CopyFrom(CONVERTER.to_payloads([carrier])[0])
    return run


BROKEN: list[bool] = []


@workflow.defn
async def mended() -> None:
    await workflow.execute_activity(work, "a", start_to_close_timeout=LONG)
    completed_span("after")
    if BROKEN:
        raise KeyError("a bug")
    await workflow.execute_activity(work, "b", start_to_close_timeout=LONG)


@pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])
def test_a_workflow_task_that_is_run_again_makes_the_same_spans_again(cached: bool) -> None:
    provider, exporter = recording(id_generator=WorkflowSpanIds())
    run = scripted(TracingInterceptor(provider.get_tracer("t")), mended, cached=cached)
    run.workflow_task()
    run.complete_activity("1", "a")
    BROKEN.append(True)
    with pytest.raises(WorkflowTaskFailedError):
        run.workflow_task()
    BROKEN.clear()
    command = run.workflow_task().commands[0].schedule_activity_task_command_attributes
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == [
        "RunWorkflow:mended",
        "StartActivity:work",
        "after",
        "after",
        "StartActivity:work",
    ]
    first, again = (span.context.span_id for span in spans if span.name == "after" and span.context is not None)
    assert first == again
    assert len({span.context.span_id for span in spans if span.context is not None}) == 4
    (carrier,) = CONVERTER.from_payloads([command.header.fields["_tracer-data"]])
    last = spans[-1].context
    assert last is not None
    assert carrier["traceparent"] == f"00-{'1' * 32}-{last.span_id:016x}-01"


@pytest.mark.parametrize("always", [False, True])
def test_without_a_context_from_the_start_there_are_spans_only_on_request(always: bool) -> None:
    provider, exporter = recording(id_generator=WorkflowSpanIds())
    interceptor = TracingInterceptor(provider.get_tracer("t"), always_create_workflow_spans=always)
    run = ScriptedRun(
        mended, cached=True, interceptors=[interceptor.workflow_interceptor_class(WorkflowInterceptorClassInput())]
    )
    command = run.workflow_task().commands[0].schedule_activity_task_command_attributes
    names = [span.name for span in exporter.get_finished_spans()]
    assert names == (["RunWorkflow:mended", "StartActivity:work"] if always else [])
    assert ("_tracer-data" in command.header.fields) is always
    assert len({span.context.trace_id for span in exporter.get_finished_spans() if span.context}) == int(always)


def test_the_guard_lets_a_batching_exporter_work() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    run = scripted(TracingInterceptor(provider.get_tracer("t")), mended, cached=True)
    run.workflow_task()
    provider.shutdown()
    assert [span.name for span in exporter.get_finished_spans()] == ["RunWorkflow:mended", "StartActivity:work"]


def test_a_completed_span_without_the_interceptor_is_none() -> None:
    run = ScriptedRun(mended, cached=True)
    run.run_to_end({"work": lambda text: text})
    assert run.closed
