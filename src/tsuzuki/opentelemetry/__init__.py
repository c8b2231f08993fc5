"""OpenTelemetry: metrics through its metrics API. Needs the extra `tsuzuki[opentelemetry]`."""

from ._metrics import OpenTelemetryMetrics

__all__ = ["OpenTelemetryMetrics"]
