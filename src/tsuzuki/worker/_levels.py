"""Gauges that change many times a second, written at most once a second, and once more when all is quiet."""

from __future__ import annotations

import asyncio
from typing import Final

from tsuzuki.common import MetricAttributes, MetricGauge

from ._pace import Pace

EVERY_S: Final = 1.0


class Levels:
    """The latest values of some gauges.

    Args:
        pace: Time.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._changed: dict[tuple[str, str], tuple[MetricGauge, float, MetricAttributes | None]] = {}
        self._writing: asyncio.Task[None] | None = None

    def set(
        self, gauge: MetricGauge, value: float, which: str = "", attributes: MetricAttributes | None = None
    ) -> None:
        """Take a value; `which` tells the attributes of one gauge apart."""
        self._changed[(gauge.name, which)] = (gauge, value, attributes)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_on())

    def write(self) -> None:
        """Write what has changed."""
        changed, self._changed = self._changed, {}
        for gauge, value, attributes in changed.values():
            gauge.set(value, attributes)

    async def close(self) -> None:
        """Write what has changed, for the last time."""
        self.write()
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
            await asyncio.wait((writing,))

    async def _write_on(self) -> None:
        while self._changed:
            self.write()
            await self._pace.sleep(EVERY_S)
        self._writing = None
