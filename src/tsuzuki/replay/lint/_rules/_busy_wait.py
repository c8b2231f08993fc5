"""TSU202: waiting by looking again and again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import Function
from .._workflow_code import Reach
from ._commands import SLEEPS
from ._rule import Problem, Rule


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for node in function.nodes:
        if not isinstance(node, ast.While) or not _is_plain_state(node.test):
            continue
        test = ast.unparse(node.test)
        condition = test.removeprefix("not ") if test.startswith("not ") else f"not {test}"
        mended = f"await workflow.wait_condition(lambda: {condition})"
        if all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body):
            yield Problem(node, "this loop never lets anything else run: it stops the worker", mended)
        elif all(_is_sleep(function, statement) for statement in node.body):
            yield Problem(node, "waiting by sleeping makes a timer, two events, each time round", mended)


def _is_plain_state(test: ast.expr) -> bool:
    """Whether a condition is `self.x` or `not self.x`: state that handlers change."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    return isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name)


def _is_sleep(function: Function, statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Await(value=ast.Call(func=func))):
            return function.qualify(func) in SLEEPS
    return False


RULE: Final = Rule(
    code="TSU202",
    name="busy wait",
    why=(
        "`workflow.wait_condition` looks whenever something has happened, and never otherwise. A loop with a sleep "
        "in it adds a timer to the history each time round, and notices late; one without stops the worker."
    ),
    bad="while not self.approved:\n    await workflow.sleep(1)",
    good="await workflow.wait_condition(lambda: self.approved)",
    check=_check,
)
