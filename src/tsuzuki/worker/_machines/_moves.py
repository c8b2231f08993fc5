"""Legal moves as tables: the missing entry is the illegal transition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypeVar

from temporalio.api.enums.v1 import EventType

State = TypeVar("State", bound=str)

CANCEL = -1
"""The one input that is no event: workflow code asks for the cancellation."""


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
    name = "cancel" if event_type == CANCEL else EventType.Name(event_type)  # type: ignore[arg-type]
    raise IllegalTransition(f"{what} is {state!s} and cannot take {name}")
