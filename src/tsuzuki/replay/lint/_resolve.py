"""What a name means: after `from tsuzuki import workflow as wf`, `wf.now` is `tsuzuki.workflow.now`.

A dotted name stands for a meaning. `time.time` is that function; `pathlib.Path()` is an instance, so that
`pathlib.Path().read_text` is its method. `temporalio` counts as `tsuzuki`. A name that could mean two things
means nothing: a rule that is not sure stays silent.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

# Names that stand for other names are followed this far; `a = b; b = a` ends here.
_STEPS_MAX: Final = 12
_PATH: Final = "pathlib.Path()"
_GIVE_PATHS: Final = frozenset(f"{_PATH}.{name}" for name in ("joinpath", "with_name", "with_stem", "with_suffix"))
_BUILTINS: Final = frozenset(dir(builtins))


class Kind(Enum):
    """How a name got its meaning."""

    IMPORT = auto()  # value: the dotted name
    VALUE = auto()  # value: the expression assigned
    TYPED = auto()  # value: the annotation
    AUGMENTED = auto()  # value: the statement, as in `x |= y`
    FUNCTION = auto()  # value: the function's definition
    CLASS = auto()  # value: the class's definition
    OPAQUE = auto()  # value: None


@dataclass(frozen=True)
class Binding:
    """One place that gives a name a meaning."""

    kind: Kind
    value: Any


@dataclass(eq=False)
class Scope:
    """The names of a module, class or function.

    Attributes:
        outer: Where names are looked up next. For functions in a class that is not the class.
        bindings: Name -> all the places that give it a meaning.
        elsewhere: Names declared `global` (True) or `nonlocal` (False) here.
    """

    outer: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, bool] = field(default_factory=dict)

    @property
    def module(self) -> Scope:
        """The scope of the module."""
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def find(self, name: str) -> Scope | None:
        """Return the scope that gives a name its meaning; None for builtins and what is unknown."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.elsewhere:
                scope = scope.module if scope.elsewhere[name] else scope.outer
            elif name in scope.bindings:
                return scope
            else:
                scope = scope.outer
        return None

    def bindings_of(self, name: str) -> list[Binding]:
        """Return all the places that give a name its meaning here."""
        scope = self.find(name)
        return scope.bindings[name] if scope is not None else []


def qualify(expr: ast.expr, scope: Scope, steps: int = _STEPS_MAX) -> str | None:
    """Return the dotted name that an expression stands for; None if it is not known for certain."""
    match expr:
        case ast.Name():
            return _qualify_name(expr.id, scope, steps)
        case ast.Attribute():
            base = qualify(expr.value, scope, steps)
            if base == _PATH and expr.attr == "parent":
                return base
            return _canonical(f"{base}.{expr.attr}") if base else None
        case ast.Call():
            base = qualify(expr.func, scope, steps)
            if base in _GIVE_PATHS:
                return _PATH
            return f"{base}()" if base else None
        case ast.Await():
            return qualify(expr.value, scope, steps)
        case ast.BinOp(op=ast.Div()):  # a path below a path
            base = qualify(expr.left, scope, steps)
            return base if base == _PATH else None
    return None


def _qualify_name(name: str, scope: Scope, steps: int) -> str | None:
    place = scope.find(name)
    if place is None:
        return f"builtins.{name}" if name in _BUILTINS else None
    bindings = place.bindings[name]
    imports = [binding for binding in bindings if binding.kind is Kind.IMPORT]
    if imports:  # with others beside it: `except ImportError: httpx = None`
        return _canonical(imports[-1].value)
    if len(bindings) > 1 or steps == 0:
        return None
    [binding] = bindings
    if binding.kind is Kind.VALUE:
        return qualify(binding.value, place, steps - 1)
    if binding.kind is Kind.TYPED:
        annotated = qualify(_without_none(binding.value), place, steps - 1)
        return f"{annotated}()" if annotated else None
    return None


def _without_none(annotation: ast.expr) -> ast.expr:
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return left
        case ast.BinOp(left=ast.Constant(value=None), op=ast.BitOr(), right=right):
            return right
    return annotation


def _canonical(name: str) -> str:
    if name.startswith("temporalio."):
        return "tsuzuki" + name.removeprefix("temporalio")
    return "tsuzuki" if name == "temporalio" else name


def bindings_in(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    """Yield what one node, without those inside it, binds in the scope that it stands in."""
    match node:
        case ast.Import():
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, Binding(Kind.IMPORT, alias.name)
                else:
                    root = alias.name.partition(".")[0]
                    yield root, Binding(Kind.IMPORT, root)
        case ast.ImportFrom():
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                yield alias.asname or alias.name, Binding(Kind.IMPORT, f"{origin}.{alias.name}")
        case ast.Assign():
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, Binding(Kind.VALUE, node.value)
                else:
                    yield from _opaque(target)
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name, Binding(Kind.VALUE, node.value) if node.value else Binding(Kind.TYPED, node.annotation)
        case ast.NamedExpr():
            yield node.target.id, Binding(Kind.VALUE, node.value)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name, Binding(Kind.AUGMENTED, node)
        case ast.withitem(optional_vars=ast.Name(id=name)):
            yield name, Binding(Kind.VALUE, node.context_expr)
        case ast.withitem(optional_vars=ast.expr() as target) | ast.comprehension(target=target):
            yield from _opaque(target)
        case ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _opaque(target)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, Binding(Kind.OPAQUE, None)
        case ast.MatchMapping(rest=str(name)):
            yield name, Binding(Kind.OPAQUE, None)
        case ast.Lambda():
            yield from ((argument.arg, Binding(Kind.OPAQUE, None)) for argument in arguments_of(node.args))


def arguments_of(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter, in any of the ways to declare one."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*found, *(star for star in (arguments.vararg, arguments.kwarg) if star is not None)]


def _opaque(target: ast.expr) -> Iterator[tuple[str, Binding]]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, Binding(Kind.OPAQUE, None)
