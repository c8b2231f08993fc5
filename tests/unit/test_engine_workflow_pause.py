"""A paused run outlives the process, with what it takes in meanwhile.

What a pause means is compared with the real server in tests/differential; here is what only this engine promises.
"""

from __future__ import annotations

import asyncio
from typing import Any

from engine_requests import HOUR, SECOND, Refused, failure_of
from engine_site import Site
from temporalio.api.enums.v1 import (
    QueryRejectCondition,
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowExecutionStatus,
)
from temporalio.api.workflowservice.v1 import (
    ListWorkflowExecutionsRequest,
    PauseWorkflowExecutionRequest,
    QueryWorkflowRequest,
    UnpauseWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionRequest,
)

from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, complete_workflow, schedule_activity, start_timer


def pause(server: LocalServer, request_id: str = "") -> None:
    request = PauseWorkflowExecutionRequest(
        namespace=NAMESPACE, workflow_id="w", identity="ann", reason="the shop is shut", request_id=request_id
    )
    server.call(server.service.pause_workflow_execution(request))


def unpause(server: LocalServer) -> None:
    request = UnpauseWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id="w")
    server.call(server.service.unpause_workflow_execution(request))


def change(server: LocalServer, path: str, options: Any) -> Any:
    request = UpdateWorkflowExecutionOptionsRequest(namespace=NAMESPACE, workflow_execution_options=options)
    request.workflow_execution.workflow_id = "w"
    request.update_mask.paths.append(path)
    return server.call(server.service.update_workflow_execution_options(request))


def listed(server: LocalServer, query: str) -> int:
    request = ListWorkflowExecutionsRequest(namespace=NAMESPACE, query=query)
    return len(server.call(server.service.list_workflow_executions(request)).executions)


def status(server: LocalServer) -> str:
    number = server.describe().workflow_execution_info.status
    return WorkflowExecutionStatus.Name(number).removeprefix("WORKFLOW_EXECUTION_STATUS_")


