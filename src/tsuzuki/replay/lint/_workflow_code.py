"""Which functions of a file are workflow code: the handlers of workflows, and what they call.

The handlers are what `@workflow.run`, `signal`, `query`, `update`, `init` and an update's `validator` mark,
the `__init__` of a `@workflow.defn` class, and `async def`s with `@workflow.defn`. From there on it is every
method reached through `self`, and every function of the same file that is called. Activities never are.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ._module import WORKFLOW, ClassInfo, Function, Module, decorator_names

_HANDLERS: Final = frozenset(f"{WORKFLOW}{name}" for name in ("run", "signal", "query", "update", "init"))
_DEFN: Final = f"{WORKFLOW}defn"
_ACTIVITY: Final = "tsuzuki.activity.defn"

# These call what they are given, here and now.
_CALLS_ITS_ARGUMENTS: Final = frozenset(
    {f"builtins.{name}" for name in ("map", "filter", "sorted", "min", "max", "any", "all", "next")}
    | {"functools.partial", "functools.reduce", f"{WORKFLOW}wait_condition"}
    | {f"{WORKFLOW}set_{kind}_handler" for kind in ("signal", "query", "update")}
    | {f"{WORKFLOW}set_dynamic_{kind}_handler" for kind in ("signal", "query", "update")}
)
# These run it elsewhere, or record what it gives.
_RUNS_ELSEWHERE: Final = (f"{WORKFLOW}execute_", f"{WORKFLOW}start_", "asyncio.to_thread", "asyncio.get_")
_BACKGROUND: Final = frozenset({"create_task", "ensure_future", "wait_for", "start_soon"})


@dataclass(eq=False)
class Reach:
    """Why a function is workflow code.

    Attributes:
        function: The function.
        root: The handler that leads to it; itself for a handler.
        among: The workflow code of the file, by function.
        callers: Where it is called, as (caller, node).
    """

    function: Function
    root: Function
    among: dict[Function, Reach] = field(repr=False)
    callers: list[tuple[Reach, ast.AST]] = field(default_factory=list)

    @property
    def is_handler(self) -> bool:
        """True for what the engine itself calls."""
        return self.root is self.function

    @property
    def why(self) -> str:
        """Empty for a handler, else the sentence that says how it became workflow code."""
        if self.is_handler:
            return ""
        caller = self.callers[0][0].function.name
        return f"`{self.function.name}` is workflow code: `{caller}` calls it"


def workflow_code(module: Module) -> dict[Function, Reach]:
    """Find the workflow code of a file, handlers first."""
    reaches: dict[Function, Reach] = {}
    reaches.update((function, Reach(function, function, reaches)) for function in _handlers(module))
    queue = deque(reaches.values())
    while queue:
        reach = queue.popleft()
        for called, node in calls_of(reach.function):
            if is_activity(called):
                continue
            known = reaches.get(called)
            if known is None:
                known = reaches[called] = Reach(called, reach.root, reaches)
                queue.append(known)
            known.callers.append((reach, node))
    return reaches


def count_workflows(module: Module) -> int:
    """Count the workflows that a file defines."""
    classes = sum(_is_workflow(known) for known in module.classes)
    return classes + sum(_DEFN in function.decorators for function in module.functions)


def is_activity(function: Function) -> bool:
    """Tell whether a function is marked as an activity."""
    return _ACTIVITY in function.decorators


def called_function(function: Function, call: ast.Call) -> Function | None:
    """Return the function or method of the same file that a call in `function` calls."""
    found = list(_targets(function, call.func))
    return found[0] if found else None


def calls_of(function: Function) -> Iterator[tuple[Function, ast.AST]]:
    """Yield functions of the same file that run because `function` does, each with the place."""
    parents = function.module.parents
    for node in function.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        parent = parents[node]
        is_called = isinstance(parent, ast.Call) and parent.func is node
        if is_called and (made := function.module.find_class(node, function.scope)) is not None:
            yield from ((it, node) for it in _constructors(made))
        for target in _targets(function, node):
            through_self = isinstance(node, ast.Attribute)
            if is_called or _is_given_to_caller(function, node, through_self or target.parent is not None):
                yield target, node


def is_in_background(reach: Reach) -> bool:
    """Tell whether all who call a function make a task of it, which may be cancelled at any time."""
    seen: set[Reach] = set()
    left = [reach]
    while left:
        one = left.pop()
        if one.is_handler:
            return False
        seen.add(one)
        for caller, node in one.callers:
            if not _makes_task(caller.function.module.parents, node) and caller not in seen:
                left.append(caller)
    return True


def _makes_task(parents: dict[ast.AST, ast.AST], node: ast.AST) -> bool:
    outer = parents[parents[node]]
    maker = outer.func if isinstance(outer, ast.Call) else None
    return isinstance(maker, ast.Attribute) and maker.attr in _BACKGROUND


def _is_given_to_caller(function: Function, node: ast.AST, by_default: bool) -> bool:
    """Whether a function that is not called but passed on runs in the workflow."""
    parent = function.module.parents[node]
    if isinstance(parent, ast.keyword):
        parent = function.module.parents[parent]
    if not isinstance(parent, ast.Call):
        return by_default
    name = function.qualify(parent.func) or ""
    if function.records(parent) or name.startswith(_RUNS_ELSEWHERE):
        return False
    return by_default or name in _CALLS_ITS_ARGUMENTS


def _targets(function: Function, node: ast.expr) -> Iterator[Function]:
    """The functions of the same file that a name or attribute stands for."""
    module = function.module
    if isinstance(node, ast.Name):
        if (found := module.find_function(node, function.scope)) is not None:
            yield found
    elif isinstance(node, ast.Attribute):
        yield from _methods(function, node)


def _methods(function: Function, node: ast.Attribute) -> Iterator[Function]:
    method = function.method
    owner = method.owner if method is not None else None
    match node.value:
        case ast.Name(id=name) if owner is not None and name == function.self_name:
            yield from _overrides(owner, node.attr)
        case ast.Call(func=ast.Name(id="super")) if owner is not None:
            for base in owner.bases:
                yield from _first(base, node.attr)
        case ast.Name():
            known = function.module.find_class(node.value, function.scope)
            if known is not None:
                yield from _overrides(known, node.attr)


def _overrides(owner: ClassInfo, name: str) -> Iterator[Function]:
    """The method as the class has it, and as classes derived from it have it."""
    for known in owner.lineage:
        if name in known.methods:
            yield known.methods[name]
            break
    for known in owner.derived:
        if name in known.methods:
            yield known.methods[name]


def _constructors(made: ClassInfo) -> Iterator[Function]:
    for name in ("__init__", "__post_init__"):
        yield from _first(made, name)


def _handlers(module: Module) -> Iterator[Function]:
    for known in module.classes:
        if _is_workflow(known):
            yield from _first(known, "__init__")
    for function in module.functions:
        if is_activity(function):
            continue
        if function.owner is None:
            if _DEFN in function.decorators:
                yield function
        elif not _HANDLERS.isdisjoint(function.decorators) or _is_validator(function):
            yield function


def _first(known: ClassInfo, name: str) -> Iterator[Function]:
    for it in known.lineage:
        if name in it.methods:
            yield it.methods[name]
            return


def _is_validator(function: Function) -> bool:
    """Whether it is marked with `@handler.validator`, where `handler` is an update of the class."""
    assert function.owner is not None
    for decorator in function.node.decorator_list:
        match decorator:
            case ast.Attribute(value=ast.Name(id=name), attr="validator"):
                update = function.owner.methods.get(name)
                if update is not None and f"{WORKFLOW}update" in update.decorators:
                    return True
    return False


def _is_workflow(known: ClassInfo) -> bool:
    return _DEFN in decorator_names(known.node, known.outer)
