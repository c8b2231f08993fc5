"""Legal moves as tables: the missing entry is the illegal transition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn, TypeVar

from temporalio.api.enums.v1 import EventType

State = TypeVar("State", bound=str)

CANCEL = -1
"""An input that is no event: workflow code asks for the cancellation."""
ENDED = -2
"""Another one: the worker says how what it ran itself has ended."""
LIVE = -3
"""Another: there is nothing to replay, and the worker is to run it."""
REPLAY = -4
"""Another: history is to say how it ended."""

_NO_EVENTS: Final = {CANCEL: "cancel", ENDED: "ended", LIVE: "live", REPLAY: "replay"}


class IllegalTransition(AssertionError):
    """An event that a machine in this state cannot meet: the history, or this library, is wrong."""


def next_state(moves: Mapping[tuple[State, int], State], state: State, event_type: int, what: str) -> State:
    """Look a move up.

    Raises:
        IllegalTransition: There is none.
    """
    try:
        return moves[state, event_type]
    except KeyError:
        refuse(state, event_type, what)


def refuse(state: str, event_type: int, what: str) -> NoReturn:
    """Raise `IllegalTransition` with the facts."""
    name = _NO_EVENTS.get(event_type) or EventType.Name(event_type)  # type: ignore[arg-type]
    raise IllegalTransition(f"{what} is {state!s} and cannot take {name}")
