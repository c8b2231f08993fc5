"""What signals, queries and updates have in common: the mark on a method, and what is read from it.

Owns the mark and its reading; when a handler runs, and what its end means, is the run's business.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, get_type_hints

from tsuzuki.common import RawValue

_Shape = tuple[list[inspect.Parameter], dict[str, Any]]


class HandlerUnfinishedPolicy(Enum):
    """What happens when the workflow ends while a handler of a signal or an update still runs."""

    WARN_AND_ABANDON = 1
    """The handler gets no further, and a warning says so; the client of an update gets an error."""
    ABANDON = 2
    """The same without the warning."""


class UnfinishedUpdateHandlersWarning(RuntimeWarning):
    """The workflow ended before the handlers of its updates had."""


class UnfinishedSignalHandlersWarning(RuntimeWarning):
    """The workflow ended before the handlers of its signals had."""


@dataclass(frozen=True)
class HandlerDefinition:
    """One handler.

    Attributes:
        name: Name of the signal, query or update; None for the handler of all that have none of their own.
        fn: What to call: unbound, with `self` first, when `bound`.
        bound: True for a method of the workflow's class.
        arg_types: Type hints of its parameters, without `self`.
        variadic: True when it takes `*args`.
        result_type: Hint of what it returns; None where there is none.
        description: One line for people.
        unfinished_policy: What happens when the workflow ends while it runs; no matter for a query.
        validator: Looks at an update's arguments before the update is accepted; called as `fn` is.
    """

    name: str | None
    fn: Callable[..., Any]
    bound: bool
    arg_types: tuple[Any, ...]
    variadic: bool
    result_type: Any = None
    description: str = ""
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    validator: Callable[..., None] | None = None


@dataclass
class Mark:
    """The arguments of a decorator, kept on the method."""

    name: str | None
    description: str | None = None
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    validator: Callable[..., None] | None = None


_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class HandlerKind:
    """One of the three kinds of handler.

    Attributes:
        word: `signal`, `query` or `update`, for messages.
        definition: What a handler of this kind is described by.
    """

    word: str
    definition: type[HandlerDefinition]

    @property
    def attribute(self) -> str:
        """Under which name the mark is kept on the method."""
        return f"__tsuzuki_{self.word}__"

    def mark(self, target: Callable[..., Any], mark: Mark, *, dynamic: bool) -> None:
        """Put the mark on a method.

        Raises:
            TypeError: It has keyword-only parameters, which nobody can give.
            ValueError: Both a name and `dynamic` given.
        """
        if dynamic and mark.name is not None:
            raise ValueError(f"{self.word} handler {target.__qualname__} is given both a name and dynamic=True")
        self._check_parameters(
            target, inspect.signature(target).parameters.values()
        )  # no hints yet: they may come later
        if not dynamic and not mark.name:
            mark.name = target.__name__
        setattr(target, self.attribute, mark)

    def handlers_of(self, cls: type) -> dict[str | None, Any]:
        """Read the handlers of this kind that a class has, by name.

        Raises:
            TypeError: Two handlers have the same name.
        """
        found: dict[str | None, HandlerDefinition] = {}
        for _, member in inspect.getmembers(cls, inspect.isfunction):
            mark = getattr(member, self.attribute, None)
            if mark is None:
                continue
            if mark.name in found:
                raise TypeError(
                    f"workflow {cls.__name__} has two handlers of {self.word} {mark.name or '(dynamic)'}: "
                    f"{found[mark.name].fn.__name__} and {member.__name__}"
                )
            found[mark.name] = self.define(member, mark, bound=True)
        return found

    def define(self, fn: Callable[..., Any], mark: Mark, *, bound: bool) -> Any:
        """Read everything about a handler by inspection.

        Raises:
            TypeError: Its parameters are not what a handler of its kind can be given.
        """
        all_parameters, hints = _shape_of(fn)
        self._check_parameters(fn, all_parameters)
        parameters = all_parameters[1 if bound else 0 :]
        positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
        arg_types = tuple(hints.get(parameter.name, Any) for parameter in positional)
        if mark.name is None and arg_types != (str, Sequence[RawValue]):
            raise TypeError(
                f"the dynamic {self.word} handler {getattr(fn, '__qualname__', fn)} must take (str, "
                "Sequence[tsuzuki.common.RawValue])"
            )
        return self.definition(
            name=mark.name,
            fn=fn,
            bound=bound,
            arg_types=arg_types,
            variadic=any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters),
            result_type=hints.get("return"),
            description=mark.description or "",
            unfinished_policy=mark.unfinished_policy,
            validator=mark.validator,
        )

    def name_and_result_type(self, target: Any) -> tuple[str, Any]:
        """Resolve what a caller passes as the handler to reach: its name, and the hint of its result.

        Raises:
            TypeError: Neither a name nor a handler of this kind.
            ValueError: The dynamic handler, which has no name to reach it by.
        """
        if isinstance(target, str):
            return target, None
        mark = getattr(target, self.attribute, None)
        if mark is None:
            raise TypeError(
                f"{getattr(target, '__qualname__', repr(target))} is no {self.word} handler: decorate it with "
                f"@workflow.{self.word}, or pass the name of the {self.word}"
            )
        if mark.name is None:
            raise ValueError(
                f"{target.__qualname__} is the dynamic {self.word} handler and has no name of its own; pass the "
                f"name of the {self.word} to use"
            )
        return mark.name, get_type_hints(target, include_extras=True).get("return")

    def _check_parameters(self, fn: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> None:
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                plural = "queries" if self.word == "query" else f"{self.word}s"
                raise TypeError(
                    f"{self.word} handler {getattr(fn, '__qualname__', fn)} has the keyword-only parameter "
                    f"{parameter.name!r}; {plural} give positional arguments"
                )


_shapes: Final[weakref.WeakKeyDictionary[Callable[..., Any], _Shape]] = weakref.WeakKeyDictionary()
"""Of functions that were read before: workflow code sets the same handlers in each run, and again on each replay."""


def _shape_of(fn: Callable[..., Any]) -> _Shape:
    """Parameters and type hints of a handler; the hints of what is no function or method are not read."""
    if inspect.ismethod(fn):
        parameters, hints = _shape_of(fn.__func__)
        return parameters[1:], hints
    if not inspect.isfunction(fn):
        hints = get_type_hints(fn, include_extras=True) if inspect.isroutine(fn) else {}
        return list(inspect.signature(fn).parameters.values()), hints
    shape = _shapes.get(fn)
    if shape is None:
        shape = list(inspect.signature(fn).parameters.values()), get_type_hints(fn, include_extras=True)
        _shapes[fn] = shape
    return shape