def test_a_paused_run_takes_in_what_comes_across_processes(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", SECOND), schedule_activity("a"))
    pause(server, "first")
    server.signal("one")
    server = site.restart(HOUR)
    server.advance(SECOND)
    assert (status(server), server.poll_workflow_task(), server.poll_activity()) == ("PAUSED", None, None)
    server.signal("two")
    pause(server, "first")
    with Refused(StatusCode.FAILED_PRECONDITION, "already paused"):
        pause(server, "second")
    server = site.restart()
    info = server.describe().workflow_extended_info.pause_info
    assert (info.identity, info.reason, listed(server, "ExecutionStatus = 'Paused'")) == ("ann", "the shop is shut", 1)
    unpause(server)
    assert server.take_activity().attempt == 1
    server.complete_workflow_task()
    tail = server.notation().partition("Paused | ")[2]
    assert tail == "Signaled one | TimerFired t | Signaled two | Unpaused | WFT"
    assert (status(server), listed(server, "ExecutionStatus = 'Paused'")) == ("RUNNING", 0)


def test_a_pause_that_waits_for_a_workflow_task_outlives_the_process(site: Site) -> None:
    """The task dies with its process and is not tried again; the pause takes its place in history."""
    server = site.server
    server.start_workflow()
    server.take_workflow_task()
    pause(server)
    server.signal("one")
    server = site.restart()
    assert (status(server), server.poll_workflow_task()) == ("PAUSED", None)
    assert server.notation().endswith("WorkflowTaskTimedOut START_TO_CLOSE | Paused | Signaled one")
    unpause(server)
    server.complete_workflow_task(complete_workflow())
    assert status(server) == "COMPLETED"


def test_attempts_that_died_with_their_process_wait_for_the_run(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"), schedule_activity("b", queue="other"))
    server.take_activity()
    server.fail_activity(server.take_activity("other"), failure_of())
    pause(server)
    server = site.restart(HOUR)
    assert (server.poll_activity(), server.poll_activity("other")) == (None, None)
    assert [info.attempt for info in server.describe().pending_activities] == [2, 2]
    unpause(server)
    assert (server.take_activity().attempt, server.take_activity("other").attempt) == (2, 2)


def test_a_delay_that_ends_while_paused_is_over(site: Site) -> None:
    """On the real server a run cannot be paused during its start delay: it answers with an internal error."""
    server = site.server
    request: dict[str, Any] = {"workflow_start_delay": {"seconds": 60}}
    server.start_workflow(**request)
    pause(server)
    server.advance(HOUR)
    server = site.restart(SECOND)
    assert server.poll_workflow_task() is None
    unpause(server)
    server.advance(SECOND)
    server.complete_workflow_task()
    assert server.notation() == "Started | Paused | Unpaused | WFT"


def test_a_delay_goes_on_after_a_pause(server: LocalServer) -> None:
    request: dict[str, Any] = {"workflow_start_delay": {"seconds": 60}}
    server.start_workflow(**request)
    pause(server)
    unpause(server)
    server.advance(30 * SECOND)
    assert server.poll_workflow_task() is None
    server.advance(30 * SECOND)
    server.complete_workflow_task()
    assert server.notation() == "Started | Paused | Unpaused | WFT"


def test_a_query_of_a_paused_run_is_rejected_whatever_its_condition(server: LocalServer) -> None:
    server.start_workflow()
    pause(server)
    request = QueryWorkflowRequest(namespace=NAMESPACE, execution={"workflow_id": "w"}, query={"query_type": "q"})
    request.query_reject_condition = QueryRejectCondition.QUERY_REJECT_CONDITION_NONE
    answer = server.call(server.service.query_workflow(request))
    assert answer.query_rejected.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


def test_a_changed_priority_outlives_the_process(site: Site) -> None:
    server = site.server
    server.start_workflow()
    change(server, "priority", {"priority": {"priority_key": 2, "fairness_key": "f"}})
    server = site.restart()
    priority = server.describe().workflow_execution_info.priority
    assert (priority.priority_key, priority.fairness_key) == (2, "f")
    server.complete_workflow_task(schedule_activity("a"))
    assert server.take_activity().priority.priority_key == 2
    answer = change(server, "priority", {})
    assert not answer.workflow_execution_options.HasField("priority")
    assert not server.describe().workflow_execution_info.HasField("priority")


def test_options_that_are_not_offered_are_named(server: LocalServer) -> None:
    server.start_workflow()
    with Refused(StatusCode.UNIMPLEMENTED, "versioning_override: worker versioning is not offered"):
        change(server, "versioning_override", {"versioning_override": {"auto_upgrade": True}})
    with Refused(StatusCode.UNIMPLEMENTED, "time_skipping_config: time skipping"):
        change(server, "time_skipping_config", {"time_skipping_config": {}})
    with Refused(StatusCode.INVALID_ARGUMENT, "'nonsense', which is no option"):
        change(server, "nonsense", {})


def test_a_delay_that_a_cancel_request_cut_short_stays_so_across_processes(site: Site) -> None:
    server = site.server
    request: dict[str, Any] = {"workflow_start_delay": {"seconds": 3600}}
    server.start_workflow(**request)
    pause(server)
    server.cancel()
    server = site.restart()
    unpause(server)
    server.complete_workflow_task()
    assert server.notation() == "Started | Paused | CancelRequested | Unpaused | WFT"


def test_a_pause_finds_room_where_as_much_waits_as_may_wait() -> None:
    """As other input does: the workflow task is over, and what waits for it is recorded."""
    with LocalServer(limits=Limits(buffered_events_max=2)) as server:
        server.start_workflow()
        server.take_workflow_task()
        server.signal("one")
        server.signal("two")
        pause(server)
        assert server.notation() == (
            "Started | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed FORCE_CLOSE_COMMAND | "
            "Signaled one | Signaled two | WorkflowTaskScheduled | "
            "WorkflowTaskFailed WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED | Paused"
        )


def test_an_update_that_no_worker_has_is_refused_by_a_pause(server: LocalServer) -> None:
    server.start_workflow()
    request = UpdateWorkflowExecutionRequest(namespace=NAMESPACE)
    request.workflow_execution.workflow_id = "w"
    request.request.meta.update_id, request.request.input.name = "u", "change"
    stages = UpdateWorkflowExecutionLifecycleStage
    request.wait_policy.lifecycle_stage = stages.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
    waiting = server._loop.create_task(server.service.update_workflow_execution(request))
    server.call(server.clock.settle())
    pause(server)
    server.advance(SECOND)
    with Refused(StatusCode.FAILED_PRECONDITION, "Workflow is paused"):
        server.call(asyncio.wait_for(waiting, 0))
