"""Children, external workflows and continue-as-new in the engine, one workflow task after another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine_requests import SECOND
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse

from tsuzuki.service import ServiceError
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import cancel_workflow, complete_workflow, fail_workflow, start_timer

TERMINATE = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
REQUEST_CANCEL = ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL
ABANDON = ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON


def start_child(
    workflow_id: str = "c", policy: ParentClosePolicy.ValueType = TERMINATE, *, reuse: bool = True
) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
    attributes = command.start_child_workflow_execution_command_attributes
    attributes.workflow_id = workflow_id
    attributes.workflow_type.name = "Child"
    attributes.parent_close_policy = policy
    if not reuse:
        attributes.workflow_id_reuse_policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    return command


def continue_as_new(backoff: timedelta = timedelta(0)) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    attributes = command.continue_as_new_workflow_execution_command_attributes
    attributes.SetInParent()
    if backoff:
        attributes.backoff_start_interval.FromTimedelta(backoff)
    return command


def signal_other(workflow_id: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION)
    attributes = command.signal_external_workflow_execution_command_attributes
    attributes.execution.workflow_id = workflow_id
    attributes.signal_name = "tell"
    return command


def cancel_other(workflow_id: str, *, child: bool = False) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION)
    attributes = command.request_cancel_external_workflow_execution_command_attributes
    attributes.workflow_id = workflow_id
    attributes.child_workflow_only = child
    return command


def task_of(server: LocalServer, workflow_id: str) -> PollWorkflowTaskQueueResponse:
    """Take workflow tasks until it is this workflow's; the others are answered with nothing."""
    while (task := server.take_workflow_task()).workflow_execution.workflow_id != workflow_id:
        server.answer_workflow_task(task)
    return task


def do(server: LocalServer, workflow_id: str, *commands: Command) -> None:
    server.answer_workflow_task(task_of(server, workflow_id), *commands)


