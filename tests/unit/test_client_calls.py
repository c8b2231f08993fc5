"""Refusals and lost answers: what a caller gets, what is sent again, and for how long."""

from __future__ import annotations

import pytest
from answering_service import AnsweringService, ManualTime, refusal
from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import (
    NamespaceNotFoundFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.api.workflowservice.v1 import (
    PauseActivityResponse,
    PauseWorkflowExecutionResponse,
    RequestCancelWorkflowExecutionResponse,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionResponse,
    UpdateActivityOptionsResponse,
)

from tsuzuki.client import (
    ActivityNotFoundError,
    Calls,
    Client,
    InvalidArgumentError,
    NamespaceNotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RPCError,
    ServiceUnavailableError,
    WorkflowNotFoundError,
)
from tsuzuki.common import Priority, RetryPolicy
from tsuzuki.exceptions import WorkflowAlreadyStartedError
from tsuzuki.service import StatusCode

UNAVAILABLE = refusal(StatusCode.UNAVAILABLE)


class Scene:
    """A client whose service gives prepared answers and whose time is manual."""

    def __init__(self, *answers: Message | Exception) -> None:
        self.service = AnsweringService(*answers)  # type: ignore[arg-type]
        self.time = ManualTime()
        calls = Calls(clock=self.time.clock, sleep=self.time.sleep, jitter=lambda: 0.5)
        self.client = Client(self.service.service, calls=calls)


async def test_a_start_is_sent_again_with_the_same_request_id() -> None:
    scene = Scene(UNAVAILABLE, UNAVAILABLE, StartWorkflowExecutionResponse(run_id="r"))

    handle = await scene.client.start_workflow("Research", id="w", task_queue="q")

    assert handle.result_run_id == "r"
    first, second, third = scene.service.requests
    assert first.request_id
    assert first == second == third
    assert scene.time.naps == [0.1, 0.2]


@pytest.mark.parametrize(
    ("answer", "operation"),
    [
        (RequestCancelWorkflowExecutionResponse(), lambda handle: handle.cancel()),
        (SignalWorkflowExecutionResponse(), lambda handle: handle.signal("pause")),
        (PauseWorkflowExecutionResponse(), lambda handle: handle.pause(reason="look first")),
        (PauseActivityResponse(), lambda handle: handle.pending_activity("a").pause()),
    ],
)
async def test_cancel_signal_and_pause_are_sent_again_with_the_same_request_id(answer, operation) -> None:  # type: ignore[no-untyped-def]
    scene = Scene(UNAVAILABLE, answer)
    await operation(scene.client.get_workflow_handle("w"))
    first, second = scene.service.requests
    assert first.request_id
    assert first == second


async def test_an_unpause_is_sent_once() -> None:
    """A second one, after a lost answer, might unpause what somebody has paused since."""
    scene = Scene(UNAVAILABLE)
    with pytest.raises(ServiceUnavailableError):
        await scene.client.get_workflow_handle("w").unpause()
    assert len(scene.service.requests) == 1


async def test_options_of_a_pending_activity_are_named_in_the_mask() -> None:
    scene = Scene(UpdateActivityOptionsResponse(), UpdateActivityOptionsResponse())
    activity = scene.client.get_workflow_handle("w", run_id="r").pending_activity("a")
    policy = RetryPolicy(maximum_attempts=3)
    await activity.update_options(task_queue="q", heartbeat_timeout=None, retry_policy=policy, priority=Priority(2))
    [request] = scene.service.requests
    assert list(request.update_mask.paths) == ["task_queue.name", "heartbeat_timeout", "retry_policy", "priority"]
    options = request.activity_options
    assert (options.task_queue.name, options.HasField("heartbeat_timeout")) == ("q", False)
    assert (options.retry_policy.maximum_attempts, options.priority.priority_key) == (3, 2)
    assert (request.execution.workflow_id, request.execution.run_id, request.id) == ("w", "r", "a")
    await activity.restore_original_options()
    assert scene.service.requests[1].restore_original
    with pytest.raises(InvalidArgumentError, match="no option to change was given"):
        await activity.update_options()


async def test_each_call_has_its_own_request_id() -> None:
    scene = Scene(SignalWorkflowExecutionResponse(), SignalWorkflowExecutionResponse())
    handle = scene.client.get_workflow_handle("w")
    await handle.signal("pause")
    await handle.signal("pause")
    first, second = scene.service.requests
    assert first.request_id != second.request_id


async def test_sending_again_is_bounded_by_time_and_backs_off() -> None:
    scene = Scene(*[UNAVAILABLE] * 100)

    with pytest.raises(ServiceUnavailableError):
        await scene.client.start_workflow("Research", id="w", task_queue="q")

    assert scene.time.naps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert scene.time.now <= 10


async def test_a_refusal_ends_sending_again() -> None:
    scene = Scene(UNAVAILABLE, refusal(StatusCode.INVALID_ARGUMENT))
    with pytest.raises(InvalidArgumentError):
        await scene.client.start_workflow("Research", id="w", task_queue="q")


async def test_terminate_is_sent_once_because_a_second_would_find_a_closed_run() -> None:
    scene = Scene(UNAVAILABLE)
    with pytest.raises(ServiceUnavailableError):
        await scene.client.get_workflow_handle("w").terminate()
    assert len(scene.service.requests) == 1


async def test_a_completion_is_sent_once_because_a_second_would_find_nothing() -> None:
    scene = Scene(UNAVAILABLE)
    with pytest.raises(ServiceUnavailableError):
        await scene.client.get_async_activity_handle(task_token=b"t").complete()
    assert len(scene.service.requests) == 1


async def test_a_busy_engine_is_asked_again_but_not_with_a_message_too_large() -> None:
    busy = refusal(StatusCode.RESOURCE_EXHAUSTED, ResourceExhaustedFailure())
    scene = Scene(busy, SignalWorkflowExecutionResponse(), refusal(StatusCode.RESOURCE_EXHAUSTED))
    handle = scene.client.get_workflow_handle("w")

    await handle.signal("pause")
    with pytest.raises(ResourceExhaustedError):
        await handle.signal("pause")

    assert len(scene.service.requests) == 3


@pytest.mark.parametrize(
    ("status", "detail", "expected"),
    [
        (StatusCode.NOT_FOUND, None, WorkflowNotFoundError),
        (StatusCode.NOT_FOUND, NamespaceNotFoundFailure(namespace="x"), NamespaceNotFoundError),
        (StatusCode.INVALID_ARGUMENT, None, InvalidArgumentError),
        (StatusCode.DEADLINE_EXCEEDED, None, ServiceUnavailableError),
        (StatusCode.PERMISSION_DENIED, None, PermissionDeniedError),
        (StatusCode.UNAUTHENTICATED, None, PermissionDeniedError),
        (StatusCode.RESOURCE_EXHAUSTED, None, ResourceExhaustedError),
        (StatusCode.FAILED_PRECONDITION, None, RPCError),
        (StatusCode.UNIMPLEMENTED, None, RPCError),
        (StatusCode.INTERNAL, None, RPCError),
    ],
)
async def test_each_refusal_has_its_class(status: StatusCode, detail: Message | None, expected: type[RPCError]) -> None:
    scene = Scene(refusal(status, detail))

    with pytest.raises(RPCError) as caught:
        await scene.client.get_workflow_handle("w").describe()

    error = caught.value
    assert type(error) is expected
    assert (error.status, error.detail, error.message) == (status, detail, f"refused: {status.name}")


async def test_an_id_that_is_taken_names_who_has_it() -> None:
    taken = WorkflowExecutionAlreadyStartedFailure(run_id="r2", first_execution_run_id="r1")
    scene = Scene(refusal(StatusCode.ALREADY_EXISTS, taken))

    with pytest.raises(WorkflowAlreadyStartedError) as caught:
        await scene.client.start_workflow("Research", id="w", task_queue="q")

    error = caught.value
    assert (error.workflow_id, error.workflow_type, error.run_id, error.first_run_id) == (
        "w",
        "Research",
        "r2",
        "r1",
    )


async def test_an_attempt_that_is_gone_is_no_missing_workflow() -> None:
    scene = Scene(refusal(StatusCode.NOT_FOUND))
    with pytest.raises(ActivityNotFoundError):
        await scene.client.get_async_activity_handle(task_token=b"t").heartbeat()
