"""Breaks workflow code off that does not yield: it would hold up every other run of its worker for ever.

One thread for the process looks at each worker's `Watch` twice per timeout. It goes by what it sees, not by
the clock: an activation that is still the same one at the third look has lasted for the timeout at least, and
a process that was stopped for a while (or a laptop that slept) accuses nobody. While no workflow code has run
since the last look, the thread waits without a timeout.

The exception is raised inside the thread that runs the code, between two bytecodes; a call into C that blocks
is reported, and interrupted only once it returns.

Invariant: the exception is never raised after `Watch.call` has returned.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from threading import get_ident
from time import monotonic
from types import FrameType, TracebackType
from typing import Final, Protocol

from tsuzuki.workflow import DeadlockError

from ._guard_frames import Kind, kind_of
from ._source import Source

LOOKS: Final = 3
"""Sightings of one activation until it is broken off: with two looks per timeout, the third is one too late."""

_logger: Final = logging.getLogger("tsuzuki.worker")

_set_async_exc: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_async_exc.restype = ctypes.c_int
_NOTHING: Final = ctypes.py_object()  # a null pointer: takes a pending exception back


class BrokenOffError(BaseException):
    """Raised into workflow code that does not yield. It passes `except Exception`."""


class Watched(Protocol):
    """What the watchdog asks of a run."""

    failed_by: BaseException | None
    workflow_id: str
    run_id: str

    @property
    def source(self) -> Source: ...


class Watch:
    """Watches the activations of one worker, which follow each other in one thread.

    Args:
        timeout_s: How long workflow code may run at a stretch; more than 0.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s: Final = timeout_s
        self.asleep = False  # the watchdog's thread wants to be woken
        self.wake: Callable[[], None] = _nothing
        self._running: Watched | None = None
        self._turn = 0
        self._thread = 0
        self._firing = False
        self._lock = threading.Lock()
        self._seen_turn = 0
        self._sightings = 0

    @property
    def is_quiet(self) -> bool:
        """True when no workflow code is running, and none has run since the last look."""
        return self._running is None and self._turn == self._seen_turn

    def call(self, run: Watched, function: Callable[[], None]) -> None:
        """Call a function that runs workflow code, watched.

        Raises:
            DeadlockError: It was broken off.
            BaseException: What the function raised.
        """
        self._turn += 1
        self._thread = get_ident()
        self._running = run
        if self.asleep:
            self.wake()
        try:
            try:
                function()
            finally:
                self._running = None
                if self._firing:
                    self._settle()
        except BrokenOffError:
            self._running = None  # it may have arrived in the middle of the lines above, once
            self._settle()
            assert run.failed_by is not None
            raise run.failed_by from None

    def look(self) -> None:
        """See whether the same activation is still running; called twice per timeout."""
        run, turn = self._running, self._turn
        if run is None or turn != self._seen_turn:
            self._seen_turn = turn
            self._sightings = 0 if run is None else 1
            return
        self._sightings += 1
        if self._sightings >= LOOKS:
            self._sightings = 1  # code that goes on all the same is broken off again
            self._break_off(run, turn)

    def _break_off(self, run: Watched, turn: int) -> None:
        frame = sys._current_frames().get(self._thread)
        frames = _workflow_frames(frame)
        if frame is None or _is_debugged(frames):
            return
        source = Source(frames[0].f_code, frames[0].f_lasti) if frames else run.source
        error = DeadlockError(source=str(source), timeout_s=self.timeout_s)
        error.__traceback__ = _as_traceback(frames)
        with self._lock:
            self._firing = True  # first: whoever ends the activation from here on waits for the lock
            if self._running is not run or self._turn != turn:
                return
            run.failed_by = run.failed_by or error
            _set_async_exc(self._thread, BrokenOffError)
        stack = "".join(traceback.format_tb(error.__traceback__))
        _logger.error("workflow %r, run %s: %s\n%s", run.workflow_id, run.run_id, error, stack)

    def _settle(self) -> None:
        with self._lock:
            self._firing = False
            _set_async_exc(self._thread, _NOTHING)  # one that was set may not have arrived yet


def _nothing() -> None:
    return None


def _workflow_frames(frame: FrameType | None) -> list[FrameType]:
    """Return the stack of workflow code, innermost first, without what hosts it."""
    frames = []
    while frame is not None and kind_of(frame.f_code.co_filename) is not Kind.BOUNDARY:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _as_traceback(frames: list[FrameType]) -> TracebackType | None:
    stack: TracebackType | None = None
    for frame in frames:
        stack = TracebackType(stack, frame, frame.f_lasti, frame.f_lineno or frame.f_code.co_firstlineno)
    return stack


_DEBUGGER_FILES: Final = ("pdb.py", "bdb.py", "debugpy", "pydevd", "_pydev")


def _is_debugged(frames: list[FrameType]) -> bool:
    """Tell whether a person holds the code up, not the code itself."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
        return True
    return any(
        frame.f_trace is not None or any(name in frame.f_code.co_filename for name in _DEBUGGER_FILES)
        for frame in frames
    )


class Watchdog:
    """The process's thread that looks at the watches; it lives while there are any."""

    def __init__(self) -> None:
        self._watches: dict[Watch, float] = {}  # when each is looked at next
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        """Begin to look at a watch."""
        watch.wake = self._changed.set
        watch.asleep = True
        with self._lock:
            self._watches[watch] = 0.0
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tsuzuki watchdog", daemon=True)
                self._thread.start()

    def remove(self, watch: Watch) -> None:
        """Look at it no more; the thread ends with the last one."""
        with self._lock:
            del self._watches[watch]
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.clear()
            with self._lock:
                if not self._watches:
                    self._thread = None
                    return
                due = dict(self._watches)
            self._changed.wait(self._look(due))

    def _look(self, watches: dict[Watch, float]) -> float | None:
        """Look at the watches that are due; return the seconds until the next one is, None to be woken for it."""
        now_s = monotonic()
        waits = []
        for watch, due_s in watches.items():
            if watch.asleep and watch.is_quiet:
                continue
            if now_s < due_s:
                watch.asleep = False
                waits.append(due_s - now_s)
                continue
            watch.asleep = watch.is_quiet  # told first, then looked at again: who starts now sees it or is seen
            if not watch.is_quiet:
                watch.asleep = False
                watch.look()
                waits.append(watch.timeout_s / 2)
                with self._lock:
                    if watch in self._watches:
                        self._watches[watch] = now_s + watch.timeout_s / 2
        return min(waits) if waits else None


watchdog: Final = Watchdog()
