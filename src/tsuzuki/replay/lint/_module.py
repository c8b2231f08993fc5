"""A source file taken apart: its functions and classes, and the nodes that belong to each function.

Reads only; never imports or runs what it reads. One pass over the tree makes all of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from ._resolve import Binding, Kind, Scope, arguments_of, bindings_in, qualify

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = FunctionNode | ast.ClassDef

WORKFLOW: Final = "tsuzuki.workflow."
_FOR_IMPORTS: Final = f"{WORKFLOW}unsafe.imports_passed_through()"  # lifts nothing else
# What these are given is recorded, so it may ask the machine.
_RECORDED: Final = ("side_effect", "mutable_side_effect")


@dataclass(eq=False)
class ClassInfo:
    """A class and what stands in its body."""

    module: Module
    name: str
    node: ast.ClassDef
    scope: Scope  # its own names
    outer: Scope  # where its decorators, bases and methods look names up
    methods: dict[str, Function] = field(default_factory=dict)

    @cached_property
    def bases(self) -> list[ClassInfo]:
        """Base classes of the same file."""
        found = (self.module.find_class(expr, self.outer) for expr in self.node.bases)
        return [base for base in found if base is not None]

    @cached_property
    def lineage(self) -> list[ClassInfo]:
        """The class and its base classes of the same file, nearest first."""
        found: dict[ClassInfo, None] = {}
        left = [self]
        while left:
            known = left.pop(0)
            if known not in found:
                found[known] = None
                left.extend(known.bases)
        return list(found)

    @cached_property
    def derived(self) -> list[ClassInfo]:
        """Classes of the same file that have this one as a base, near or far."""
        return self.module.derived.get(self, [])


@dataclass(eq=False)
class Function:
    """One `def`. Functions inside it are functions of their own; lambdas are part of it."""

    module: Module
    node: FunctionNode
    scope: Scope
    owner: ClassInfo | None  # the class that it is a method of
    parent: Function | None  # the function that it stands in, perhaps with a class between
    name: str  # qualified, as in `Order.run`
    _names: dict[ast.expr, str | None] = field(default_factory=dict, repr=False)

    @property
    def is_async(self) -> bool:
        """True for `async def`."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def outer(self) -> Scope:
        """The scope that its decorators and defaults look names up in."""
        assert self.scope.outer is not None
        return self.scope.outer

    @cached_property
    def method(self) -> Function | None:
        """The method that this is, or stands in, without a class between."""
        if self.owner is not None:
            return self
        return self.parent.method if self.parent is not None else None

    @cached_property
    def self_name(self) -> str | None:
        """What the instance (or class) is called in here."""
        method = self.method
        if method is None or "builtins.staticmethod" in method.decorators:
            return None
        arguments = [*method.node.args.posonlyargs, *method.node.args.args]
        return arguments[0].arg if arguments else None

    @cached_property
    def decorators(self) -> list[str]:
        """The decorators' dotted names, without their arguments; what is not known is `?`."""
        return decorator_names(self.node, self.outer)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Its own nodes, in the order of the source."""
        return [node for statement in self.node.body for node in self.walk(statement)]

    @cached_property
    def calls(self) -> list[tuple[ast.Call, str | None]]:
        """Its calls, each with the dotted name of what is called."""
        return [(node, self.qualify(node.func)) for node in self.nodes if isinstance(node, ast.Call)]

    def qualify(self, expr: ast.expr) -> str | None:
        """Return the dotted name of an expression in here."""
        if expr not in self._names:
            self._names[expr] = qualify(expr, self.scope)
        return self._names[expr]

    def walk(self, *roots: ast.AST) -> Iterator[ast.AST]:
        """Yield nodes and all below them that run as part of this function, in the order of the source.

        Left out: the bodies of functions and classes, `with workflow.unsafe...` blocks, and lambdas
        whose result is recorded.
        """
        stack = list(reversed(roots))
        while stack:
            node = stack.pop()
            yield node
            below: Iterable[ast.AST]
            if isinstance(node, _Definition):
                below = outside_of(node)
            elif isinstance(node, ast.With | ast.AsyncWith) and self._lifts_the_rules(node):
                below = node.items
            elif isinstance(node, ast.Call) and self.records(node):
                below = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.Lambda)]
            else:
                below = ast.iter_child_nodes(node)
            stack.extend(reversed(list(below)))

    def records(self, call: ast.Call) -> bool:
        """Tell whether a call records the result of a function that it is given."""
        name = self.qualify(call.func)
        return name is not None and name.startswith(WORKFLOW) and name.removeprefix(WORKFLOW) in _RECORDED

    def contains_wait(self, *roots: ast.AST) -> bool:
        """Tell whether the workflow can wait somewhere in these nodes."""
        return any(isinstance(node, WAITS) or getattr(node, "is_async", 0) == 1 for node in self.walk(*roots))

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, from the inside out, within this function."""
        while (node := self.module.parents[node]) is not self.node:
            yield node

    def _lifts_the_rules(self, block: ast.With | ast.AsyncWith) -> bool:
        names = (self.qualify(item.context_expr) or "" for item in block.items)
        return any(name.startswith(f"{WORKFLOW}unsafe.") and name != _FOR_IMPORTS for name in names)


