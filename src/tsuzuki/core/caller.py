"""Who asked, as whoever let the caller in has found out; what a caller says of itself is its `identity`.

A run knows its caller during the one transition that the caller has asked for, and an update until it is accepted. The
event that records what was asked keeps it; events that follow from that one do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Principal
from temporalio.api.history.v1 import HistoryEvent

if TYPE_CHECKING:
    from .execution import Execution


def sign(event: HistoryEvent, run: Execution) -> None:
    """Keep the caller of this transition, if anybody knows it, with an event that is about to be recorded."""
    if run.caller is not None:
        event.principal.CopyFrom(run.caller)


def caller_of(event: HistoryEvent) -> Principal | None:
    """Who asked for what an event records; None if nobody knew."""
    return event.principal if event.HasField("principal") else None
