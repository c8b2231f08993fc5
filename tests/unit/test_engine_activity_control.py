"""What people do to pending activities: it outlives the process, and has a bound in time.

What each RPC means is compared with the real server in tests/differential; here is what only this engine promises.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import HOUR, SECOND, Refused, duration, failure_of
from engine_site import Site
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
    UnpauseWorkflowExecutionRequest,
    UpdateActivityOptionsRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import NAMESPACE, schedule_activity


def _about(**fields: Any) -> dict[str, Any]:
    return {"namespace": NAMESPACE, "execution": {"workflow_id": "w"}, "id": "a", **fields}


def pause(server: LocalServer, **fields: Any) -> None:
    request = PauseActivityRequest(**_about(reason="the shop is shut", identity="ann", **fields))
    server.call(server.service.pause_activity(request))


def unpause(server: LocalServer, **fields: Any) -> None:
    server.call(server.service.unpause_activity(UnpauseActivityRequest(**_about(**fields))))


def reset(server: LocalServer, **fields: Any) -> None:
    server.call(server.service.reset_activity(ResetActivityRequest(**_about(**fields))))


def change(server: LocalServer, path: str, **options: Any) -> None:
    request = UpdateActivityOptionsRequest(**_about(activity_options=ActivityOptions(**options)))
    request.update_mask.paths.append(path)
    server.call(server.service.update_activity_options(request))


def pending(server: LocalServer) -> PendingActivityInfo:
    [found] = server.describe().pending_activities
    return found


def state(server: LocalServer) -> str:
    return PendingActivityState.Name(pending(server).state).removeprefix("PENDING_ACTIVITY_STATE_")


def found_as_paused(server: LocalServer) -> int:
    request = CountWorkflowExecutionsRequest(namespace=NAMESPACE, query="TemporalPauseInfo IS NOT NULL")
    return server.call(server.service.count_workflow_executions(request)).count


def test_a_pause_outlives_the_process(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", schedule_to_close=HOUR))
    pause(server)
    server = site.restart(2 * HOUR)
    server.advance(SECOND)
    assert server.poll_activity() is None
    info = pending(server).pause_info
    assert (state(server), info.manual.identity, info.manual.reason) == ("PAUSED", "ann", "the shop is shut")
    assert found_as_paused(server) == 1
    unpause(server)
    assert server.notation().endswith("ActivityTimedOut SCHEDULE_TO_CLOSE | WorkflowTaskScheduled")
    assert found_as_paused(server) == 0


def test_an_attempt_that_died_with_its_process_waits_for_the_end_of_the_pause(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", maximum_attempts=1))
    server.heartbeat(server.take_activity(), b"half way")
    pause(server)
    server = site.restart()
    assert (server.poll_activity(), state(server), pending(server).attempt) == (None, "PAUSED", 2)
    unpause(server)
    task = server.take_activity()
    assert (task.attempt, task.heartbeat_details.payloads[0].data) == (2, b"half way")


def test_options_and_a_reset_outlive_the_process(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=HOUR))
    server.fail_activity(server.take_activity(), failure_of())
    change(server, "task_queue.name", task_queue={"name": "elsewhere"})
    change(server, "heartbeat_timeout", heartbeat_timeout=duration(5 * SECOND))
    pause(server)
    reset(server, keep_paused=True, reset_heartbeat=True)
    server = site.restart()
    unpause(server)
    assert server.poll_activity() is None
    task = server.take_activity("elsewhere")
    assert (task.attempt, task.heartbeat_timeout.ToTimedelta()) == (1, 5 * SECOND)
    assert found_as_paused(server) == 0


def test_only_the_running_attempt_is_told_of_a_reset(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=SECOND))
    task = server.take_activity()
    server.heartbeat(task, b"half way")
    reset(server, reset_heartbeat=True)
    beat = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
    beat.details.payloads.add().data = b"further"
    assert server.call(server.service.record_activity_task_heartbeat(beat)).activity_reset
    server.fail_activity(task, failure_of())
    server.advance(SECOND)
    task = server.take_activity()
    assert (task.attempt, list(task.heartbeat_details.payloads)) == (2, [])
    beat = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
    assert not server.call(server.service.record_activity_task_heartbeat(beat)).activity_reset


def test_an_attempt_whose_number_is_given_again_is_over(site: Site) -> None:
    """A reset counts from 1 again; the first attempt of before, lost and late, is not the one that runs now."""
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", start_to_close=SECOND))
    late = server.take_activity()
    server.advance(SECOND)
    reset(server)
    task = server.take_activity()
    assert (late.attempt, task.attempt) == (1, 1)
    with Refused(StatusCode.NOT_FOUND, "is over"):
        server.heartbeat(late)
    with Refused(StatusCode.NOT_FOUND, "is over"):
        server.complete_activity(late)
    server.complete_activity(task)


def test_what_waits_in_the_old_queue_is_not_handed_out_there(server: LocalServer) -> None:
    """The backlog of a queue is a hint; the activity says where it is wanted."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    change(server, "task_queue.name", task_queue={"name": "elsewhere"})
    assert server.poll_activity() is None
    assert server.take_activity("elsewhere").attempt == 1


