"""Metrics: counters, histograms and gauges, with attributes, into whatever takes them.

A meter knows a backend (where measurements go), attributes that each of its measurements has, and whether it is silent:
a workflow's is, while history is replayed. It never fails a caller: what a backend raises is the backend's to handle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar, Final, Protocol, TypeAlias

MetricAttributes: TypeAlias = Mapping[str, str | int | float | bool]
"""What a measurement is told apart by."""
Record: TypeAlias = Callable[[int | float, MetricAttributes], None]


class MetricBackend(Protocol):
    """Where measurements go. Each method gives the function that takes those of one instrument.

    It is asked again for the same name, and then gives the same instrument.
    """

    durations_as_seconds: bool
    """True for durations in seconds (floats), False for whole milliseconds."""

    def counter(self, name: str, description: str | None, unit: str | None) -> Record:
        """What only grows; it is given what is added."""
        ...

    def histogram(self, name: str, description: str | None, unit: str | None) -> Record:
        """Values whose distribution matters."""
        ...

    def gauge(self, name: str, description: str | None, unit: str | None) -> Record:
        """What goes up and down; it is given the current value."""
        ...


class _Instrument:
    """A named instrument of one meter.

    Attributes:
        name: Its name.
        description: One line about it.
        unit: What is counted.
    """

    __slots__ = ("_attributes", "_is_silent", "_record", "description", "name", "unit")

    def __init__(
        self,
        name: str,
        description: str | None,
        unit: str | None,
        record: Record,
        attributes: MetricAttributes,
        is_silent: Callable[[], bool] | None,
    ) -> None:
        self.name: Final = name
        self.description: Final = description
        self.unit: Final = unit
        self._record = record
        self._attributes = attributes
        self._is_silent = is_silent

    def _take(self, value: int | float, more: MetricAttributes | None) -> None:
        if self._is_silent is None or not self._is_silent():
            self._record(value, {**self._attributes, **more} if more else self._attributes)


class MetricCounter(_Instrument):
    """What only grows."""

    __slots__ = ()

    def add(self, value: int, additional_attributes: MetricAttributes | None = None) -> None:
        """Add.

        Raises:
            ValueError: The value is negative.
        """
        if value < 0:
            raise ValueError(f"counter {self.name} was given {value}; it only grows")
        self._take(value, additional_attributes)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricCounter:
        """Return the counter with more attributes on each measurement."""
        attributes = {**self._attributes, **additional_attributes}
        return MetricCounter(self.name, self.description, self.unit, self._record, attributes, self._is_silent)


class MetricHistogram(_Instrument):
    """Values, whole or not, whose distribution matters."""

    __slots__ = ()

    def record(self, value: int | float, additional_attributes: MetricAttributes | None = None) -> None:
        """Take a value.

        Raises:
            ValueError: The value is negative.
        """
        if value < 0:
            raise ValueError(f"histogram {self.name} was given {value}; its values are not negative")
        self._take(value, additional_attributes)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricHistogram:
        """Return the histogram with more attributes on each measurement."""
        attributes = {**self._attributes, **additional_attributes}
        return MetricHistogram(self.name, self.description, self.unit, self._record, attributes, self._is_silent)


class MetricHistogramTimedelta:
    """Durations whose distribution matters; sent as whole milliseconds, or as seconds, as the backend has it."""

    __slots__ = ("_as_seconds", "_histogram")

    def __init__(self, histogram: MetricHistogram, as_seconds: bool) -> None:
        self._histogram = histogram
        self._as_seconds = as_seconds

    @property
    def name(self) -> str:
        """Its name."""
        return self._histogram.name

    def record(self, value: timedelta, additional_attributes: MetricAttributes | None = None) -> None:
        """Take a duration.

        Raises:
            ValueError: The duration is negative.
        """
        seconds = value.total_seconds()
        self._histogram.record(seconds if self._as_seconds else round(seconds * 1000), additional_attributes)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricHistogramTimedelta:
        """Return the histogram with more attributes on each measurement."""
        return MetricHistogramTimedelta(
            self._histogram.with_additional_attributes(additional_attributes), self._as_seconds
        )


class MetricGauge(_Instrument):
    """What goes up and down."""

    __slots__ = ()

    def set(self, value: int | float, additional_attributes: MetricAttributes | None = None) -> None:
        """Say what it is now.

        Raises:
            ValueError: The value is negative.
        """
        if value < 0:
            raise ValueError(f"gauge {self.name} was given {value}; its values are not negative")
        self._take(value, additional_attributes)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricGauge:
        """Return the gauge with more attributes on each measurement."""
        attributes = {**self._attributes, **additional_attributes}
        return MetricGauge(self.name, self.description, self.unit, self._record, attributes, self._is_silent)


class MetricMeter:
    """Makes instruments.

    Args:
        backend: Where measurements go, such as `tsuzuki.opentelemetry.OpenTelemetryMetrics`.
        attributes: What each measurement has.
        is_silent: Asked before each measurement; while it says True they are dropped.
    """

    noop: ClassVar[MetricMeter]
    """Takes everything and sends nothing."""

    __slots__ = ("_attributes", "_backend", "_is_silent")

    def __init__(
        self,
        backend: MetricBackend,
        attributes: MetricAttributes | None = None,
        is_silent: Callable[[], bool] | None = None,
    ) -> None:
        self._backend = backend
        self._attributes: MetricAttributes = dict(attributes or {})
        self._is_silent = is_silent

    def create_counter(self, name: str, description: str | None = None, unit: str | None = None) -> MetricCounter:
        """Make a counter; the same name gives the same one."""
        record = self._backend.counter(name, description, unit)
        return MetricCounter(name, description, unit, record, self._attributes, self._is_silent)

    def create_histogram(self, name: str, description: str | None = None, unit: str | None = None) -> MetricHistogram:
        """Make a histogram of whole numbers."""
        record = self._backend.histogram(name, description, unit)
        return MetricHistogram(name, description, unit, record, self._attributes, self._is_silent)

    def create_histogram_float(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricHistogram:
        """Make a histogram of any numbers."""
        return self.create_histogram(name, description, unit)

    def create_histogram_timedelta(
        self, name: str, description: str | None = None, unit: str | None = None
    ) -> MetricHistogramTimedelta:
        """Make a histogram of durations; the default unit is the one that the backend has."""
        as_seconds = self._backend.durations_as_seconds
        return MetricHistogramTimedelta(
            self.create_histogram(name, description, unit or ("s" if as_seconds else "ms")), as_seconds
        )

    def create_gauge(self, name: str, description: str | None = None, unit: str | None = None) -> MetricGauge:
        """Make a gauge of whole numbers."""
        record = self._backend.gauge(name, description, unit)
        return MetricGauge(name, description, unit, record, self._attributes, self._is_silent)

    def create_gauge_float(self, name: str, description: str | None = None, unit: str | None = None) -> MetricGauge:
        """Make a gauge of any numbers."""
        return self.create_gauge(name, description, unit)

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> MetricMeter:
        """Return a meter with more attributes on each measurement."""
        return MetricMeter(self._backend, {**self._attributes, **additional_attributes}, self._is_silent)

    def silent_while(self, is_silent: Callable[[], bool]) -> MetricMeter:
        """Return a meter that drops measurements while a function says True."""
        return MetricMeter(self._backend, self._attributes, is_silent)


class _Nowhere:
    durations_as_seconds = False

    def counter(self, name: str, description: str | None, unit: str | None) -> Record:
        return _drop

    histogram = gauge = counter


def _drop(value: int | float, attributes: MetricAttributes) -> None:
    pass


MetricMeter.noop = MetricMeter(_Nowhere())
