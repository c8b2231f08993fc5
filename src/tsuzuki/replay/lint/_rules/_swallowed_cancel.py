"""TSU203: a cancellation that is caught and not passed on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import Function
from .._workflow_code import Reach, is_in_background
from ._cancel import CANCELLED, asks_about_cancel, caught_by, leaves
from ._rule import Problem, Rule

_EVERYTHING: Final = frozenset({"", "builtins.BaseException"})
_PASSES_ON: Final = ("set_exception", "cancel")
_HELP: Final = "end it with `raise` after cleaning up (or `return`, to end the workflow well on purpose)"
_HELP_BROAD: Final = "except Exception, or a `raise` at the end"


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for node in function.nodes:
        match node:
            case ast.Try() | ast.TryStar() if function.contains_wait(*node.body):
                yield from _check_try(reach, node)
            case ast.With(items=items, body=body) if function.contains_wait(*body):
                for item in items:
                    if _suppresses(function, item.context_expr) and not _awaits_what_it_cancelled(function, body):
                        yield Problem(
                            item.context_expr, "the request to cancel the workflow ends here, and it goes on", _HELP
                        )


def _check_try(reach: Reach, node: ast.Try | ast.TryStar) -> Iterator[Problem]:
    function = reach.function
    for handler in node.handlers:
        caught = caught_by(function, handler)
        if caught.isdisjoint(CANCELLED | _EVERYTHING):
            continue
        broad = not caught.isdisjoint(_EVERYTHING)
        if not broad and is_in_background(reach):
            break  # the workflow cancels the task that this runs in, and is not cancelled itself
        if not _lets_go(function, handler, broad) and not _awaits_what_it_cancelled(function, node.body):
            what = "bare `except`" if not caught - {""} else "`except BaseException`" if broad else "this `except`"
            yield Problem(
                handler,
                f"{what} also catches the request to cancel the workflow, and the code goes on"
                if broad
                else "the request to cancel the workflow ends here, and the code goes on",
                _HELP_BROAD if broad else _HELP,
            )
        break  # what comes later does not see it
    for statement in function.walk(*node.finalbody):
        if isinstance(statement, ast.Return):
            yield Problem(
                statement,
                "`return` in `finally` throws away any exception, also the request to cancel the workflow",
                "return after the `try`",
            )


def _lets_go(function: Function, handler: ast.ExceptHandler, broad: bool) -> bool:
    """Whether a handler ends the workflow's work, knows what it catches, or hands the exception on."""
    if leaves(function, handler, (ast.Raise,) if broad else (ast.Raise, ast.Return, ast.Break)):
        return True
    if asks_about_cancel(function, handler):
        return True
    for node in function.walk(*handler.body):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in _PASSES_ON:
                return True
            case ast.Assign(value=ast.Name(id=name)) if name == handler.name:
                return True  # kept for later
    return False


def _suppresses(function: Function, expr: ast.expr) -> bool:
    if not isinstance(expr, ast.Call) or function.qualify(expr.func) != "contextlib.suppress":
        return False
    return any(function.qualify(kind) in CANCELLED | _EVERYTHING for kind in expr.args)


def _awaits_what_it_cancelled(function: Function, body: list[ast.stmt]) -> bool:
    """Whether it is the idiom `task.cancel()`, then `await task` with its CancelledError caught."""
    match body:
        case [ast.Expr(value=ast.Await(value=awaited)) | ast.Assign(value=ast.Await(value=awaited))]:
            plain = not isinstance(awaited, ast.Call) or function.qualify(awaited.func) in (
                "asyncio.gather",
                "asyncio.wait",
            )
        case _:
            plain = False
    return plain and any(
        isinstance(call.func, ast.Attribute) and call.func.attr == "cancel" and call.lineno <= body[0].lineno
        for call, _ in function.calls
    )


RULE: Final = Rule(
    code="TSU203",
    name="swallowed cancellation",
    why=(
        "Cancelling a workflow raises `asyncio.CancelledError` where it waits, once. Code that catches it and goes "
        "on cannot be cancelled any more. Clean up in `finally`, or catch it, clean up and `raise`. Waiting for a task "
        "that the code itself has cancelled is fine."
    ),
    bad="try:\n    await self.work()\nexcept asyncio.CancelledError:\n    self.status = 'stopped'",
    good="try:\n    await self.work()\nexcept asyncio.CancelledError:\n    self.status = 'stopped'\n    raise",
    check=_check,
)
