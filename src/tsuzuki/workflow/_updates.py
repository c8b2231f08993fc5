"""Handlers of updates: they may refuse, change the workflow, wait, and answer."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, overload

from ._handlers import HandlerDefinition, HandlerKind, HandlerUnfinishedPolicy, Mark
from ._runtime import current_runtime

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])
AnyValidator = TypeVar("AnyValidator", bound=Callable[..., None])


@dataclass(frozen=True)
class UpdateDefinition(HandlerDefinition):
    """The handler of an update."""


@dataclass(frozen=True)
class UpdateInfo:
    """Which update is running.

    Attributes:
        id: Its id, unique in the run.
        name: Its name.
    """

    id: str
    name: str


UPDATE: Final = HandlerKind("update", UpdateDefinition)
"""How update handlers are marked and found, for tools that read workflow classes."""
CURRENT_UPDATE: Final[contextvars.ContextVar[UpdateInfo | None]] = contextvars.ContextVar(
    "tsuzuki_current_update", default=None
)
"""The update whose handler runs, for the worker that calls it; code asks `current_update_info`."""


Result = TypeVar("Result", covariant=True)


class UpdateMethod(Protocol[Result]):
    """A method marked with `@workflow.update`; its `validator` marks another one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Result: ...
    def validator(self, fn: AnyValidator) -> AnyValidator:
        """Mark the method that looks at the arguments before the update is accepted; what it raises rejects it."""
        ...


class _Decorator(Protocol):
    @overload
    def __call__(self, fn: Callable[..., Awaitable[Result]]) -> UpdateMethod[Awaitable[Result]]: ...
    @overload
    def __call__(self, fn: Callable[..., Result]) -> UpdateMethod[Result]: ...


@overload
def update(fn: Callable[..., Awaitable[Result]]) -> UpdateMethod[Awaitable[Result]]: ...
@overload
def update(fn: Callable[..., Result]) -> UpdateMethod[Result]: ...
@overload
def update(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> _Decorator: ...
def update(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Mark a method, plain or `async def`, as the handler of an update: what it returns goes to the client.

    `@handler.validator` marks a method of the same parameters that is called first, must change nothing, and rejects
    the update by raising; a rejected update leaves no trace in history.

    Args:
        fn: The method.
        name: Name of the update; the default is the method's name.
        dynamic: True for the handler of all updates without one of their own; it takes the update's name and a
            `Sequence[RawValue]`, and excludes `name`.
        unfinished_policy: What happens when the workflow ends while the handler runs.
        description: One line for people.

    Raises:
        TypeError: It has keyword-only parameters, which an update cannot give.
        ValueError: Both `name` and `dynamic` given.
    """

    def mark(target: AnyHandler) -> AnyHandler:
        marked = Mark(name, description, unfinished_policy)
        UPDATE.mark(target, marked, dynamic=dynamic)

        def validator(check: AnyValidator) -> AnyValidator:
            _check_validator(check)
            marked.validator = check
            return check

        target.validator = validator  # type: ignore[attr-defined]
        return target

    return mark if fn is None else mark(fn)


def set_update_handler(
    name: str,
    handler: Callable[..., Any] | None,
    *,
    validator: Callable[..., None] | None = None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> None:
    """Set, replace or (with None) remove the handler of an update, for this run.

    An update that comes with the run's first task, as one that starts it, is looked at before `run` begins: what is to
    take it is a method marked with `@workflow.update`, or set in `__init__`.

    Args:
        name: Name of the update.
        handler: Plain or `async def`; None to remove it.
        validator: Looks at the arguments first; what it raises rejects the update.
        unfinished_policy: What happens when the workflow ends while the handler runs.

    Source: `WorkflowExecutionUpdateAccepted`.
    """
    _set(name, handler, validator, unfinished_policy)


def set_dynamic_update_handler(
    handler: Callable[..., Any] | None,
    *,
    validator: Callable[..., None] | None = None,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> None:
    """Set, replace or (with None) remove the handler of all updates without one of their own, for this run."""
    _set(None, handler, validator, unfinished_policy)


def _set(
    name: str | None,
    handler: Callable[..., Any] | None,
    validator: Callable[..., None] | None,
    unfinished_policy: HandlerUnfinishedPolicy,
) -> None:
    definition = None
    if handler is not None:
        if validator is not None:
            _check_validator(validator)
        mark = Mark(name, unfinished_policy=unfinished_policy, validator=validator)
        definition = UPDATE.define(handler, mark, bound=False)
    current_runtime().set_update_handler(name, definition)


def _check_validator(fn: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(fn):
        raise ValueError(f"the validator {fn.__qualname__} is an `async def`; it must answer at once")


def all_handlers_finished() -> bool:
    """Tell whether no handler of a signal or update is running; `wait_condition(all_handlers_finished)` before the end.

    Then no client of an update is left without an answer.
    """
    return current_runtime().all_handlers_finished()


def current_update_info() -> UpdateInfo | None:
    """Return which update's handler or validator is calling; None elsewhere."""
    current_runtime()
    return CURRENT_UPDATE.get()
