"""Spans in memory, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def recording(**options: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
    """A provider whose spans stay in memory."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(**options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def tree(spans: Iterable[ReadableSpan]) -> list[str]:
    """Each span with its kind, its ancestors and its links, by name; sorted, as many as there are."""
    spans = list(spans)
    by_id = {span.context.span_id: span for span in spans if span.context is not None}

    def path(span: ReadableSpan) -> str:
        if span.parent is None:
            return span.name
        parent = by_id.get(span.parent.span_id)
        return f"{path(parent) if parent is not None else '?'} > {span.name}"

    def line(span: ReadableSpan) -> str:
        links = [by_id[link.context.span_id].name for link in span.links]
        linked = f" linked with {', '.join(links)}" if links else ""
        events = "".join(f" ! {event.name}" for event in span.events)
        return f"{path(span)} [{span.kind.name} {span.status.status_code.name}]{linked}{events}"

    return sorted(line(span) for span in spans)
