"""Handlers of signals: marked in the class, or set while the workflow runs.

Owns the mark and what is read from it; when a handler runs is the run's business.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints, overload

from tsuzuki.common import RawValue

from ._runtime import UNSET, current_runtime

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])

_MARK: Final = "__tsuzuki_signal__"


@dataclass(frozen=True)
class SignalDefinition:
    """One handler.

    Attributes:
        name: Name of the signal; None for the handler of all that have none of their own.
        fn: What to call: unbound, with `self` first, when `bound`.
        bound: True for a method of the workflow's class.
        arg_types: Type hints of its parameters, without `self`.
        variadic: True when it takes `*args`.
        at_once: True for what only takes the signal in: it is called in place, not as a task.
    """

    name: str | None
    fn: Callable[..., Any]
    bound: bool
    arg_types: tuple[Any, ...]
    variadic: bool
    at_once: bool = False


@overload
def signal(fn: AnyHandler) -> AnyHandler: ...
@overload
def signal(*, name: str | None = None, dynamic: bool = False) -> Callable[[AnyHandler], AnyHandler]: ...
def signal(
    fn: AnyHandler | None = None, *, name: str | None = None, dynamic: bool = False
) -> AnyHandler | Callable[[AnyHandler], AnyHandler]:
    """Mark a method, plain or `async def`, as the handler of a signal.

    Args:
        fn: The method.
        name: Name of the signal; the default is the method's name.
        dynamic: True for the handler of all signals without one of their own; it takes the signal's name and a
            `Sequence[RawValue]`, and excludes `name`.

    Raises:
        TypeError: It has keyword-only parameters, which a signal cannot give.
        ValueError: Both `name` and `dynamic` given.
    """

    def mark(target: AnyHandler) -> AnyHandler:
        if dynamic and name is not None:
            raise ValueError(f"signal handler {target.__qualname__} is given both a name and dynamic=True")
        _check_parameters(target)
        setattr(target, _MARK, (None if dynamic else name or target.__name__,))
        return target

    return mark if fn is None else mark(fn)


def set_signal_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of a signal, for this run.

    Signals of that name that came before are handed to it, in order.

    Source: `WorkflowExecutionSignaled`.
    """
    definition = None if handler is None else _define(name, handler, bound=False)
    current_runtime().set_signal_handler(name, definition)


def set_dynamic_signal_handler(handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of all signals without one of their own, for this run."""
    definition = None if handler is None else _define(None, handler, bound=False)
    current_runtime().set_signal_handler(None, definition)


def signal_name(signal: str | Callable[..., Any]) -> str:
    """Resolve what a caller passes as the signal: its name, or a marked method.

    Raises:
        TypeError: Neither a name nor a marked handler, or the dynamic one, which has no name.
    """
    if isinstance(signal, str):
        return signal
    (name,) = getattr(signal, _MARK, (None,))
    if name is None:
        label = getattr(signal, "__qualname__", signal)
        raise TypeError(f"{label} is no signal with a name: mark it with @workflow.signal")
    return str(name)


def signal_arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    """Put the two ways of giving arguments together."""
    if arg is UNSET:
        return args
    if args:
        raise TypeError("give a signal either one argument or `args=[...]`, not both")
    return (arg,)


def signals_of(cls: type) -> dict[str | None, SignalDefinition]:
    """Read the handlers that a class has, by the name of their signal.

    Raises:
        TypeError: Two handlers have the same name.
    """
    found: dict[str | None, SignalDefinition] = {}
    for _, member in inspect.getmembers(cls, inspect.isfunction):
        mark = getattr(member, _MARK, None)
        if mark is None:
            continue
        (name,) = mark
        if name in found:
            raise TypeError(
                f"workflow {cls.__name__} has two handlers of signal {name or '(dynamic)'}: "
                f"{found[name].fn.__name__} and {member.__name__}"
            )
        found[name] = _define(name, member, bound=True)
    return found


def _define(name: str | None, fn: Callable[..., Any], *, bound: bool) -> SignalDefinition:
    _check_parameters(fn)
    hints = get_type_hints(fn, include_extras=True) if inspect.isroutine(fn) else {}
    parameters = list(inspect.signature(fn).parameters.values())[1 if bound else 0 :]
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    arg_types = tuple(hints.get(parameter.name, Any) for parameter in positional)
    if name is None and arg_types != (str, Sequence[RawValue]):
        raise TypeError(
            f"the dynamic signal handler {getattr(fn, '__qualname__', fn)} must take (str, "
            "Sequence[tsuzuki.common.RawValue])"
        )
    return SignalDefinition(
        name=name,
        fn=fn,
        bound=bound,
        arg_types=arg_types,
        variadic=any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters),
    )


def _check_parameters(fn: Callable[..., Any]) -> None:
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(
                f"signal handler {getattr(fn, '__qualname__', fn)} has the keyword-only parameter "
                f"{parameter.name!r}; signals give positional arguments"
            )
