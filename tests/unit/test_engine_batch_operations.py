"""Batch operations: what they do to which runs, once, across restarts and failed commits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from engine_requests import MINUTE, SECOND, Refused
from engine_site import Site
from temporalio.api.batch.v1 import (
    BatchOperationCancelActivities,
    BatchOperationCancellation,
    BatchOperationDeletion,
    BatchOperationReset,
    BatchOperationResetActivities,
    BatchOperationSignal,
    BatchOperationTermination,
    BatchOperationUnpauseActivities,
    BatchOperationUpdateActivityOptions,
    BatchOperationUpdateWorkflowExecutionOptions,
)
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import BatchOperationState, BatchOperationType, CommandType
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    ListBatchOperationsRequest,
    PauseActivityRequest,
    RespondWorkflowTaskCompletedRequest,
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)

from tsuzuki.engine import _batch_operations
from tsuzuki.service import StatusCode
from tsuzuki.store import SqliteStore
from tsuzuki.testing import Fault, FaultyStore, LocalServer, Moment, Point
from tsuzuki.testing._local_server import NAMESPACE, schedule_activity

TERMINATE = {"termination_operation": BatchOperationTermination(identity="me")}
COMPLETED = BatchOperationState.BATCH_OPERATION_STATE_COMPLETED
FAILED = BatchOperationState.BATCH_OPERATION_STATE_FAILED
RUNNING = BatchOperationState.BATCH_OPERATION_STATE_RUNNING


def _start(server: LocalServer, job_id: str = "job", query: str = "WorkflowType = 'Workflow'", **fields: Any) -> None:
    given = {"namespace": NAMESPACE, "job_id": job_id, "visibility_query": query, "reason": "because"}
    server.call(server.service.start_batch_operation(StartBatchOperationRequest(**(given | (fields or TERMINATE)))))


def _describe(server: LocalServer, job_id: str = "job") -> DescribeBatchOperationResponse:
    request = DescribeBatchOperationRequest(namespace=NAMESPACE, job_id=job_id)
    return server.call(server.service.describe_batch_operation(request))


def _count(server: LocalServer, query: str) -> int:
    request = CountWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    return server.call(server.service.count_workflow_executions(request)).count


def _stop(server: LocalServer, job_id: str = "job") -> None:
    server.call(server.service.stop_batch_operation(StopBatchOperationRequest(namespace=NAMESPACE, job_id=job_id)))


def test_runs_that_a_filter_finds_are_terminated(server: LocalServer) -> None:
    for number in range(7):
        server.start_workflow(f"w{number}")
    _start(server, query="WorkflowId != 'w3'")
    described = _describe(server)
    assert described.operation_type == BatchOperationType.BATCH_OPERATION_TYPE_TERMINATE_WORKFLOW
    assert (described.state, described.total_operation_count, described.complete_operation_count) == (COMPLETED, 6, 6)
    assert (described.reason, described.identity, described.query) == ("because", "me", "WorkflowId != 'w3'")
    assert _count(server, "ExecutionStatus = 'Terminated'") == 6
    terminated = server.history("w0")[-1].workflow_execution_terminated_event_attributes
    assert (terminated.reason, terminated.identity) == ("because", "me")
    assert server.notation("w3") == "Started | WorkflowTaskScheduled"


def test_runs_are_signalled_and_asked_to_stop(server: LocalServer) -> None:
    server.start_workflow("a")
    _start(server, "signal", signal_operation=BatchOperationSignal(signal="s", identity="me"))
    _start(server, "cancel", cancellation_operation=BatchOperationCancellation(identity="me"))
    assert server.notation("a") == "Started | WorkflowTaskScheduled | Signaled s | CancelRequested"
    listed = server.call(
        server.service.list_batch_operations(ListBatchOperationsRequest(namespace=NAMESPACE))
    ).operation_info
    assert sorted(info.job_id for info in listed) == ["cancel", "signal"]


def test_named_runs_are_terminated_and_those_that_are_gone_count_as_done(server: LocalServer) -> None:
    server.start_workflow("a")
    server.start_workflow("b")
    named = [WorkflowExecution(workflow_id=workflow_id) for workflow_id in ("a", "never")]
    _start(server, query="", executions=named, **TERMINATE)
    described = _describe(server)
    assert (described.state, described.total_operation_count, described.complete_operation_count) == (COMPLETED, 2, 2)
    assert _count(server, "ExecutionStatus = 'Running'") == 1


def test_runs_that_start_later_are_left_alone(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batch_operations, "STEP_RUNS_MAX", 2)
    for number in range(4):
        server.start_workflow(f"w{number}")
    _start(server, max_operations_per_second=1, **TERMINATE)
    server.start_workflow("late")
    server.advance(MINUTE)
    assert _describe(server).complete_operation_count == 4
    assert _count(server, "ExecutionStatus = 'Running'") == 1


def test_a_bounded_pace_is_kept_and_a_stop_stops_it(server: LocalServer) -> None:
    for number in range(9):
        server.start_workflow(f"w{number}")
    _start(server, max_operations_per_second=2, **TERMINATE)
    server.advance(SECOND)
    assert (_describe(server).state, _count(server, "ExecutionStatus = 'Terminated'")) == (RUNNING, 4)
    with Refused(StatusCode.RESOURCE_EXHAUSTED, "'job' still runs"):
        _start(server, "other")
    _stop(server)
    server.advance(MINUTE)
    assert (_describe(server).state, _count(server, "ExecutionStatus = 'Terminated'")) == (FAILED, 4)
    with Refused(StatusCode.NOT_FOUND, "has ended already"):
        _stop(server)
    with Refused(StatusCode.NOT_FOUND, "no batch operation 'never'"):
        _describe(server, "never")


def test_it_goes_on_after_a_restart_and_acts_once_on_each_run(site: Site) -> None:
    for number in range(9):
        site.server.start_workflow(f"w{number}")
    _start(
        site.server,
        max_operations_per_second=2,
        signal_operation=BatchOperationSignal(signal="s", identity="me"),
    )
    for _ in range(6):
        server = site.restart(after=timedelta(milliseconds=10))
        server.advance(timedelta(milliseconds=500))
    server.advance(MINUTE)
    assert (_describe(server).state, _describe(server).complete_operation_count) == (COMPLETED, 9)
    for number in range(9):
        assert server.notation(f"w{number}") == "Started | WorkflowTaskScheduled | Signaled s"


# ---- what else is done; histories are compared in `differential` ----------------------------------------


def test_runs_are_deleted(server: LocalServer) -> None:
    for number in range(5):
        server.start_workflow(f"w{number}")
    server.terminate("w1")
    _start(server, query="WorkflowId != 'w3'", deletion_operation=BatchOperationDeletion(identity="me"))
    described = _describe(server)
    assert (described.state, described.complete_operation_count, described.failure_operation_count) == (COMPLETED, 4, 0)
    assert described.operation_type == BatchOperationType.BATCH_OPERATION_TYPE_DELETE_WORKFLOW
    assert _count(server, "") == 1


def test_runs_are_reset_once_each_across_restarts(site: Site) -> None:
    """The new runs fit the filter too, and are left alone; one that has come to no workflow task cannot be reset."""
    for number in range(4):
        site.server.start_workflow(f"w{number}")
        site.server.complete_workflow_task()
    site.server.start_workflow("new")
    reset = BatchOperationReset(identity="me")
    reset.options.first_workflow_task.SetInParent()
    _start(site.server, max_operations_per_second=1, reset_operation=reset)
    for _ in range(4):
        server = site.restart(after=timedelta(milliseconds=10))
        server.advance(timedelta(milliseconds=500))
    server.advance(MINUTE)
    described = _describe(server)
    assert (described.state, described.complete_operation_count, described.failure_operation_count) == (COMPLETED, 4, 1)
    assert (_count(server, ""), _count(server, "ExecutionStatus = 'Terminated'")) == (9, 4)
    failed = server.history("w0")[3].workflow_task_failed_event_attributes
    assert (failed.failure.message, failed.base_run_id != failed.new_run_id) == ("because", True)


def test_a_build_may_have_worked_first_in_an_earlier_run(server: LocalServer) -> None:
    first = server.start_workflow()
    server.complete_workflow_task()
    for build_id in ("good", "bad", "bad"):
        server.signal("s")
        request = RespondWorkflowTaskCompletedRequest(task_token=server.take_workflow_task().task_token)
        request.worker_version_stamp.build_id = build_id
        if build_id == "bad":
            again = request.commands.add(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
            again.continue_as_new_workflow_execution_command_attributes.SetInParent()
        server.call(server.service.respond_workflow_task_completed(request))
        server.advance(SECOND)
    reset = BatchOperationReset()
    reset.options.build_id = "bad"
    named = [WorkflowExecution(workflow_id="w")]
    _start(server, "all", query="", executions=named, reset_operation=reset)
    failed = next(event for event in server.history() if event.HasField("workflow_task_failed_event_attributes"))
    assert (failed.event_id, failed.workflow_task_failed_event_attributes.base_run_id) == (12, first)
    reset.options.current_run_only = True
    _start(server, "own", query="", executions=named, reset_operation=reset)
    assert _describe(server, "own").failure_operation_count == 1


def test_activities_and_options_are_changed(server: LocalServer) -> None:
    for workflow_id in "ab":
        server.start_workflow(workflow_id)
        server.complete_workflow_task(schedule_activity("1"))
        pause = PauseActivityRequest(namespace=NAMESPACE, id="1")
        pause.execution.workflow_id = workflow_id
        server.call(server.service.pause_activity(pause))
    changed = BatchOperationUpdateActivityOptions(type="Activity")
    changed.activity_options.start_to_close_timeout.seconds = 77
    changed.update_mask.paths.append("start_to_close_timeout")
    _start(server, "options", update_activity_options_operation=changed)
    _start(server, "none", unpause_activities_operation=BatchOperationUnpauseActivities(type="Other"))
    assert [server.describe(each).pending_activities[0].paused for each in "ab"] == [True, True]
    _start(server, "unpause", unpause_activities_operation=BatchOperationUnpauseActivities(match_all=True))
    _start(server, "reset", reset_activities_operation=BatchOperationResetActivities(match_all=True))
    priority = BatchOperationUpdateWorkflowExecutionOptions()
    priority.workflow_execution_options.priority.priority_key = 2
    priority.update_mask.paths.append("priority")
    _start(server, "priority", update_workflow_options_operation=priority)
    for workflow_id in "ab":
        described = server.describe(workflow_id)
        [activity] = described.pending_activities
        assert (activity.paused, activity.activity_options.start_to_close_timeout.seconds) == (False, 77)
        assert described.workflow_execution_info.priority.priority_key == 2
    for job_id in ("options", "none", "unpause", "reset", "priority"):
        assert (_describe(server, job_id).complete_operation_count, _describe(server, job_id).state) == (2, COMPLETED)


def test_runs_that_are_left_alone_count_as_failed_also_when_others_have_to_do_with_them(server: LocalServer) -> None:
    old = server.start_workflow()
    server.complete_workflow_task()
    server.terminate()
    server.start_workflow()
    engine = server.service._engine
    current = engine.runs.find(NAMESPACE, "w", "")
    assert current is not None
    engine.left_alone.add(current.key)
    reset = BatchOperationReset(identity="me")
    reset.options.first_workflow_task.SetInParent()
    named = [WorkflowExecution(workflow_id="w", run_id=old)]
    for job_id, fields in (("reset", {"reset_operation": reset, "executions": named, "query": ""}), ("end", TERMINATE)):
        _start(server, job_id, **fields)
        described = _describe(server, job_id)
        assert (described.state, described.failure_operation_count) == (COMPLETED, 1)


@pytest.mark.parametrize(("point", "runs"), [(Point.BEFORE_COMMIT, 1), (Point.AFTER_COMMIT, 0)])
def test_one_whose_start_had_no_answer_is_done_soon_or_never(point: Point, runs: int) -> None:
    """Not at the next opening, long after everybody took it for lost."""
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        server.start_workflow()
        store.faults[Moment(point, store.passed[point] + 1)] = Fault.FAILED
        with Refused(StatusCode.UNAVAILABLE, "Nothing is written"):
            _start(server)
        server.advance(2 * SECOND)  # until the store takes writes again
        assert _count(server, "ExecutionStatus = 'Running'") == runs


@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
@pytest.mark.parametrize("ahead", range(1, 5))
def test_a_failed_commit_neither_repeats_nor_leaves_out(point: Point, ahead: int) -> None:
    """Invariant 4, of each run."""
    store = FaultyStore(SqliteStore.open(None))
    with LocalServer(store) as server:
        for number in range(9):
            server.start_workflow(f"w{number}")
        signalling = BatchOperationSignal(signal="s", identity="me")
        _start(server, max_operations_per_second=2, signal_operation=signalling)
        store.faults[Moment(point, store.passed[point] + ahead)] = Fault.FAILED
        for _ in range(20):
            server.advance(SECOND)
        assert not store.faults, "nothing was broken"
        assert (_describe(server).state, _describe(server).complete_operation_count) == (COMPLETED, 9)
        for number in range(9):
            assert server.notation(f"w{number}") == "Started | WorkflowTaskScheduled | Signaled s"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"job_id": ""}, "JobId is not set"),
        ({"reason": ""}, "must provide required parameters"),
        ({"visibility_query": ""}, "must provide required parameters"),
        ({"termination_operation": None}, "must provide required parameters"),
        ({"executions": [WorkflowExecution(workflow_id="a")]}, "mutually exclusive"),
        ({"visibility_query": "Nope = 1"}, "invalid search attribute: Nope"),
        (
            {"cancel_activities_operation": BatchOperationCancelActivities()},
            "cancel_activities_operation is not offered",
        ),
        ({"reset_operation": BatchOperationReset()}, "does not say to where"),
        ({"unpause_activities_operation": BatchOperationUnpauseActivities()}, "activity filter must be set"),
        ({"update_activity_options_operation": BatchOperationUpdateActivityOptions(type="A")}, "not provided"),
        ({"signal_operation": BatchOperationSignal()}, "the signal is empty"),
    ],
)
def test_what_cannot_be_done_is_refused(server: LocalServer, fields: dict[str, Any], words: str) -> None:
    given = {"job_id": "job", "query": "WorkflowType = 'Workflow'", **TERMINATE}
    given |= {name if name != "visibility_query" else "query": value for name, value in fields.items()}
    if any(name.endswith("operation") for name in fields) and fields.get("termination_operation", 1):
        del given["termination_operation"]
    with Refused(StatusCode.INVALID_ARGUMENT, words):
        _start(server, **given)
