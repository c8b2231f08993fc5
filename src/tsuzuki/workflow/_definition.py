"""What `@workflow.defn` records about a class or a function, and how the worker reads it back.

Owns the marks on user code and everything about it that is looked up by inspection: names, handlers, type
hints. All of that happens once, when a worker (or a caller) first asks for the definition, never while a
workflow runs; hints may therefore name classes defined further down in the module.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, get_type_hints, overload

from tsuzuki.common import RawValue

from ._queries import QUERY, QueryDefinition
from ._signals import SIGNAL, SignalDefinition
from ._updates import UPDATE, UpdateDefinition

AnyWorkflow = TypeVar("AnyWorkflow", bound=Callable[..., Any])
AnyRun = TypeVar("AnyRun", bound=Callable[..., Awaitable[Any]])
AnyInit = TypeVar("AnyInit", bound=Callable[..., None])

_MARK: Final = "__tsuzuki_workflow__"
_RUN_MARK: Final = "__tsuzuki_workflow_run__"
_INIT_MARK: Final = "__tsuzuki_workflow_init__"

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class WorkflowSignature:
    """Parameters and result of a workflow, without `self`.

    Attributes:
        parameters: Names of the positional parameters.
        arg_types: Their type hints, `Any` where there is none.
        result_type: Hint of the result; None where there is none.
        required: Number of parameters without a default.
        variadic: True when it takes `*args`.
    """

    parameters: tuple[str, ...]
    arg_types: tuple[Any, ...]
    result_type: Any
    required: int
    variadic: bool


@dataclass(frozen=True)
class WorkflowDefinition:
    """One workflow as a worker registers it.

    Attributes:
        name: Workflow type; None for the dynamic workflow, which takes every unknown type.
        cls: The class to make an instance of; None for a plain function.
        run: The coroutine function: unbound, with `self` first, when there is a class.
        init_takes_args: True when the class gets the arguments of `run` in its `__init__` too.
        failure_exception_types: Exceptions that fail the workflow instead of the workflow task; also
            `NondeterminismError`.
        signature: Its parameters and result.
        signals: Handlers that the class has, by the name of their signal; the dynamic one under None.
        queries: The same for queries.
        updates: The same for updates.
        sandboxed: False when the determinism guard is to leave it alone.
    """

    name: str | None
    cls: type | None
    run: Callable[..., Awaitable[Any]]
    init_takes_args: bool
    failure_exception_types: tuple[type[BaseException], ...]
    signature: WorkflowSignature
    signals: Mapping[str | None, SignalDefinition]
    queries: Mapping[str | None, QueryDefinition]
    updates: Mapping[str | None, UpdateDefinition]
    sandboxed: bool = True

    @property
    def label(self) -> str:
        """The workflow's name for people, in messages and logs."""
        return self.name or f"(dynamic) {(self.cls or self.run).__qualname__}"


@dataclass
class _Mark:
    """The decorator's arguments, and the definition once somebody asked for it."""

    target: Callable[..., Any]
    name: str | None
    failure_exception_types: tuple[type[BaseException], ...]
    sandboxed: bool = True
    definition: WorkflowDefinition | None = field(default=None, compare=False)


