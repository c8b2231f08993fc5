"""What one run asks of another: carried out by the shell in the same commit, so that there is no state between.

The asking run's event is recorded by the command; the answer is recorded by the functions of the file that
asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from temporalio.api.history.v1 import (
    HistoryEvent,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes,
    StartChildWorkflowExecutionInitiatedEventAttributes,
)
from temporalio.api.sdk.v1 import UserMetadata


@dataclass(frozen=True, slots=True)
class StartChild:
    initiated_event_id: int
    asked: StartChildWorkflowExecutionInitiatedEventAttributes
    metadata: UserMetadata | None


@dataclass(frozen=True, slots=True)
class SignalOther:
    initiated_event_id: int
    asked: SignalExternalWorkflowExecutionInitiatedEventAttributes


@dataclass(frozen=True, slots=True)
class CancelOther:
    initiated_event_id: int
    asked: RequestCancelExternalWorkflowExecutionInitiatedEventAttributes


@dataclass(frozen=True, slots=True)
class TellParent:
    """This run has closed for good; `event` is its close event."""

    event: HistoryEvent


@dataclass(frozen=True, slots=True)
class CloseChild:
    """This run has closed; its parent close policy (terminate or request cancel) reaches a pending child."""

    workflow_id: str
    run_id: str
    terminate: bool


Outgoing: TypeAlias = StartChild | SignalOther | CancelOther | TellParent | CloseChild
