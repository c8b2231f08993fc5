"""The answer of an activity poll, read into `activity.Info`.

Building one costs more than the rest of a small activity's overhead together, so it is done only when user
code asks for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import Info
from tsuzuki.common import Priority, RetryPolicy
from tsuzuki.common.stream_frames import FRAMED, has_frame
from tsuzuki.converter import PayloadConverter

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def info_from(
    task: PollActivityTaskQueueResponse,
    *,
    namespace: str,
    task_queue: str,
    converter: PayloadConverter,
    is_local: bool = False,
) -> Info:
    """Read a polled activity task; the namespace is that of the poll, if the task names none.

    Raises:
        PayloadDecodeError: The heartbeat details of an earlier attempt cannot be read.
    """
    started_by_workflow = bool(task.workflow_execution.workflow_id)
    return Info(
        activity_id=task.activity_id,
        activity_type=task.activity_type.name,
        attempt=task.attempt,
        current_attempt_scheduled_time=_utc(task.current_attempt_scheduled_time),
        heartbeat_details=converter.from_payloads_wrapper(proper_details(task.heartbeat_details)),
        heartbeat_timeout=_timeout(task.heartbeat_timeout),
        is_local=is_local,
        namespace=task.workflow_namespace or namespace,
        schedule_to_close_timeout=_timeout(task.schedule_to_close_timeout),
        scheduled_time=_utc(task.scheduled_time),
        start_to_close_timeout=_timeout(task.start_to_close_timeout),
        started_time=_utc(task.started_time),
        task_queue=task_queue,
        task_token=task.task_token,
        workflow_id=task.workflow_execution.workflow_id or None,
        workflow_namespace=task.workflow_namespace or None,
        workflow_run_id=task.workflow_execution.run_id or None,
        workflow_type=task.workflow_type.name or None,
        priority=Priority.from_proto(task.priority),
        retry_policy=RetryPolicy.from_proto(task.retry_policy) if task.HasField("retry_policy") else None,
        activity_run_id=None if started_by_workflow else task.activity_run_id or None,
    )


def proper_details(details: Payloads) -> Payloads:
    """Heartbeat details without the batch of a stream before them, which other servers leave there."""
    return Payloads(payloads=details.payloads[FRAMED:]) if has_frame(details.payloads) else details


def seconds_left(task: PollActivityTaskQueueResponse) -> float:
    """Return how long the attempt could run from its start before its outcome no longer counts."""
    bounds = []
    if (start_to_close := _timeout(task.start_to_close_timeout)) is not None:
        bounds.append(start_to_close)
    if (schedule_to_close := _timeout(task.schedule_to_close_timeout)) is not None:
        bounds.append(_utc(task.scheduled_time) + schedule_to_close - _utc(task.started_time))
    return min(bounds).total_seconds() if bounds else float("inf")


def _utc(timestamp: Timestamp) -> datetime:
    return EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1000)


def _timeout(duration: Duration) -> timedelta | None:
    seconds, nanos = duration.seconds, duration.nanos
    return timedelta(0, seconds, nanos // 1000) if seconds or nanos else None
