"""The handle of a running activity: a future that behaves, turn by turn, like a task waiting for it.

In the official SDK the handle is a task that waits for a result. What a workflow can observe of that is the
number of turns of the event loop between the result and the continuation, and between a cancel and its
command: they decide the order of commands when several things happen in one workflow task. This future
takes the same turns, at a fraction of the cost of a task.

    turn        result: the result is known -> waiter released -> handle done -> caller continues
                cancel: asked -> command (at once, if the handle's first turn has not come)
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from tsuzuki.exceptions import is_cancelled_exception
from tsuzuki.workflow import ActivityHandle

from .._loop import ReadyHandle

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

RAISE_ON_CANCELLING_COMPLETED_ACTIVITY: Final = 1
"""The flag that history carries when a cancel met a result in the same workflow task, and won."""


class Turn(IntEnum):
    """Which turn comes next."""

    BEGIN = 0
    WAIT = 1
    RELEASE = 2
    FINISH = 3
    SLEEP = 4  # the last two are of local activities
    WAKE = 5


class CancellableMachine(Protocol):
    """What the handle asks for a cancellation."""

    def request_cancel(self, run: WorkflowRun) -> None:
        """Cancel what the handle stands for; what that means depends on its `cancellation_type`."""
        ...


class RunningActivity(ActivityHandle[Any]):
    """What `start_activity` returns."""

    __slots__ = ("_cancel_asked", "_error", "_machine", "_next", "_order", "_run", "_turn", "_value")

    def __init__(self, run: WorkflowRun, machine: CancellableMachine) -> None:
        loop = run.loop
        super().__init__(loop=loop)
        self._order: int = loop.next_order()
        self._run = run
        self._machine = machine
        self._next = Turn.BEGIN
        self._cancel_asked = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._turn: ReadyHandle | None = ReadyHandle(self._take_turn, (), loop, run.own_context)
        loop.push(self._turn)

    def __hash__(self) -> int:
        return self._order

    def resolve(self, value: Any, error: BaseException | None) -> None:
        """Take the outcome; the handle is done two turns later."""
        if self._next is Turn.WAIT:
            self._value, self._error = value, error
            self._go_on(Turn.RELEASE)

    def let_go(self) -> None:
        """Take no more turns: the run is evicted."""
        self._turn = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Ask for the activity's cancellation, as the call's `cancellation_type` says.

        Returns:
            False when the activity had ended.
        """
        if self.done():
            return False
        self._run.check_may_act("cancel an activity")
        if self._cancel_asked:
            return True
        self._cancel_asked = True
        if self._next is Turn.BEGIN:
            self._machine.request_cancel(self._run)
        elif self._next is not Turn.FINISH:  # otherwise the last turn, already queued, sees it
            loop = self._run.loop
            loop.push(ReadyHandle(self._take_cancel, (), loop, self._run.own_context))
        return True

    def _go_on(self, turn: Turn) -> None:
        assert self._turn is not None
        self._next = turn
        self._run.loop.push(self._turn)

    def _take_turn(self) -> None:
        turn = self._next
        if turn is Turn.RELEASE:
            if not self._cancel_asked:
                self._go_on(Turn.FINISH)
        elif turn is Turn.FINISH:
            if self._cancel_asked:
                self._take_cancel()
            else:
                self._finish()
        elif self._cancel_asked:  # before the first turn: there is nobody to take what becomes of it
            self._turn = None
            super().cancel()
        else:
            self._next = Turn.WAIT

    def _finish(self) -> None:
        self._turn = None
        if self._error is None:
            self.set_result(self._value)
        else:
            error, self._error = self._error, None
            self.set_exception(error)
            if is_cancelled_exception(error):
                self._log_traceback = False  # asked for: nothing is lost if nobody looks
        self._value = None

    def _take_cancel(self) -> None:
        self._cancel_asked = False
        if self._next is Turn.WAIT:
            self._machine.request_cancel(self._run)  # and wait on, for what becomes of it
        elif self._run.may_use_flag(RAISE_ON_CANCELLING_COMPLETED_ACTIVITY):
            self._turn = None
            super().cancel()
        else:
            self._go_on(Turn.RELEASE)  # recorded by an SDK that let the result win
