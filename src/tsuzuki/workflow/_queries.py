"""Handlers of queries: they look at the workflow's state and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from ._handlers import HandlerDefinition, HandlerKind, Mark
from ._runtime import current_runtime

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


@dataclass(frozen=True)
class QueryDefinition(HandlerDefinition):
    """The handler of a query."""


QUERY: Final = HandlerKind("query", QueryDefinition)
"""How query handlers are marked and found, for tools that read workflow classes."""


@overload
def query(fn: AnyHandler) -> AnyHandler: ...
@overload
def query(
    *, name: str | None = None, dynamic: bool = False, description: str | None = None
) -> Callable[[AnyHandler], AnyHandler]: ...
def query(
    fn: AnyHandler | None = None, *, name: str | None = None, dynamic: bool = False, description: str | None = None
) -> AnyHandler | Callable[[AnyHandler], AnyHandler]:
    """Mark a method as the handler of a query: it returns something about the state, and changes nothing.

    Args:
        fn: The method. It must not wait; an `async def` is taken as long as it does not.
        name: Name of the query; the default is the method's name.
        dynamic: True for the handler of all queries without one of their own; it takes the query's name and a
            `Sequence[RawValue]`, and excludes `name`.
        description: One line for people.

    Raises:
        TypeError: It has keyword-only parameters, which a query cannot give.
        ValueError: Both `name` and `dynamic` given.
    """

    def mark(target: AnyHandler) -> AnyHandler:
        QUERY.mark(target, Mark(name, description), dynamic=dynamic)
        return target

    return mark if fn is None else mark(fn)


def set_query_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of a query, for this run."""
    definition = None if handler is None else QUERY.define(handler, Mark(name), bound=False)
    current_runtime().set_query_handler(name, definition)


def set_dynamic_query_handler(handler: Callable[..., Any] | None) -> None:
    """Set, replace or (with None) remove the handler of all queries without one of their own, for this run."""
    definition = None if handler is None else QUERY.define(handler, Mark(None), bound=False)
    current_runtime().set_query_handler(None, definition)
