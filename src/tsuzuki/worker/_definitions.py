"""Checks on what a worker is given, before it takes its first task."""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from tsuzuki.activity import ActivityDefinition, definition_of
from tsuzuki.converter import DataConverter


def activity_definitions(activities: Sequence[Callable[..., Any]]) -> dict[str | None, ActivityDefinition]:
    """Read the definitions of a worker's activities, by name; the dynamic one under None.

    Raises:
        TypeError: One is not marked with `@activity.defn`, is a class or a method without its object.
        ValueError: Two have the same name, or two are dynamic.
    """
    definitions: dict[str | None, ActivityDefinition] = {}
    for fn in activities:
        definition = definition_of(fn)
        _require_object(fn, definition)
        other = definitions.get(definition.name)
        if other is not None:
            name = "dynamic" if definition.name is None else f"named {definition.name!r}"
            raise ValueError(
                f"two activities are {name}: {_place(other.fn)} and {_place(fn)}; "
                "give one of them another name with @activity.defn(name=...)"
            )
        definitions[definition.name] = definition
    return definitions


def _require_object(fn: Callable[..., Any], definition: ActivityDefinition) -> None:
    if isinstance(fn, type):
        raise TypeError(f"activity {definition.label!r} is a class; pass an object of it: {fn.__name__}(...)")
    if inspect.isfunction(fn) and next(iter(inspect.signature(fn).parameters), None) == "self":
        owner = fn.__qualname__.rpartition(".")[0] or "TheClass"
        raise TypeError(
            f"activity {definition.label!r} is a method without its object; "
            f"pass it from one: {owner}(...).{fn.__name__}"
        )


def check_executor(
    definitions: Sequence[ActivityDefinition],
    executor: Executor,
    max_concurrent_activities: int,
    converter: DataConverter,
) -> None:
    """Check that an executor given by the user can run the synchronous activities.

    Raises:
        TypeError: An activity or the data converter cannot be sent to another process.
    """
    workers = getattr(executor, "_max_workers", None)
    if isinstance(workers, int) and workers < max_concurrent_activities:
        warnings.warn(
            f"activity_executor runs {workers} activities at a time, but max_concurrent_activities is "
            f"{max_concurrent_activities}: synchronous activities would be taken from the queue and then "
            f"wait here. Give the executor max_workers={max_concurrent_activities}, or lower the other",
            stacklevel=3,
        )
    if isinstance(executor, ThreadPoolExecutor):
        return
    try:
        pickle.dumps(converter)
    except Exception as error:
        raise TypeError(
            f"the data converter is needed in another process, but cannot be pickled: {error}. "
            "Define its classes at module level, or use a ThreadPoolExecutor"
        ) from error
    for definition in definitions:
        try:
            pickle.dumps(definition.fn)
        except Exception as error:
            raise TypeError(
                f"activity {definition.label!r} is to run in another process, but cannot be pickled: {error}. "
                "Define it at module level, or use a ThreadPoolExecutor"
            ) from error


def _place(fn: Callable[..., Any]) -> str:
    return f"{getattr(fn, '__module__', '?')}.{getattr(fn, '__qualname__', type(fn).__qualname__)}"
