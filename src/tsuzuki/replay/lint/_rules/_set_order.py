"""TSU103: commands in the order of a set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import ClassInfo, Function
from .._resolve import Binding, Kind, Scope, qualify
from .._workflow_code import Reach
from ._commands import ACTIVITY_HANDLES, makes_command
from ._rule import Problem, Rule

_STEPS_MAX: Final = 8
_SETS: Final = frozenset({"builtins.set", "builtins.frozenset"})
_TYPES: Final = _SETS | {
    *(f"typing.{name}" for name in ("Set", "FrozenSet", "AbstractSet", "MutableSet")),
    *(f"collections.abc.{name}" for name in ("Set", "MutableSet")),
}
_SET_METHODS: Final = ("union", "intersection", "difference", "symmetric_difference", "copy")
_SET_OPERATORS: Final = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_KEEPS_THE_ORDER: Final = frozenset(f"builtins.{name}" for name in ("list", "tuple", "iter", "enumerate"))
# Tasks and futures of a workflow hash by the order of their creation: a set of them is in a fixed order.
_ORDERED: Final = frozenset(
    {f"{name}()" for name in ("asyncio.create_task", "asyncio.ensure_future", *ACTIVITY_HANDLES)}
)


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for node in function.nodes:
        match node:
            case ast.For(iter=source) if makes_command(function, *node.body):
                found: ast.expr | None = source
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt) | ast.SetComp(elt=elt) if makes_command(
                function, elt
            ):
                found = node.generators[0].iter
            case ast.DictComp(key=key, value=value) if makes_command(function, key, value):
                found = node.generators[0].iter
            case ast.Call(func=ast.Attribute(value=source, attr="pop"), args=[], keywords=[]):
                found = source if makes_command(function, *function.node.body) else None
            case _:
                continue
        if found is not None and _is_set(_unwrapped(found, function), function, function.scope):
            what = ast.unparse(found)
            yield Problem(
                found,
                f"`{what if len(what) < 40 else 'this set'}` has another order in each process, and what the "
                "workflow does follows it",
                f"sorted({what if len(what) < 40 else '...'})",
            )


def _unwrapped(expr: ast.expr, function: Function) -> ast.expr:
    while isinstance(expr, ast.Call) and expr.args and function.qualify(expr.func) in _KEEPS_THE_ORDER:
        expr = expr.args[0]
    return expr


def _is_set(expr: ast.expr, function: Function, scope: Scope, steps: int = _STEPS_MAX) -> bool:
    """Whether an expression is a set for certain, and of values whose order is not fixed."""
    if steps == 0:
        return False
    match expr:
        case ast.Set(elts=elts):
            return not all(qualify(elt, scope) in _ORDERED for elt in elts)
        case ast.SetComp(elt=elt):
            return qualify(elt, scope) not in _ORDERED
        case ast.Call(func=func, args=args) if qualify(func, scope) in _SETS:
            return not args or not _holds_tasks(args[0], scope)
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in _SET_METHODS:
            return _is_set(value, function, scope, steps - 1)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _SET_OPERATORS):
            return _is_set(left, function, scope, steps - 1) or _is_set(right, function, scope, steps - 1)
        case ast.Name(id=name):
            place = scope.find(name)
            if place is None or not _are_sets(place.bindings[name], function, place, steps - 1):
                return False
            return not _is_filled_with_tasks(function, lambda it: isinstance(it, ast.Name) and it.id == name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == function.self_name:
            return _is_set_attribute(function, attr, steps - 1)
    return False


def _are_sets(bindings: list[Binding], function: Function, place: Scope, steps: int) -> bool:
    def is_set(binding: Binding) -> bool:
        if binding.kind is Kind.VALUE:
            return _is_set(binding.value, function, place, steps)
        if binding.kind is Kind.TYPED:
            return _is_set_type(binding.value, place)
        return binding.kind is Kind.AUGMENTED and isinstance(binding.value.op, _SET_OPERATORS)

    return all(map(is_set, bindings)) and any(binding.kind is not Kind.AUGMENTED for binding in bindings)


def _is_set_type(annotation: ast.expr, scope: Scope) -> bool:
    inside = annotation.slice if isinstance(annotation, ast.Subscript) else None
    if inside is not None and any(word in ast.unparse(inside) for word in ("Task", "Future", "Handle")):
        return False
    named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return qualify(named, scope) in _TYPES


def _is_set_attribute(function: Function, attr: str, steps: int) -> bool:
    """Whether all that the class assigns to `self.attr` are sets."""
    method = function.method
    owner = method.owner if method is not None else None
    if owner is None:
        return False
    found = list(_assigned(owner, attr))
    if not found or not all(_is_set(value, where, where.scope, steps) for value, where in found):
        return False

    def is_it(it: ast.expr) -> bool:
        return isinstance(it, ast.Attribute) and it.attr == attr

    return not any(_is_filled_with_tasks(known, is_it) for known in owner.methods.values())


def _assigned(owner: ClassInfo, attr: str) -> Iterator[tuple[ast.expr, Function]]:
    for known in owner.lineage:
        for method in known.methods.values():
            for node in method.nodes:
                match node:
                    case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr=it)], value=value):
                        pass
                    case ast.AnnAssign(
                        target=ast.Attribute(value=ast.Name(id=name), attr=it), value=ast.expr() as value
                    ):
                        if not _is_set_type(node.annotation, method.scope):
                            value = node.annotation  # a set of tasks, or no set
                    case _:
                        continue
                if name == method.self_name and it == attr:
                    yield value, method


def _is_filled_with_tasks(function: Function, is_it: object) -> bool:
    """Whether tasks or futures are added to a set in a function."""
    assert callable(is_it)
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("add", "update")
        and is_it(call.func.value)
        and any(_is_task(argument, function.scope) for argument in call.args)
        for call, _ in function.calls
    )


def _is_task(expr: ast.expr, scope: Scope) -> bool:
    return qualify(expr, scope) in _ORDERED or _holds_tasks(expr, scope)


def _holds_tasks(expr: ast.expr, scope: Scope) -> bool:
    """Whether an iterable is plainly one of tasks."""
    match expr:
        case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts) if elts:
            return all(qualify(elt, scope) in _ORDERED for elt in elts)
        case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt) | ast.SetComp(elt=elt):
            return qualify(elt, scope) in _ORDERED
    return False


RULE: Final = Rule(
    code="TSU103",
    name="order of a set",
    why=(
        "The order of a set of strings differs in every process, so a replay starts the same activities in another "
        "order than the history has. Dictionaries and their views keep their order and are fine, and so are sets of "
        "tasks and futures."
    ),
    bad="for city in {order.start, order.goal}:\n    await self.visit(city)",
    good="for city in sorted({order.start, order.goal}):\n    await self.visit(city)",
    check=_check,
)
