"""Finding the workflows of modules that are named on a command line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tsuzuki.exceptions import TsuzukiError
from tsuzuki.workflow import definition_of


class ModuleLoadError(TsuzukiError):
    """A module cannot be imported, or has no workflow; the message is one line and says what to do."""


def load_workflows(names: Sequence[str]) -> list[Any]:
    """Import modules and collect the workflows that they define or import, each once.

    Args:
        names: Dotted module names, found from the current folder as `python -m` finds them; or paths of files.

    Raises:
        ModuleLoadError: One cannot be imported, or has no workflow.
    """
    found: dict[int, Any] = {}
    for name in names:
        own = list(_workflows_of(_load(name)))
        if not own:
            raise ModuleLoadError(f"module {name!r} has no workflow: nothing in it is marked with @workflow.defn")
        found.update((id(workflow), workflow) for workflow in own)
    return list(found.values())


def _load(name: str) -> ModuleType:
    path = Path(name)
    if path.suffix == ".py":
        folder, name = str(path.resolve().parent), path.stem
    else:
        folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ModuleLoadError(f"there is no module {name!r} in {folder} or among the installed ones") from error
        raise ModuleLoadError(f"module {name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise ModuleLoadError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def _workflows_of(module: ModuleType) -> Iterable[Any]:
    for value in list(vars(module).values()):
        if not callable(value):
            continue
        try:
            definition_of(value)
        except TypeError:
            continue
        yield value
