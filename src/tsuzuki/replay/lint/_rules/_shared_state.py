"""TSU104: state that outlives a run, or that several runs share, changed by one of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .._module import ClassInfo, Function
from .._resolve import Kind, Scope, qualify
from .._workflow_code import Reach
from ._rule import Problem, Rule

_CONTAINERS: Final = frozenset(
    {f"builtins.{name}()" for name in ("list", "dict", "set", "bytearray")}
    | {f"collections.{name}()" for name in ("defaultdict", "deque", "Counter", "OrderedDict")}
)
_CHANGES: Final = re.compile(
    "append|extend|insert|remove|pop|popitem|clear|update|setdefault|add|discard|sort|reverse|appendleft|popleft|"
    "extendleft|rotate|subtract|difference_update|intersection_update|symmetric_difference_update"
)
_COUNTERS: Final = ("itertools.count()", "itertools.cycle()")
_HELP: Final = "keep it in the workflow (`self...` or a local variable); what runs share goes through activities"


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for node in function.nodes:
        for target in _changed(node):
            if (what := _shared(reach, target)) is not None:
                yield _problem(target, what, ast.unparse(target))
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if _CHANGES.fullmatch(name):
                if _is_shared_container(reach, value):
                    yield _problem(node, "it is shared by all runs in the process", ast.unparse(value))
            case ast.Call(args=[ast.Name(id=name), *_]) if function.qualify(node.func) == "builtins.next":
                place = _outside(reach, name)
                if place is not None and qualify(node.args[0], place) in _COUNTERS:
                    yield _problem(node, "it is shared by all runs in the process", name)


def _problem(node: ast.AST, why: str, what: str) -> Problem:
    return Problem(node, f"changes `{what}`, but {why}: a replay changes it again", _HELP)


def _changed(node: ast.AST) -> list[ast.expr]:
    """The targets that a statement assigns to or deletes."""
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return [part for target in targets for part in _parts(target)]
        case ast.AugAssign(target=target) | ast.For(target=target):
            return _parts(target)
        case ast.AnnAssign(target=target, value=ast.expr()):
            return [target]
    return []


def _parts(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        return [part for elt in target.elts for part in _parts(elt)]
    return [target.value] if isinstance(target, ast.Starred) else [target]


def _shared(reach: Reach, target: ast.expr) -> str | None:
    """Why a target is shared; None if it is the run's own."""
    function = reach.function
    if isinstance(target, ast.Name):
        if target.id not in function.scope.elsewhere:
            return None
        return _describe(reach, target.id)
    root: ast.expr = target
    while isinstance(root, ast.Attribute | ast.Subscript):
        if isinstance(root, ast.Attribute) and root.attr == "__class__":
            return "the class is shared by all runs in the process"
        root = root.value
    if not isinstance(root, ast.Name) or (function.qualify(target) or "").startswith("os.environ"):
        return None
    return _describe(reach, root.id)


def _describe(reach: Reach, name: str) -> str | None:
    place = _outside(reach, name)
    if place is None:
        return None
    kinds = {binding.kind for binding in place.bindings[name]}
    if place.outer is not None:
        return "it belongs to code outside the workflow"
    if Kind.CLASS in kinds:
        return "the class is shared by all runs in the process"
    return "it is shared by all runs in the process"


def _outside(reach: Reach, name: str) -> Scope | None:
    """The scope of a name, if that is not workflow code."""
    place = reach.function.scope.find(name)
    if place is None or any(function.scope is place for function in reach.among):
        return None
    return place


def _is_shared_container(reach: Reach, value: ast.expr) -> bool:
    match value:
        case ast.Name(id=name):
            place = _outside(reach, name)
            return place is not None and _is_container(place, name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            function = reach.function
            owner = function.method.owner if function.method is not None else None
            if name == function.self_name and owner is not None:
                return _is_of_the_class(owner, attr)
            known = function.module.find_class(value.value, function.scope)
            return known is not None and _is_container(known.scope, attr)
    return False


def _is_of_the_class(owner: ClassInfo, attr: str) -> bool:
    """Whether `self.attr` is a container in the body of the class, which no method replaces by one of its own."""
    if owner.node.decorator_list and _looks_like_dataclass(owner):
        return False
    if not any(_is_container(known.scope, attr) for known in owner.lineage):
        return False
    return not any(_assigns(method, attr) for known in owner.lineage for method in known.methods.values())


def _looks_like_dataclass(owner: ClassInfo) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in owner.node.decorator_list)


def _assigns(method: Function, attr: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == attr and isinstance(node.ctx, ast.Store)
        for node in method.nodes
    )


def _is_container(scope: Scope, name: str) -> bool:
    bindings = scope.bindings.get(name, [])
    if len(bindings) != 1 or bindings[0].kind is not Kind.VALUE:
        return False
    value = bindings[0].value
    displays = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    return isinstance(value, displays) or qualify(value, scope) in _CONTAINERS


RULE: Final = Rule(
    code="TSU104",
    name="shared state",
    why=(
        "Many runs share a process, and one run moves between processes. What one writes into a module, a class or "
        "a variable outside, others read; a replay writes it again; another process has never heard of it."
    ),
    bad="RECENT.append(order)",
    good="self.recent.append(order)",
    check=_check,
)
