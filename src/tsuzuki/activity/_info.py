"""What an activity can learn about itself: values only, filled in by whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tsuzuki.common import Priority, RetryPolicy


@dataclass(frozen=True)
class Info:
    """The attempt that is running.

    All times are in UTC and were taken by the engine's clock. A timeout that was not given is None.

    Attributes:
        activity_id: Id of this use of the activity, unique within its run.
        activity_type: Name it was scheduled by.
        attempt: 1 for the first attempt, and so on.
        current_attempt_scheduled_time: When this attempt became due.
        heartbeat_details: Last details that an earlier attempt reported with `heartbeat`; else empty.
        heartbeat_timeout: Longest silence between two heartbeats.
        is_local: True for a local activity, which runs inside a workflow task.
        namespace: Namespace of the run.
        schedule_to_close_timeout: Bound on all attempts and the waiting between them.
        scheduled_time: When the activity was scheduled.
        start_to_close_timeout: Bound on this attempt.
        started_time: When this attempt was handed to the worker.
        task_queue: Task queue it was taken from.
        task_token: Names this attempt; whoever holds it may complete it from outside.
        workflow_id: Workflow that scheduled it.
        workflow_namespace: The same as `namespace`.
        workflow_run_id: Run that scheduled it.
        workflow_type: Type of that workflow.
        priority: Its priority among waiting tasks.
        retry_policy: Policy in force, None if the engine did not say.
        activity_run_id: Run of an activity that no workflow started.
    """

    activity_id: str
    activity_type: str
    attempt: int
    current_attempt_scheduled_time: datetime
    heartbeat_details: Sequence[Any]
    heartbeat_timeout: timedelta | None
    is_local: bool
    namespace: str
    schedule_to_close_timeout: timedelta | None
    scheduled_time: datetime
    start_to_close_timeout: timedelta | None
    started_time: datetime
    task_queue: str
    task_token: bytes
    workflow_id: str | None
    workflow_namespace: str | None
    workflow_run_id: str | None
    workflow_type: str | None
    priority: Priority
    retry_policy: RetryPolicy | None
    activity_run_id: str | None = None

    @property
    def in_workflow(self) -> bool:
        """True when a workflow started this activity."""
        return self.workflow_id is not None

    def logger_details(self) -> Mapping[str, Any]:
        """The fields that identify the attempt in a log record."""
        return {
            "activity_id": self.activity_id,
            "activity_type": self.activity_type,
            "attempt": self.attempt,
            "namespace": self.namespace,
            "task_queue": self.task_queue,
            "workflow_id": self.workflow_id,
            "workflow_run_id": self.workflow_run_id,
            "workflow_type": self.workflow_type,
        }


@dataclass(frozen=True)
class ActivityCancellationDetails:
    """Why the attempt was told to stop; set once, then it does not change.

    Attributes:
        not_found: The engine no longer knows the attempt: its workflow closed, or it was timed out.
        cancel_requested: The workflow asked for it, or is itself being cancelled.
        paused: An operator paused the activity; it will be run again once unpaused.
        reset: An operator reset the activity; it will be run again from the first attempt.
        timed_out: The attempt ran past its timeout and its outcome no longer counts.
        worker_shutdown: The worker is shutting down and its grace period is over.
    """

    not_found: bool = False
    cancel_requested: bool = False
    paused: bool = False
    reset: bool = False
    timed_out: bool = False
    worker_shutdown: bool = False
