"""Small pieces of the outside world in workflow code: run once, remembered in history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ._runtime import current_runtime

Result = TypeVar("Result")


def side_effect(fn: Callable[[], Result], *, result_type: type[Result] | None = None) -> Result:
    """Call a function once and remember what it gives; replays give the same without calling it.

    For something small and local that needs no retry, such as a random token from the operating system. If the
    workflow task fails after the call, the function is called again: an activity is the place for anything
    that others notice. Every call of `side_effect` counts: put new ones behind `get_version`.

    Args:
        fn: A plain function; it must not wait, nor use the workflow.
        result_type: Type to decode the value as; the default is the function's return hint.

    Raises:
        NondeterminismError: On replay, history has no value for this call.
        TypeError: `fn` is an `async def`.

    Source: a `SideEffect` marker, as the Go SDK writes it.
    """
    return current_runtime().side_effect(fn, result_type)  # type: ignore[no-any-return]


def mutable_side_effect(
    id: str,
    fn: Callable[[], Result],
    *,
    equal: Callable[[Result, Result], bool] | None = None,
    result_type: type[Result] | None = None,
) -> Result:
    """`side_effect` for a value that is asked for again and again, such as a setting: recorded when it changes.

    Args:
        id: Name of the value, unique in the workflow.
        fn: A plain function; it must not wait, nor use the workflow.
        equal: Tells whether the remembered value still holds: `equal(new, remembered)`; the default is `==`.
        result_type: Type to decode the value as; the default is the function's return hint.

    Raises:
        NondeterminismError: On replay, history has no value of this id.
        TypeError: `fn` is an `async def`.

    Source: a `MutableSideEffect` marker, as the Go SDK writes it.
    """
    return current_runtime().mutable_side_effect(id, fn, equal, result_type)  # type: ignore[no-any-return]
