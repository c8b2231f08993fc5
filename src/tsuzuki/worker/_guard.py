"""The determinism guard: while workflow code runs, calls that a replay could not repeat raise an error.

Owns which threads are guarded at the moment and what a refused call leads to. How calls are noticed:
`_guard_audit` (Python's audit events: files, sockets, processes, threads, sleep) and `_guard_patches` (clock,
chance, environment, for which there are none). Who made them: `_guard_frames`. Which they are: `_guard_rules`.

Invariant: a thread is guarded from `enter` to `leave` and never in between two activations; outside, modules
have their own functions, unwrapped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from tsuzuki.workflow import DeterminismError, unsafe

from ._guard_frames import find_caller
from ._guard_rules import NOT_CALLED, rule_for
from ._guard_stand_ins import stand_in_for

guarded_threads: Final[set[int]] = set()
"""The threads in which workflow code is running right now; nearly always empty."""

_shadows: Final[list[tuple[ModuleType, type[ModuleType], type[ModuleType]]]] = []
"""Modules, the class that they have outside workflow code, and the one that they have inside."""

_installed = False


def install(modules: Iterable[str]) -> None:
    """Make the guard ready, once for the process; it costs nothing until somebody enters.

    Args:
        modules: Names of the modules that define workflows. They, and the user's modules that they import,
            may have taken functions by name (`from time import time`); those names are led past the guard.
    """
    from . import _guard_audit, _guard_captured, _guard_patches  # they import this module

    global _installed
    if not _installed:
        _installed = True
        _guard_audit.install()
        _shadows.extend(_guard_patches.install())
    _guard_captured.lead_past_guard(modules)


def enter() -> bool:
    """Guard the calling thread; returns False if it is already, and not to be left again."""
    thread = get_ident()
    if thread in guarded_threads:
        return False
    _put_on()  # before the thread is guarded, because our own hook hears of it
    guarded_threads.add(thread)
    if _shadows and type(_shadows[0][0]) is not _shadows[0][2]:  # another thread was leaving meanwhile
        _put_on()
    return True


def leave() -> None:
    """End what `enter` began."""
    guarded_threads.discard(get_ident())
    if not guarded_threads:
        for module, plain, _ in _shadows:
            module.__class__ = plain
        if guarded_threads:  # another thread entered meanwhile
            _put_on()


def _put_on() -> None:
    for module, _, shadow in _shadows:
        module.__class__ = shadow


def check(call: str) -> Callable[..., Any] | None:
    """Refuse a call if workflow code is making it; the thread is guarded. May give what to call instead.

    Raises:
        DeterminismError: It is. The workflow task fails too, whether the code lets the error through or not.
    """
    if unsafe.is_determinism_guard_off():
        return None
    caller = find_caller()
    if caller is None:
        return None
    if unsafe.is_on_workflow_clock() and (stand_in := stand_in_for(call)) is not None:
        return stand_in
    name = caller.through or call
    rule = rule_for(name, call)
    error = DeterminismError(
        call=name if name in NOT_CALLED else f"{name}()",
        source=str(caller.source),
        why=rule.why,
        replacement=rule.replacement,
    )
    runtime: Any = getattr(asyncio._get_running_loop(), "workflow_runtime", None)
    if runtime is not None:
        runtime.fail_task(error)
    raise error
