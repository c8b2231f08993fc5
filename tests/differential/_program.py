"""Scenario files as programs for one package: the official one, or ours with the import lines changed."""

from __future__ import annotations

import inspect
import itertools
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

SCENARIOS = Path(__file__).with_name("scenarios")
PREFIX = "scenario_"
_IMPORT = re.compile(r"^(from|import) temporalio\b", re.MULTILINE)
_copies = itertools.count()


@dataclass(frozen=True)
class Program:
    """A fresh copy of a scenario file: its globals belong to one run of one scenario."""

    module: ModuleType
    drive: Callable[..., Awaitable[None]]
    workflows: list[type] = field(default_factory=list)
    activities: list[Callable[..., Any]] = field(default_factory=list)


def names() -> Iterator[str]:
    """`file::scenario` for every scenario there is."""
    for path in sorted(SCENARIOS.glob("*.py")):
        for found in re.findall(rf"^async def {PREFIX}(\w+)", path.read_text(), re.MULTILINE):
            yield f"{path.stem}::{found}"


def load_module(path: Path, package: str) -> ModuleType:
    """Run a file with `package` in place of `temporalio`, as a module of its own."""
    module = ModuleType(f"differential_{package}_{path.stem}_{next(_copies)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # type hints are resolved through it
    source = _IMPORT.sub(rf"\1 {package}", path.read_text())
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def load(name: str, package: str) -> Program:
    """Run the scenario's file with `package` in place of `temporalio` and collect what it defines."""
    file, _, scenario = name.partition("::")
    path = SCENARIOS / f"{file}.py"
    module = load_module(path, package)
    own = [thing for thing in vars(module).values() if getattr(thing, "__module__", "") == module.__name__]
    return Program(
        module,
        vars(module)[PREFIX + scenario],
        workflows=[thing for thing in own if inspect.isclass(thing) and _marked(thing, "workflow")],
        activities=[thing for thing in own if inspect.isfunction(thing) and _marked(thing, "activity")],
    )


def _marked(thing: object, kind: str) -> bool:
    """Official definitions have an attribute `__temporal_workflow_definition`, ours `__tsuzuki_workflow__`."""
    return any(re.fullmatch(rf"__[a-z]+_{kind}(_definition|__)", attribute) for attribute in vars(thing))
