"""How code deals with cancellation: shared by the rules about it."""

from __future__ import annotations

import ast
from typing import Final

from .._module import WORKFLOW, Function

CANCELLED: Final = frozenset(
    {"asyncio.CancelledError", "asyncio.exceptions.CancelledError", "concurrent.futures.CancelledError"}
)
_QUESTIONS: Final = frozenset(
    {"tsuzuki.exceptions.is_cancelled_exception", "tsuzuki.exceptions.CancelledError"}
    | {f"{WORKFLOW}{name}" for name in ("cancellation_requested", "cancellation_reason")}
)


def caught_by(function: Function, handler: ast.ExceptHandler) -> frozenset[str]:
    """Return the dotted names of what a handler catches; the empty one for a bare `except`."""
    if handler.type is None:
        return frozenset({""})
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return frozenset(function.qualify(kind) or "?" for kind in kinds)


def is_for_cancel(function: Function, handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches cancellation and nothing else."""
    return caught_by(function, handler) <= CANCELLED


def leaves(function: Function, handler: ast.ExceptHandler, how: tuple[type[ast.stmt], ...]) -> bool:
    """Tell whether a handler has one of these statements in it."""
    return any(isinstance(node, how) for node in function.walk(*handler.body))


def asks_about_cancel(function: Function, *roots: ast.AST) -> bool:
    """Tell whether code tells cancellation from other reasons."""
    return any(
        isinstance(node, ast.Name | ast.Attribute) and function.qualify(node) in _QUESTIONS
        for node in function.walk(*roots)
    )
