"""Every state of every machine against every input: the table, or an illegal transition."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from enum import StrEnum

import pytest

from tsuzuki.worker._machines._activity import ACTIVITY_MOVES, ActivityState
from tsuzuki.worker._machines._child import CHILD_MOVES, ChildState
from tsuzuki.worker._machines._external_cancel import EXTERNAL_CANCEL_MOVES, ExternalCancelState
from tsuzuki.worker._machines._external_signal import EXTERNAL_SIGNAL_MOVES, ExternalSignalState
from tsuzuki.worker._machines._local_activity import LOCAL_ACTIVITY_MOVES, LocalActivityState
from tsuzuki.worker._machines._moves import IllegalTransition, next_state
from tsuzuki.worker._machines._timer import TIMER_MOVES, TimerState

TABLES: list[tuple[type[StrEnum], Mapping[tuple[StrEnum, int], StrEnum]]] = [
    (ActivityState, ACTIVITY_MOVES),  # type: ignore[list-item]
    (LocalActivityState, LOCAL_ACTIVITY_MOVES),  # type: ignore[list-item]
    (TimerState, TIMER_MOVES),  # type: ignore[list-item]
    (ChildState, CHILD_MOVES),  # type: ignore[list-item]
    (ExternalSignalState, EXTERNAL_SIGNAL_MOVES),  # type: ignore[list-item]
    (ExternalCancelState, EXTERNAL_CANCEL_MOVES),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("states", "moves"), TABLES)
def test_each_pair_moves_or_is_refused_by_name(
    states: type[StrEnum], moves: Mapping[tuple[StrEnum, int], StrEnum]
) -> None:
    inputs = {event_type for _, event_type in moves}
    for state, event_type in itertools.product(states, inputs):
        if (state, event_type) in moves:
            assert next_state(moves, state, event_type, "it") is moves[state, event_type]
        else:
            with pytest.raises(IllegalTransition, match=f"it is {state.value} and cannot take"):
                next_state(moves, state, event_type, "it")


@pytest.mark.parametrize(("states", "moves"), TABLES)
def test_every_state_but_the_first_is_reached(
    states: type[StrEnum], moves: Mapping[tuple[StrEnum, int], StrEnum]
) -> None:
    assert set(states) - set(moves.values()) == {next(iter(states))}
