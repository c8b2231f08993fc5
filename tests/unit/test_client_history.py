"""Histories as JSON: what official tools write is read, what we write they read."""

from __future__ import annotations

import json

import pytest
import temporalio.client
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, RetryState, TaskQueueKind, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import WorkflowHistory


def recorded() -> WorkflowHistory:
    started = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
    started.event_time.FromMilliseconds(1_767_322_445_678)
    first = started.workflow_execution_started_event_attributes
    first.original_execution_run_id = "run-1"
    first.task_queue.name = "q"
    first.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
    first.input.payloads.append(Payload(metadata={"encoding": b"json/plain"}, data=b'"\xc3\xa4"'))
    first.memo.fields["who"].CopyFrom(Payload(metadata={"encoding": b"json/plain"}, data=b'"me"'))
    failed = HistoryEvent(event_id=2, event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    task = failed.workflow_task_failed_event_attributes
    task.cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
    task.failure.message = "boom"
    task.failure.activity_failure_info.retry_state = RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    task.failure.cause.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    return WorkflowHistory("w", [started, failed])


def test_json_reads_back() -> None:
    history = recorded()
    back = WorkflowHistory.from_json("w", history.to_json())
    assert list(back.events) == list(history.events)
    assert back.run_id == "run-1"


def test_the_official_package_reads_what_we_write_and_the_other_way_round() -> None:
    history = recorded()
    theirs = temporalio.client.WorkflowHistory.from_json("w", history.to_json())
    assert list(theirs.events) == list(history.events)
    assert theirs.to_json() == history.to_json()
    assert theirs.to_json_dict() == history.to_json_dict() == json.loads(history.to_json())


def test_older_exports_with_short_enum_names_are_read() -> None:
    text = recorded().to_json()
    for full, short in [
        ("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", "WorkflowExecutionStarted"),
        ("EVENT_TYPE_WORKFLOW_TASK_FAILED", "WorkflowTaskFailed"),
        ("TASK_QUEUE_KIND_NORMAL", "Normal"),
        ("WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE", "WorkflowWorkerUnhandledFailure"),
        ("RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED", "MaximumAttemptsReached"),
        ("TIMEOUT_TYPE_START_TO_CLOSE", "StartToClose"),
    ]:
        assert full in text
        text = text.replace(full, short)

    assert list(WorkflowHistory.from_json("w", text).events) == list(recorded().events)


def test_fields_of_later_versions_are_passed_over() -> None:
    parsed = recorded().to_json_dict()
    parsed["events"][0]["workflowExecutionStartedEventAttributes"]["laterField"] = {"x": 1}
    assert list(WorkflowHistory.from_json("w", parsed).events) == list(recorded().events)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"events": 5}', '{"events": [{"eventId": "x"}]}', "nonsense", '{"events": [5]}']
)
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a history|Expecting value"):
        WorkflowHistory.from_json("w", text)


def test_a_history_without_its_first_event_has_no_run() -> None:
    with pytest.raises(ValueError, match="does not begin with WorkflowExecutionStarted"):
        _ = WorkflowHistory("w", recorded().events[1:]).run_id
