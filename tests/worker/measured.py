"""A metric backend that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tsuzuki.common import MetricAttributes, MetricMeter


@dataclass
class Kept:
    """Every measurement: kind, name, value and attributes."""

    durations_as_seconds: bool = False
    taken: list[tuple[str, str, int | float, dict[str, object]]] = field(default_factory=list)

    def meter(self) -> MetricMeter:
        return MetricMeter(self)

    def _record(self, kind: str, name: str) -> Callable[[int | float, MetricAttributes], None]:
        return lambda value, attributes: self.taken.append((kind, name, value, dict(attributes)))

    def counter(self, name: str, description: str | None, unit: str | None) -> Callable[..., None]:
        return self._record("counter", name)

    def histogram(self, name: str, description: str | None, unit: str | None) -> Callable[..., None]:
        return self._record("histogram", name)

    def gauge(self, name: str, description: str | None, unit: str | None) -> Callable[..., None]:
        return self._record("gauge", name)

    def of(self, name: str) -> list[tuple[int | float, dict[str, object]]]:
        """The measurements of one instrument."""
        return [(value, attributes) for _, found, value, attributes in self.taken if found == name]

    def sum_of(self, name: str) -> float:
        """Their sum."""
        return sum(value for value, _ in self.of(name))
