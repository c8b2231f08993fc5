"""TSU101: an activity, child, timer or own coroutine that nobody waits for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._module import WORKFLOW, Function
from .._workflow_code import Reach, called_function
from ._commands import ACTIVITY_HANDLES, ACTIVITY_RESULTS, CHILDREN, SLEEPS, short
from ._rule import Problem, Rule

_COROUTINES: Final = (
    ACTIVITY_RESULTS
    | CHILDREN
    | SLEEPS
    | {f"{WORKFLOW}{name}" for name in ("wait_condition", "wait")}
    | {"asyncio.wait", "asyncio.wait_for"}
    | {
        f"{WORKFLOW}{handle}().{verb}"
        for handle in ("get_external_workflow_handle", "get_external_workflow_handle_for", "start_child_workflow")
        for verb in ("signal", "cancel")
        if (handle, verb) != ("start_child_workflow", "cancel")
    }
)
_HANDLES: Final = ACTIVITY_HANDLES | {"asyncio.gather"}
_KNOWN_DECORATORS: Final = (WORKFLOW, "builtins.")


def _check(reach: Reach) -> Iterator[Problem]:
    function = reach.function
    for call, name in function.calls:
        if not _is_dropped(function, call):
            continue
        if name in _HANDLES:
            yield Problem(
                call,
                f"nobody waits for `{short(name or '')}(...)`: the workflow may end before it, and its failure is lost",
                "await it; to let it run unattended: workflow.fire_and_forget(...)",
            )
        elif name in _COROUTINES:
            yield Problem(call, f"`{short(name or '')}(...)` is not awaited: it never happens", "await it")
        elif name is None and _is_coroutine(called_function(function, call)):
            spelling = ast.unparse(call.func)
            yield Problem(call, f"`{spelling}(...)` is a coroutine and is not awaited: it never runs", "await it")


def _is_dropped(function: Function, call: ast.Call) -> bool:
    """Whether the value of a call is thrown away: a statement of its own, or a name that is never read."""
    parent = function.module.parents[call]
    if isinstance(parent, ast.Expr):
        return True
    match parent:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            # `_handle = ...` says that it is meant.
            return not name.startswith("_") and name not in function.scope.elsewhere and not _is_read(function, name)
    return False


def _is_read(function: Function, name: str) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("locals", "vars"))
        for node in ast.walk(function.node)
    )


def _is_coroutine(called: Function | None) -> bool:
    if called is None or not called.is_async:
        return False
    if not all(decorator.startswith(_KNOWN_DECORATORS) for decorator in called.decorators):
        return False  # it may make something else of the function
    return not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in called.nodes)


RULE: Final = Rule(
    code="TSU101",
    name="not awaited",
    why=(
        "A coroutine that is not awaited never runs. A handle that is not awaited runs, but the workflow may be "
        "over before it, and nobody learns how it went. What is started on purpose and left alone is "
        "`workflow.fire_and_forget(...)`; a name that begins with `_` counts as on purpose too."
    ),
    bad="workflow.start_activity(notify, order, start_to_close_timeout=MINUTE)",
    good="await workflow.execute_activity(notify, order, start_to_close_timeout=MINUTE)",
    check=_check,
)
