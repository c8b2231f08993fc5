"""Arguments that are refused before anything is sent, with the name, the value and the bound.

Only what no engine accepts is refused here; limits that an engine may set otherwise are the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from ._errors import InvalidArgumentError

ID_LENGTH_MAX: Final = 1000
UNSET: Final[Any] = object()


def check_name(label: str, value: object) -> None:
    """Refuse an id or name that is not a Unicode text of 1 to 1000 characters without NUL."""
    if type(value) is not str and not isinstance(value, str):
        raise InvalidArgumentError(f"{label} is {value!r} ({type(value).__qualname__}); it must be a str")
    if not value or len(value) > ID_LENGTH_MAX or "\0" in value or not (value.isascii() or _is_unicode(value)):
        raise InvalidArgumentError(_name_problem(label, value))


def _name_problem(label: str, value: str) -> str:
    if not value:
        return f"{label} is empty; it must have 1 to {ID_LENGTH_MAX} characters"
    if len(value) > ID_LENGTH_MAX:
        return f"{label} has {len(value)} characters ({value[:40]!r}...); the bound is {ID_LENGTH_MAX}"
    if "\0" not in value:
        return f"{label} {value[:80]!r} contains half of a surrogate pair, which is no Unicode text"
    return f"{label} {value[:80]!r} contains a NUL character at position {value.index(chr(0))}"


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_timeout(label: str, value: object) -> None:
    """Refuse a duration that is not a positive timedelta."""
    _check_duration(label, value)
    if value <= timedelta(0):  # type: ignore[operator]
        raise InvalidArgumentError(f"{label} is {value}; it must be more than zero, or left out for no limit")


def check_delay(label: str, value: object) -> None:
    """Refuse a duration that is negative or no timedelta."""
    _check_duration(label, value)
    if value < timedelta(0):  # type: ignore[operator]
        raise InvalidArgumentError(f"{label} is {value}; it must not be negative")


def _check_duration(label: str, value: object) -> None:
    if not isinstance(value, timedelta):
        hint = f", such as timedelta(seconds={value})" if isinstance(value, (int, float)) else ""
        raise InvalidArgumentError(
            f"{label} is {value!r} ({type(value).__qualname__}); it must be a datetime.timedelta{hint}"
        )


def arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    """Bring the two ways to give arguments to one."""
    if arg is UNSET:
        if isinstance(args, (str, bytes)):
            raise InvalidArgumentError(
                f"args is {args!r}; it must be a list of arguments. For one argument pass it as `arg`"
            )
        return args
    if args:
        raise InvalidArgumentError(
            "both arg and args are given; pass one argument as `arg`, or all of them as `args=[...]`"
        )
    return (arg,)
