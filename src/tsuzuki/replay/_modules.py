"""Finding the workflows and activities of modules that are named on a command line."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.exceptions import TsuzukiError


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
        own = list(_marked(load_module(name), workflow.definition_of))
        if not own:
            raise ModuleLoadError(f"module {name!r} has no workflow: nothing in it is marked with @workflow.defn")
        found.update((id(workflow), workflow) for workflow in own)
    return list(found.values())


@dataclass(frozen=True)
class Definitions:
    """What a worker is to run.

    Attributes:
        workflows: Classes and functions marked with `@workflow.defn`.
        activities: Functions, and methods of objects, marked with `@activity.defn`.
        factories: Other functions that were named: each makes a worker for a client.
    """

    workflows: list[Any] = field(default_factory=list)
    activities: list[Callable[..., Any]] = field(default_factory=list)
    factories: list[Callable[..., Any]] = field(default_factory=list)

    @property
    def workflow_types(self) -> list[str]:
        """The names that the workflows are registered under, in order; `(dynamic)` for one that takes every type."""
        return sorted(workflow.definition_of(it).name or "(dynamic)" for it in self.workflows)

    @property
    def activity_types(self) -> list[str]:
        """Those of the activities."""
        return sorted(activity.definition_of(it).name or "(dynamic)" for it in self.activities)


def load_definitions(names: Sequence[str]) -> Definitions:
    """Import what a worker is to run.

    Args:
        names: Each a module (dotted, or the path of a file), which stands for all workflows and activities in it and
            the activities of the objects in it, or `module:name` for one of them, for a list of them, or for a function
            that makes a `Worker` for a client. The activities of an object are its methods that are marked, and those
            that its attribute `activities` lists.

    Raises:
        ModuleLoadError: Something cannot be imported, is not there, or is nothing that a worker runs.
    """
    found = Definitions()
    for name in names:
        module_name, _, attribute = name.partition(":")
        module = load_module(module_name)
        if not attribute:
            _collect(found, vars(module).values(), name)
            continue
        try:
            value = getattr(module, attribute)
        except AttributeError:
            raise ModuleLoadError(f"module {module_name!r} has no {attribute!r}") from None
        values = value if isinstance(value, (list, tuple)) else [value]
        if not _collect(found, values, name, whole_module=False):
            found.factories.append(value)
    return found


def _collect(found: Definitions, values: Iterable[Any], name: str, *, whole_module: bool = True) -> bool:
    values = list(values)
    workflows = list(_marked_among(values, workflow.definition_of))
    activities = [it for it in _marked_among(values, activity.definition_of) if not isinstance(it, type)]
    activities += [it for value in values for it in _activities_of(value, name)]
    for kind, marked in ((found.workflows, workflows), (found.activities, activities)):
        for it in marked:
            if it not in kind:  # bound methods are made anew each time, and are equal
                kind.append(it)
    if workflows or activities:
        return True
    if whole_module:
        raise ModuleLoadError(
            f"module {name!r} has nothing to run: nothing in it is marked with @workflow.defn or @activity.defn, and "
            "no object in it has activities"
        )
    if len(values) == 1 and callable(values[0]):
        return False
    raise ModuleLoadError(
        f"{name!r} is nothing that a worker runs: expected a workflow, an activity, a list of them, or a function that "
        "makes a Worker for a client"
    )


def _activities_of(value: Any, name: str) -> Iterable[Callable[..., Any]]:
    """The activities of an object that brings several, looked for without waking what makes its attributes up."""
    kind = type(value)
    if issubclass(kind, (type, ModuleType, FunctionType)):
        return
    for attribute in sorted(type.__dir__(kind)):
        method = inspect.getattr_static(kind, attribute, None)
        if isinstance(method, FunctionType) and any(_marked_among([method], activity.definition_of)):
            yield getattr(value, attribute)
    if inspect.getattr_static(value, "activities", None) is None:
        return
    try:
        listed = value.activities
        marked = list(_marked_among(listed, activity.definition_of)) if isinstance(listed, (list, tuple)) else []
    except Exception as error:
        raise ModuleLoadError(
            f"{name!r}: the activities of a {kind.__name__} cannot be told: {type(error).__name__}: {error}"
        ) from error
    yield from (it for it in marked if not isinstance(it, type))


def load_module(name: str) -> ModuleType:
    """Import a module by its dotted name, from the current folder too, or by the path of its file.

    Raises:
        ModuleLoadError: It is not there, or raises something.
    """
    path = Path(name)
    if path.suffix == ".py":
        if not path.is_file():
            raise ModuleLoadError(f"there is no file {path}")
        folder, name = str(path.resolve().parent), path.stem
    else:
        folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ModuleLoadError(f"there is no module {name!r} in {folder} or among the installed ones") from error
        raise ModuleLoadError(f"module {name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise ModuleLoadError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if path.suffix == ".py" and not _is_of(module, path):
        taken_by = getattr(module, "__file__", None) or "built in"
        raise ModuleLoadError(
            f"{path} cannot be imported as {name!r}: that name is taken, by {taken_by}. Give the file another name, or "
            "name it as a module, from a folder above: folder.module"
        )
    return module


def _is_of(module: ModuleType, path: Path) -> bool:
    """Whether a module was read from a file, and not from another one of its name."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()


def _marked(module: ModuleType, definition_of: Callable[[Any], Any]) -> Iterable[Any]:
    return _marked_among(list(vars(module).values()), definition_of)


def _marked_among(values: Iterable[Any], definition_of: Callable[[Any], Any]) -> Iterable[Any]:
    for value in values:
        if not callable(value):
            continue
        try:
            definition_of(value)
        except Exception:  # not marked, or a stand-in that answers nothing now: a proxy of what is not there yet
            continue
        yield value
