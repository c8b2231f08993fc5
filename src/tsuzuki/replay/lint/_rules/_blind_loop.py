"""TSU204: a loop that takes being cancelled for one more failure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import Function
from .._workflow_code import Reach
from ._cancel import asks_about_cancel, caught_by, leaves
from ._commands import ACTIVITY_RESULTS, short
from ._rule import Problem, Rule

_CATCH: Final = frozenset(
    {"builtins.Exception", "tsuzuki.exceptions.TsuzukiError", "tsuzuki.exceptions.TemporalError"}
    | {f"tsuzuki.exceptions.{name}" for name in ("FailureError", "ActivityError", "ChildWorkflowError")}
)
_CALLS: Final = ACTIVITY_RESULTS | {"tsuzuki.workflow.execute_child_workflow"}


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for loop in function.nodes:
        match loop:
            case ast.While(test=ast.Constant(value=value)) if value and not asks_about_cancel(function, loop):
                yield from _check_loop(function, loop)


def _check_loop(function: Function, loop: ast.While) -> Iterator[Problem]:
    for node in function.walk(*loop.body):
        if not isinstance(node, ast.Try) or _innermost_loop(function, node) is not loop:
            continue
        call = next(_awaited_calls(function, node), None)
        if call is None:
            continue
        for handler in node.handlers:
            if caught_by(function, handler).isdisjoint(_CATCH):
                continue
            if not leaves(function, handler, (ast.Raise, ast.Return, ast.Break)):
                yield Problem(
                    handler,
                    f"a request to cancel during `{call}` arrives here as its failure, and the loop goes on",
                    "if is_cancelled_exception(error): raise",
                )
            break


def _awaited_calls(function: Function, node: ast.Try) -> Iterator[str]:
    for inner in function.walk(*node.body):
        match inner:
            case ast.Await(value=ast.Call(func=func)):
                name = function.qualify(func)
                if name in _CALLS:
                    yield short(name)


def _innermost_loop(function: Function, node: ast.AST) -> ast.AST | None:
    loops = (outer for outer in function.ancestors(node) if isinstance(outer, ast.For | ast.AsyncFor | ast.While))
    return next(loops, None)


RULE: Final = Rule(
    code="TSU204",
    name="loop that cannot be cancelled",
    why=(
        "When a workflow is cancelled while it waits for an activity, the wait ends with an `ActivityError` whose "
        "cause is the cancellation. A loop that tries again after every failure takes it for one and goes on for "
        "ever. `tsuzuki.exceptions.is_cancelled_exception` tells them apart."
    ),
    bad=(
        "while True:\n    try:\n        await workflow.execute_activity(poll, start_to_close_timeout=MINUTE)\n"
        "        break\n    except ActivityError:\n        await workflow.sleep(60)"
    ),
    good=(
        "while True:\n    try:\n        await workflow.execute_activity(poll, start_to_close_timeout=MINUTE)\n"
        "        break\n    except ActivityError as error:\n        if is_cancelled_exception(error):\n"
        "            raise\n        await workflow.sleep(60)"
    ),
    check=_check,
)
