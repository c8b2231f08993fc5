"""What happens to the run as a whole from outside: it is started, it is asked to cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun


def _on_started(run: WorkflowRun, event: HistoryEvent) -> None:
    run.set_time(event.event_time)
    run.jobs.append((run.start_workflow,))


def _on_cancel_requested(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.workflow_execution_cancel_requested_event_attributes
    run.jobs.append((run.cancel_workflow, attributes.cause))


def _on_nothing_for_the_code(run: WorkflowRun, event: HistoryEvent) -> None:
    pass


EVENTS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _on_started,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _on_cancel_requested,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED: _on_nothing_for_the_code,
}
COMMAND_EVENTS: Final[frozenset[int]] = frozenset()
DESCRIPTIONS: Final[dict[int, object]] = {}
