"""Spans of workflows: points in time, made once, when a step is taken and not when it is replayed.

A span that stays open could not outlive its worker, so each begins and ends at the time of its workflow task. What the
code does has the span of the start as its parent, whose context is in the first event of the history.

Contexts are attached and never detached: a run, each of its handlers and each query has a context of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from opentelemetry.util.types import Attributes
from temporalio.api.common.v1 import Payload

from tsuzuki import worker, workflow

from ._headers import TraceHeader
from ._span_ids import set_next_ids, unset_next_ids

_current: Final[ContextVar[_Inbound | None]] = ContextVar("tsuzuki_workflow_tracing", default=None)


@dataclass(frozen=True)
class WorkflowTracing:
    """What all runs share.

    Attributes:
        tracer: Makes the spans.
        header: Carries their context.
        always: Make spans without a parent too.
    """

    tracer: trace.Tracer
    header: TraceHeader
    always: bool


def completed_span(name: str, *, attributes: Attributes = None, exception: Exception | None = None) -> None:
    """Make a span at this point of the workflow: begun and ended now, once, not again on replay.

    Needs `TracingInterceptor`, and a context that came with the start (or `always_create_workflow_spans`); without them
    there is no span.

    Args:
        name: Of the span.
        attributes: Besides those of workflow and run.
        exception: To record on it.

    Raises:
        NotInWorkflowError: Called outside workflow code.
    """
    workflow.info()
    tracing = _current.get()
    if tracing is not None:
        tracing.completed_span(name, SpanKind.INTERNAL, attributes=attributes, exception=exception)


def inbound_class(tracing: WorkflowTracing) -> type[worker.WorkflowInboundInterceptor]:
    """Return the class to stand around runs."""

    class Inbound(_Inbound):
        def __init__(self, next: worker.WorkflowInboundInterceptor) -> None:
            super().__init__(next, tracing)

    return Inbound


class _Inbound(worker.WorkflowInboundInterceptor):
    def __init__(self, next: worker.WorkflowInboundInterceptor, tracing: WorkflowTracing) -> None:
        super().__init__(next)
        self._tracing = tracing
        self._count = 0

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        self._enter(self._start_context())
        self.completed_span(f"RunWorkflow:{workflow.info().workflow_type}", SpanKind.SERVER)
        try:
            result = await super().execute_workflow(input)
        except Exception as error:
            self._note_end(error)
            raise
        self._note_end(None)
        return result

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        self._enter_handler(f"HandleSignal:{input.signal}", input.headers)
        try:
            await super().handle_signal(input)
        except Exception as error:
            self._note_end(error)
            raise

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        # A query belongs to whoever asks, and is linked with the workflow.
        asker = self._tracing.header.read(input.headers)
        self._enter(asker)
        link = self._start_context() if asker is not None else None
        self.completed_span(f"HandleQuery:{input.query}", SpanKind.SERVER, link=link, looks_only=True)
        return await super().handle_query(input)

    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:
        self._enter_handler(f"ValidateUpdate:{input.update}", input.headers, looks_only=True)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        self._enter_handler(f"HandleUpdate:{input.update}", input.headers)
        return await super().handle_update_handler(input)

    def completed_span(
        self,
        name: str,
        kind: SpanKind,
        *,
        link: Context | None = None,
        attributes: Attributes = None,
        exception: Exception | None = None,
        looks_only: bool = False,
        add_to: Any = None,
    ) -> None:
        """Make a span, child of the current one, unless this is a replay.

        Args:
            name: Of the span.
            kind: Of the span.
            link: A context whose span it is linked with.
            attributes: Besides those of workflow and run.
            exception: To record on it.
            looks_only: It is made on replay too, or in its stead: a query, a validator.
            add_to: Input of a call, whose headers get the context of the span.
        """
        tracing = self._tracing
        info = workflow.info()
        if not looks_only:
            self._count += 1  # on replay too, so that each span keeps its number
            if workflow.unsafe.is_replaying():
                return
        if trace.get_current_span() is trace.INVALID_SPAN and not tracing.always:
            return
        time_ns = workflow.time_ns()
        if not looks_only:
            set_next_ids(info.run_id, self._count)
        try:
            span = tracing.tracer.start_span(
                name,
                kind=kind,
                attributes={
                    "temporalWorkflowID": info.workflow_id,
                    "temporalRunID": info.run_id,
                    **(attributes or {}),
                },
                links=_links(link),
                start_time=time_ns,
            )
        finally:
            unset_next_ids()
        if exception is not None:
            span.record_exception(exception)
        span.end(end_time=time_ns)
        if add_to is not None:
            tracing.header.add(add_to, trace.set_span_in_context(span))

    def add_context(self, input: Any) -> None:
        """Put the current context beside the headers of a call."""
        self._tracing.header.add(input)

    def _enter(self, context: Context | None) -> None:
        otel_context.attach(context or Context())
        _current.set(self)

    def _enter_handler(self, name: str, headers: Mapping[str, Payload], *, looks_only: bool = False) -> None:
        self._enter(self._start_context())
        self.completed_span(name, SpanKind.SERVER, link=self._tracing.header.read(headers), looks_only=looks_only)

    def _start_context(self) -> Context | None:
        return self._tracing.header.read(workflow.info().headers)

    def _note_end(self, error: Exception | None) -> None:
        if error is None or workflow.is_failure_exception(error):
            name = f"CompleteWorkflow:{workflow.info().workflow_type}"
            self.completed_span(name, SpanKind.INTERNAL, exception=error)


def _links(context: Context | None) -> list[Link]:
    if context is None:
        return []
    span = trace.get_current_span(context)
    return [] if span is trace.INVALID_SPAN else [Link(span.get_span_context())]


class _Outbound(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor, inbound: _Inbound) -> None:
        super().__init__(next)
        self._inbound = inbound

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        self._inbound.add_context(input)
        super().continue_as_new(input)

    async def signal_child_workflow(self, input: worker.SignalChildWorkflowInput) -> None:
        self._inbound.completed_span(f"SignalChildWorkflow:{input.signal}", SpanKind.SERVER, add_to=input)
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: worker.SignalExternalWorkflowInput) -> None:
        self._inbound.completed_span(f"SignalExternalWorkflow:{input.signal}", SpanKind.CLIENT, add_to=input)
        await super().signal_external_workflow(input)

    def start_activity(self, input: worker.StartActivityInput) -> Any:
        self._inbound.completed_span(f"StartActivity:{input.activity}", SpanKind.CLIENT, add_to=input)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> Any:
        self._inbound.completed_span(f"StartActivity:{input.activity}", SpanKind.CLIENT, add_to=input)
        return super().start_local_activity(input)

    async def start_child_workflow(self, input: worker.StartChildWorkflowInput) -> Any:
        self._inbound.completed_span(f"StartChildWorkflow:{input.workflow}", SpanKind.CLIENT, add_to=input)
        return await super().start_child_workflow(input)
