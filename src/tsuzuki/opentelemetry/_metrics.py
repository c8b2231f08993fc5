"""Measurements into OpenTelemetry's metrics API; what exports them is the user's `MeterProvider`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from opentelemetry import metrics

from tsuzuki.common import MetricAttributes, MetricMeter

Record = Callable[[int | float, MetricAttributes], None]


class OpenTelemetryMetrics:
    """A `MetricBackend`; `OpenTelemetryMetrics().meter()` is what a client takes as `metric_meter`.

    Args:
        meter: Whose instruments; the default is that of the global `MeterProvider`.
        durations_as_seconds: Durations as seconds (floats); the default is whole milliseconds, as Temporal's SDKs.
    """

    def __init__(self, meter: metrics.Meter | None = None, *, durations_as_seconds: bool = False) -> None:
        self.durations_as_seconds = durations_as_seconds
        self._meter: Final = meter or metrics.get_meter("tsuzuki")
        self._records: dict[tuple[str, str], Record] = {}

    def meter(self) -> MetricMeter:
        """Return a meter that sends here."""
        return MetricMeter(self)

    def counter(self, name: str, description: str | None, unit: str | None) -> Record:
        """What only grows."""
        return self._record("add", name, description, unit, self._meter.create_counter)

    def histogram(self, name: str, description: str | None, unit: str | None) -> Record:
        """Values whose distribution matters."""
        return self._record("record", name, description, unit, self._meter.create_histogram)

    def gauge(self, name: str, description: str | None, unit: str | None) -> Record:
        """What goes up and down."""
        return self._record("set", name, description, unit, self._meter.create_gauge)

    def _record(
        self, verb: str, name: str, description: str | None, unit: str | None, create: Callable[..., Any]
    ) -> Record:
        # OpenTelemetry warns of a second instrument of one name.
        known = self._records.get((verb, name))
        if known is None:
            instrument = create(name, unit=unit or "", description=description or "")
            known = self._records[(verb, name)] = getattr(instrument, verb)
        return known
