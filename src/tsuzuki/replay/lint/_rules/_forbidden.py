"""Rules that are a table: calls that workflow code must not make, and what to write instead.

`a.b` is that call, `a.*` any call directly under `a` (not under `a.b`), `a.C().*` any method of an instance.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from .._workflow_code import Reach
from ._rule import Problem

IN_ACTIVITY = "do it in an activity: await workflow.execute_activity(...)"


def each(prefix: str, names: str, replacement: str) -> dict[str, str]:
    """Make rows for several names under one prefix."""
    return {f"{prefix}.{name}": replacement for name in names.split()}


def calls(
    table: Mapping[str, str], effect: str, *, fine_with: Mapping[str, int] | None = None
) -> Callable[[Reach], Iterator[Problem]]:
    """Make the check of a table.

    Args:
        table: Dotted name -> replacement.
        effect: What such a call does; completes the sentence "`x()` ...".
        fine_with: Dotted name -> number of arguments from which on the call is harmless.
    """
    harmless = fine_with or {}

    def check(reach: Reach) -> Iterator[Problem]:
        found: dict[ast.AST, Problem] = {}
        for call, name in reach.function.calls:
            replacement = _look_up(table, name) if name is not None else None
            given = sum(not _is_none(value) for value in (*call.args, *(keyword.value for keyword in call.keywords)))
            if name is not None and replacement is not None and given < harmless.get(name, given + 1):
                found[call] = Problem(call, f"`{name}()` {effect}", replacement)
        for outer, problem in found.items():
            if not any(inner in found for inner in _chain(outer)):  # `Client().get()` is one problem
                yield problem

    return check


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def _look_up(table: Mapping[str, str], name: str) -> str | None:
    exact = table.get(name)
    return exact if exact is not None else table.get(f"{name.rpartition('.')[0]}.*")


def _chain(call: ast.AST) -> Iterator[ast.AST]:
    """What a call is made on, inwards: for `a().b.c()` the nodes `a().b.c`, `a().b`, `a()`, `a`."""
    node: ast.AST | None = call
    while node is not None:
        if node is not call:
            yield node
        match node:
            case ast.Attribute(value=value) | ast.Await(value=value):
                node = value
            case ast.Call(func=value) | ast.BinOp(left=value):
                node = value
            case _:
                node = None