@overload
def defn(target: AnyWorkflow) -> AnyWorkflow: ...
@overload
def defn(
    *, name: str | None = None, failure_exception_types: Sequence[type[BaseException]] = (), sandboxed: bool = True
) -> Callable[[AnyWorkflow], AnyWorkflow]: ...
@overload
def defn(
    *, dynamic: bool = False, failure_exception_types: Sequence[type[BaseException]] = (), sandboxed: bool = True
) -> Callable[[AnyWorkflow], AnyWorkflow]: ...
def defn(
    target: AnyWorkflow | None = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    failure_exception_types: Sequence[type[BaseException]] = (),
    sandboxed: bool = True,
) -> AnyWorkflow | Callable[[AnyWorkflow], AnyWorkflow]:
    """Mark a class with a `@workflow.run` method, or a plain `async def`, as a workflow.

    Args:
        target: The class or coroutine function.
        name: Workflow type; the default is the name of the class or function.
        dynamic: True for the workflow that a worker runs for every type it does not know. It takes one
            parameter, `Sequence[RawValue]`, and excludes `name`.
        failure_exception_types: Exceptions that, when they leave the workflow, fail it. All others but
            `FailureError` only fail the workflow task, which is tried again until the code is mended.
        sandboxed: False to lift the determinism guard for this workflow. There is no sandbox; the name is the
            one that code for `temporalio` uses.

    Raises:
        TypeError: Neither a class nor a coroutine function; no, or more than one, `@workflow.run`; or the
            parameters of `@workflow.init` differ from those of `@workflow.run`.
        ValueError: Decorated twice, or both `name` and `dynamic` given.
    """

    def mark(chosen: AnyWorkflow) -> AnyWorkflow:
        _mark(chosen, name, dynamic, tuple(failure_exception_types), sandboxed)
        return chosen

    return mark if target is None else mark(target)


def run(fn: AnyRun) -> AnyRun:
    """Mark the method that is the workflow: its parameters are the workflow's, and its result too.

    Raises:
        TypeError: Not an `async def`.
    """
    if inspect.iscoroutinefunction(fn):
        setattr(fn, _RUN_MARK, True)
        return fn  # type: ignore[return-value]  # iscoroutinefunction narrows the type variable away
    raise TypeError(f"@workflow.run marks an `async def`; {fn.__qualname__} is not one")


def init(fn: AnyInit) -> AnyInit:
    """Mark `__init__` to be given the arguments of the workflow.

    Raises:
        TypeError: Not an `__init__`.
    """
    if fn.__name__ != "__init__":
        raise TypeError(f"@workflow.init marks `__init__`; {fn.__qualname__} is not one")
    setattr(fn, _INIT_MARK, True)
    return fn


def definition_of(target: Any) -> WorkflowDefinition:
    """Read the definition of a marked class, function or `@workflow.run` method.

    Raises:
        TypeError: It is not marked with `@workflow.defn`, or a type hint cannot be resolved.
    """
    mark = target.__dict__.get(_MARK) if hasattr(target, "__dict__") else None
    if not isinstance(mark, _Mark):
        raise TypeError(
            f"{getattr(target, '__qualname__', target)!s} is not a workflow: decorate it "
            "(for a method: its class) with @workflow.defn"
        )
    if mark.definition is None:
        mark.definition = _define(mark)
    return mark.definition


def name_and_result_type(workflow: str | Callable[..., Any]) -> tuple[str, Any]:
    """Resolve what a caller passes as the workflow: its type name and the hint of its result.

    Raises:
        TypeError: Neither a name nor a marked workflow.
        ValueError: The dynamic workflow, which has no name to start it by.
    """
    if isinstance(workflow, str):
        return workflow, None
    definition = definition_of(workflow)
    if definition.name is None:
        raise ValueError(f"{definition.label} has no name of its own; start it by the name to use")
    return definition.name, definition.signature.result_type


def _mark(
    target: Callable[..., Any],
    name: str | None,
    dynamic: bool,
    failure_exception_types: tuple[type[BaseException], ...],
    sandboxed: bool,
) -> None:
    if not isinstance(target, type) and not inspect.iscoroutinefunction(target):
        raise TypeError(f"@workflow.defn marks a class or an `async def`; {target!r} is neither")
    label = target.__name__
    if _MARK in target.__dict__:
        raise ValueError(f"workflow {label} is already marked with @workflow.defn; keep one of the two")
    if dynamic and name is not None:
        raise ValueError(
            f"workflow {label} is given the name {name!r} and dynamic=True; "
            "a dynamic workflow takes every unknown type and has no name of its own"
        )
    if name is not None and (not name or "\0" in name):
        raise ValueError(f"workflow {label} is given the name {name!r}; it must not be empty or contain NUL")
    mark = _Mark(target, None if dynamic else name or label, failure_exception_types, sandboxed)
    if isinstance(target, type):
        method = _run_method(target)
        _check_init(target, method)
        setattr(method, _MARK, mark)
    else:
        _check_parameters(target)
    setattr(target, _MARK, mark)


