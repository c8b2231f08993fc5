"""Cancelling: asked of a workflow, which decides; asked of an activity, which may refuse; without effect when late."""

from __future__ import annotations

import pytest
from engine_requests import HOUR, SECOND, Refused, attributes_of, duration, failure_of, outcome, retrying
from engine_site import Site
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    RespondActivityTaskCompletedByIdRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    NAMESPACE,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    request_cancel_activity,
    schedule_activity,
)

# ---- a workflow --------------------------------------------------------------------------------------


def test_a_workflow_is_asked_and_then_ends_as_it_likes(server: LocalServer) -> None:
    """Invariant 37: cooperative."""
    server.start_workflow()
    server.complete_workflow_task()
    server.cancel()
    server.complete_workflow_task(cancel_workflow())
    assert server.notation() == "Started | WFT | CancelRequested | WFT | Canceled"


def test_a_workflow_may_complete_though_it_was_asked_to_cancel(server: LocalServer) -> None:
    server.start_workflow()
    server.cancel()
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith("CancelRequested | WorkflowTaskStarted | WorkflowTaskCompleted | Completed")


def test_asking_twice_is_asking_once(server: LocalServer) -> None:
    """Invariant 37: idempotent, whatever the request ids."""
    server.start_workflow()
    server.cancel()
    server.cancel()
    server.complete_workflow_task()
    server.cancel()
    assert server.poll_workflow_task() is None
    assert server.notation().count("CancelRequested") == 1
    assert server.describe().workflow_extended_info.cancel_requested


def test_a_request_to_cancel_waits_for_the_started_workflow_task(server: LocalServer) -> None:
    """Invariants 17, 18."""
    server.start_workflow()
    task = server.take_workflow_task()
    server.cancel()
    server.cancel()
    with Refused(StatusCode.INVALID_ARGUMENT, "UNHANDLED_COMMAND"):
        server.answer_workflow_task(task, complete_workflow())
    server.complete_workflow_task(cancel_workflow())
    assert server.notation().endswith("WorkflowTaskFailed UNHANDLED_COMMAND | CancelRequested | WFT | Canceled")


def test_asking_a_closed_run_succeeds_without_effect(server: LocalServer) -> None:
    """Invariant 37."""
    server.start_workflow()
    server.complete_workflow_task(complete_workflow())
    server.cancel()
    assert server.notation() == "Started | WFT | Completed"


def test_asking_an_unknown_workflow_is_an_error(server: LocalServer) -> None:
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'nobody'"):
        server.cancel("nobody")


def test_asking_another_chain_is_an_error(server: LocalServer) -> None:
    server.start_workflow()
    request = RequestCancelWorkflowExecutionRequest(namespace=NAMESPACE, first_execution_run_id="another")
    request.workflow_execution.workflow_id = "w"
    with Refused(StatusCode.NOT_FOUND, "does not belong to the chain that began with run another"):
        server.call(server.service.request_cancel_workflow_execution(request))
    assert "CancelRequested" not in server.notation()


def test_a_request_to_cancel_cuts_a_start_delay_short(server: LocalServer) -> None:
    server.start_workflow(workflow_start_delay=duration(HOUR))
    server.cancel()
    server.complete_workflow_task(cancel_workflow())
    server.advance(2 * HOUR)
    assert server.notation() == "Started | CancelRequested | WFT | Canceled"


def test_a_request_to_cancel_cuts_the_back_off_of_a_retried_run_short(server: LocalServer) -> None:
    server.start_workflow(retry_policy=retrying(HOUR))
    server.complete_workflow_task(fail_workflow())
    server.cancel()
    server.complete_workflow_task()
    server.advance(2 * HOUR)
    assert server.notation() == "Started | CancelRequested | WFT"


def test_it_is_still_known_after_a_restart(site: Site) -> None:
    site.server.start_workflow()
    site.server.cancel()
    server = site.restart()
    server.cancel()
    assert server.notation().count("CancelRequested") == 1


# ---- an activity -------------------------------------------------------------------------------------


