"""What a transition may know of the world: handed in, so that a simulator can own it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .limits import Limits
from .search_attributes import Kinds


@dataclass(slots=True)
class Moment:
    """The circumstances of one transition.

    Attributes:
        now_ns: The time, Unix nanoseconds.
        limits: The bounds in force.
        new_run_id: Makes the id of a run that follows this one.
        kinds_of: The search attributes that may be set in a namespace.
    """

    now_ns: int
    limits: Limits
    new_run_id: Callable[[], str]
    kinds_of: Callable[[str], Kinds]
