"""Workflow tasks in history: the clock of the workflow, and what the SDK that completed them noted.

Failed and timed-out workflow tasks left no commands; they only matter when they mark a reset, which gives
the run new random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


def _on_scheduled(run: WorkflowRun, event: HistoryEvent) -> None:
    pass


def _on_started(run: WorkflowRun, event: HistoryEvent) -> None:
    run.set_time(event.event_time)
    attributes = event.workflow_task_started_event_attributes
    run.history_size = attributes.history_size_bytes
    run.continue_as_new_suggested = attributes.suggest_continue_as_new


def _on_completed(run: WorkflowRun, event: HistoryEvent) -> None:
    run.completions_recorded = True
    note_flags(run, event)


def note_flags(run: WorkflowRun, event: HistoryEvent) -> None:
    """Take note of the behaviours under which a workflow task was completed."""
    attributes = event.workflow_task_completed_event_attributes
    if attributes.HasField("sdk_metadata"):
        metadata = attributes.sdk_metadata
        if metadata.lang_used_flags:
            run.lang_flags.update(metadata.lang_used_flags)
        if metadata.core_used_flags:
            run.core_flags = run.core_flags.union(metadata.core_used_flags)
        if metadata.sdk_name:
            run.recorded_sdk = (metadata.sdk_name, metadata.sdk_version)


def _on_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.workflow_task_failed_event_attributes
    if attributes.cause == _RESET:
        run.reseed(attributes.new_run_id)


def _on_timed_out(run: WorkflowRun, event: HistoryEvent) -> None:
    pass


EVENTS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: _on_scheduled,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: _on_started,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: _on_completed,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _on_failed,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: _on_timed_out,
}
COMMAND_EVENTS: Final[frozenset[int]] = frozenset()
DESCRIPTIONS: Final[dict[int, object]] = {}
