"""OpenTelemetry: traces over clients, workflows and activities, and metrics. Needs `tsuzuki[opentelemetry]`."""

try:
    import opentelemetry.sdk  # noqa: F401
except ImportError as error:
    raise ImportError("tsuzuki.opentelemetry needs OpenTelemetry: pip install 'tsuzuki[opentelemetry]'") from error

from ._headers import default_text_map_propagator
from ._metrics import OpenTelemetryMetrics
from ._span_ids import WorkflowSpanIds
from ._tracing import TracingInterceptor
from ._workflow_tracing import completed_span

__all__ = [
    "OpenTelemetryMetrics",
    "TracingInterceptor",
    "WorkflowSpanIds",
    "completed_span",
    "default_text_map_propagator",
]
