"""One run: what is said of it, what it waits for, what went in and came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import HistoryEventFilterType, PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
)

from .._answers import Caller
from ._moments import iso, span
from ._preview import failure_line, failure_text, preview, whole

_CLOSE: Final = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
_STATES: Final = {
    number: name.removeprefix("PENDING_ACTIVITY_STATE_").replace("_", " ").lower()
    for name, number in PendingActivityState.items()
}


@dataclass(frozen=True)
class Run:
    """Which run is meant."""

    namespace: str
    workflow_id: str
    run_id: str

    @property
    def execution(self) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)


@dataclass(frozen=True)
class PendingActivity:
    """An activity that has not ended, as the page shows it; moments in ISO format, empty if there is none.

    Attributes:
        attempt: Its number, and of how many.
        attempts: Its number.
        started: When the last attempt began.
        paused: No attempt begins until it goes on.
        ended: When the last attempt that failed ended.
        next: When the next one is due.
    """

    type: str
    id: str
    attempt: str
    attempts: int
    state: str
    paused: bool
    started: str
    ended: str
    next: str
    interval: str
    worker: str
    heartbeat: str
    failure: str
    failure_text: str


def run_path(namespace: str, workflow_id: str, run_id: str) -> str:
    """Where the page of a run is."""
    parts = "/".join(quote(part, safe="") for part in (workflow_id, run_id) if part)
    return f"/ui/{quote(namespace, safe='')}/workflows/{parts}"


async def describe(caller: Caller, run: Run) -> DescribeWorkflowExecutionResponse:
    asked = DescribeWorkflowExecutionRequest(namespace=run.namespace, execution=run.execution)
    return await caller.ask(asked, DescribeWorkflowExecutionResponse)


async def run_page(caller: Caller, run: Run) -> dict[str, Any]:
    """What the template of a run shows."""
    described = await describe(caller, run)
    info = described.workflow_execution_info
    known = Run(run.namespace, run.workflow_id, info.execution.run_id)
    start = await first_event(caller, known)
    attributes = start.workflow_execution_started_event_attributes
    return {
        **status(described),
        "run": known,
        "input": whole(attributes.input.payloads),
        "started": attributes,
        "result": await _outcome(caller, known) if info.HasField("close_time") else None,
    }


def status(described: DescribeWorkflowExecutionResponse) -> dict[str, Any]:
    """What changes while a run is open."""
    task = described.pending_workflow_task if described.HasField("pending_workflow_task") else None
    extended = described.workflow_extended_info
    return {
        "info": described.workflow_execution_info,
        "activities": [_pending(activity) for activity in described.pending_activities],
        "children": list(described.pending_children),
        "paused": extended.pause_info if extended.HasField("pause_info") else None,
        "task": task,
        "task_is_failing": task is not None and task.attempt > 1,
        "failing": next((a for a in described.pending_activities if a.HasField("last_failure")), None),
    }


def _pending(activity: PendingActivityInfo) -> PendingActivity:
    failed = activity.HasField("last_failure")
    of = f" of {activity.maximum_attempts}" if activity.maximum_attempts else ""
    waits = activity.HasField("next_attempt_schedule_time")
    return PendingActivity(
        type=activity.activity_type.name,
        id=activity.activity_id,
        attempt=f"{activity.attempt}{of}",
        attempts=activity.attempt,
        started=iso(activity.last_started_time) if activity.HasField("last_started_time") else "",
        ended=iso(activity.last_attempt_complete_time) if activity.HasField("last_attempt_complete_time") else "",
        state="waiting to retry" if waits and not activity.paused else _STATES.get(activity.state, str(activity.state)),
        paused=activity.paused,
        next=iso(activity.next_attempt_schedule_time) if waits else "",
        interval=span(activity.current_retry_interval) if activity.HasField("current_retry_interval") else "",
        worker=activity.last_worker_identity,
        heartbeat=preview(activity.heartbeat_details.payloads),
        failure=failure_line(activity.last_failure) if failed else "",
        failure_text=failure_text(activity.last_failure) if failed else "",
    )


async def first_event(caller: Caller, run: Run) -> HistoryEvent:
    """How a run began."""
    asked = GetWorkflowExecutionHistoryRequest(namespace=run.namespace, execution=run.execution, maximum_page_size=1)
    return (await caller.ask(asked, GetWorkflowExecutionHistoryResponse)).history.events[0]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    title: str
    text: str
    failed: bool = False
    next_run_id: str = ""


async def _outcome(caller: Caller, run: Run) -> Outcome:
    asked = GetWorkflowExecutionHistoryRequest(
        namespace=run.namespace, execution=run.execution, history_event_filter_type=_CLOSE
    )
    event = (await caller.ask(asked, GetWorkflowExecutionHistoryResponse)).history.events[-1]
    attributes: Any = getattr(event, str(event.WhichOneof("attributes")))
    next_run_id = getattr(attributes, "new_execution_run_id", "")
    if event.HasField("workflow_execution_continued_as_new_event_attributes"):
        return Outcome("Continued as new with", whole(attributes.input.payloads), next_run_id=next_run_id)
    if _has(attributes, "failure"):
        return Outcome("Failure", failure_text(attributes.failure), failed=True, next_run_id=next_run_id)
    if _has(attributes, "result"):
        return Outcome("Result", whole(attributes.result.payloads), next_run_id=next_run_id)
    text = getattr(attributes, "reason", "") or "(nothing more is recorded)"
    if _has(attributes, "details"):
        text += "\n" + whole(attributes.details.payloads)
    return Outcome("Ended", text, failed=True, next_run_id=next_run_id)


def _has(message: Message, field: str) -> bool:
    return field in message.DESCRIPTOR.fields_by_name and message.HasField(field)
