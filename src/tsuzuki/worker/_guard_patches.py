"""What Python does not report: clocks, chance, the environment, and a few more; noticed at the call.

Three means, each where it disturbs least:

- Functions of the modules `time`, `os` and `random` are shadowed while workflow code runs: the module gets
  another class for that time, whose descriptors go before its own attributes. Outside nothing is changed, so
  nothing costs anything, and other tools that replace these functions find them as they are.
- What a user's module took out of them by name (`from time import time`) is replaced in that module by a
  function that looks first whether workflow code runs; see `_guard_captured`.
- Methods are wrapped for good where they are slow anyway: the environment, the seeding of a generator, system
  randomness, executors. `datetime.now` is a C type's and cannot be assigned to; it is put into the type's own
  dictionary, as a descriptor that gives the original method unless workflow code runs. The class stays the
  same object, so `isinstance`, pickling, type hints and pydantic see no difference.

Never replaces a class, and never imports a user's module.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import datetime
import gc
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from ._guard import check, guarded_threads
from ._guard_rules import NOW_UNLESS_GIVEN, SHADOWED

captured: Final[dict[int, tuple[ModuleType, str]]] = {}
"""By id, the functions that users may have taken by name, and where they come from."""


def install() -> list[tuple[ModuleType, type[ModuleType], type[ModuleType]]]:
    """Wrap what is wrapped for good; returns the modules to shadow, with their class and the one for the time."""
    _wrap_methods()
    _wrap_now()
    return [
        (time, type(time), _shadow(time, SHADOWED["time"])),
        (os, type(os), _shadow(os, SHADOWED["os"])),
        (random, type(random), _shadow(random, _functions_of_random())),
    ]


def _functions_of_random() -> tuple[str, ...]:
    """The functions of the module: methods of a generator that all the process shares."""
    shared = getattr(random.random, "__self__", None)
    return tuple(name for name, it in vars(random).items() if getattr(it, "__self__", None) is shared)


# ---- modules ---------------------------------------------------------------------------------------------


class _Shadow:
    """Goes before a function in its module's dictionary."""

    def __init__(self, name: str, guard: Callable[..., Any]) -> None:
        self._name = name
        self._guard = guard

    def __get__(self, module: ModuleType | None, _: type) -> Any:
        return self._guard

    def __set__(self, module: ModuleType, value: Any) -> None:
        vars(module)[self._name] = value

    def __delete__(self, module: ModuleType) -> None:
        del vars(module)[self._name]


def _shadow(module: ModuleType, names: Iterable[str]) -> type[ModuleType]:
    members: dict[str, Any] = {"__slots__": ()}
    for name in names:
        function = vars(module).get(name)
        if function is not None:
            members[name] = _Shadow(name, guarded_function(module, name))
            captured[id(function)] = (module, name)
    return type("module", (type(module),), members)


def guarded_function(module: ModuleType, name: str) -> Callable[..., Any]:
    """Make a function that refuses workflow code, and for everybody else is what the module has by then."""
    namespace = vars(module)
    call = f"{module.__name__}.{name}"
    needed = NOW_UNLESS_GIVEN.get(call)

    def guarded() -> Any:
        if guarded_threads and get_ident() in guarded_threads and (stand_in := check(call)) is not None:
            return stand_in()
        return namespace[name]()

    def guarded_with_arguments(*args: Any, **kwargs: Any) -> Any:
        if (
            guarded_threads
            and (needed is None or len(args) < needed)
            and get_ident() in guarded_threads
            and (stand_in := check(call)) is not None
        ):
            return stand_in(*args, **kwargs)
        return namespace[name](*args, **kwargs)

    # Fewer nanoseconds for the one kind of function that is called often.
    simple = module is time and needed is None and name != "sleep" and not name.startswith("clock_")
    function: Callable[..., Any] = guarded if simple else guarded_with_arguments
    function.__name__ = function.__qualname__ = name
    function.__module__ = module.__name__
    function.__doc__ = namespace[name].__doc__
    return function


