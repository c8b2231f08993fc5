"""Handlers of signals: marked in the class, or set while the workflow runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from ._handlers import HandlerDefinition, HandlerKind, HandlerUnfinishedPolicy, Mark
from ._runtime import UNSET, current_runtime

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


@dataclass(frozen=True)
class SignalDefinition(HandlerDefinition):
    """The handler of a signal.

    Attributes:
        at_once: True for what only takes the signal in: it is called in place, not as a task.
    """

    at_once: bool = False


SIGNAL: Final = HandlerKind("signal", SignalDefinition)
"""How signal handlers are marked and found, for tools that read workflow classes."""


@overload
def signal(fn: AnyHandler) -> AnyHandler: ...
@overload
def signal(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Callable[[AnyHandler], AnyHandler]: ...
def signal(
    fn: AnyHandler | None = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> AnyHandler | Callable[[AnyHandler], AnyHandler]:
    """Mark a method, plain or `async def`, as the handler of a signal.

    Args:
        fn: The method.
        name: Name of the signal; the default is the method's name.
        dynamic: True for the handler of all signals without one of their own; it takes the signal's name and a
            `Sequence[RawValue]`, and excludes `name`.
        unfinished_policy: What happens when the workflow ends while the handler runs.
        description: One line for people.

    Raises:
        TypeError: It has keyword-only parameters, which a signal cannot give.
        ValueError: Both `name` and `dynamic` given.
    """

    def mark(target: AnyHandler) -> AnyHandler:
        SIGNAL.mark(target, Mark(name, description, unfinished_policy), dynamic=dynamic)
        return target

    return mark if fn is None else mark(fn)


def set_signal_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of a signal, for this run.

    Signals of that name that came before are handed to it, in order.

    Source: `WorkflowExecutionSignaled`.
    """
    definition = None if handler is None else SIGNAL.define(handler, Mark(name), bound=False)
    current_runtime().set_signal_handler(name, definition)


def set_dynamic_signal_handler(handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of all signals without one of their own, for this run."""
    definition = None if handler is None else SIGNAL.define(handler, Mark(None), bound=False)
    current_runtime().set_signal_handler(None, definition)


def signal_name(signal: str | Callable[..., Any]) -> str:
    """Resolve what a caller passes as the signal: its name, or a marked method.

    Raises:
        TypeError: Neither a name nor a marked handler, or the dynamic one, which has no name.
    """
    if isinstance(signal, str):
        return signal
    mark: Mark | None = getattr(signal, SIGNAL.attribute, None)
    name = None if mark is None else mark.name
    if name is None:
        label = getattr(signal, "__qualname__", signal)
        raise TypeError(f"{label} is no signal with a name: mark it with @workflow.signal")
    return name


def signal_arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    """Put the two ways of giving arguments together."""
    if arg is UNSET:
        return args
    if args:
        raise TypeError("give a signal either one argument or `args=[...]`, not both")
    return (arg,)
