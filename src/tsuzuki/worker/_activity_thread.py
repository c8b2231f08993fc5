"""Synchronous activities in threads: raising the cancellation inside the thread that runs one.

CPython raises the exception between two bytecodes of the thread, so a blocking call into C (a socket read,
`time.sleep`) is not interrupted before it returns.

Invariant: the exception is raised at most once, only while the activity's own code runs outside a shield,
and never reaches the next activity on the same pool thread.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tsuzuki.exceptions import CancelledError

_set_async_exc: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_async_exc.restype = ctypes.c_int
_TURNS: Final = 10_000
"""Of a loop in which an exception that is set for this very thread arrives; it takes one or two."""


class _Swept(BaseException):
    """Set in place of a cancellation that came too late, and caught at once."""


class ThreadCall:
    """One call of a synchronous activity."""

    def __init__(self, fn: Callable[..., Any], args: Sequence[Any], *, raise_on_cancel: bool) -> None:
        self._fn = fn
        self._args = args
        self._raise_on_cancel = raise_on_cancel
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._cancelled = False
        self._pending = False
        self._was_set = False
        self._shields = 0

    def cancel(self) -> None:
        """Ask for the exception; called on the loop."""
        if not self._raise_on_cancel:
            return
        with self._lock:
            self._cancelled = self._pending = True
            self._raise_if_due()

    def run(self) -> Any:
        """Call the activity; in the pool's thread.

        Raises:
            CancelledError: Cancelled before or while it ran.
            BaseException: Whatever the activity raised.
        """
        with self._lock:
            if self._cancelled:
                raise CancelledError
            self._thread = threading.get_ident()
        try:
            return self._fn(*self._args)
        finally:
            self._leave()

    def _leave(self) -> None:
        # The exception may still arrive on the way out, once; the outcome of the code is not changed by it.
        try:
            self._close()
        except CancelledError:
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._thread = None
        if self._was_set:
            _sweep()  # it may not have arrived yet

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Put the exception off until the outermost shield ends."""
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1
                due = self._pending and not self._shields
                if due:
                    self._pending = False
            if due:
                raise CancelledError

    def _raise_if_due(self) -> None:
        if self._pending and not self._shields and self._thread is not None:
            self._pending, self._was_set = False, True
            _set_async_exc(self._thread, CancelledError)


def _sweep() -> None:
    """Take back an exception that is set for this thread.

    Not by setting none: that leaves the mark of CPython that one is set, and with it no call under a tracer
    (debugger, profiler, coverage) ever begins in Python 3.11. An exception that arrives takes the mark away.
    """
    try:
        _set_async_exc(threading.get_ident(), _Swept)
        for _ in range(_TURNS):
            pass
    except _Swept:
        pass