def test_the_jitter_is_a_bound(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(*(schedule_activity(f"a{at}") for at in range(30)))
    everything = {"id": None, "type": "Activity"}
    pause(server, **everything)
    unpause(server, jitter=duration(HOUR), **everything)
    assert 20 < sum(info.HasField("next_attempt_schedule_time") for info in server.describe().pending_activities) <= 30
    for _ in range(6):
        server.advance(timedelta(minutes=10))
    started = []
    while (task := server.poll_activity()) is not None:
        started.append(task.activity_id)
    assert len(started) == 30


def test_a_first_attempt_that_backs_off_outlives_the_process(site: Site) -> None:
    server = site.server
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    pause(server)
    unpause(server, jitter=duration(HOUR))
    assert server.poll_activity() is None
    server = site.restart(SECOND)
    assert server.poll_activity() is None
    server.advance(HOUR)
    assert server.take_activity().attempt == 1


def test_a_reset_stops_a_later_attempt_in_this_process(server: LocalServer) -> None:
    """Its result counts no more, so it is told at once and not with its next heartbeat."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=SECOND))
    server.fail_activity(server.take_activity(), failure_of())
    server.advance(SECOND)
    task = server.take_activity()
    told: list[str] = []
    server.service.watch_activity(task.task_token, lambda: told.append("stop"))
    reset(server)
    assert told == ["stop"]
    with Refused(StatusCode.NOT_FOUND, "is over"):
        server.complete_activity(task)


def test_the_end_of_a_paused_activity_leaves_nothing_paused(server: LocalServer) -> None:
    """Unlike on the real server, where the run is found as paused until something else changes that."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    task = server.take_activity()
    pause(server)
    assert found_as_paused(server) == 1
    server.complete_activity(task)
    assert found_as_paused(server) == 0


@pytest.mark.parametrize("attempts", [0, 5])
def test_a_whole_retry_policy_has_its_defaults(server: LocalServer, attempts: int) -> None:
    """Unlike on the real server, where an interval that is not given is one that never ends."""
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=HOUR))
    change(server, "retry_policy", retry_policy={"maximum_attempts": attempts})
    server.fail_activity(server.take_activity(), failure_of())
    server.advance(SECOND)
    task = server.take_activity()
    assert (task.attempt, task.retry_policy.maximum_attempts) == (2, attempts)


@pytest.mark.parametrize("what", ["activity", "run"])
def test_a_started_attempt_that_reached_nobody_waits_for_the_end_of_a_pause(server: LocalServer, what: str) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a"))
    server.service.take_back_task(server.take_activity())  # its worker went away in the moment in which it got it
    run = {"namespace": NAMESPACE, "workflow_id": "w"}
    if what == "activity":
        pause(server)
    else:
        server.call(server.service.pause_workflow_execution(PauseWorkflowExecutionRequest(**run)))
    assert server.poll_activity() is None
    if what == "activity":
        unpause(server)
    else:
        server.call(server.service.unpause_workflow_execution(UnpauseWorkflowExecutionRequest(**run)))
    task = server.take_activity()
    assert task.attempt == 1
    server.complete_activity(task)


def test_an_attempt_that_is_reset_on_its_way_to_a_worker_arrives_as_the_first(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(schedule_activity("a", initial_interval=SECOND))
    server.fail_activity(server.take_activity(), failure_of())
    server.advance(SECOND)

    async def poll_and_reset() -> PollActivityTaskQueueResponse:
        poll = PollActivityTaskQueueRequest(namespace=NAMESPACE, task_queue=TaskQueue(name="queue"))
        polling = asyncio.ensure_future(server.service.poll_activity_task_queue(poll))
        await asyncio.sleep(0)  # its start is not on disk yet
        execution = WorkflowExecution(workflow_id="w")
        await server.service.reset_activity(ResetActivityRequest(namespace=NAMESPACE, execution=execution, id="a"))
        return await polling

    task = server.call(poll_and_reset())
    assert task.attempt == 1
    server.complete_activity(task)


def test_a_mask_is_gone_through_once_for_all_activities() -> None:
    """Path by path for each activity, these would take hours."""
    with LocalServer() as server:
        server.start_workflow()
        server.complete_workflow_task(*(schedule_activity(f"a{number}") for number in range(1500)))
        request = UpdateActivityOptionsRequest(
            namespace=NAMESPACE,
            execution=WorkflowExecution(workflow_id="w"),
            match_all=True,
            activity_options=ActivityOptions(task_queue=TaskQueue(name="other")),
        )
        request.update_mask.paths.extend(["task_queue.name", "taskQueue.name", *["noSuchOption" * 1000] * 998])
        answer = server.call(server.service.update_activity_options(request))
        assert answer.activity_options.task_queue.name == "other"
        request.update_mask.paths.append("heartbeat_timeout")
        with Refused(StatusCode.INVALID_ARGUMENT, "1,001 paths, the limit is 1000"):
            server.call(server.service.update_activity_options(request))
        assert {each.activity_options.task_queue.name for each in server.describe().pending_activities} == {"other"}
