"""What `@activity.defn` records about a callable, and how the rest of the package reads it back.

Owns the mark on the callable and the signature taken from it. Type hints are resolved once, at the first
use rather than at decoration, so that a hint may name a class defined further down in the module.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints, overload

from tsuzuki.common import RawValue

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])

_MARK: Final = "__tsuzuki_activity__"

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class ActivitySignature:
    """Parameters and result of an activity, without `self`.

    Attributes:
        parameters: Names of the positional parameters.
        arg_types: Their type hints, `Any` where there is none.
        result_type: Hint of the result; None where there is none (`None` itself is `NoneType`).
        required: Number of parameters without a default.
        variadic: True when it takes `*args`.
    """

    parameters: tuple[str, ...]
    arg_types: tuple[Any, ...]
    result_type: Any
    required: int
    variadic: bool

    def __str__(self) -> str:
        names = [name if index < self.required else f"{name}=..." for index, name in enumerate(self.parameters)]
        return f"({', '.join([*names, '*args'] if self.variadic else names)})"


@dataclass(frozen=True)
class ActivityDefinition:
    """One activity as a worker registers it.

    Attributes:
        name: Activity type; None for the dynamic activity, which takes every unknown type.
        fn: What to call, with the activity's arguments.
        is_async: True when `fn` is a coroutine function (or an object whose `__call__` is one).
        no_thread_cancel_exception: True when cancellation must not raise inside its thread.
        signature: Its parameters and result.
    """

    name: str | None
    fn: Callable[..., Any]
    is_async: bool
    no_thread_cancel_exception: bool
    signature: ActivitySignature

    @property
    def label(self) -> str:
        """The activity's name for people, in messages and logs."""
        return self.name or f"(dynamic) {getattr(self.fn, '__qualname__', self.fn)}"


class _Mark:
    """The decorator's arguments, and the definition once somebody asked for it."""

    __slots__ = ("definition", "name", "no_thread_cancel_exception")

    def __init__(self, name: str | None, no_thread_cancel_exception: bool) -> None:
        self.name = name
        self.no_thread_cancel_exception = no_thread_cancel_exception
        self.definition: ActivityDefinition | None = None


@overload
def defn(fn: AnyCallable) -> AnyCallable: ...
@overload
def defn(
    *, name: str | None = None, no_thread_cancel_exception: bool = False
) -> Callable[[AnyCallable], AnyCallable]: ...
@overload
def defn(
    *, no_thread_cancel_exception: bool = False, dynamic: bool = False
) -> Callable[[AnyCallable], AnyCallable]: ...
def defn(
    fn: AnyCallable | None = None,
    *,
    name: str | None = None,
    no_thread_cancel_exception: bool = False,
    dynamic: bool = False,
) -> AnyCallable | Callable[[AnyCallable], AnyCallable]:
    """Mark a function, method or callable class as an activity.

    Args:
        fn: A coroutine function, or a plain function, which then runs in the worker's executor.
        name: Activity type; the default is the function's name.
        no_thread_cancel_exception: True when cancellation must not raise `CancelledError` inside the
            thread of a synchronous activity; it then learns of it from `is_cancelled()` only.
        dynamic: True for the activity that a worker runs for every type it does not know. It takes one
            parameter, `Sequence[RawValue]`, and excludes `name`.

    Raises:
        TypeError: Not callable, or it has keyword-only parameters, which activities cannot be given.
        ValueError: Decorated twice, or both `name` and `dynamic` given.
    """

    def mark(target: AnyCallable) -> AnyCallable:
        _mark(target, name, no_thread_cancel_exception, dynamic)
        return target

    return mark if fn is None else mark(fn)


