"""Doors out of determinism, all in one place so that reviews find them."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from ._put_back import put_back
from ._runtime import current_runtime

_workflow_clock: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("tsuzuki_workflow_clock", default=False)
_guard_off: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("tsuzuki_guard_off", default=False)


class unsafe:
    """What a workflow should not need; each is documented with what can go wrong."""

    def __init__(self) -> None:
        raise NotImplementedError("workflow.unsafe is a namespace, not a class to make instances of")

    @staticmethod
    def is_replaying() -> bool:
        """Tell whether the code is being run again over recorded history.

        Deciding anything by it breaks replay; it is meant for logs and metrics.
        """
        return current_runtime().replaying

    @staticmethod
    @contextmanager
    def determinism_guard_off() -> Iterator[None]:
        """Let the block, and tasks that it starts, make calls that the determinism guard refuses.

        What they give must not decide what the workflow does: on replay it is different. The block may await;
        other tasks of the workflow stay guarded meanwhile.
        """
        token = _guard_off.set(True)
        try:
            yield
        finally:
            put_back(_guard_off, token)

    @staticmethod
    def is_determinism_guard_off() -> bool:
        """Tell whether the caller stands in a `determinism_guard_off` block."""
        return _guard_off.get()

    @staticmethod
    @contextmanager
    def workflow_clock() -> Iterator[None]:
        """Let the block, and tasks that it starts, ask for the time and for chance as other code does.

        `time.time`, `time.monotonic`, `datetime.now`, `random.random`, `os.urandom`, `uuid.uuid4` and the like give
        what `workflow.time()`, `workflow.now()` and `workflow.random()` would, the same on every replay: for libraries
        that stamp what they make. A `datetime.now()` without a zone is UTC. Everything else stays refused. A library
        that keeps a state of its own between two calls, such as a counter, is not made deterministic by this.
        """
        token = _workflow_clock.set(True)
        try:
            yield
        finally:
            put_back(_workflow_clock, token)

    @staticmethod
    def is_on_workflow_clock() -> bool:
        """Tell whether the caller stands in a `workflow_clock` block."""
        return _workflow_clock.get()

    @staticmethod
    def sandbox_unrestricted() -> AbstractContextManager[None]:
        """Do the same as `determinism_guard_off`, under the name that code for `temporalio` uses."""
        return unsafe.determinism_guard_off()

    @staticmethod
    @contextmanager
    def imports_passed_through() -> Iterator[None]:
        """Do nothing; for code written for `temporalio`. Imports are never restricted here."""
        yield
