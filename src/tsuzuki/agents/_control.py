"""Pausing, resuming and cancelling a run by signal, and asking how it is.

Owns what the signals do to the run that made the `Control`, and to its children. Signals change state at once;
the workflow's own path meets a pause only at its checkpoints, so a step is never torn in two.

Invariant: without a signal it adds nothing to the history but the gate's marker, so any workflow may have it; a run
that began before it had it goes on as if it had none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tsuzuki import workflow
from tsuzuki.exceptions import ApplicationError, CancelledError, is_cancelled_exception

from ._control_state import (
    ACTIONS_MAX,
    CANCEL,
    GET_CONTROL_STATE,
    GET_STATUS,
    PAUSE,
    RESUME,
    ControlAction,
    ControlRequest,
    ControlState,
    ControlStatus,
)
from ._deadline import Deadline, WhilePaused

GATE: Final = "pause_resume_v1"

AnyChild = TypeVar("AnyChild", bound=workflow.ChildWorkflowHandle[Any])


class Control:
    """Lets people pause, resume and cancel the run, and see where it stands.

        @workflow.run
        async def run(self, question: str) -> str:
            async with Control() as control:
                found = await search(question)
                await control.checkpoint("pre_synthesis")
                return await synthesize(found)

    Signals `pause`, `resume`, `cancel`, each with a `ControlRequest` (or a reason, or nothing); queries `get_status`
    (`running`, `paused`, `cancelled`) and `get_control_state` (`ControlState`). They stay answered to after the block.

    `pause` lets what is running finish, and holds the run at its next checkpoint; no timer runs meanwhile.
    `cancel` cancels the code where it waits, as a cancel request does: `finally` blocks and `workflow.shield` work
    as ever. The run then ends with `CancelledError`, which names who and why; its status is Failed, because only a
    cancel request of the service leads to Canceled. `RemoteControl.cancel` sends both, in the right order.

    Enter it first of all in the workflow's run method. Entering asks `get_version("pause_resume_v1", ...)`, so that
    it can be added to workflows that have open runs: those take no signals, and pass every checkpoint.

    Args:
        before: `state` of the run that continued as new in this one, so that it starts paused if that one was.
    """

    def __init__(self, before: ControlState | None = None) -> None:
        self.supported = False
        self._paused: ControlAction | None = None
        self._cancelled: ControlAction | None = None
        self._announced: ControlAction | None = None
        self._paused_before = timedelta(0)
        self._checkpoint = ""
        self._waiting_at: list[str] = []
        self._actions: list[ControlAction] = []
        self._children: list[workflow.ChildWorkflowHandle[Any]] = []
        self._deadlines: list[Deadline] = []
        self._main: asyncio.Task[Any] | None = None
        if before is not None:
            self._actions = list(before.actions)
            self._paused_before = timedelta(seconds=before.paused_s)
            if before.status is ControlStatus.PAUSED and before.since is not None:
                self._paused_before -= _since(before.since)  # it counts from then
                self._paused = ControlAction(PAUSE, before.reason, before.by, before.since, before.checkpoint, True)

    async def __aenter__(self) -> Self:
        self._main = asyncio.current_task()
        self.supported = workflow.get_version(GATE, workflow.DEFAULT_VERSION, 1) >= 1
        if self.supported:
            workflow.set_query_handler(GET_STATUS, self._get_status)
            workflow.set_query_handler(GET_CONTROL_STATE, self._get_state)
            workflow.set_signal_handler(PAUSE, self._on_pause)
            workflow.set_signal_handler(RESUME, self._on_resume)
            workflow.set_signal_handler(CANCEL, self._on_cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._main = None
        if error is None or not is_cancelled_exception(error) or not self._is_cancelled():
            return
        for child in list(self._children):  # those that nobody awaited; the others have ended
            child.cancel()
            workflow.shield(child).add_done_callback(_look_at)
        if self._cancelled is not None:
            raise CancelledError(_as_text(self._cancelled)) from error

    # ---- for the workflow's own path ---------------------------------------------------------------------

    async def checkpoint(self, name: str) -> None:
        """Wait here while the run is paused.

        Args:
            name: Shown in `ControlState`. It may change while runs are open: a checkpoint records nothing.

        Raises:
            asyncio.CancelledError: The run was cancelled. So clean-up must not pass a checkpoint.
        """
        if not self.supported:
            return
        self._checkpoint = name
        await asyncio.sleep(0)  # signals that came with the same workflow task are handled first
        if self._paused is not None:
            self._waiting_at.append(name)
            try:
                await workflow.wait_condition(lambda: self._paused is None or self._is_cancelled())
            finally:
                self._waiting_at.remove(name)
        if self._is_cancelled():
            raise asyncio.CancelledError(f"cancelled before checkpoint {name}")

    @asynccontextmanager
    async def timeout(
        self, duration: float | timedelta, *, while_paused: WhilePaused = WhilePaused.EXTEND
    ) -> AsyncIterator[Deadline]:
        """Bound a block in time, as `asyncio.timeout`, and say what a pause does to the bound.

        Activities and children in the block that are cancelled by it end it with `TimeoutError` too.

        Args:
            duration: Seconds, or a timedelta.
            while_paused: By default the time of pauses does not count.

        Raises:
            TimeoutError: The time has run out.
        """
        deadline = Deadline(_seconds(duration))
        async with deadline:
            if while_paused is WhilePaused.KEEP_RUNNING:
                yield deadline
                return
            if self._paused is not None:
                deadline.hold()
            self._deadlines.append(deadline)
            try:
                yield deadline
            finally:
                self._deadlines.remove(deadline)

    async def sleep(self, duration: float | timedelta, *, while_paused: WhilePaused = WhilePaused.EXTEND) -> None:
        """Sleep on a durable timer, and say what a pause does to it.

        Args:
            duration: Seconds, or a timedelta.
            while_paused: By default the time of pauses does not count; with `KEEP_RUNNING` it is `workflow.sleep`.
        """
        if while_paused is WhilePaused.KEEP_RUNNING:
            await workflow.sleep(duration)
            return
        with suppress(TimeoutError):
            async with self.timeout(duration):
                await workflow.wait_condition(lambda: False)

    def add_child(self, child: AnyChild) -> AnyChild:
        """Have a child paused, resumed and cancelled with this run, with the same reason; give it back.

            child = control.add_child(await workflow.start_child_workflow(Agent.run, topic))

        The child needs a `Control` of its own to be paused. A cancelled run waits for these children to end.
        """
        if self.supported:
            self._children.append(child)
            child.add_done_callback(lambda _: self._children.remove(child))
            if self._paused is not None:
                self._tell([child], PAUSE, self._paused)
        return child

    @property
    def state(self) -> ControlState:
        """Where the run stands."""
        cancelled = self._cancelled or self._announced
        last = cancelled if self._is_cancelled() else self._paused
        reason = last.reason if last else (workflow.cancellation_reason() or "") if self._is_cancelled() else ""
        return ControlState(
            status=self._status(),
            reason=reason,
            by=last.by if last else "",
            since=last.at if last else None,
            checkpoint=self._checkpoint,
            waiting_at=list(self._waiting_at),
            paused_s=(self._paused_before + self._paused_now()).total_seconds(),
            children=[child.id for child in self._children],
            actions=list(self._actions),
        )

    # ---- signals and queries -----------------------------------------------------------------------------

    def _get_status(self) -> str:
        return self._status().value

    def _get_state(self) -> ControlState:
        return self.state

    def _on_pause(self, given: Any = None) -> None:
        action = self._note(PAUSE, ControlRequest.read(given), changed=self._status() is ControlStatus.RUNNING)
        if action.changed:
            self._paused = action
            for deadline in self._deadlines:
                deadline.hold()
            self._tell(self._children, PAUSE, action)

    def _on_resume(self, given: Any = None) -> None:
        action = self._note(RESUME, ControlRequest.read(given), changed=self._paused is not None)
        if action.changed:
            self._paused_before += self._paused_now()
            self._paused = None
            for deadline in self._deadlines:
                deadline.go_on()
            self._tell(self._children, RESUME, action)

    def _on_cancel(self, given: Any = None) -> None:
        request = ControlRequest.read(given)
        action = self._note(CANCEL, request, changed=not self._is_cancelled())
        if request.announced:
            self._announced = self._announced or action
            self._tell(self._children, CANCEL, action)
        elif action.changed:
            self._cancelled = action
            workflow.fire_and_forget(self._cancel())

    def _note(self, name: Any, request: ControlRequest, *, changed: bool) -> ControlAction:
        action = ControlAction(name, request.reason, request.by, workflow.now(), self._checkpoint, changed)
        self._actions = [*self._actions, action][-ACTIONS_MAX:]
        return action

    async def _cancel(self) -> None:
        """Tell the children why, then cancel the code where it waits, which cancels them."""
        assert self._cancelled is not None
        for child in list(self._children):
            await _signal(child, CANCEL, self._cancelled)
        if self._main is not None:
            self._main.cancel()

    def _tell(self, children: list[workflow.ChildWorkflowHandle[Any]], signal: str, action: ControlAction) -> None:
        for child in children:
            workflow.fire_and_forget(_signal(child, signal, action))

    def _status(self) -> ControlStatus:
        if self._is_cancelled():
            return ControlStatus.CANCELLED
        return ControlStatus.RUNNING if self._paused is None else ControlStatus.PAUSED

    def _is_cancelled(self) -> bool:
        return self._cancelled is not None or workflow.cancellation_requested()

    def _paused_now(self) -> timedelta:
        return timedelta(0) if self._paused is None else _since(self._paused.at)


async def _signal(child: workflow.ChildWorkflowHandle[Any], signal: str, action: ControlAction) -> None:
    """Pass a request on; a child that has closed meanwhile needs none."""
    with suppress(ApplicationError):
        # A cancel request of the service follows: what is passed on says only who and why.
        await child.signal(signal, ControlRequest(action.reason, action.by, announced=signal == CANCEL))


def _look_at(done: asyncio.Future[Any]) -> None:
    """The outcome of a cancelled child was seen."""
    if not done.cancelled():
        done.exception()


def _since(moment: datetime) -> timedelta:
    return workflow.now() - moment


def _seconds(duration: float | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def _as_text(action: ControlAction) -> str:
    return f"cancelled{f' by {action.by}' if action.by else ''}{f': {action.reason}' if action.reason else ''}"
