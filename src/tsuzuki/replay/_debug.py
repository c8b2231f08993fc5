"""A debugger at an event of a recorded run: pdb over the frames of its coroutines, or an IDE.

A coroutine that waits has its frames, with real values, but nobody runs it; so pdb is shown them the way it is shown
those of an exception. Breakpoints stop the replay on its way there, where stepping works as usual.
"""

from __future__ import annotations

import asyncio
import pdb
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TextIO

from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import WorkflowHistory
from tsuzuki.converter import DataConverter
from tsuzuki.worker import Interceptor
from tsuzuki.worker.past import Rebuilder, RunState, frames_of, is_user_code, look_at

from ._histories import decoded_events
from ._replayer import NAMESPACE


@dataclass(frozen=True)
class Breakpoint:
    """A line of workflow code at which the replay stops.

    Attributes:
        path: Of the file.
        line: From 1.
    """

    path: str
    line: int


@dataclass(frozen=True)
class WaitingTask:
    """A coroutine of the run that has not ended.

    Attributes:
        name: Of its task.
        frames: From the outermost to the one that waits; the user's code, or all if none is the user's.
    """

    name: str
    frames: tuple[FrameType, ...]

    @property
    def place(self) -> str:
        """Where it waits."""
        frame = self.frames[-1]
        return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


class StoppedRun:
    """A run that stands at an event, with its frames alive until `close`.

    Attributes:
        tasks: Its coroutines that wait, oldest first.
        workflow: The workflow object.
        state: What `state_at_event` gives.
    """

    def __init__(self, run: Any, events: Sequence[HistoryEvent], event_id: int) -> None:
        self._run = run
        self.workflow: Any = run.workflow
        self.state: RunState = look_at(run, events, event_id)
        self.tasks = [_waiting(task) for task in run.loop.waiting_tasks()]

    def close(self) -> None:
        """Throw the run away."""
        self._run.evict()


def _waiting(task: asyncio.Task[Any]) -> WaitingTask:
    frames = tuple(frames_of(task))
    own = tuple(frame for frame in frames if is_user_code(frame.f_code.co_filename))
    return WaitingTask(task.get_name(), own or frames)


async def stop_at_event(
    history: WorkflowHistory,
    workflows: Sequence[Any],
    event_id: int = 0,
    *,
    data_converter: DataConverter = DataConverter.default,
    call: Callable[[Callable[[], StoppedRun]], StoppedRun] = lambda rebuild: rebuild(),
    interceptors: Sequence[Interceptor] = (),
) -> StoppedRun:
    """Replay a history up to an event and keep the run there.

    Args:
        history: From a client, or from JSON.
        workflows: The code at hand.
        event_id: The event; 0 for the newest.
        data_converter: How the history was encoded.
        call: Calls the replay, such as under a debugger.
        interceptors: Of the worker and its client: what they make workflow code do is part of the history.

    Raises:
        NondeterminismError: The code does not fit the history up to there.
        UnknownWorkflowError: The code at hand has no workflow of this type.
        ValueError: There is no such event.
    """
    last = len(history.events)
    if not 0 <= event_id <= last:
        raise ValueError(f"there is no event {event_id}: the history has events 1 to {last}")
    at = event_id or last
    rebuilder = Rebuilder(workflows, namespace=NAMESPACE, data_converter=data_converter, interceptors=interceptors)
    events = await decoded_events(history, data_converter)

    def rebuild() -> StoppedRun:
        run = rebuilder.rebuild(events, workflow_id=history.workflow_id, run_id=history.run_id, until_event_id=at)
        return StoppedRun(run, events, at)

    return call(rebuild)


class RunDebugger(pdb.Pdb):
    """pdb with the commands `tasks` and `task N` beside its own.

    Args:
        breakpoints: Where the replay stops on its way to the event.
        stdin: Where commands come from; the terminal by default.
        stdout: Where answers go.
    """

    def __init__(
        self, breakpoints: Sequence[Breakpoint] = (), stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout, nosigint=True)
        self.prompt = "(tsuzuki) "
        self._stopped: StoppedRun | None = None
        self._chosen: int | None = None
        self._breakpoints = tuple(breakpoints)

    def replay(self, rebuild: Callable[[], StoppedRun]) -> StoppedRun:
        """Call the replay so that breakpoints stop it.

        Raises:
            ValueError: A breakpoint is on no line of code.
            bdb.BdbQuit: The user had enough.
        """
        if not self._breakpoints:
            return rebuild()
        for each in self._breakpoints:
            refusal = self.set_break(each.path, each.line)
            if refusal:
                raise ValueError(f"no breakpoint at {each.path}:{each.line}: {refusal}")
        self.reset()
        self.botframe = sys._getframe()
        self.set_continue()  # up to the first breakpoint
        sys.settrace(self.trace_dispatch)
        try:
            return rebuild()
        finally:
            sys.settrace(None)

    def examine(self, stopped: StoppedRun) -> None:
        """Let the user look at the coroutines, until `quit`."""
        self._stopped = stopped
        self._chosen = 0
        state = stopped.state
        self.message(
            f"{state.workflow_type} {state.workflow_id} at event {state.event_id}; "
            f"`self` and locals are real, `tasks` lists what waits, `task N` goes there, `q` leaves."
        )
        self.do_tasks("")
        if not stopped.tasks:
            self.message("No code waits: the workflow has returned, or has not run yet.")
            return
        while self._chosen is not None:
            number, self._chosen = self._chosen, None
            self.reset()
            self.interaction(None, _as_traceback(stopped.tasks[number].frames))

    def do_tasks(self, arg: str) -> None:
        """tasks

        List the coroutines of the run that wait.
        """
        for number, task in enumerate(self._stopped.tasks if self._stopped else ()):
            self.message(f"{number}: {task.name} at {task.place}")

    def do_task(self, arg: str) -> bool | None:
        """task N

        Go to a coroutine.
        """
        count = len(self._stopped.tasks) if self._stopped else 0
        if not arg.strip().isdigit() or int(arg) >= count:
            self.error(f"expected the number of a task, 0 to {count - 1}")
            return None
        self._chosen = int(arg)
        return True

    def do_pending(self, arg: str) -> None:
        """pending

        List what was pending at the event, and the answers of queries.
        """
        if self._stopped is None:
            return
        for work in self._stopped.state.pending:
            self.message(f"{work.kind} {work.name} ({work.id}), event {work.event_id}")
        for name, answer in self._stopped.state.queries.items():
            self.message(f"query {name}: {answer}")


def _as_traceback(frames: Sequence[FrameType]) -> TracebackType | None:
    stack: TracebackType | None = None
    for frame in reversed(frames):
        stack = TracebackType(stack, frame, frame.f_lasti, frame.f_lineno or frame.f_code.co_firstlineno)
    return stack
