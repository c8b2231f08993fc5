"""What callers are told of a run that they started or signalled: its ids, and links to what it recorded of them."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionResponse,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionResponse,
)

from tsuzuki.core.execution import Execution

STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
UPDATED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED


def start_answer(run: Execution, *, started: bool) -> StartWorkflowExecutionResponse:
    """The answer to a start; `started` is False where the run was there already."""
    answer = StartWorkflowExecutionResponse()
    answer.run_id = run.run_id
    answer.started = started
    answer.status = run.status
    answer.first_execution_run_id = run.started.first_execution_run_id
    reference = _event_of(answer.link, run).event_ref
    reference.event_id = 1
    reference.event_type = STARTED
    return answer


def refer_to_attached(answer: StartWorkflowExecutionResponse, request_id: str) -> None:
    """Link to the event by which a start was attached to a run that was there."""
    event = answer.link.workflow_event
    event.request_id_ref.request_id = request_id
    event.request_id_ref.event_type = UPDATED


def signal_answer(run: Execution, request_id: str) -> SignalWorkflowExecutionResponse:
    """The answer to a signal."""
    answer = SignalWorkflowExecutionResponse()
    _refer_to_signal(answer.link, run, request_id)
    return answer


def signal_with_start_answer(
    run: Execution, request_id: str, *, started: bool
) -> SignalWithStartWorkflowExecutionResponse:
    """The answer to a signal that brought its start along."""
    answer = SignalWithStartWorkflowExecutionResponse(
        run_id=run.run_id, started=started, first_execution_run_id=run.started.first_execution_run_id
    )
    _refer_to_signal(answer.signal_link, run, request_id)
    return answer


def _refer_to_signal(link: Link, run: Execution, request_id: str) -> None:
    event = _event_of(link, run)
    event.request_id_ref.request_id = request_id
    event.request_id_ref.event_type = SIGNALED


def _event_of(link: Link, run: Execution) -> Link.WorkflowEvent:
    event = link.workflow_event
    event.namespace = run.namespace
    event.workflow_id = run.workflow_id
    event.run_id = run.run_id
    return event
