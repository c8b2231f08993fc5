"""Bad input at the service: refused before anything is changed, in words that say what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import MIB, SECOND, Refused, duration, payloads_of, retrying
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Memo, RetryPolicy, WorkflowExecution, WorkflowType
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RequestCancelWorkflowExecutionRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, QUEUE, schedule_activity, start_timer

BAD_IDS = {
    "empty": ("", "is empty; give it a value of 1 to 1000 characters"),
    "NUL": ("a\0b", "holds a NUL character: 'a\\\\x00b'. Remove it"),
    "too long": ("x" * 1001, "has 1001 characters .* the limit is 1000. Shorten it"),
}


def _start(**fields: Any) -> StartWorkflowExecutionRequest:
    given = {
        "namespace": NAMESPACE,
        "workflow_id": "w",
        "workflow_type": WorkflowType(name="Workflow"),
        "task_queue": TaskQueue(name=QUEUE),
    }
    return StartWorkflowExecutionRequest(**{**given, **fields})


# ---- ids ---------------------------------------------------------------------------------------------

IDS: dict[str, Callable[[str], tuple[str, Any]]] = {
    "the workflow id": lambda value: ("start_workflow_execution", _start(workflow_id=value)),
    "the workflow type": lambda value: (
        "start_workflow_execution",
        _start(workflow_type=WorkflowType(name=value)),
    ),
    "the task queue": lambda value: ("start_workflow_execution", _start(task_queue=TaskQueue(name=value))),
    "the workflow id of a signal": lambda value: (
        "signal_workflow_execution",
        SignalWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id=value), signal_name="s"
        ),
    ),
    "the signal name": lambda value: (
        "signal_workflow_execution",
        SignalWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id="there"), signal_name=value
        ),
    ),
    "the workflow id of a cancel": lambda value: (
        "request_cancel_workflow_execution",
        RequestCancelWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id=value)
        ),
    ),
    "the workflow id of a terminate": lambda value: (
        "terminate_workflow_execution",
        TerminateWorkflowExecutionRequest(namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id=value)),
    ),
    "the workflow id of a description": lambda value: (
        "describe_workflow_execution",
        DescribeWorkflowExecutionRequest(namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=value)),
    ),
    "the workflow id of a history": lambda value: (
        "get_workflow_execution_history",
        GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=value)),
    ),
    "the task queue of a workflow worker": lambda value: (
        "poll_workflow_task_queue",
        PollWorkflowTaskQueueRequest(namespace=NAMESPACE, task_queue=TaskQueue(name=value)),
    ),
    "the task queue of an activity worker": lambda value: (
        "poll_activity_task_queue",
        PollActivityTaskQueueRequest(namespace=NAMESPACE, task_queue=TaskQueue(name=value)),
    ),
    "the activity id": lambda value: (
        "respond_activity_task_completed_by_id",
        RespondActivityTaskCompletedByIdRequest(namespace=NAMESPACE, workflow_id="there", activity_id=value),
    ),
}


@pytest.mark.parametrize(("value", "words"), BAD_IDS.values(), ids=BAD_IDS)
@pytest.mark.parametrize("what", IDS)
def test_ids_are_checked(server: LocalServer, what: str, value: str, words: str) -> None:
    server.start_workflow("there")
    rpc, request = IDS[what](value)
    with Refused(StatusCode.INVALID_ARGUMENT, f"{what.partition(' of a')[0]} {words}"):
        server.call(getattr(server.service, rpc)(request))
    assert server.notation("there") == "Started | WorkflowTaskScheduled"


@pytest.mark.parametrize("value", ["x" * 1000, "é" * 1000, "  ", "../..", "'; DROP TABLE runs; --", "一" * 10])
def test_unusual_ids_are_ids(server: LocalServer, value: str) -> None:
    """Characters are counted, not bytes."""
    run_id = server.start_workflow(value)
    assert server.describe(value).workflow_execution_info.execution.run_id == run_id


# ---- namespaces --------------------------------------------------------------------------------------

RUN = WorkflowExecution(workflow_id="there")
BY_ID: dict[str, Any] = {"namespace": "elsewhere", "workflow_id": "there", "activity_id": "a"}
NAMESPACED: dict[str, Any] = {
    "start_workflow_execution": _start(namespace="elsewhere"),
    "signal_workflow_execution": SignalWorkflowExecutionRequest(
        namespace="elsewhere", workflow_execution=RUN, signal_name="s"
    ),
    "request_cancel_workflow_execution": RequestCancelWorkflowExecutionRequest(
        namespace="elsewhere", workflow_execution=RUN
    ),
    "terminate_workflow_execution": TerminateWorkflowExecutionRequest(namespace="elsewhere", workflow_execution=RUN),
    "describe_workflow_execution": DescribeWorkflowExecutionRequest(namespace="elsewhere", execution=RUN),
    "get_workflow_execution_history": GetWorkflowExecutionHistoryRequest(namespace="elsewhere", execution=RUN),
    "list_workflow_executions": ListWorkflowExecutionsRequest(namespace="elsewhere"),
    "count_workflow_executions": CountWorkflowExecutionsRequest(namespace="elsewhere"),
    "describe_namespace": DescribeNamespaceRequest(namespace="elsewhere"),
    "poll_workflow_task_queue": PollWorkflowTaskQueueRequest(namespace="elsewhere", task_queue=TaskQueue(name=QUEUE)),
    "poll_activity_task_queue": PollActivityTaskQueueRequest(namespace="elsewhere", task_queue=TaskQueue(name=QUEUE)),
    "respond_activity_task_completed_by_id": RespondActivityTaskCompletedByIdRequest(**BY_ID),
    "respond_activity_task_failed_by_id": RespondActivityTaskFailedByIdRequest(**BY_ID),
    "respond_activity_task_canceled_by_id": RespondActivityTaskCanceledByIdRequest(**BY_ID),
    "record_activity_task_heartbeat_by_id": RecordActivityTaskHeartbeatByIdRequest(**BY_ID),
}


@pytest.mark.parametrize("rpc", NAMESPACED)
def test_another_namespace_is_not_served(server: LocalServer, rpc: str) -> None:
    """Invariant 42."""
    server.start_workflow("there")
    server.complete_workflow_task(schedule_activity("a"))
    with Refused(StatusCode.NOT_FOUND, "namespace 'elsewhere' is not found; there is 'default'") as refused:
        server.call(getattr(server.service, rpc)(NAMESPACED[rpc]))
    assert refused.value.detail == NamespaceNotFoundFailure(namespace="elsewhere")
    assert server.notation("there") == "Started | WFT | ActivityScheduled a"


# ---- tokens ------------------------------------------------------------------------------------------

TOKENS = {
    "empty": b"",
    "short": b"garbage",
    "right length": b"\xff" * 29,
    "other engine's": bytes(29),
    "long": bytes(99),
}
TOKENED: dict[str, Any] = {
    "respond_workflow_task_completed": RespondWorkflowTaskCompletedRequest,
    "respond_workflow_task_failed": RespondWorkflowTaskFailedRequest,
    "respond_activity_task_completed": RespondActivityTaskCompletedRequest,
    "respond_activity_task_failed": RespondActivityTaskFailedRequest,
    "respond_activity_task_canceled": RespondActivityTaskCanceledRequest,
    "record_activity_task_heartbeat": RecordActivityTaskHeartbeatRequest,
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("rpc", TOKENED)
def test_a_garbage_token_is_refused(server: LocalServer, rpc: str, token: bytes) -> None:
    """Invariant 15."""
    with Refused(StatusCode.INVALID_ARGUMENT, "the task token"):
        server.call(getattr(server.service, rpc)(TOKENED[rpc](namespace=NAMESPACE, task_token=token)))


@pytest.mark.parametrize("rpc", TOKENED)
def test_a_token_of_the_other_kind_is_refused(server: LocalServer, rpc: str) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    activity = server.take_activity()
    server.signal("s")
    workflow = server.take_workflow_task()
    other, kind = (activity, "a workflow") if "workflow" in rpc else (workflow, "an activity")
    with Refused(StatusCode.INVALID_ARGUMENT, f"the task token is not of {kind} task"):
        server.call(getattr(server.service, rpc)(TOKENED[rpc](namespace=NAMESPACE, task_token=other.task_token)))


@pytest.mark.parametrize("highest_byte", [0x7F, 0xFF])
def test_a_token_of_a_run_that_does_not_exist(server: LocalServer, highest_byte: int) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    activity = bytearray(server.take_activity().task_token)
    server.signal("s")
    workflow = bytearray(server.take_workflow_task().task_token)
    activity[1] = workflow[1] = highest_byte  # of the run's key
    completed = RespondWorkflowTaskCompletedRequest(task_token=bytes(workflow))
    with Refused(StatusCode.NOT_FOUND, "the workflow task is over"):
        server.call(server.service.respond_workflow_task_completed(completed))
    done = RespondActivityTaskCompletedRequest(task_token=bytes(activity))
    with Refused(StatusCode.NOT_FOUND, "the task token names a run that does not exist"):
        server.call(server.service.respond_activity_task_completed(done))


@pytest.mark.parametrize("token", [b"garbage", bytes(16), b"\x00" * 15 + b"\x01", b"\xff" * 16, bytes(17)])
def test_a_garbage_page_token_is_refused(server: LocalServer, token: bytes) -> None:
    server.start_workflow("there")
    request = GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE, execution=RUN, next_page_token=token)
    expected = StatusCode.NOT_FOUND if token.endswith(b"\x01") else StatusCode.INVALID_ARGUMENT
    with Refused(expected, "next_page_token is none of this engine's|the run is not in this store"):
        server.call(server.service.get_workflow_execution_history(request))


@pytest.mark.parametrize("token", [b"garbage", bytes(15), bytes(17)])
def test_a_garbage_page_token_of_a_list_is_refused(server: LocalServer, token: bytes) -> None:
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE, next_page_token=token)
    with Refused(StatusCode.INVALID_ARGUMENT, "next_page_token is none of this engine's"):
        server.call(server.service.list_workflow_executions(request))


# ---- durations and policies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    ["workflow_execution_timeout", "workflow_run_timeout", "workflow_task_timeout", "workflow_start_delay"],
)
def test_a_negative_duration_is_refused(server: LocalServer, field: str) -> None:
    request = _start(**{field: duration(-SECOND)})
    with Refused(StatusCode.INVALID_ARGUMENT, f"{field} is -1 s; expected more than 0, or nothing"):
        server.call(server.service.start_workflow_execution(request))


POLICIES = {
    "negative attempts": (retrying(attempts=-1), "maximum_attempts is -1; expected 1 or more, or 0 for no limit"),
    "negative interval": (retrying(-SECOND), "initial_interval is -1 s; expected 0 or more"),
    "no coefficient": (retrying(coefficient=math.nan), "backoff_coefficient is nan; expected 1 or more"),
    "coefficient under 1": (retrying(coefficient=0.5), "backoff_coefficient is 0.5; expected 1 or more"),
}


@pytest.mark.parametrize(("policy", "words"), POLICIES.values(), ids=POLICIES)
def test_a_bad_retry_policy_is_refused(server: LocalServer, policy: Any, words: str) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, f"RetryPolicy.{words}"):
        server.call(server.service.start_workflow_execution(_start(retry_policy=policy)))


LONGEST = Duration(seconds=315_576_000_000)
"""Ten thousand years: the most that a protobuf duration may be."""


def test_the_longest_durations_are_taken(server: LocalServer) -> None:
    """In all places, and in sums: nothing of it may be too large for the store, whose other writers would wait."""
    policy = RetryPolicy(initial_interval=LONGEST, maximum_interval=LONGEST, backoff_coefficient=1e300)
    server.start_workflow(
        "waits",
        workflow_start_delay=LONGEST,
        workflow_execution_timeout=LONGEST,
        workflow_run_timeout=LONGEST,
        retry_policy=policy,
    )
    server.signal("s", "waits")
    server.start_workflow("w", retry_policy=policy)
    timer = start_timer("t", timedelta(seconds=1))
    timer.start_timer_command_attributes.start_to_fire_timeout.CopyFrom(LONGEST)
    activity = schedule_activity("a")
    attributes = activity.schedule_activity_task_command_attributes
    for timeout in ("schedule_to_start", "start_to_close", "heartbeat"):
        getattr(attributes, f"{timeout}_timeout").CopyFrom(LONGEST)
    attributes.retry_policy.CopyFrom(policy)
    server.complete_workflow_task(timer, activity)
    failure = Failure(message="x")
    failure.application_failure_info.SetInParent()
    server.fail_activity(server.take_activity(), failure)

    assert server.notation("w") == "Started | WFT | TimerStarted t | ActivityScheduled a"
    assert server.notation("waits") == "Started | Signaled s"


def test_a_bad_cron_schedule_is_refused(server: LocalServer) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "invalid CronSchedule '61 . . . .': '61' in the field minute is out of"):
        server.call(server.service.start_workflow_execution(_start(cron_schedule="61 * * * *")))
    with Refused(StatusCode.INVALID_ARGUMENT, "cron_schedule and workflow_start_delay are both given"):
        request = _start(cron_schedule="* * * * *", workflow_start_delay=duration(SECOND))
        server.call(server.service.start_workflow_execution(request))


# ---- sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "fits"), [(2 * MIB - 1, True), (2 * MIB, True), (2 * MIB + 1, False)])
def test_the_input_of_a_workflow_is_bounded(server: LocalServer, size: int, fits: bool) -> None:
    """Invariant 41."""
    request = _start(input=payloads_of(size))
    if fits:
        assert server.call(server.service.start_workflow_execution(request)).started
        return
    words = "the input of workflow 'w' has 2,097,153 bytes, the limit is 2,097,152. Store the data elsewhere"
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        server.call(server.service.start_workflow_execution(request))


@pytest.mark.parametrize("over", [False, True])
def test_a_memo_is_bounded(server: LocalServer, over: bool) -> None:
    """Invariant 41."""
    memo = Memo()
    memo.fields["k"].data = b"x"
    memo.fields["k"].data += b"x" * (2 * MIB - memo.ByteSize() - 20)
    memo.fields["k"].data += b"x" * (2 * MIB - memo.ByteSize() + over)
    assert memo.ByteSize() == 2 * MIB + over
    if not over:
        assert server.call(server.service.start_workflow_execution(_start(memo=memo))).started
        return
    with Refused(StatusCode.INVALID_ARGUMENT, "the memo of workflow 'w' has 2,097,153 bytes"):
        server.call(server.service.start_workflow_execution(_start(memo=memo)))


@pytest.mark.parametrize("over", [False, True])
def test_the_input_of_an_activity_is_bounded(server: LocalServer, over: bool) -> None:
    """Invariant 41: over the limit the run ends, for a retry would ask for the same."""
    server.start_workflow()
    task = server.take_workflow_task()
    command = schedule_activity("a")
    command.schedule_activity_task_command_attributes.input.CopyFrom(payloads_of(2 * MIB + over))
    if not over:
        server.answer_workflow_task(task, command)
        assert server.take_activity().input.ByteSize() == 2 * MIB
        return
    server.signal("s")
    with Refused(StatusCode.INVALID_ARGUMENT, "the input of activity 'Activity' \\(id 'a'\\) has 2,097,153 bytes"):
        server.answer_workflow_task(task, command)
    assert server.notation() == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed BAD_SCHEDULE_ACTIVITY_ATTRIBUTES"
        " | Signaled s | Terminated"
    )
    server.advance(timedelta(hours=1))
    assert server.poll_workflow_task() is None