def _run_method(cls: type) -> Callable[..., Awaitable[Any]]:
    marked = [member for _, member in inspect.getmembers(cls, inspect.isfunction) if hasattr(member, _RUN_MARK)]
    own = [member for member in marked if member in cls.__dict__.values()]
    if len(own) > 1:
        names = " and ".join(member.__name__ for member in own)
        raise TypeError(f"workflow {cls.__name__} has more than one @workflow.run method: {names}")
    if not own:
        inherited = f" (the one of {marked[0].__qualname__} is not inherited: override it)" if marked else ""
        raise TypeError(f"workflow {cls.__name__} has no @workflow.run method of its own{inherited}")
    _check_parameters(own[0])
    return own[0]


def _check_parameters(fn: Callable[..., Any]) -> None:
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(
                f"workflow {fn.__qualname__} has the keyword-only parameter {parameter.name!r}; "
                "workflows are called with positional arguments, so remove the `*` before it"
            )


def _check_init(cls: type, method: Callable[..., Any]) -> None:
    constructor = cls.__init__  # type: ignore[misc]
    if hasattr(constructor, _INIT_MARK):
        expected, found = (
            [(p.kind, p.default, p.annotation) for p in inspect.signature(fn).parameters.values()][1:]
            for fn in (method, constructor)
        )
        if expected != found:
            raise TypeError(
                f"@workflow.init of {cls.__name__} takes {inspect.signature(constructor)}, but its "
                f"@workflow.run takes {inspect.signature(method)}; they must be the same"
            )


def _define(mark: _Mark) -> WorkflowDefinition:
    cls = mark.target if isinstance(mark.target, type) else None
    function: Callable[..., Awaitable[Any]] = _run_method(cls) if cls else mark.target
    try:
        signature = _signature_of(function, bound=cls is not None)
    except NameError as error:
        raise TypeError(
            f"the type hints of workflow {function.__qualname__} cannot be resolved: {error}. "
            "Import or define the type at module level, outside `if TYPE_CHECKING`"
        ) from error
    if mark.name is None and signature.arg_types != (Sequence[RawValue],):
        raise TypeError(
            f"the dynamic workflow {function.__qualname__} must take exactly one parameter of type "
            "Sequence[tsuzuki.common.RawValue]"
        )
    return WorkflowDefinition(
        name=mark.name,
        cls=cls,
        run=function,
        init_takes_args=cls is not None and hasattr(cls.__init__, _INIT_MARK),  # type: ignore[misc]
        failure_exception_types=mark.failure_exception_types,
        signature=signature,
        signals=SIGNAL.handlers_of(cls) if cls is not None else {},
        queries=QUERY.handlers_of(cls) if cls is not None else {},
        updates=UPDATE.handlers_of(cls) if cls is not None else {},
        sandboxed=mark.sandboxed,
    )


def _signature_of(fn: Callable[..., Any], *, bound: bool) -> WorkflowSignature:
    hints = get_type_hints(fn, include_extras=True)
    parameters = list(inspect.signature(fn).parameters.values())[1 if bound else 0 :]
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    return WorkflowSignature(
        parameters=tuple(parameter.name for parameter in positional),
        arg_types=tuple(hints.get(parameter.name, Any) for parameter in positional),
        result_type=hints.get("return"),
        required=sum(parameter.default is inspect.Parameter.empty for parameter in positional),
        variadic=any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters),
    )
