"""Which calls put something into the history: shared by the rules about what commands are made of."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import WORKFLOW, Function
from .._workflow_code import called_function

_FORMS: Final = ("", "_method", "_class")

ACTIVITY_HANDLES: Final = frozenset(
    f"{WORKFLOW}start_{kind}{form}" for kind in ("activity", "local_activity") for form in _FORMS
)
ACTIVITY_RESULTS: Final = frozenset(
    f"{WORKFLOW}execute_{kind}{form}" for kind in ("activity", "local_activity") for form in _FORMS
)
ACTIVITIES: Final = ACTIVITY_HANDLES | ACTIVITY_RESULTS
CHILDREN: Final = frozenset({f"{WORKFLOW}start_child_workflow", f"{WORKFLOW}execute_child_workflow"})
SLEEPS: Final = frozenset({f"{WORKFLOW}sleep", "asyncio.sleep"})
_OTHERS: Final = frozenset(
    {f"{WORKFLOW}fire_and_forget", "asyncio.create_task", "asyncio.ensure_future"}
    | {f"{WORKFLOW}{name}().{verb}" for name in ("get_external_workflow_handle",) for verb in ("signal", "cancel")}
)


def short(name: str) -> str:
    """Return a dotted name as people write it: `workflow.sleep`."""
    return name.removeprefix("tsuzuki.")


def makes_command(function: Function, *roots: ast.AST) -> bool:
    """Tell whether the order in which these nodes run can show in the history: they wait, or command."""
    if function.contains_wait(*roots):
        return True
    known = ACTIVITIES | CHILDREN | SLEEPS | _OTHERS
    for node in function.walk(*roots):
        if isinstance(node, ast.Call):
            called = called_function(function, node)
            if function.qualify(node.func) in known or (called is not None and called.is_async):
                return True
    return False


def growing_call(function: Function, *roots: ast.AST) -> str | None:
    """Find in these nodes, or in helpers they call, what adds to the history each time.

    Returns:
        The first activity, child or timer, as people write it.
    """
    for where, call in calls_below(function, *roots):
        name = where.qualify(call.func)
        if name is not None and (name in ACTIVITIES | CHILDREN | SLEEPS or _has_timer(call, name)):
            return short(name)
    return None


def calls_below(function: Function, *roots: ast.AST) -> Iterator[tuple[Function, ast.Call]]:
    """Yield the calls in these nodes, and in the functions of the same file that they call; each function once."""
    seen: set[Function] = set()
    left = [(function, [node for node in function.walk(*roots) if isinstance(node, ast.Call)])]
    while left:
        where, calls = left.pop()
        for call in calls:
            yield where, call
            called = called_function(where, call)
            if called is not None and called not in seen:
                seen.add(called)
                left.append((called, [inner for inner, _ in called.calls]))


def _has_timer(call: ast.Call, name: str) -> bool:
    if name != f"{WORKFLOW}wait_condition":
        return False
    return any(keyword.arg == "timeout" and not is_none(keyword.value) for keyword in call.keywords)


def is_none(expr: ast.expr) -> bool:
    """Tell whether it is the literal None."""
    return isinstance(expr, ast.Constant) and expr.value is None
