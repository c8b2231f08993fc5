"""Which failures of workflow tasks the logs of runs have been told of.

A task that stays stuck fails again and again, and the same way each time for as long as this process has the same code:
its log has that once, and does not fill up with it.
"""

from __future__ import annotations

import traceback
from collections import OrderedDict
from types import CodeType
from typing import Final, TypeAlias

RUNS_MAX: Final = 1000
"""Stuck runs that are remembered; one that was forgotten says it once more."""

_Way: TypeAlias = tuple[type[BaseException], tuple[tuple[CodeType, int], ...]]


class ToldFailures:
    """Those of one worker."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[str, _Way] = OrderedDict()

    def tell(self, run_id: str, error: BaseException) -> bool:
        """Note how a run's task failed; false if the attempt before failed that way.

        The way is what was raised and where. What it says may differ each time: addresses, seconds.
        """
        frames = tuple((frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__))
        way = (type(error), frames)
        known = self._last.pop(run_id, None)
        self._last[run_id] = way
        if len(self._last) > RUNS_MAX:
            self._last.popitem(last=False)
        return way != known

    def over(self, run_id: str) -> None:
        """A run got further: its next failure is a new one."""
        if self._last:
            self._last.pop(run_id, None)
