"""One trace over client, workflow and activity, and the worker's own metrics: python examples/traced.py

Needs `pip install 'tsuzuki[opentelemetry]'`. For real, exporters that send to your collector take the place of those
that keep everything in memory.
"""

import asyncio
import sys
from datetime import timedelta

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tsuzuki import activity, workflow
from tsuzuki.client import Client
from tsuzuki.opentelemetry import OpenTelemetryMetrics, TracingInterceptor, WorkflowSpanIds
from tsuzuki.worker import Worker

spans = InMemorySpanExporter()
traces = TracerProvider(id_generator=WorkflowSpanIds())
traces.add_span_processor(SimpleSpanProcessor(spans))
reader = InMemoryMetricReader()
metrics = MeterProvider(metric_readers=[reader])


@activity.defn
async def find(topic: str) -> int:
    return len(topic)


@workflow.defn
class Research:
    @workflow.run
    async def run(self, topics: list[str]) -> int:
        found = workflow.metric_meter().create_counter("pages_found")
        total = 0
        for topic in topics:
            pages = await workflow.execute_activity(find, topic, start_to_close_timeout=timedelta(seconds=10))
            found.add(pages, {"topic": topic})  # once, also if this line is replayed
            total += pages
        return total


async def main(target: str = "sqlite://") -> None:
    client = await Client.connect(
        target,
        interceptors=[TracingInterceptor(traces.get_tracer("research"))],
        metric_meter=OpenTelemetryMetrics(metrics.get_meter("research")).meter(),
    )
    async with client, Worker(client, task_queue="research", workflows=[Research], activities=[find]):
        await client.execute_workflow(Research.run, ["owls", "hares"], id="traced", task_queue="research")
    show()


def show() -> None:
    names = {span.context.span_id: span.name for span in spans.get_finished_spans() if span.context}
    for span in sorted(spans.get_finished_spans(), key=lambda span: span.start_time or 0):
        print(f"{names[span.parent.span_id]} -> {span.name}" if span.parent else span.name)
    data = reader.get_metrics_data()
    assert data is not None
    for metric in sorted(data.resource_metrics[0].scope_metrics[0].metrics, key=lambda metric: metric.name):
        if metric.name in ("pages_found", "temporal_workflow_completed", "temporal_activity_task_received"):
            print(metric.name, sum(getattr(point, "value", 0) for point in metric.data.data_points))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
