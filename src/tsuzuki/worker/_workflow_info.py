"""`workflow.Info` out of the events and messages of the protocol; built only when workflow code asks.

Invariant: mappings are in the order of their keys. Protobuf gives none, and code that goes through one must do
the same on every replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import SearchAttributes as SearchAttributesProto
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.common import Priority, RetryPolicy, SearchAttributeValue
from tsuzuki.converter import PayloadConverter, read_headers
from tsuzuki.workflow import Info, ParentInfo, RootInfo


def build_info(
    started: HistoryEvent,
    *,
    namespace: str,
    workflow_id: str,
    run_id: str,
    task_queue: str,
    first_task_started_ns: int,
) -> Info:
    """Build the info of a run from its first event."""
    attributes = started.workflow_execution_started_event_attributes
    parent = attributes.parent_workflow_execution
    root = attributes.root_workflow_execution
    return Info(
        attempt=attributes.attempt,
        continued_run_id=attributes.continued_execution_run_id or None,
        cron_schedule=attributes.cron_schedule or None,
        execution_timeout=_bound(attributes.workflow_execution_timeout),
        first_execution_run_id=attributes.first_execution_run_id,
        headers=read_headers(attributes.header),
        namespace=namespace,
        original_execution_run_id=attributes.original_execution_run_id,
        parent=(
            ParentInfo(attributes.parent_workflow_namespace, parent.run_id, parent.workflow_id)
            if attributes.HasField("parent_workflow_execution")
            else None
        ),
        root=(RootInfo(root.run_id, root.workflow_id) if attributes.HasField("root_workflow_execution") else None),
        priority=Priority.from_proto(attributes.priority),
        raw_memo=dict(sorted(attributes.memo.fields.items())),
        retry_policy=(RetryPolicy.from_proto(attributes.retry_policy) if attributes.HasField("retry_policy") else None),
        run_id=run_id,
        run_timeout=_bound(attributes.workflow_run_timeout),
        search_attributes=decode_search_attributes(attributes.search_attributes),
        start_time=datetime.fromtimestamp(first_task_started_ns / 1e9, UTC),
        task_queue=task_queue,
        task_timeout=attributes.workflow_task_timeout.ToTimedelta(),
        workflow_id=workflow_id,
        workflow_start_time=_time(started.event_time),
        workflow_type=attributes.workflow_type.name,
    )


def decode_search_attributes(proto: SearchAttributesProto) -> Mapping[str, SearchAttributeValue]:
    """Decode search attributes: plain JSON, with the type beside it for times."""
    decoded: dict[str, SearchAttributeValue] = {}
    for key, payload in sorted(proto.indexed_fields.items()):
        value = PayloadConverter.default.from_payload(payload)
        if payload.metadata.get("type") == b"Datetime" and isinstance(value, str):
            value = datetime.fromisoformat(value)
        decoded[key] = value
    return decoded


def _bound(duration: Duration) -> timedelta | None:
    return duration.ToTimedelta() or None


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