def _mark(target: Callable[..., Any], name: str | None, no_thread_cancel_exception: bool, dynamic: bool) -> None:
    if not callable(target):
        raise TypeError(f"@activity.defn marks functions; {target!r} is not callable")
    target_name = getattr(target, "__name__", type(target).__name__)
    if _MARK in getattr(target, "__dict__", {}):
        raise ValueError(f"activity {target_name} is already marked with @activity.defn; keep one of the two")
    if dynamic and name is not None:
        raise ValueError(
            f"activity {target_name} is given the name {name!r} and dynamic=True; "
            "a dynamic activity takes every unknown type and has no name of its own"
        )
    keyword_only = [
        parameter.name
        for parameter in inspect.signature(_underlying(target)).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    if keyword_only:
        raise TypeError(
            f"activity {target_name} has the keyword-only parameter {keyword_only[0]!r}; "
            "activities are called with positional arguments, so remove the `*` before it"
        )
    setattr(target, _MARK, _Mark(None if dynamic else name or target_name, no_thread_cancel_exception))


def definition_of(fn: Callable[..., Any]) -> ActivityDefinition:
    """Read the definition of a marked callable; a bound method's `fn` is that bound method.

    Raises:
        TypeError: It is not marked with `@activity.defn`, a type hint cannot be resolved, or a dynamic
            activity does not take exactly one `Sequence[RawValue]`.
    """
    mark = getattr(fn, _MARK, None)
    if not isinstance(mark, _Mark):
        raise TypeError(f"{getattr(fn, '__qualname__', fn)!s} is not an activity: decorate it with @activity.defn")
    if mark.definition is None:
        mark.definition = _define(fn, mark)
    if mark.definition.fn == fn:
        return mark.definition
    return dataclasses.replace(mark.definition, fn=fn)


def name_and_result_type(activity: str | Callable[..., Any]) -> tuple[str, Any]:
    """Resolve what workflow code passes as the activity: its type name and the hint of its result.

    Raises:
        TypeError: Neither a name nor a marked callable.
        ValueError: The dynamic activity, which has no name to schedule it by.
    """
    if isinstance(activity, str):
        return activity, None
    if not callable(activity):
        raise TypeError(f"expected an activity or the name of one, got {activity!r}")
    mark = getattr(activity, _MARK, None)
    definition = mark.definition if isinstance(mark, _Mark) else None
    if definition is None:
        definition = definition_of(activity)
    if definition.name is None:
        raise ValueError(f"{definition.label} has no name of its own; schedule it by the name to use")
    return definition.name, definition.signature.result_type


def _define(fn: Callable[..., Any], mark: _Mark) -> ActivityDefinition:
    call = _underlying(fn)
    try:
        signature = _signature_of(call)
    except (NameError, TypeError) as error:
        raise TypeError(
            f"the type hints of activity {mark.name or call.__qualname__} cannot be resolved: {error}. "
            "Import or define the type at module level, outside `if TYPE_CHECKING`"
        ) from error
    if mark.name is None and signature.arg_types != (Sequence[RawValue],):
        raise TypeError(
            f"the dynamic activity {call.__qualname__} takes {signature}; "
            "it must take exactly one parameter of type Sequence[tsuzuki.common.RawValue]"
        )
    return ActivityDefinition(
        name=mark.name,
        fn=fn,
        is_async=inspect.iscoroutinefunction(call),
        no_thread_cancel_exception=mark.no_thread_cancel_exception,
        signature=signature,
    )


def _underlying(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function whose signature counts: the method itself, or `__call__` of a class or object."""
    if inspect.isfunction(fn):
        return fn
    if inspect.ismethod(fn):
        return fn.__func__
    owner = fn if isinstance(fn, type) else type(fn)
    call: Callable[..., Any] = owner.__call__
    return call


def _signature_of(fn: Callable[..., Any]) -> ActivitySignature:
    hints = get_type_hints(fn)
    parameters = list(inspect.signature(fn).parameters.values())
    if parameters and parameters[0].name == "self" and "self" not in hints:
        del parameters[0]
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    return ActivitySignature(
        parameters=tuple(parameter.name for parameter in positional),
        arg_types=tuple(hints.get(parameter.name, Any) for parameter in positional),
        result_type=hints.get("return"),
        required=sum(parameter.default is inspect.Parameter.empty for parameter in positional),
        variadic=any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters),
    )
