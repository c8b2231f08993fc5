"""Who asked, as whoever let the caller in has found out; what a caller says of itself is its `identity`.

A run knows its caller during the one transition that the caller has asked for, and an update until it is accepted. The
event that records what was asked keeps it; events that follow from that one do not.
"""

from __future__ import annotations

from temporalio.api.common.v1 import Principal
from temporalio.api.history.v1 import HistoryEvent


def sign(event: HistoryEvent, caller: Principal | None) -> None:
    """Keep who asked, if anybody knows, with an event that is about to be recorded."""
    if caller is not None:
        event.principal.CopyFrom(caller)


def caller_of(event: HistoryEvent) -> Principal | None:
    """Who asked for what an event records; None if nobody knew."""
    return event.principal if event.HasField("principal") else None
