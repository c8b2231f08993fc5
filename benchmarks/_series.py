"""Several measurements of one thing, and how their spread is written."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One value per round; shown as the median with the lowest and the highest."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Series:
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def show(self, unit: str, scale: float = 1.0) -> str:
        """`812 /s (790-840)`; a single round shows no spread."""
        text = f"{number(self.median * scale)}{unit}"
        if len(self.values) > 1:
            text += f" ({number(self.low * scale)}-{number(self.high * scale)})"
        return text


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Series:
    """Ours over theirs, round by round: both values of a pair were taken one after the other."""
    assert len(ours) == len(theirs)
    return Series.of(mine / other for mine, other in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of `values` do not exceed (between neighbours: interpolated)."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def number(value: float) -> str:
    """Three significant digits, thousands separated, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"
