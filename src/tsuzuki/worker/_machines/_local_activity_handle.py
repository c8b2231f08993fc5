"""The handle of a local activity: that of any activity, and a sleep where it is tried again after a timer.

turn        told to back off -> waiter released -> timer started ... timer fired -> called again
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ._activity_handle import CancellableMachine, RunningActivity, Turn

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

_ASLEEP: Final = (Turn.SLEEP, Turn.WAKE)


class RunningLocalActivity(RunningActivity):
    """What `start_local_activity` returns."""

    __slots__ = ("_again", "_backoff_s", "_timer")

    def __init__(self, run: WorkflowRun, machine: CancellableMachine) -> None:
        super().__init__(run, machine)
        self._again: Callable[[RunningLocalActivity], CancellableMachine] | None = None
        self._backoff_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def back_off(self, seconds: float, again: Callable[[RunningLocalActivity], CancellableMachine]) -> None:
        """Sleep on a timer, then call `again` for the machine of the next call."""
        if self._next is Turn.WAIT:
            self._backoff_s, self._again = seconds, again
            self._go_on(Turn.RELEASE)

    def _finish(self) -> None:
        if self._again is None:
            super()._finish()
            return
        self._next = Turn.SLEEP
        self._timer = self._run.loop.call_later(self._backoff_s, self._wake, context=self._run.own_context)

    def _wake(self) -> None:
        if self._next is Turn.SLEEP and self._turn is not None:
            self._go_on(Turn.WAKE)

    def _take_turn(self) -> None:
        if self._next is not Turn.WAKE:
            super()._take_turn()
        elif self._cancel_asked:
            self._take_cancel()
        else:
            again, self._again = self._again, None
            assert again is not None
            self._timer = None
            self._next = Turn.WAIT
            self._machine = again(self)

    def _take_cancel(self) -> None:
        if self.done():
            return
        if self._next not in _ASLEEP:
            super()._take_cancel()
            return
        self._cancel_asked = False
        if self._timer is not None:
            self._timer.cancel()
        self._turn = self._timer = self._again = None
        asyncio.Future.cancel(self)
