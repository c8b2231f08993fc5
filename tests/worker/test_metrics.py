"""Metrics: of workflow code (silent on replay), of activities, of the worker itself, and into OpenTelemetry."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from measured import Kept
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from scripted_run import ScriptedRun, query_of

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowFailureError
from tsuzuki.common import MetricMeter, RetryPolicy
from tsuzuki.exceptions import ApplicationError
from tsuzuki.opentelemetry import OpenTelemetryMetrics
from tsuzuki.worker import Worker

LONG = timedelta(seconds=30)


@activity.defn
async def act(fail: bool = False) -> None:
    activity.metric_meter().create_counter("acts").add(1, {"failing": fail})
    if fail:
        raise ValueError("no")


@workflow.defn
class Counting:
    @workflow.run
    async def run(self, fail: bool = False) -> None:
        meter = workflow.metric_meter()
        meter.create_counter("steps").add(1, {"step": "first"})
        await asyncio.sleep(0.01)
        meter.create_counter("steps").add(1, {"step": "second"})
        meter.create_histogram_timedelta("waits").record(timedelta(seconds=1.5))
        meter.with_additional_attributes({"a": 1}).create_gauge("level").with_additional_attributes({"b": 2}).set(7)
        once = RetryPolicy(maximum_attempts=1)
        await workflow.execute_activity(act, fail, start_to_close_timeout=LONG, retry_policy=once)

    @workflow.query
    def ask(self) -> int:
        return 1


@pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])
def test_workflow_code_measures_once_whatever_is_replayed(cached: bool) -> None:
    kept = Kept()
    run = ScriptedRun(Counting, cached=cached, metric_meter=kept.meter())
    run.workflow_task({"q": query_of("ask")})
    assert kept.of("steps") == [
        (1, {"namespace": "default", "task_queue": "queue", "workflow_type": "Counting", "step": "first"})
    ]
    run.fire_timer(run.next_timer())
    run.workflow_task()
    run.run_to_end({"act": lambda fail: None})
    assert [attributes["step"] for _, attributes in kept.of("steps")] == ["first", "second"]
    assert [value for value, _ in kept.of("waits")] == [1500]
    ((level, attributes),) = kept.of("level")
    assert (level, attributes["a"], attributes["b"]) == (7, 1, 2)


def test_without_a_meter_everything_is_taken_and_nothing_sent() -> None:
    run = ScriptedRun(Counting, cached=True)
    run.run_to_end({"act": lambda fail: None})
    assert run.closed
    assert MetricMeter.noop.with_additional_attributes({"a": 1}).create_gauge("g").set(1) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("make", "use"),
    [("create_counter", "add"), ("create_histogram", "record"), ("create_gauge", "set")],
)
def test_negative_values_are_refused(make: str, use: str) -> None:
    with pytest.raises(ValueError, match="was given -1"):
        getattr(getattr(Kept().meter(), make)("name"), use)(-1)


async def run_both(client: Client, cached: int = 1000) -> None:
    """One workflow that succeeds, one that fails."""
    async with Worker(client, task_queue="q", workflows=[Counting], activities=[act], max_cached_workflows=cached):
        await client.execute_workflow(Counting.run, False, id="good", task_queue="q")
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(Counting.run, True, id="bad", task_queue="q")


async def test_the_worker_measures_itself() -> None:
    kept = Kept()
    async with await Client.connect("sqlite://", metric_meter=kept.meter()) as client:
        await run_both(client)
    common = {"namespace": "default", "task_queue": "q"}
    of_workflow = {**common, "workflow_type": "Counting"}
    of_activity = {**of_workflow, "activity_type": "act"}
    assert kept.of("temporal_worker_start") == [(1, common)]
    assert kept.of("temporal_workflow_completed") == [(1, of_workflow)]
    assert kept.of("temporal_workflow_failed") == [(1, of_workflow)]
    assert kept.of("temporal_activity_execution_failed") == [(1, {**of_activity, "failure_reason": "ActivityError"})]
    assert kept.of("temporal_activity_task_received") == [(1, {**of_activity, "eager": False})] * 2
    assert [attributes for _, attributes in kept.of("temporal_activity_execution_latency")] == [of_activity] * 2
    assert [attributes for _, attributes in kept.of("temporal_activity_succeed_endtoend_latency")] == [of_activity]
    latencies = kept.of("temporal_workflow_task_execution_latency")
    assert [attributes for _, attributes in latencies] == [of_workflow] * 6
    assert [attributes for _, attributes in kept.of("temporal_workflow_endtoend_latency")] == [of_workflow] * 2
    assert kept.sum_of("temporal_sticky_cache_hit") == 4
    assert kept.sum_of("temporal_sticky_cache_miss") == 0
    for name in ("temporal_worker_task_slots_used", "temporal_num_pollers"):
        last: dict[str, Any] = {}
        for value, attributes in kept.of(name):
            last[str(attributes.get("worker_type") or attributes["poller_type"])] = value
        assert set(last.values()) == {0}, (name, last)
    assert kept.of("acts") == [
        (1, {**common, "activity_type": "act", "failing": False}),
        (1, {**common, "activity_type": "act", "failing": True}),
    ]
    operations = {attributes["operation"] for _, attributes in kept.of("temporal_request")}
    assert {"StartWorkflowExecution", "RespondWorkflowTaskCompleted", "RespondActivityTaskFailed"} <= operations
    long = {attributes["operation"] for _, attributes in kept.of("temporal_long_request")}
    assert long == {"PollWorkflowTaskQueue", "PollActivityTaskQueue", "GetWorkflowExecutionHistory"}
    requests = [attributes for _, attributes in kept.of("temporal_request")]
    assert all(of["namespace"] == "default" for of in requests if of["operation"] != "GetSystemInfo")


@workflow.defn
class Locally:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(act, False, start_to_close_timeout=LONG)
        with contextlib.suppress(ApplicationError):
            await workflow.execute_local_activity(
                act, True, start_to_close_timeout=LONG, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        await workflow.wait_condition(lambda: False)


async def test_local_activities_and_a_cache_that_is_too_small_are_measured() -> None:
    kept = Kept()
    async with (
        await Client.connect("sqlite://", metric_meter=kept.meter()) as client,
        Worker(client, task_queue="q", workflows=[Locally], activities=[act], max_cached_workflows=2),
    ):
        for number in range(5):
            handle = await client.start_workflow(Locally.run, id=f"w{number}", task_queue="q")
            while len(kept.of("temporal_workflow_task_execution_latency")) <= number:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await handle.terminate()
    of_activity = {"namespace": "default", "task_queue": "q", "workflow_type": "Locally", "activity_type": "act"}
    assert kept.of("temporal_local_activity_total") == [(1, of_activity)] * 10
    assert (
        kept.of("temporal_local_activity_execution_failed")
        == [(1, {**of_activity, "failure_reason": "ActivityError"})] * 5
    )
    assert len(kept.of("temporal_local_activity_execution_latency")) == 10
    assert len(kept.of("temporal_local_activity_succeed_endtoend_latency")) == 5
    assert kept.sum_of("temporal_sticky_cache_total_forced_eviction") == 3
    assert max(size for size, _ in kept.of("temporal_sticky_cache_size")) == 2


async def test_a_refused_request_is_counted_as_such() -> None:
    kept = Kept()
    async with await Client.connect("sqlite://", metric_meter=kept.meter()) as client:
        with pytest.raises(Exception, match="nobody"):
            await client.get_workflow_handle("nobody").signal("s")
    ((_, attributes),) = kept.of("temporal_request_failure")
    assert (attributes["operation"], attributes["status_code"]) == ("SignalWorkflowExecution", "NOT_FOUND")
    assert kept.of("temporal_request") == []


async def test_measurements_arrive_in_opentelemetry_and_durations_may_be_seconds() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    backend = OpenTelemetryMetrics(provider.get_meter("test"), durations_as_seconds=True)
    async with await Client.connect("sqlite://", metric_meter=backend.meter()) as client:
        await run_both(client)
    found: dict[str, Any] = {}
    data = reader.get_metrics_data()
    assert data is not None
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            found.update({metric.name: metric for metric in scope.metrics})
    (completed,) = found["temporal_workflow_completed"].data.data_points
    assert (completed.value, completed.attributes["workflow_type"]) == (1, "Counting")
    assert found["waits"].unit == "s"
    assert [point.sum for point in found["waits"].data.data_points] == [3.0]  # 1.5 s in each workflow
    assert sum(point.value for point in found["steps"].data.data_points) == 4
    assert found["level"].data.data_points[0].value == 7
    provider.shutdown()
