"""Functions that users' modules took out of theirs before the guard came: found, and led past it.

`from time import time`, `def f(clock=time.time)`, `field(default_factory=datetime.now)`, a class attribute, a
`partial`, an entry of a table: each holds the function itself, which is no longer looked up in its module. Where a
user's module holds one, a twin takes its place that looks first whether workflow code runs. Nothing else of the
user's is touched, and only what this finds in modules that define workflows or are imported by those.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime
from threading import get_ident
from types import BuiltinMethodType, FunctionType, ModuleType
from typing import Any, Final

from ._guard import check, guarded_threads
from ._guard_frames import Kind, kind_of
from ._guard_patches import captured, guarded_function

_READS_THE_CLOCK: Final = frozenset({"now", "utcnow", "today"})

_led_past: Final[set[str]] = set()


def lead_past_guard(modules: Iterable[str]) -> None:
    """Put twins in the place of what was captured, in the modules given and those of the user that they import."""
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in _led_past or not _is_users(module):
            continue
        _led_past.add(name)
        namespace = vars(module)
        for attribute, value in list(namespace.items()):
            if isinstance(value, ModuleType):
                waiting.append(value.__name__)
            elif (twin := _twin(value)) is not None:
                namespace[attribute] = twin
                if isinstance(twin, FunctionType):
                    twin.__module__, twin.__qualname__ = name, attribute  # so that it can be pickled
            elif isinstance(value, (type, FunctionType)):
                waiting.append(value.__module__)
                if value.__module__ == name:
                    _look_into(value)
            else:
                _look_into_table(value)


def _is_users(module: ModuleType) -> bool:
    filename = getattr(module, "__file__", None)
    return module.__name__ == "__main__" if filename is None else kind_of(filename) is Kind.USER


def _twin(value: object) -> Any:
    """Return what takes the place of a captured function; None for anything else."""
    origin = captured.get(id(value))
    if origin is not None:
        return guarded_function(*origin)
    if type(value) is functools.partial:
        inner = _twin(value.func)
        return None if inner is None else functools.partial(inner, *value.args, **value.keywords)
    if type(value) is staticmethod:
        inner = _twin(value.__func__)
        return None if inner is None else staticmethod(inner)
    if isinstance(value, BuiltinMethodType) and value.__name__ in _READS_THE_CLOCK:
        owner = value.__self__
        if isinstance(owner, type) and issubclass(owner, date):
            return _guarded_now(value, "datetime" if issubclass(owner, datetime) else "date")
    return None


def _guarded_now(original: BuiltinMethodType, kind: str) -> Callable[..., Any]:
    call = f"{kind}.{original.__name__}"

    def guarded(*args: Any, **kwargs: Any) -> Any:
        if guarded_threads and get_ident() in guarded_threads:
            check(call)
        return original(*args, **kwargs)

    guarded.__name__ = guarded.__qualname__ = original.__name__
    return guarded


def _look_into(value: object) -> None:
    """Look for captured functions inside a user's class or function."""
    if isinstance(value, type):
        for attribute, member in list(vars(value).items()):
            if (twin := _twin(member)) is not None:
                with suppress(AttributeError, TypeError):  # a class that refuses, such as an enumeration
                    type.__setattr__(value, attribute, twin)
            elif isinstance(member, FunctionType) or (isinstance(member, type) and _is_within(member, value)):
                _look_into(member)
            elif isinstance(member, (staticmethod, classmethod)):
                _look_into(member.__func__)
    elif isinstance(value, FunctionType):
        _look_into_function(value)


def _is_within(member: type, owner: type) -> bool:
    return member.__module__ == owner.__module__ and member.__qualname__.startswith(f"{owner.__qualname__}.")


def _look_into_function(function: FunctionType) -> None:
    if function.__defaults__ is not None:
        twins = [_twin(default) for default in function.__defaults__]
        if any(twin is not None for twin in twins):
            function.__defaults__ = tuple(
                default if twin is None else twin for default, twin in zip(function.__defaults__, twins, strict=True)
            )
    _look_into_table(function.__kwdefaults__)
    for cell in function.__closure__ or ():  # also where dataclasses keep their default factories
        with suppress(ValueError):  # empty
            if (twin := _twin(cell.cell_contents)) is not None:
                cell.cell_contents = twin


def _look_into_table(table: object) -> None:
    if type(table) is dict or type(table) is list:
        for key, value in list(table.items() if type(table) is dict else enumerate(table)):
            if (twin := _twin(value)) is not None:
                table[key] = twin