def test_an_activity_that_no_worker_has_is_cancelled_at_once(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.signal("stop it")
    server.complete_workflow_task(request_cancel_activity(5))
    assert server.poll_activity() is None
    assert server.notation().endswith("WFT | ActivityCancelRequested | ActivityCanceled | WorkflowTaskScheduled")
    canceled = server.history()[10].activity_task_canceled_event_attributes
    assert (canceled.latest_cancel_requested_event_id, canceled.started_event_id) == (10, 0)
    assert canceled.details.payloads[0].data == b'"ACTIVITY_ID_NOT_STARTED"'


@pytest.mark.parametrize("is_pending", [False, True])
def test_an_activity_with_the_id_of_one_that_its_task_cancels_is_still_known_after_a_restart(
    site: Site, is_pending: bool
) -> None:
    """Invariant 9: history has the end of the first one behind the beginning of the second."""
    site.server.start_workflow()
    if is_pending:
        site.server.complete_workflow_task(schedule_activity("a"))
        site.server.signal("another one")
        site.server.complete_workflow_task(request_cancel_activity(5), schedule_activity("a"))
    else:
        site.server.complete_workflow_task(schedule_activity("a"), request_cancel_activity(5), schedule_activity("a"))
    server = site.restart()
    by_id = RespondActivityTaskCompletedByIdRequest(namespace=NAMESPACE, workflow_id="w", activity_id="a")
    server.take_activity()
    server.call(server.service.respond_activity_task_completed_by_id(by_id))
    server.complete_workflow_task(complete_workflow())
    assert server.notation().endswith(
        "ActivityStarted #1 | ActivityCompleted | WorkflowTaskStarted | WorkflowTaskCompleted | Completed"
    )


def test_an_activity_is_cancelled_while_it_backs_off(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.fail_activity(server.take_activity(), failure_of())
    server.signal("stop it")
    server.complete_workflow_task(request_cancel_activity(5))
    server.advance(HOUR)
    assert server.poll_activity() is None
    assert server.notation().endswith("ActivityCancelRequested | ActivityCanceled | WorkflowTaskScheduled")


def _with_running_activity_asked_to_cancel(server: LocalServer) -> object:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    server.signal("stop it")
    server.complete_workflow_task(request_cancel_activity(5))
    assert server.notation().endswith("ActivityCancelRequested")
    [pending] = server.describe().pending_activities
    assert pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    return task


def test_a_running_attempt_reports_that_it_was_cancelled(server: LocalServer) -> None:
    """Invariant 31."""
    task = _with_running_activity_asked_to_cancel(server)
    server.report_activity_cancelled(task)  # type: ignore[arg-type]
    assert server.notation().endswith(
        "ActivityCancelRequested | ActivityStarted #1 | ActivityCanceled | WorkflowTaskScheduled"
    )
    canceled = server.history()[11].activity_task_canceled_event_attributes
    assert (canceled.latest_cancel_requested_event_id, canceled.started_event_id) == (10, 11)


def test_a_running_attempt_may_complete_all_the_same(server: LocalServer) -> None:
    task = _with_running_activity_asked_to_cancel(server)
    server.complete_activity(task)  # type: ignore[arg-type]
    assert server.notation().endswith(
        "ActivityCancelRequested | ActivityStarted #1 | ActivityCompleted | WorkflowTaskScheduled"
    )


def test_a_failure_after_the_request_is_not_tried_again(server: LocalServer) -> None:
    task = _with_running_activity_asked_to_cancel(server)
    server.fail_activity(task, failure_of())  # type: ignore[arg-type]
    assert server.notation().endswith("ActivityStarted #1 | ActivityFailed | WorkflowTaskScheduled")
    assert outcome(server.history()[11]) == "ActivityTaskFailed 'boom', CANCEL_REQUESTED"


def test_an_attempt_that_was_not_asked_does_not_report_that_it_was_cancelled(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    with Refused(StatusCode.INVALID_ARGUMENT, "activity 'a' of workflow 'w' was not asked to cancel"):
        server.report_activity_cancelled(task)
    server.complete_activity(task)


def test_the_request_stands_though_the_outcome_came_during_the_task(server: LocalServer) -> None:
    """The workflow could not know; what it asked for is in history before the outcome."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    running = server.take_activity()
    server.signal("go")
    task = server.take_workflow_task()
    server.complete_activity(running)
    server.answer_workflow_task(task, request_cancel_activity(5))
    assert server.notation().endswith(
        "ActivityCancelRequested | ActivityStarted #1 | ActivityCompleted | WorkflowTaskScheduled"
    )


def test_an_outcome_that_the_workflow_has_seen_cannot_be_cancelled(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.complete_activity(server.take_activity())
    with Refused(StatusCode.INVALID_ARGUMENT, "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES"):
        server.complete_workflow_task(request_cancel_activity(5))


@pytest.mark.parametrize("together", [True, False])
def test_an_activity_is_asked_once(server: LocalServer, together: bool) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.take_activity()
    server.signal("go")
    if not together:
        server.complete_workflow_task(request_cancel_activity(5))
        server.signal("go")
    commands = [request_cancel_activity(5)] * (2 if together else 1)
    with Refused(StatusCode.INVALID_ARGUMENT, "activity 5 was asked to cancel before"):
        server.complete_workflow_task(*commands)


def test_a_lost_attempt_that_was_to_be_cancelled_is_not_tried_again(site: Site) -> None:
    _with_running_activity_asked_to_cancel(site.server)
    server = site.restart(SECOND)
    assert server.poll_activity() is None
    assert server.notation().endswith("ActivityStarted #1 | ActivityTimedOut START_TO_CLOSE | WorkflowTaskScheduled")
    assert attributes_of(server.history()[11]).failure.message.startswith("attempt 1 was lost")  # type: ignore[attr-defined]


def test_an_attempt_in_this_process_is_told_at_once(server: LocalServer) -> None:
    """Invariant 31."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    told = []
    task = server.take_activity()
    server.service.watch_activity(task.task_token, lambda: told.append("stop"))
    server.signal("stop it")
    assert not told
    server.complete_workflow_task(request_cancel_activity(5))
    assert told == ["stop"]


def test_an_attempt_in_this_process_is_told_when_its_run_closes(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    told = []
    server.service.watch_activity(server.take_activity().task_token, lambda: told.append("stop"))
    server.terminate()
    assert told == ["stop"]
