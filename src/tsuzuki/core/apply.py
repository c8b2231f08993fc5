"""The table from event type to the function that moves state for it.

Each concept's file fills its own rows with `@applies`; loading a run and recording a new event both go through
this table and nothing else. An event type without a row moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent

    from .execution import Execution

Apply = Callable[["Execution", "HistoryEvent"], None]

APPLY: Final[dict[int, Apply]] = {}


def applies(event_type: int) -> Callable[[Apply], Apply]:
    """Register the function that moves state for one event type."""

    def register(function: Apply) -> Apply:
        assert event_type not in APPLY, f"two functions apply event type {event_type}"
        APPLY[event_type] = function
        return function

    return register
