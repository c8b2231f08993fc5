"""Traces over clients, workflows and activities: spans with the names and attributes of the official SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import SpanKind, Status, StatusCode

from tsuzuki import activity, client, worker
from tsuzuki.converter import DataConverter, PayloadConverter
from tsuzuki.exceptions import ApplicationError, ApplicationErrorCategory

from ._headers import HEADER_KEY, TraceHeader, default_text_map_propagator
from ._workflow_tracing import WorkflowTracing, inbound_class


class TracingInterceptor(client.Interceptor, worker.Interceptor):
    """Makes spans and carries their context along. Give it to the client; its workers take it from there.

    Args:
        tracer: The default is that of the global `TracerProvider`.
        always_create_workflow_spans: Make spans in workflows also where nobody sent a context with the start (from
            the command line, a schedule); each is then a trace of its own after a replay.
        header_key: Header that carries the context.
        text_map_propagator: What is in it.
        payload_converter: How that is encoded.
    """

    def __init__(
        self,
        tracer: trace.Tracer | None = None,
        *,
        always_create_workflow_spans: bool = False,
        header_key: str = HEADER_KEY,
        text_map_propagator: TextMapPropagator = default_text_map_propagator,
        payload_converter: PayloadConverter = DataConverter.default.payload_converter,
    ) -> None:
        self.tracer = tracer or trace.get_tracer("tsuzuki")
        self.header = TraceHeader(header_key, text_map_propagator, payload_converter)
        self._workflows = WorkflowTracing(self.tracer, self.header, always_create_workflow_spans)
        otel_context.get_current()  # loads its implementation, here and not in a workflow

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """Make spans of the calls that have headers."""
        return _ClientOutbound(next, self)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """Make spans of the attempts."""
        return _ActivityInbound(next, self)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Make spans of the steps of workflows."""
        return inbound_class(self._workflows)

    @contextmanager
    def span(self, name: str, kind: SpanKind, attributes: Mapping[str, str]) -> Iterator[None]:
        """Make a span for the length of a block; an exception is recorded, and an error unless it is benign."""
        with self.tracer.start_as_current_span(
            name, kind=kind, attributes=dict(attributes), set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                if not isinstance(error, ApplicationError) or error.category is not ApplicationErrorCategory.BENIGN:
                    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                raise


class _ClientOutbound(client.OutboundInterceptor):
    def __init__(self, next: client.OutboundInterceptor, tracing: TracingInterceptor) -> None:
        super().__init__(next)
        self._tracing = tracing

    @contextmanager
    def _call(self, name: str, input: Any, **attributes: str) -> Iterator[None]:
        with self._tracing.span(name, SpanKind.CLIENT, {"temporalWorkflowID": input.id, **attributes}):
            self._tracing.header.add(input)
            yield

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        verb = "SignalWithStartWorkflow" if input.start_signal else "StartWorkflow"
        with self._call(f"{verb}:{input.workflow}", input):
            return await super().start_workflow(input)

    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:
        with self._call(f"QueryWorkflow:{input.query}", input):
            return await super().query_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        with self._call(f"SignalWorkflow:{input.signal}", input):
            await super().signal_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        with self._call(f"StartWorkflowUpdate:{input.update}", input):
            return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        more = {} if update.update_id is None else {"temporalUpdateID": update.update_id}
        with self._call(f"StartUpdateWithStartWorkflow:{start.workflow}", start, **more):
            self._tracing.header.add(update)
            return await super().start_update_with_start_workflow(input)


class _ActivityInbound(worker.ActivityInboundInterceptor):
    def __init__(self, next: worker.ActivityInboundInterceptor, tracing: TracingInterceptor) -> None:
        super().__init__(next)
        self._tracing = tracing

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        attributes = {"temporalActivityID": info.activity_id}
        if info.workflow_id:
            attributes["temporalWorkflowID"] = info.workflow_id
        if info.workflow_run_id:
            attributes["temporalRunID"] = info.workflow_run_id
        # Never detached: an attempt has a context of its own, which ends with it.
        otel_context.attach(self._tracing.header.read(input.headers) or Context())
        with self._tracing.span(f"RunActivity:{info.activity_type}", SpanKind.SERVER, attributes):
            return await super().execute_activity(input)