# ---- methods ---------------------------------------------------------------------------------------------


def _wrap(owner: type, name: str, call: str, *, only_without_arguments: bool = False) -> None:
    original = getattr(owner, name)

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            guarded_threads
            and get_ident() in guarded_threads
            and not (only_without_arguments and _first(args, kwargs) is not None)
        ):
            check(call)
        return original(self, *args, **kwargs)

    guarded.__name__ = name
    guarded.__qualname__ = f"{owner.__qualname__}.{name}"
    guarded.__module__ = owner.__module__
    guarded.__doc__ = original.__doc__
    guarded.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(owner, name, guarded)


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


def _wrap_methods() -> None:
    for name in ("__setitem__", "__delitem__", "__iter__", "__len__"):
        _wrap(type(os.environ), name, "os.environ")
    look_up = type(os.environ).__getitem__

    def __getitem__(self: Any, key: Any) -> Any:  # by hand: it is called often
        if guarded_threads and get_ident() in guarded_threads:
            check("os.environ")
        return look_up(self, key)

    type(os.environ).__getitem__ = __getitem__  # type: ignore[method-assign]
    _wrap(random.Random, "seed", "random.Random", only_without_arguments=True)
    _wrap_system_randomness()
    _wrap(threading.Thread, "start", "threading.Thread.start")  # reported from Python 3.12 on
    _wrap(concurrent.futures.ThreadPoolExecutor, "submit", "concurrent.futures.ThreadPoolExecutor.submit")
    _wrap(concurrent.futures.ProcessPoolExecutor, "submit", "concurrent.futures.ProcessPoolExecutor.submit")
    draw = vars(uuid).get("_generate_time_safe")  # uuid1 in C
    if draw is not None:

        def generate_time_safe() -> Any:
            if guarded_threads and get_ident() in guarded_threads:
                check("uuid.uuid1")
            return draw()

        vars(uuid)["_generate_time_safe"] = generate_time_safe


def _wrap_system_randomness() -> None:
    """All of SystemRandom draws through one name, also methods that were bound before (`secrets.randbits`)."""
    draw = vars(random).get("_urandom")
    if draw is None:
        return

    def urandom(size: int) -> Any:
        if guarded_threads and get_ident() in guarded_threads:
            check("random.SystemRandom")
        return draw(size)

    vars(random)["_urandom"] = urandom


# ---- datetime --------------------------------------------------------------------------------------------


class _Now:
    """Stands in the dictionary of `date` or `datetime` for a class method that reads the clock."""

    __slots__ = ("_bound", "_name", "_original", "_owner")

    def __init__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name
        self._original = vars(owner)[name]
        self._bound = self._original.__get__(None, owner)

    def __get__(self, instance: object, owner: type) -> Any:
        if guarded_threads and get_ident() in guarded_threads:
            return self._refusing(owner)
        return self._bound if owner is self._owner else self._original.__get__(instance, owner)

    def _refusing(self, owner: type) -> Callable[..., Any]:
        bound = self._original.__get__(None, owner)
        kind = "datetime" if issubclass(owner, datetime.datetime) else "date"

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if (
                guarded_threads
                and get_ident() in guarded_threads
                and (stand_in := check(f"{kind}.{self._name}")) is not None
            ):
                return stand_in(*args, **kwargs)
            return bound(*args, **kwargs)

        return guarded


def _wrap_now() -> None:
    """Put the descriptors in; where an interpreter does not allow it, only the lint finds these calls."""
    if sys.implementation.name != "cpython":
        return
    for owner, name in ((datetime.datetime, "now"), (datetime.datetime, "utcnow"), (datetime.date, "today")):
        dictionaries = gc.get_referents(vars(owner))
        if len(dictionaries) != 1 or type(dictionaries[0]) is not dict or name not in dictionaries[0]:
            return
        dictionaries[0][name] = _Now(owner, name)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
