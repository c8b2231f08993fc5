"""Options that several commands have: written once, as the signature of a function that makes something of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def with_options(make: Callable[..., Any], into: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a decorator that puts options in the place of a parameter.

    Args:
        make: Makes an object of the options, which are read from its signature.
        into: The parameter of the command that takes the object.
    """
    options = inspect.signature(make, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def with_object(*args: Any, **values: Any) -> None:
            made = make(**{name: values.pop(name) for name in options})
            command(*args, **{into: made}, **values)

        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            parameters += options.values() if name == into else [parameter]
        first, *rest = parameters
        keywords = [it.replace(kind=it.KEYWORD_ONLY) for it in rest]
        with_object.__signature__ = inspect.Signature([first, *keywords])  # type: ignore[attr-defined]
        return with_object

    return decorate
