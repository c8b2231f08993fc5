"""What the engine says about a run: in a list, and in full.

Thin readers over the protobuf answers; a field is decoded when it is asked for. Everything that makes a run
stuck shows here: a workflow task that fails again and again with its last failure, an activity between two
attempts with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingChildExecutionInfo, WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from ..common import SearchAttributeValue, TypedSearchAttributes
from ..converter import decode_search_attributes, decode_typed_search_attributes
from ..exceptions import FailureError
from ._context import ClientContext
from ._validation import UNSET


class WorkflowExecutionStatus(IntEnum):
    """Whether a run is open, or how it closed."""

    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    CONTINUED_AS_NEW = 6
    TIMED_OUT = 7
    PAUSED = 8


class PendingActivityState(IntEnum):
    """Where a pending activity stands."""

    SCHEDULED = 1
    """Waits for a worker or for the end of its back-off."""
    STARTED = 2
    CANCEL_REQUESTED = 3
    PAUSED = 4
    PAUSE_REQUESTED = 5


class PendingWorkflowTaskState(IntEnum):
    """Where the pending workflow task stands."""

    SCHEDULED = 1
    STARTED = 2


class WorkflowExecution:
    """One run, as a list shows it.

    Attributes:
        raw_info: The protobuf message behind it.
        namespace: Namespace of the run.
    """

    __slots__ = ("_context", "namespace", "raw_info")

    def __init__(self, raw_info: WorkflowExecutionInfo, context: ClientContext) -> None:
        self.raw_info = raw_info
        self.namespace = context.namespace
        self._context = context

    def __repr__(self) -> str:
        status = self.status.name if self.status is not None else "?"
        return f"<{type(self).__name__} {self.workflow_type} {self.id!r} {status} run {self.run_id}>"

    @property
    def id(self) -> str:
        """Workflow id."""
        return self.raw_info.execution.workflow_id

    @property
    def run_id(self) -> str:
        """Run id."""
        return self.raw_info.execution.run_id

    @property
    def workflow_type(self) -> str:
        """Name of the workflow."""
        return self.raw_info.type.name

    @property
    def status(self) -> WorkflowExecutionStatus | None:
        """Open, or how it closed; None when the engine does not say."""
        return WorkflowExecutionStatus(self.raw_info.status) if self.raw_info.status else None

    @property
    def task_queue(self) -> str:
        """Task queue of its workflow tasks."""
        return self.raw_info.task_queue

    @property
    def start_time(self) -> datetime:
        """When it was started."""
        return self.raw_info.start_time.ToDatetime(tzinfo=UTC)

    @property
    def execution_time(self) -> datetime | None:
        """When its first workflow task was or is due: later than `start_time` after a delay or for cron."""
        return _time(self.raw_info, "execution_time")

    @property
    def close_time(self) -> datetime | None:
        """When it closed; None while it is open."""
        return _time(self.raw_info, "close_time")

    @property
    def history_length(self) -> int:
        """Number of events."""
        return self.raw_info.history_length

    @property
    def parent_id(self) -> str | None:
        """Workflow id of the parent, for a child."""
        return self.raw_info.parent_execution.workflow_id or None

    @property
    def parent_run_id(self) -> str | None:
        """Run id of the parent, for a child."""
        return self.raw_info.parent_execution.run_id or None

    @property
    def root_id(self) -> str | None:
        """Workflow id of the outermost ancestor, itself when there is none."""
        return self.raw_info.root_execution.workflow_id or None

    @property
    def root_run_id(self) -> str | None:
        """Run id of the outermost ancestor."""
        return self.raw_info.root_execution.run_id or None

    @property
    def search_attributes(self) -> dict[str, SearchAttributeValue]:
        """Values that the run can be found by."""
        return decode_search_attributes(self.raw_info.search_attributes)

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """Search attributes that have their type beside them."""
        return decode_typed_search_attributes(self.raw_info.search_attributes.indexed_fields)

    async def memo(self) -> dict[str, Any]:
        """Decode the memo, without type hints, in the order of its keys."""
        fields = sorted(self.raw_info.memo.fields.items())
        return {name: self._context.payloads.from_payload(item) for name, item in fields}

    async def memo_value(self, key: str, default: Any = UNSET, *, type_hint: Any = None) -> Any:
        """Decode one value of the memo.

        Raises:
            KeyError: There is none under this key, and no default was given.
        """
        if key in self.raw_info.memo.fields:
            return self._context.payloads.from_payload(self.raw_info.memo.fields[key], type_hint)
        if default is UNSET:
            raise KeyError(f"workflow {self.id!r} has no memo value {key!r}")
        return default


@dataclass(frozen=True)
class PauseInfo:
    """Who paused a workflow or an activity.

    Attributes:
        time: When.
        identity: By whom.
        reason: Why; may be empty.
    """

    time: datetime | None
    identity: str
    reason: str


@dataclass(frozen=True)
class PendingActivity:
    """An activity that the run waits for.

    Attributes:
        activity_id: Its id within the run.
        activity_type: Its name.
        state: Where it stands.
        attempt: Number of the current (or, in back-off, the next) attempt, from 1.
        maximum_attempts: Bound of attempts; 0 for none.
        scheduled_time: When the current attempt was scheduled.
        last_started_time: When a worker last took it.
        last_heartbeat_time: When it last gave a sign of life.
        next_attempt_time: When its back-off ends; None unless it waits for that.
        last_failure: Why the previous attempt failed.
        last_worker_identity: Who ran the last attempt.
        heartbeat_details: What the last heartbeat reported.
        raw_info: The protobuf message behind it.
        pause: Who paused it; None unless it is paused.
    """

    activity_id: str
    activity_type: str
    state: PendingActivityState
    attempt: int
    maximum_attempts: int
    scheduled_time: datetime | None
    last_started_time: datetime | None
    last_heartbeat_time: datetime | None
    next_attempt_time: datetime | None
    last_failure: FailureError | None
    last_worker_identity: str
    heartbeat_details: Sequence[Any]
    raw_info: PendingActivityInfo = field(repr=False)
    pause: PauseInfo | None = None


@dataclass(frozen=True)
class PendingWorkflowTask:
    """The workflow task that the run waits for.

    Attributes:
        state: Whether a worker has it.
        attempt: From 1; more means that the task failed or timed out: the run is stuck until its code is
            mended or its worker answers.
        scheduled_time: When this attempt was scheduled.
        original_scheduled_time: When the first attempt was.
        started_time: When a worker took it.
        last_failure: Why the task failed, when it did: the exception that left the workflow's code.
    """

    state: PendingWorkflowTaskState
    attempt: int
    scheduled_time: datetime | None
    original_scheduled_time: datetime | None
    started_time: datetime | None
    last_failure: FailureError | None


class WorkflowExecutionDescription(WorkflowExecution):
    """One run, in full.

    Attributes:
        raw_description: The protobuf message behind it.
        pending_workflow_task: The workflow task that it waits for, if any.
    """

    __slots__ = ("pending_workflow_task", "raw_description")

    def __init__(
        self,
        raw_description: DescribeWorkflowExecutionResponse,
        context: ClientContext,
        task_failure: FailureError | None,
    ) -> None:
        super().__init__(raw_description.workflow_execution_info, context)
        self.raw_description = raw_description
        self.pending_workflow_task: PendingWorkflowTask | None = None
        if raw_description.HasField("pending_workflow_task"):
            raw = raw_description.pending_workflow_task
            self.pending_workflow_task = PendingWorkflowTask(
                state=PendingWorkflowTaskState(raw.state or 1),
                attempt=raw.attempt,
                scheduled_time=_time(raw, "scheduled_time"),
                original_scheduled_time=_time(raw, "original_scheduled_time"),
                started_time=_time(raw, "started_time"),
                last_failure=task_failure,
            )

    @property
    def pause(self) -> PauseInfo | None:
        """Who paused the run; None unless it is paused."""
        if self.status is not WorkflowExecutionStatus.PAUSED:
            return None
        info = self.raw_description.workflow_extended_info.pause_info
        return PauseInfo(_time(info, "paused_time"), info.identity, info.reason)

    @property
    def pending_activities(self) -> list[PendingActivity]:
        """Activities that the run waits for."""
        return [self._pending_activity(raw) for raw in self.raw_description.pending_activities]

    @property
    def pending_children(self) -> Sequence[PendingChildExecutionInfo]:
        """Children that the run waits for, as their protobuf messages."""
        return self.raw_description.pending_children

    async def static_summary(self) -> str | None:
        """Decode the one line for people that the run was started with."""
        return self._user_metadata("summary")

    async def static_details(self) -> str | None:
        """Decode the text for people that the run was started with."""
        return self._user_metadata("details")

    def _user_metadata(self, field: str) -> str | None:
        metadata = self.raw_description.execution_config.user_metadata
        if not metadata.HasField(field):  # type: ignore[arg-type]
            return None
        payload: Payload = getattr(metadata, field)
        text: str = self._context.payloads.from_payload(payload, str)
        return text

    def _pending_activity(self, raw: PendingActivityInfo) -> PendingActivity:
        return PendingActivity(
            activity_id=raw.activity_id,
            activity_type=raw.activity_type.name,
            state=PendingActivityState(raw.state or 1),
            attempt=raw.attempt,
            maximum_attempts=raw.maximum_attempts,
            scheduled_time=_time(raw, "scheduled_time"),
            last_started_time=_time(raw, "last_started_time"),
            last_heartbeat_time=_time(raw, "last_heartbeat_time"),
            next_attempt_time=_time(raw, "next_attempt_schedule_time"),
            last_failure=self._context.exception_from(raw.last_failure) if raw.HasField("last_failure") else None,
            last_worker_identity=raw.last_worker_identity,
            heartbeat_details=self._context.payloads.from_payloads_wrapper(raw.heartbeat_details),
            raw_info=raw,
            pause=_pause_of(raw),
        )


def _pause_of(raw: PendingActivityInfo) -> PauseInfo | None:
    if not raw.paused:
        return None
    info = raw.pause_info
    by = info.rule if info.WhichOneof("paused_by") == "rule" else info.manual
    return PauseInfo(_time(info, "pause_time"), by.identity, by.reason)


def _time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(tzinfo=UTC)
