"""Starts: one open run an id, the policies in every combination, a request id that is safe to send again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine_requests import HOUR, MINUTE, SECOND, Refused, duration, retrying, times_of
from engine_site import Site
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, StartWorkflowExecutionResponse

from tsuzuki.engine import Limits
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    NAMESPACE,
    QUEUE,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    schedule_activity,
)

REUSE = {name.removeprefix("WORKFLOW_ID_REUSE_POLICY_"): number for name, number in WorkflowIdReusePolicy.items()}
CONFLICT = {
    name.removeprefix("WORKFLOW_ID_CONFLICT_POLICY_"): number for name, number in WorkflowIdConflictPolicy.items()
}


def _start(
    server: LocalServer, request_id: str = "", reuse: str = "UNSPECIFIED", conflict: str = "UNSPECIFIED"
) -> StartWorkflowExecutionResponse:
    request = StartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id="w",
        request_id=request_id,
        workflow_id_reuse_policy=REUSE[reuse],
        workflow_id_conflict_policy=CONFLICT[conflict],
    )
    request.workflow_type.name = "Workflow"
    request.task_queue.name = QUEUE
    return server.call(server.service.start_workflow_execution(request))


# ---- request ids -------------------------------------------------------------------------------------


def test_the_same_request_id_gives_the_same_run(server: LocalServer) -> None:
    """Invariants 4, 35."""
    first = _start(server, "r")
    again = _start(server, "r")
    assert (again.run_id, again.started) == (first.run_id, True)
    assert server.notation() == "Started | WorkflowTaskScheduled"


def test_the_same_request_id_gives_the_same_run_after_its_close(server: LocalServer) -> None:
    """Invariant 35."""
    first = _start(server, "r")
    server.complete_workflow_task(complete_workflow())
    again = _start(server, "r")
    assert (again.run_id, again.started) == (first.run_id, True)
    assert again.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED


def test_the_same_request_id_gives_the_same_run_in_a_later_process(site: Site) -> None:
    """Invariants 1, 4, 35."""
    first = _start(site.server, "r")
    assert _start(site.restart(), "r").run_id == first.run_id


def test_a_request_id_is_that_of_one_run_of_a_chain(server: LocalServer) -> None:
    """As the real server has it: after a retry, continue-as-new or cron the id names no run any more."""
    request = StartWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id="w", request_id="r")
    request.workflow_type.name = "Workflow"
    request.task_queue.name = QUEUE
    request.retry_policy.maximum_attempts = 2
    first = server.call(server.service.start_workflow_execution(request))
    server.complete_workflow_task(fail_workflow())
    with Refused(StatusCode.ALREADY_EXISTS, "is already running"):
        server.call(server.service.start_workflow_execution(request))
    server.advance(timedelta(minutes=1))
    server.complete_workflow_task(complete_workflow())
    again = server.call(server.service.start_workflow_execution(request))
    assert again.started
    assert again.run_id != first.run_id


def test_a_request_id_is_stronger_than_the_policies(server: LocalServer) -> None:
    first = _start(server, "r")
    assert _start(server, "r", conflict="TERMINATE_EXISTING").run_id == first.run_id
    server.complete_workflow_task(complete_workflow())
    assert _start(server, "r", reuse="REJECT_DUPLICATE").run_id == first.run_id


# ---- an open run has the id --------------------------------------------------------------------------


def _meeting_open(reuse: str, conflict: str) -> str:
    """What the real server does when an open run has the id."""
    if reuse == "TERMINATE_IF_RUNNING" and conflict != "UNSPECIFIED":
        return "invalid"
    if reuse == "REJECT_DUPLICATE" and conflict == "TERMINATE_EXISTING":
        return "invalid"
    if conflict == "TERMINATE_EXISTING" or reuse == "TERMINATE_IF_RUNNING":
        return "new run"
    return "existing" if conflict == "USE_EXISTING" else "refused"


@pytest.mark.parametrize("conflict", CONFLICT)
@pytest.mark.parametrize("reuse", REUSE)
def test_policies_when_an_open_run_has_the_id(server: LocalServer, reuse: str, conflict: str) -> None:
    """Invariants 34, 35."""
    existing = _start(server, "first").run_id
    match _meeting_open(reuse, conflict):
        case "refused":
            with Refused(StatusCode.ALREADY_EXISTS, f"workflow 'w' is already running, as run {existing}") as refused:
                _start(server, "second", reuse, conflict)
            assert refused.value.detail == WorkflowExecutionAlreadyStartedFailure(
                run_id=existing, start_request_id="first"
            )
        case "invalid":
            with Refused(StatusCode.INVALID_ARGUMENT, "cannot be combined"):
                _start(server, "second", reuse, conflict)
        case "existing":
            answer = _start(server, "second", reuse, conflict)
            assert (answer.run_id, answer.started) == (existing, False)
            assert answer.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
        case "new run":
            answer = _start(server, "second", reuse, conflict)
            assert answer.run_id != existing
            assert answer.started
            assert server.notation("w", existing) == "Started | WorkflowTaskScheduled | Terminated"
            server.complete_workflow_task(complete_workflow())
            assert server.notation("w", answer.run_id) == "Started | WFT | Completed"
            return
    assert server.notation("w", existing) == "Started | WorkflowTaskScheduled"


# ---- a closed run had the id -------------------------------------------------------------------------


def _close(server: LocalServer, status: str) -> None:
    match status:
        case "COMPLETED":
            server.complete_workflow_task(complete_workflow())
        case "FAILED":
            server.complete_workflow_task(fail_workflow())
        case "CANCELED":
            server.complete_workflow_task(cancel_workflow())
        case "TERMINATED":
            server.terminate()
        case "TIMED_OUT":
            server.advance(HOUR)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT"])
@pytest.mark.parametrize(
    ("reuse", "conflict"),
    [
        (reuse, conflict)
        for reuse in REUSE
        for conflict in CONFLICT
        if _meeting_open(reuse, conflict) != "invalid"  # that is refused whatever the state, see above
    ],
)
def test_policies_when_a_closed_run_had_the_id(server: LocalServer, status: str, reuse: str, conflict: str) -> None:
    """Invariant 35."""
    first = server.start_workflow(workflow_run_timeout=duration(HOUR))
    _close(server, status)
    if reuse == "REJECT_DUPLICATE" or (reuse == "ALLOW_DUPLICATE_FAILED_ONLY" and status == "COMPLETED"):
        with Refused(StatusCode.ALREADY_EXISTS, f"used before, by run {first} \\({status}\\)") as refused:
            _start(server, "second", reuse, conflict)
        assert isinstance(refused.value.detail, WorkflowExecutionAlreadyStartedFailure)
        assert refused.value.detail.run_id == first
    else:
        assert _start(server, "second", reuse, conflict).run_id != first
        assert server.notation() == "Started | WorkflowTaskScheduled"


def test_a_run_that_must_go_is_gone_before_the_next_begins(server: LocalServer) -> None:
    """Invariant 34; what waited for its workflow task is in its history."""
    first = _start(server, "first").run_id
    server.take_workflow_task()
    server.signal("s")
    _start(server, "second", conflict="TERMINATE_EXISTING")
    assert server.notation("w", first) == (
        "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed FORCE_CLOSE_COMMAND"
        " | Signaled s | Terminated"
    )


# ---- start delay -------------------------------------------------------------------------------------


def test_a_delayed_workflow_waits(server: LocalServer) -> None:
    server.start_workflow(workflow_start_delay=duration(HOUR))
    server.advance(HOUR - SECOND)
    assert server.notation() == "Started"
    assert server.poll_workflow_task() is None
    server.advance(SECOND)
    server.complete_workflow_task(complete_workflow())
    assert server.notation() == "Started | WFT | Completed"
    assert times_of(server) == [0.0, 3600.0, 3600.0, 3600.0, 3600.0]


def test_a_delay_goes_on_over_a_restart(site: Site) -> None:
    site.server.start_workflow(workflow_start_delay=duration(HOUR))
    server = site.restart(59 * MINUTE)
    assert server.poll_workflow_task() is None
    server.advance(MINUTE)
    assert server.notation() == "Started | WorkflowTaskScheduled"


def test_a_delay_that_is_over_has_no_second_end(site: Site) -> None:
    """Invariants 9, 13: a run that is loaded again gets no second first task."""
    site.server.start_workflow(workflow_start_delay=duration(MINUTE))
    site.server.advance(MINUTE)
    site.server.complete_workflow_task(schedule_activity("a"))
    server = site.restart(MINUTE)
    server.advance(HOUR)
    assert server.notation() == "Started | WFT | ActivityScheduled a"


def test_a_delayed_workflow_can_be_terminated(server: LocalServer) -> None:
    server.start_workflow(workflow_start_delay=duration(HOUR))
    server.terminate()
    server.advance(2 * HOUR)
    assert server.notation() == "Started | Terminated"


# ---- what the started event says -----------------------------------------------------------------------


TASK_TIMEOUTS: dict[str, tuple[dict[str, Duration], timedelta]] = {
    "default": ({}, 10 * SECOND),
    "as asked": ({"workflow_task_timeout": duration(60 * SECOND)}, 60 * SECOND),
    "at the limit": ({"workflow_task_timeout": duration(120 * SECOND)}, 120 * SECOND),
    "over the limit": ({"workflow_task_timeout": duration(121 * SECOND)}, 120 * SECOND),
    "bounded by the run's": ({"workflow_run_timeout": duration(5 * SECOND)}, 5 * SECOND),
    "bounded by the execution's": ({"workflow_execution_timeout": duration(4 * SECOND)}, 4 * SECOND),
}


@pytest.mark.parametrize(("fields", "given"), TASK_TIMEOUTS.values(), ids=TASK_TIMEOUTS)
def test_the_workflow_task_timeout_is_bounded(
    server: LocalServer, fields: dict[str, Duration], given: timedelta
) -> None:
    server.start_workflow(**fields)
    started = server.history()[0].workflow_execution_started_event_attributes
    assert started.workflow_task_timeout.ToTimedelta() == given
    scheduled = server.history()[1].workflow_task_scheduled_event_attributes
    assert scheduled.start_to_close_timeout.ToTimedelta() == given


def test_the_run_timeout_is_bounded_by_the_executions(server: LocalServer) -> None:
    server.start_workflow(workflow_execution_timeout=duration(MINUTE), workflow_run_timeout=duration(HOUR))
    started = server.history()[0].workflow_execution_started_event_attributes
    assert started.workflow_run_timeout.ToTimedelta() == MINUTE


def test_a_retry_policy_is_filled_in(server: LocalServer) -> None:
    server.start_workflow(retry_policy=retrying(2 * SECOND))
    policy = server.history()[0].workflow_execution_started_event_attributes.retry_policy
    assert (policy.initial_interval.seconds, policy.backoff_coefficient, policy.maximum_interval.seconds) == (2, 2, 200)


def test_the_chain_begins_with_the_run_itself(server: LocalServer) -> None:
    run_id = server.start_workflow()
    started = server.history()[0].workflow_execution_started_event_attributes
    assert started.first_execution_run_id == started.original_execution_run_id == run_id
    assert (started.attempt, started.continued_execution_run_id) == (1, "")
    assert started.workflow_id == "w"


def test_many_ids_are_apart(server: LocalServer) -> None:
    """Invariant 34."""
    runs = {server.start_workflow(f"w{number}") for number in range(20)}
    assert len(runs) == 20


@pytest.mark.parametrize("length", [999, 1000, 1001])
@pytest.mark.parametrize("field", ["workflow_id", "request_id"])
def test_ids_are_bounded(server: LocalServer, field: str, length: int) -> None:
    """Invariant 41."""
    request = StartWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id="w")
    setattr(request, field, "x" * length)
    request.workflow_type.name = "Workflow"
    request.task_queue.name = QUEUE
    if length <= 1000:
        assert server.call(server.service.start_workflow_execution(request)).started
        return
    with Refused(StatusCode.INVALID_ARGUMENT, "has 1001 characters \\('xxx.*'\\), the limit is 1000"):
        server.call(server.service.start_workflow_execution(request))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_pending_activities_are_bounded(site: Site, count: int) -> None:
    """Invariant 41: over the limit the task fails and is tried again."""
    server = site.restart(limits=Limits(pending_activities_max=3))
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("0"))
    server.signal("go")
    commands = [schedule_activity(str(number)) for number in range(1, count)]
    if count <= 3:
        server.complete_workflow_task(*commands)
        assert len(server.describe().pending_activities) == count
        return
    with pytest.raises(ServiceError, match=r"PENDING_ACTIVITIES_LIMIT_EXCEEDED: .* pending activity 4 .* limit is 3"):
        server.complete_workflow_task(*commands)
    assert len(server.describe().pending_activities) == 1
    server.complete_workflow_task(commands[0])
    assert len(server.describe().pending_activities) == 2
