"""What people ask of a run, and what they are told about it: the values of `Control`'s signals and queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

PAUSE: Final[Literal["pause"]] = "pause"
RESUME: Final[Literal["resume"]] = "resume"
CANCEL: Final[Literal["cancel"]] = "cancel"
GET_STATUS: Final = "get_status"
GET_CONTROL_STATE: Final = "get_control_state"
"""Names of the signals and queries."""

ACTIONS_MAX: Final = 100
"""So many of the last requests are kept."""


class ControlStatus(StrEnum):
    """Where a run stands between go and stop."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class ControlRequest:
    """The argument of the signals `pause`, `resume` and `cancel`; all of it may be left out.

    Attributes:
        reason: Why.
        by: Who asks: a person, or the workflow id of a parent.
        announced: Of `cancel`: a cancel request of the service follows, so that this only says why.
    """

    reason: str = ""
    by: str = ""
    announced: bool = False

    @classmethod
    def read(cls, given: Any) -> ControlRequest:
        """Take a request from what came with the signal: fields, a reason alone, or nothing."""
        if isinstance(given, ControlRequest):
            return given
        if isinstance(given, dict):
            return cls(
                str(given.get("reason") or ""), str(given.get("by") or ""), announced=given.get("announced") is True
            )
        return cls("" if given is None else str(given))


@dataclass(frozen=True)
class ControlAction:
    """A request that came.

    Attributes:
        action: What was asked for.
        reason: Why.
        by: Who asked.
        at: When its signal was handled, by the workflow's clock.
        checkpoint: The last checkpoint that the run had reached; empty before the first.
        changed: False when the run was in that state already.
    """

    action: Literal["pause", "resume", "cancel"]
    reason: str
    by: str
    at: datetime
    checkpoint: str
    changed: bool


@dataclass(frozen=True)
class ControlState:
    """Everything about the control of a run.

    Attributes:
        status: Where it stands.
        reason: Why it is paused or cancelled; else empty.
        by: Who paused or cancelled it; else empty.
        since: When it was paused or cancelled; else None.
        checkpoint: The last checkpoint that it reached.
        waiting_at: Checkpoints at which it waits to be resumed. Empty for a paused run that still finishes a step.
        paused_s: Seconds for which it has been paused in all, up to its last step.
        children: Workflow ids of the open children that are paused and cancelled with it.
        actions: The last 100 requests, oldest first.
    """

    status: ControlStatus
    reason: str
    by: str
    since: datetime | None
    checkpoint: str
    waiting_at: list[str]
    paused_s: float
    children: list[str]
    actions: list[ControlAction]
