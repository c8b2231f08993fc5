"""TSU102: an activity call without a bound on its time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import WORKFLOW, Function
from .._workflow_code import Reach
from ._commands import ACTIVITIES, is_none, short
from ._rule import Problem, Rule

_TIMEOUTS: Final = ("start_to_close_timeout", "schedule_to_close_timeout")
_OPTIONS: Final = f"{WORKFLOW}activity_options"


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for call, name in function.calls:
        if name not in ACTIVITIES or _gives_timeout(call) or _is_in_options(function, call):
            continue
        if not _is_called_in_options(reach):
            yield Problem(
                call,
                f"`{short(name or '')}(...)` has no timeout: the call is refused when the workflow gets there",
                "start_to_close_timeout=timedelta(...): the longest that one attempt may take",
            )


def _gives_timeout(call: ast.Call) -> bool:
    return any(
        keyword.arg is None or (keyword.arg in _TIMEOUTS and not is_none(keyword.value)) for keyword in call.keywords
    )


def _is_in_options(function: Function, node: ast.AST) -> bool:
    """Whether a node stands in `with workflow.activity_options(...)` that gives a timeout."""
    return any(
        isinstance(item.context_expr, ast.Call)
        and function.qualify(item.context_expr.func) == _OPTIONS
        and _gives_timeout(item.context_expr)
        for block in _ancestors(function, node)
        if isinstance(block, ast.With)
        for item in block.items
    )


def _ancestors(function: Function, node: ast.AST) -> Iterator[ast.AST]:
    """What a node stands in, also beyond its function."""
    parents = function.module.parents
    while (outer := parents.get(node)) is not None:
        yield outer
        node = outer


def _is_called_in_options(reach: Reach) -> bool:
    """Whether some way to this function leads through such a block: its calls have the options too."""
    seen: set[Reach] = set()
    left = [reach]
    while left:
        one = left.pop()
        seen.add(one)
        for caller, node in one.callers:
            if _is_in_options(caller.function, node):
                return True
            if caller not in seen:
                left.append(caller)
    return False


RULE: Final = Rule(
    code="TSU102",
    name="no timeout",
    why=(
        "Every activity call needs `start_to_close_timeout` or `schedule_to_close_timeout`, else a hung attempt would "
        "hang the workflow for ever; the engine refuses the call. One of them may come from "
        "`with workflow.activity_options(...)` around the call, or around the call of the helper that makes it."
    ),
    bad="await workflow.execute_activity(charge, order)",
    good="await workflow.execute_activity(charge, order, start_to_close_timeout=MINUTE)",
    check=_check,
)
