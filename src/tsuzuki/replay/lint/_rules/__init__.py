"""Every rule, in the order of its code. A new rule is a new file and a row here."""

from __future__ import annotations

from typing import Final

from . import (
    _blind_loop,
    _busy_wait,
    _clock,
    _console,
    _direct_activity,
    _environment,
    _files,
    _gate_names,
    _growing_loop,
    _network,
    _not_awaited,
    _process,
    _random,
    _secrets,
    _set_order,
    _shared_state,
    _sleep,
    _swallowed_cancel,
    _threads,
    _timeouts,
    _uuid,
)
from ._rule import Problem, Rule

__all__ = ["RULES", "Problem", "Rule"]

RULES: Final[tuple[Rule, ...]] = (
    _clock.RULE,
    _sleep.RULE,
    _random.RULE,
    _secrets.RULE,
    _uuid.RULE,
    _environment.RULE,
    _files.RULE,
    _network.RULE,
    _process.RULE,
    _threads.RULE,
    _console.RULE,
    _direct_activity.RULE,
    _not_awaited.RULE,
    _timeouts.RULE,
    _set_order.RULE,
    _shared_state.RULE,
    _growing_loop.RULE,
    _busy_wait.RULE,
    _swallowed_cancel.RULE,
    _blind_loop.RULE,
    _gate_names.RULE,
)
"""What the lint looks for, each with its code, its reason and an example."""