WAITS: Final = (ast.Await, ast.AsyncFor, ast.AsyncWith)


class Module:
    """One parsed file.

    Args:
        path: Its path for people.
        text: Its source.
        tree: The same, parsed.
    """

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path = path
        self.lines = text.split("\n")
        self.tree = tree
        self.scope = Scope(None)
        self.functions: list[Function] = []
        self.classes: list[ClassInfo] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self._function_of: dict[ast.AST, Function] = {}
        self._class_of: dict[ast.AST, ClassInfo] = {}
        self._enter(tree, tree.body, self.scope, self.scope, None, None, "")

    @cached_property
    def derived(self) -> dict[ClassInfo, list[ClassInfo]]:
        """Base class -> the classes derived from it, near or far."""
        found: dict[ClassInfo, list[ClassInfo]] = {}
        for known in self.classes:
            for base in known.lineage[1:]:
                found.setdefault(base, []).append(known)
        return found

    def find_function(self, expr: ast.expr, scope: Scope) -> Function | None:
        """Return the function of this file that a name stands for."""
        node = _definition(expr, scope, Kind.FUNCTION)
        return self._function_of[node] if node is not None else None

    def find_class(self, expr: ast.expr, scope: Scope) -> ClassInfo | None:
        """Return the class of this file that a name stands for."""
        node = _definition(expr, scope, Kind.CLASS)
        return self._class_of[node] if node is not None else None

    def _enter(
        self,
        top: ast.AST,
        body: Iterable[ast.AST],
        scope: Scope,
        visible: Scope,
        owner: ClassInfo | None,
        parent: Function | None,
        prefix: str,
    ) -> None:
        """Take in one scope; `visible` is what functions in it see, which is not the body of a class."""
        inner: list[_Definition] = []
        stack: list[ast.AST] = []
        for node in reversed(list(body)):
            self.parents[node] = top
            stack.append(node)
        while stack:
            node = stack.pop()
            for name, binding in bindings_in(node):
                scope.bindings.setdefault(name, []).append(binding)
            if isinstance(node, ast.Global | ast.Nonlocal):
                scope.elsewhere.update(dict.fromkeys(node.names, isinstance(node, ast.Global)))
            below: Iterable[ast.AST]
            if isinstance(node, _Definition):
                kind = Kind.CLASS if isinstance(node, ast.ClassDef) else Kind.FUNCTION
                scope.bindings.setdefault(node.name, []).append(Binding(kind, node))
                inner.append(node)
                below = outside_of(node)
            else:
                below = ast.iter_child_nodes(node)
            for part in reversed(list(below)):
                self.parents[part] = node
                stack.append(part)
        for definition in inner:
            if isinstance(definition, ast.ClassDef):
                self._enter_class(definition, visible, parent, prefix)
            else:
                self._enter_function(definition, visible, owner, parent, prefix)

    def _enter_class(self, node: ast.ClassDef, visible: Scope, parent: Function | None, prefix: str) -> None:
        info = ClassInfo(self, f"{prefix}{node.name}", node, Scope(visible), visible)
        self.classes.append(info)
        self._class_of[node] = info
        self._enter(node, node.body, info.scope, visible, info, parent, f"{info.name}.")

    def _enter_function(
        self, node: FunctionNode, visible: Scope, owner: ClassInfo | None, parent: Function | None, prefix: str
    ) -> None:
        scope = Scope(visible)
        for argument in arguments_of(node.args):
            plain = argument.annotation and argument not in (node.args.vararg, node.args.kwarg)
            binding = Binding(Kind.TYPED, argument.annotation) if plain else Binding(Kind.OPAQUE, None)
            scope.bindings[argument.arg] = [binding]
        function = Function(self, node, scope, owner, parent, f"{prefix}{node.name}")
        self.functions.append(function)
        self._function_of[node] = function
        if owner is not None:
            owner.methods[node.name] = function
        self._enter(node, node.body, scope, scope, None, function, f"{function.name}.")


def decorator_names(node: _Definition, scope: Scope) -> list[str]:
    """The decorators' dotted names, without their arguments; what is not known is `?`."""
    names = []
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names.append(qualify(target, scope) or "?")
    return names


def _definition(expr: ast.expr, scope: Scope, kind: Kind) -> ast.AST | None:
    bindings = scope.bindings_of(expr.id) if isinstance(expr, ast.Name) else []
    found: ast.AST | None = bindings[0].value if len(bindings) == 1 and bindings[0].kind is kind else None
    return found


def outside_of(node: _Definition) -> list[ast.AST]:
    """The parts of a definition that run where it stands: decorators, defaults, bases."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None]
    return [*node.decorator_list, *defaults]
