"""TSU201: a loop that makes the history longer until the run is ended for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import WORKFLOW, Function
from .._workflow_code import Reach, is_in_background
from ._cancel import is_for_cancel
from ._commands import calls_below, growing_call
from ._rule import Problem, Rule

_CONTINUE: Final = f"{WORKFLOW}continue_as_new"
_BOUNDS: Final = ("asyncio.timeout()", "asyncio.timeout_at()")
_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for node in function.nodes:
        if not isinstance(node, ast.While | ast.For) or not _is_endless(function, node) or _is_left(function, node):
            continue
        grows = growing_call(function, *node.body)
        if grows is None or _continues(function, node) or _is_bounded(function, node) or is_in_background(reach):
            continue
        yield Problem(
            node,
            f"this loop never ends, and every `{grows}` in it makes the history longer, until its limit ends the run",
            "if workflow.info().is_continue_as_new_suggested(): workflow.continue_as_new(...)",
        )


def _is_endless(function: Function, node: ast.While | ast.For) -> bool:
    match node:
        case ast.While(test=ast.Constant(value=value)):
            return bool(value)
        case ast.For(iter=ast.Call(func=func)):
            return function.qualify(func) == "itertools.count"
    return False


def _is_left(function: Function, loop: ast.While | ast.For) -> bool:
    """Whether the loop can be left other than by a failure or by being cancelled."""
    return any(_leaves(function, node, loop) for node in function.walk(*loop.body))


def _leaves(function: Function, node: ast.AST, loop: ast.AST) -> bool:
    if not isinstance(node, ast.Return | ast.Break | ast.Raise):
        return False
    for outer in function.ancestors(node):
        if outer is loop:
            return True
        if isinstance(node, ast.Break) and isinstance(outer, _LOOPS):
            return False
        if isinstance(outer, ast.ExceptHandler) and (isinstance(node, ast.Raise) or is_for_cancel(function, outer)):
            return False
    return False


def _continues(function: Function, loop: ast.AST) -> bool:
    """Whether something in these nodes continues as new, also in helpers."""
    return any(where.qualify(call.func) == _CONTINUE for where, call in calls_below(function, loop))


def _is_bounded(function: Function, loop: ast.AST) -> bool:
    return any(
        isinstance(block, ast.AsyncWith) and any(function.qualify(item.context_expr) in _BOUNDS for item in block.items)
        for block in function.ancestors(loop)
    )


RULE: Final = Rule(
    code="TSU201",
    name="growing loop",
    why=(
        "Each activity, child and timer adds events, and a history has at most 51,200 of them: then the run is "
        "terminated. Long before, every replay reads them all. `continue_as_new` goes on in a new run with an "
        "empty history. Loops that can be left (`break`, `return`), that stand in `asyncio.timeout`, or whose "
        "function runs as a background task are not reported."
    ),
    bad="while True:\n    await self.poll()\n    await workflow.sleep(60)",
    good=(
        "while not workflow.info().is_continue_as_new_suggested():\n    await self.poll()\n"
        "    await workflow.sleep(60)\nworkflow.continue_as_new(order)"
    ),
    check=_check,
)
