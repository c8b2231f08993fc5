"""Who made a call: reads the stack to tell workflow code from the machinery that it leans on.

A call is the workflow's unless something stands between the two that is allowed to look at the world: the
logging library, an import, a traceback being printed, a debugger (`DOOR`); or unless this package made it
itself. The standard library is looked through: `uuid.uuid4()` that asks for `os.urandom()` is the user's
`uuid.uuid4()`. Runs only once a call has been noticed, so it may take microseconds.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from enum import Enum, auto
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from tsuzuki.converter import FailureConverter, PayloadConverter

from ._source import Source


class Kind(Enum):
    """Whose code a file is."""

    USER = auto()
    LIBRARY = auto()
    """Installed packages: refused like user code, but the line named is the user's below, if there is one."""
    STANDARD = auto()
    """Looked through, to whoever called it."""
    DOOR = auto()
    """Whatever is called from here does not decide anything."""
    OWN = auto()
    """This package: may do what it likes itself, and is looked through when it is called back."""
    GUARD = auto()
    """The guard: not there."""
    BOUNDARY = auto()
    """The loop and the run: below is only what hosts the worker."""


_PACKAGE: Final = str(Path(__file__).parents[1])
_WORKER: Final = str(Path(__file__).parent)
_BOUNDARIES: Final = frozenset(
    str(Path(_WORKER, name)) for name in ("_activation.py", "_loop.py", "_machines/_execution.py", "_workflow_run.py")
)
_SIDE_EFFECTS: Final = str(Path(_WORKER, "_machines", "_side_effect.py"))
"""Calls what the user gave it to be recorded, which may be anything."""
_WITH_WORKFLOWS: Final = frozenset({"agents", "demo"})
"""Folders of this package that have workflow code, to be guarded like everybody's."""
_STANDARD: Final = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED: Final = ("site-packages", "dist-packages")

_STANDARD_DOORS: Final = frozenset(
    {
        "logging",
        "importlib",
        "zipimport",
        "encodings",
        "zoneinfo",
        "warnings",
        "traceback",
        "linecache",
        "inspect",
        "weakref",
        "tracemalloc",
        "pdb",
        "bdb",
        "pyrepl",
        "_pyrepl",
    }
)
_INSTALLED_DOORS: Final = (
    "_pytest",
    "_pydev",
    "coverage",
    "ddtrace",
    "debugpy",
    "hypothesis",
    "IPython",
    "logfire",
    "loguru",
    "newrelic",
    "opentelemetry",
    "pluggy",
    "prometheus_client",
    "pydantic/plugin",
    "pydantic_ai/_display",
    "pydevd",
    "sentry_sdk",
    "structlog",
)

_NAMED_BY_THE_CALL: Final = frozenset(
    {"abc", "collections", "collections.abc", "contextlib", "dataclasses", "functools", "random", "typing"}
)
"""Modules whose functions say less about a call than the call's own name."""

_kinds: Final[dict[str, Kind]] = {}


class Caller(NamedTuple):
    """Who made a call.

    Attributes:
        source: The line to name.
        through: The outermost function of the standard library on the way from there; None without one.
    """

    source: Source
    through: str | None


def find_caller() -> Caller | None:
    """Return the workflow code that is making a call; None when the call is not the workflow's to answer for."""
    frame: FrameType | None = sys._getframe(1)
    caller: FrameType | None = None
    user: FrameType | None = None
    standard: FrameType | None = None
    through: str | None = None
    objects: list[FrameType] = []
    while frame is not None:
        code = frame.f_code
        kind = _kinds.get(code.co_filename) or kind_of(code.co_filename)
        if kind is Kind.BOUNDARY:
            break
        if kind is Kind.DOOR or code.co_name == "__del__":
            return None
        if kind is Kind.STANDARD:
            if caller is None:
                standard = frame
                through = _public_name(frame) or through
        elif kind is Kind.OWN:
            if caller is None:
                return None
        elif kind is not Kind.GUARD:
            caller = caller or frame
            if kind is Kind.USER:
                user = user or frame
            if code.co_varnames[:1] == ("self",):
                objects.append(frame)
        frame = frame.f_back
    if any(isinstance(it.f_locals.get("self"), (PayloadConverter, FailureConverter)) for it in objects):
        return None
    named = user or caller or standard
    if named is None:
        return None
    return Caller(Source(named.f_code, named.f_lasti), through)


def kind_of(filename: str) -> Kind:
    """Tell whose code a file is."""
    kind = _kinds[filename] = _classify(filename)
    return kind


def _classify(filename: str) -> Kind:
    if filename in _BOUNDARIES:
        return Kind.BOUNDARY
    if filename == _SIDE_EFFECTS:
        return Kind.DOOR
    if filename.startswith(_PACKAGE + os.sep):
        if Path(filename).name.startswith("_guard"):
            return Kind.GUARD
        first = Path(filename).relative_to(_PACKAGE).parts[0]
        return Kind.LIBRARY if first in _WITH_WORKFLOWS else Kind.OWN
    if filename.startswith("<frozen "):
        module = filename[len("<frozen ") :].rstrip(">").partition(".")[0]
        return Kind.DOOR if module in _STANDARD_DOORS else Kind.STANDARD
    if filename == "<string>" or filename.startswith("<attrs generated"):
        return Kind.STANDARD  # methods that dataclasses and their like made
    path = filename.replace("\\", "/")
    for folder in _INSTALLED:
        _, found, rest = path.rpartition(f"/{folder}/")
        if found:
            return Kind.DOOR if rest.startswith(_INSTALLED_DOORS) else Kind.LIBRARY
    for folder in _STANDARD:
        if filename.startswith(folder + os.sep):
            first = Path(filename).relative_to(folder).parts[0].removesuffix(".py")
            return Kind.DOOR if first in _STANDARD_DOORS else Kind.STANDARD
    return Kind.USER


def _public_name(frame: FrameType) -> str | None:
    """Return `uuid.uuid4` for the frame of `uuid4`; None for a function that users do not know by name."""
    module = str(frame.f_globals.get("__name__", ""))
    if module in ("posixpath", "ntpath", "genericpath"):
        module = "os.path"
    function = frame.f_code.co_qualname.removesuffix(".__init__").removesuffix(".__new__")
    if module == "pathlib._abc":  # Python 3.13
        module, function = "pathlib", function.replace("PathBase.", "Path.")
    generated = frame.f_code.co_filename.startswith("<") and not frame.f_code.co_filename.startswith("<frozen ")
    if generated or module in _NAMED_BY_THE_CALL or any(part.startswith(("_", "<")) for part in function.split(".")):
        return None
    package, _, _ = module.rpartition(".")
    while package and hasattr(sys.modules.get(package), function.partition(".")[0]):
        module = package  # `asyncio.events` is where it is written, `asyncio` where users find it
        package, _, _ = module.rpartition(".")
    return f"{module}.{function}"