def test_a_child_is_started_and_its_end_is_told(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", start_child())
    do(server, "c", complete_workflow())
    do(server, "w", complete_workflow())
    assert server.notation("w") == (
        "Started | WFT | StartChildWorkflowExecutionInitiated | ChildWorkflowExecutionStarted | "
        "WorkflowTaskScheduled | ChildWorkflowExecutionCompleted | WorkflowTaskStarted | WorkflowTaskCompleted | "
        "Completed"
    )
    started = server.history("c")[0].workflow_execution_started_event_attributes
    assert (started.parent_workflow_execution.workflow_id, started.parent_initiated_event_id) == ("w", 5)
    assert started.root_workflow_execution.workflow_id == "w"


@pytest.mark.parametrize(
    "close", [complete_workflow(), fail_workflow(), continue_as_new()], ids=["complete", "fail", "go on as new"]
)
def test_what_is_asked_of_others_in_the_task_that_closes_is_dropped(server: LocalServer, close: Command) -> None:
    server.start_workflow("other")
    do(server, "other")
    run_id = server.start_workflow("w")
    asked = [*(start_child(f"c{policy}", policy) for policy in (TERMINATE, REQUEST_CANCEL, ABANDON))]
    do(server, "w", *asked, signal_other("other"), cancel_other("other"), close)
    server.advance(SECOND)
    assert server.notation("w", run_id).startswith(
        "Started | WFT | StartChildWorkflowExecutionInitiated | StartChildWorkflowExecutionInitiated | "
        "StartChildWorkflowExecutionInitiated | SignalExternalWorkflowExecutionInitiated | "
        "RequestCancelExternalWorkflowExecutionInitiated | "
    )
    assert "ChildWorkflowExecutionStarted" not in server.notation("w", run_id)
    assert server.notation("other") == "Started | WFT"
    for policy in (TERMINATE, REQUEST_CANCEL, ABANDON):
        with pytest.raises(ServiceError):
            server.history(f"c{policy}")


def test_the_end_of_a_child_that_waited_for_a_workflow_task_comes_last(server: LocalServer) -> None:
    """As on the real server; the child was faster than the signal."""
    server.start_workflow("w")
    do(server, "w", start_child("c"), start_child("d"))
    tasks = {task.workflow_execution.workflow_id: task for task in [server.take_workflow_task() for _ in range(3)]}
    server.answer_workflow_task(tasks["c"], fail_workflow("broken"))
    server.answer_workflow_task(tasks["d"], complete_workflow())
    server.advance(SECOND)
    server.signal("s", "w")
    server.answer_workflow_task(tasks["w"])
    assert [
        str(event.WhichOneof("attributes")).removesuffix("_event_attributes") for event in server.history("w")[-4:]
    ] == [
        "workflow_execution_signaled",
        "child_workflow_execution_failed",
        "child_workflow_execution_completed",
        "workflow_task_scheduled",
    ]


def test_a_child_that_continued_as_new_reports_with_its_last_run(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", start_child())
    do(server, "c", continue_as_new())
    server.advance(SECOND)
    do(server, "c", complete_workflow())
    first = server.history("w")[5]
    last = next(e for e in server.history("w") if e.HasField("child_workflow_execution_completed_event_attributes"))
    started = first.child_workflow_execution_started_event_attributes
    completed = last.child_workflow_execution_completed_event_attributes
    assert completed.initiated_event_id == 5
    assert completed.workflow_execution.run_id != started.workflow_execution.run_id
    assert server.notation("w").count("ChildWorkflowExecutionCompleted") == 1


def test_a_failed_child_without_retry_fails_in_the_parent_once(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", start_child())
    do(server, "c", fail_workflow("broken"))
    failed = next(
        e.child_workflow_execution_failed_event_attributes
        for e in server.history("w")
        if e.HasField("child_workflow_execution_failed_event_attributes")
    )
    assert failed.failure.message == "broken"


def test_an_id_in_use_or_used_up(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", start_child("c"), start_child("c"))
    assert server.notation("w").count("StartChildWorkflowExecutionFailed") == 1
    do(server, "c", complete_workflow())
    do(server, "w", start_child("c", reuse=False))
    assert server.notation("w").count("StartChildWorkflowExecutionFailed") == 2


@pytest.mark.parametrize(
    "close", [complete_workflow(), fail_workflow(), cancel_workflow(), continue_as_new()], ids=["1", "2", "3", "4"]
)
def test_close_policies_reach_every_child_however_the_parent_closes(server: LocalServer, close: Command) -> None:
    """Invariant 38."""
    server.start_workflow("w")
    do(server, "w", start_child("t", TERMINATE), start_child("r", REQUEST_CANCEL), start_child("a", ABANDON))
    server.advance(SECOND)
    do(server, "w", close)
    assert server.notation("t").endswith("Terminated")
    assert "CancelRequested" in server.notation("r")
    assert "CancelRequested" not in server.notation("a")
    assert "Terminated" not in server.notation("a")


def test_a_terminated_parent_terminates_its_children(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", start_child("t", TERMINATE))
    server.terminate("w")
    assert server.notation("t").endswith("Terminated")


def test_a_run_begins_a_second_after_the_one_before_at_the_earliest(server: LocalServer) -> None:
    first = server.start_workflow("w")
    do(server, "w", continue_as_new())
    backoff = server.history("w")[0].workflow_execution_started_event_attributes.first_workflow_task_backoff
    assert backoff.ToTimedelta() == SECOND
    server.advance(SECOND - timedelta(milliseconds=1))
    assert server.poll_workflow_task() is None
    server.advance(timedelta(milliseconds=1))
    task = server.take_workflow_task()
    server.advance(SECOND)
    server.answer_workflow_task(task, continue_as_new())
    started = server.history("w")[0].workflow_execution_started_event_attributes
    assert not started.HasField("first_workflow_task_backoff")
    assert started.first_execution_run_id == first
    do(server, "w", continue_as_new(timedelta(seconds=5)))
    backoff = server.history("w")[0].workflow_execution_started_event_attributes.first_workflow_task_backoff
    assert backoff.ToTimedelta() == timedelta(seconds=5)


def test_a_signal_during_the_wait_is_seen_by_the_next_run(server: LocalServer) -> None:
    """Invariant 36."""
    server.start_workflow("w")
    do(server, "w", continue_as_new())
    server.signal("tell")
    assert server.poll_workflow_task() is None
    server.advance(SECOND)
    do(server, "w", complete_workflow())
    assert server.notation("w") == "Started | Signaled tell | WFT | Completed"


def test_continue_as_new_does_not_lose_a_signal(server: LocalServer) -> None:
    """Invariant 18."""
    run_id = server.start_workflow("w")
    task = server.take_workflow_task()
    server.signal("tell")
    with pytest.raises(Exception, match="has not seen"):
        server.answer_workflow_task(task, continue_as_new())
    do(server, "w", continue_as_new())
    assert server.notation("w", run_id).endswith("Signaled tell | WFT | ContinuedAsNew")


def test_nobody_signals_or_cancels_itself(server: LocalServer) -> None:
    server.start_workflow("w")
    do(server, "w", signal_other("w"), cancel_other("w"))
    assert "SignalExternalWorkflowExecutionFailed" in server.notation("w")
    assert "RequestCancelExternalWorkflowExecutionFailed" in server.notation("w")
    assert "Signaled tell" not in server.notation("w")


def test_a_closed_workflow_is_not_signalled_but_cancelled_without_effect(server: LocalServer) -> None:
    """Invariant 37."""
    server.start_workflow("other")
    do(server, "other", complete_workflow())
    before = server.notation("other")
    server.start_workflow("w")
    do(server, "w", signal_other("other"), cancel_other("other"), cancel_other("nobody"))
    assert server.notation("w").count("SignalExternalWorkflowExecutionFailed") == 1
    assert server.notation("w").count("ExternalWorkflowExecutionCancelRequested") == 1
    assert server.notation("w").count("RequestCancelExternalWorkflowExecutionFailed") == 1
    assert server.notation("other") == before


def test_a_stranger_is_no_child(server: LocalServer) -> None:
    server.start_workflow("other")
    server.start_workflow("w")
    do(server, "w", cancel_other("other", child=True))
    assert "RequestCancelExternalWorkflowExecutionFailed" in server.notation("w")
    assert "CancelRequested" not in server.notation("other")


def test_parents_and_children_find_each_other_after_a_restart(site: Site) -> None:
    """Invariant 39."""
    server = site.server
    server.start_workflow("w")
    do(server, "w", start_child("c"))
    server = site.restart()
    do(server, "c", start_timer("t", SECOND))
    server = site.restart()
    server.advance(SECOND)
    do(server, "c", complete_workflow())
    server = site.restart()
    do(server, "w", complete_workflow())
    assert server.notation("w").count("ChildWorkflowExecutionCompleted") == 1
    assert server.notation("w").endswith("Completed")


def test_the_checker_reads_the_end_of_a_child_that_waits_for_a_workflow_task(server: LocalServer) -> None:
    """The fixture checks the store."""
    server.start_workflow("w")
    do(server, "w", start_child())
    child = task_of(server, "c")
    server.signal("s", "w")
    task_of(server, "w")
    server.answer_workflow_task(child, complete_workflow())
    assert server.notation("w").endswith("WorkflowTaskStarted"), "it does not wait"
