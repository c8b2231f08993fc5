"""A paused workflow leaves the history that it leaves on the real server, and answers as it does there.

So does one whose options are changed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, UpdateWorkflowExecutionLifecycleStage, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

from differential._by_hand import WAIT_S, Hand, Played, Scenario, seconds

SCENARIOS: Final[dict[str, Scenario]] = {}
STAGE_ACCEPTED: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
LONG: Final = {"initial_interval": seconds(100), "backoff_coefficient": 1.0}
COMPLETE: Final = Command(
    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    complete_workflow_execution_command_attributes={},
)


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


async def pause(h: Hand, request_id: str = "p", **fields: Any) -> None:
    fields = {"workflow_id": h.workflow_id, "identity": "operator", "reason": "why", **fields}
    await h.call("PauseWorkflowExecution", f"pause {request_id}", request_id=request_id, **fields)


async def unpause(h: Hand, request_id: str = "u", **fields: Any) -> None:
    fields = {"workflow_id": h.workflow_id, "identity": "operator", "reason": "go on", **fields}
    await h.call("UnpauseWorkflowExecution", f"unpause {request_id}", request_id=request_id, **fields)


async def options(h: Hand, paths: str, given: dict[str, Any] | None) -> None:
    await h.call(
        "UpdateWorkflowExecutionOptions",
        workflow_execution=h.execution,
        workflow_execution_options=given,
        update_mask={"paths": paths.split()},
    )


async def look(h: Hand) -> None:
    """Note what the run is like for one who looks at it."""
    described = await h.describe()
    info = described.workflow_execution_info
    pending = described.pending_workflow_task.state if described.HasField("pending_workflow_task") else 0
    paused = described.workflow_extended_info.pause_info
    attribute = info.search_attributes.indexed_fields["TemporalPauseInfo"].data.decode()
    status = WorkflowExecutionStatus.Name(info.status)
    h.note(f"{status}, by '{paused.identity}' for '{paused.reason}', {attribute}, workflow task {pending}")
    h.note(f"since {paused.HasField('paused_time')}, priority {MessageToDict(info.priority)}")
    await h.pending()


def timer(length_s: float) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER)
    command.start_timer_command_attributes.timer_id = "t"
    command.start_timer_command_attributes.start_to_fire_timeout.CopyFrom(seconds(length_s))
    return command


async def fail_task(h: Hand, task: Any) -> None:
    await h.call("RespondWorkflowTaskFailed", "failed the workflow task", task_token=task.task_token, cause=1)


async def update(h: Hand) -> str:
    """Ask for an update, and tell what became of it."""
    request = rpc.UpdateWorkflowExecutionRequest(namespace="default")
    request.workflow_execution.workflow_id = h.workflow_id
    request.wait_policy.lifecycle_stage = STAGE_ACCEPTED
    request.request.meta.update_id, request.request.input.name = "u", "u"
    try:
        answer = await h.stub.UpdateWorkflowExecution(request, timeout=WAIT_S)
    except grpc.RpcError as error:
        return f"refused: {error.code().name}"  # type: ignore[attr-defined]
    return f"answered: {answer.outcome.failure.application_failure_info.type}"


# ---- the two RPCs ------------------------------------------------------------------------------------


@scenario
async def a_run_is_paused_and_goes_on(h: Hand) -> None:
    await h.start()
    await pause(h)
    await look(h)
    await h.no_task()
    await pause(h)
    await pause(h, "another")
    await h.signal()
    await look(h)
    await unpause(h)
    await look(h)
    await unpause(h)
    await h.answer(await h.take(), COMPLETE)
    await pause(h)
    await unpause(h)


@scenario
async def pauses_that_cannot_be(h: Hand) -> None:
    await pause(h)
    await unpause(h)
    await h.start()
    await unpause(h)
    await h.call("PauseWorkflowExecution", request_id="x")
    await pause(h, reason="x" * 1500)
    await pause(h, run_id="11111111-1111-4111-8111-111111111111")
    await pause(h, reason="")
    await look(h)


@scenario
async def nothing_came_and_the_code_is_asked_all_the_same(h: Hand) -> None:
    await h.begin()
    await pause(h)
    await unpause(h)
    await look(h)
    await h.answer(await h.take())


@scenario
async def what_comes_is_recorded_and_waits(h: Hand) -> None:
    await h.begin(timer(2))
    await h.signal("one")
    await pause(h)
    await h.no_task()
    await h.signal("two")
    await h.call("RequestCancelWorkflowExecution", "cancel", workflow_execution=h.execution)
    await h.until_event("TIMER_FIRED")
    await look(h)
    await unpause(h)
    await h.answer(await h.take())


@scenario
async def a_paused_run_is_terminated(h: Hand) -> None:
    await h.begin()
    await pause(h)
    await h.terminate()
    await pause(h)
    await h.signal()


@scenario
async def a_paused_run_times_out(h: Hand) -> None:
    await h.begin(workflow_run_timeout=seconds(3))
    await pause(h)
    await h.until_event("WORKFLOW_EXECUTION_TIMED_OUT")


@scenario
async def a_paused_run_is_deleted(h: Hand) -> None:
    await h.begin()
    await pause(h)
    await h.call("DeleteWorkflowExecution", workflow_execution={**h.execution, "run_id": h.run_id})
    await h.until_gone()


@scenario
async def a_reset_of_a_paused_run_is_not_paused(h: Hand) -> None:
    await h.begin()
    await pause(h)
    where = {"workflow_execution": h.execution, "workflow_task_finish_event_id": 4, "request_id": h.workflow_id}
    await h.stub.ResetWorkflowExecution(rpc.ResetWorkflowExecutionRequest(namespace="default", **where))
    await look(h)


@scenario
async def starts_meet_a_paused_run(h: Hand) -> None:
    await h.begin()
    await pause(h)
    about = {
        "workflow_id": h.workflow_id,
        "workflow_type": {"name": "Workflow"},
        "task_queue": {"name": h.workflow_id},
    }
    await h.call("StartWorkflowExecution", "start", request_id="1", **about)
    await h.call("SignalWithStartWorkflowExecution", "signal", signal_name="s", request_id="2", **about)
    await look(h)


# ---- its workflow task -------------------------------------------------------------------------------


@scenario
async def a_started_task_is_answered(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    await pause(h)
    await pause(h, "another")
    await look(h)
    await h.answer(task, timer(1), h.activity())
    await look(h)
    await h.no_attempt()
    await h.until_event("TIMER_FIRED")
    await look(h)
    await h.no_task()
    await unpause(h)
    await look(h)
    await h.answer(await h.take())
    await h.attempt()


@scenario
async def a_started_task_does_not_end_the_run(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    await h.answer(task, COMPLETE)
    await look(h)
    await unpause(h)
    await h.answer(await h.take(), COMPLETE)


@scenario
async def a_started_task_fails(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    await fail_task(h, task)
    await look(h)
    await h.no_task()
    await unpause(h)
    await h.take()


@scenario
async def a_started_task_times_out(h: Hand) -> None:
    await h.start(workflow_task_timeout=seconds(1))
    await h.take()
    await pause(h)
    await h.until_event("WORKFLOW_TASK_TIMED_OUT")
    await look(h)
    await unpause(h)
    await h.take()


@scenario
async def a_started_task_demands_another_one(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    forced = {"task_token": task.task_token, "force_create_new_workflow_task": True}
    await h.call("RespondWorkflowTaskCompleted", "forced", **forced)
    await look(h)
    await h.answer(task)


@scenario
async def it_goes_on_before_a_started_task_is_answered(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    await unpause(h)
    await look(h)
    await h.answer(task)
    await look(h)
    await h.take()


@scenario
async def a_later_attempt_of_the_task_waits(h: Hand) -> None:
    await h.start()
    await fail_task(h, await h.take())
    await fail_task(h, await h.take())
    await pause(h)
    await look(h)
    await unpause(h)
    await look(h)
    await h.answer(await h.take())


@scenario
async def a_later_attempt_of_the_task_fails(h: Hand) -> None:
    await h.start()
    await fail_task(h, await h.take())
    task = await h.take()
    await pause(h)
    await fail_task(h, task)
    await look(h)
    await unpause(h)
    await h.answer(await h.take())


@scenario
async def a_later_attempt_of_the_task_is_answered(h: Hand) -> None:
    await h.start()
    await fail_task(h, await h.take())
    task = await h.take()
    await pause(h)
    await h.answer(task)
    await unpause(h)
    await look(h)


@scenario
async def a_task_on_a_sticky_queue_is_withdrawn(h: Hand) -> None:
    await h.start()
    task = await h.take()
    sticky = {"worker_task_queue": {"name": f"{h.workflow_id}-sticky"}, "schedule_to_start_timeout": seconds(60)}
    answer = {"task_token": task.task_token, "sticky_attributes": sticky}
    await h.call("RespondWorkflowTaskCompleted", "answered with a sticky queue", **answer)
    polling = h.poll_sticky()
    await h.elapse(0.3)  # a worker waits there, so that the next task is for it
    await h.cancel_poll(polling)
    await h.signal()
    await pause(h)
    await look(h)
    await unpause(h)
    await h.until_event("WORKFLOW_TASK_FAILED")


# ---- queries and updates -----------------------------------------------------------------------------


@scenario
async def queries_are_rejected(h: Hand) -> None:
    await h.begin()
    await pause(h)
    for condition in (0, 1, 2, 3):
        asked = {"execution": h.execution, "query": {"query_type": "q"}, "query_reject_condition": condition}
        await h.call("QueryWorkflow", f"query {condition}", **asked)


@scenario
async def updates_are_refused(h: Hand) -> None:
    await h.begin()
    await pause(h)
    h.note(await update(h))


@scenario
async def an_update_that_a_worker_has_is_answered(h: Hand) -> None:
    await h.begin()
    asking = asyncio.ensure_future(update(h))
    task = await h.take()
    h.note(f"messages: {len(task.messages)}")
    await pause(h)
    await h.answer(task)
    h.note(await asking)
    await look(h)


# ---- its activities ----------------------------------------------------------------------------------


@scenario
async def a_running_attempt_completes_and_none_starts(h: Hand) -> None:
    await h.begin(h.activity("a", queue="one"), h.activity("b", queue="two"))
    attempt = await h.attempt("one")
    await pause(h)
    await look(h)
    await h.no_attempt("two")
    await h.heartbeat(attempt, "details")
    await h.complete(attempt)
    await look(h)
    await h.no_task()
    await unpause(h)
    await h.answer(await h.take())
    await h.attempt("two")


@scenario
async def a_failed_attempt_waits_for_the_run(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await pause(h)
    await h.fail(attempt)
    await h.no_attempt()
    await look(h)
    await unpause(h)
    await h.attempt()


@scenario
async def a_back_off_goes_on(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    await h.fail(await h.attempt())
    await pause(h)
    await look(h)
    await unpause(h)
    await look(h)
    await h.no_attempt()


@scenario
async def attempts_end_for_good(h: Hand) -> None:
    await h.begin(h.activity(retry_policy={"maximum_attempts": 1}))
    attempt = await h.attempt()
    await pause(h)
    await h.fail(attempt)
    await look(h)
    await unpause(h)


@scenario
async def timeouts_count_on(h: Hand) -> None:
    await h.begin(h.activity(start_to_close_timeout=seconds(1)), h.activity("b", queue="two"))
    await h.attempt()
    await pause(h)
    await h.until_pending(lambda pending: pending.attempt == 2)
    await h.no_attempt()
    await unpause(h)
    attempt = await h.attempt_quietly()
    await h.complete(attempt)


@scenario
async def an_attempt_that_waits_too_long(h: Hand) -> None:
    await h.start()
    task = await h.take()
    await pause(h)
    await h.answer(task, h.activity(schedule_to_start_timeout=seconds(1)))
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")
    await h.no_task()


@scenario
async def run_and_activity_are_paused_each_by_itself(h: Hand) -> None:
    await h.begin(h.activity(), h.activity("b", kind="Other", queue="two"))
    await h.pause()
    await pause(h)
    await look(h)
    await h.unpause()
    await look(h)
    await h.no_attempt()
    await h.reset()
    await h.pause()
    await unpause(h)
    await look(h)
    await h.no_attempt()
    await h.unpause()
    await look(h)
    await h.complete(await h.attempt())


# ---- lists -------------------------------------------------------------------------------------------


@scenario
async def paused_runs_are_found(h: Hand) -> None:
    await h.begin(h.activity())
    await pause(h)
    await h.pause()
    await h.until_listed("TemporalPauseInfo = 'property:activityType=Act'")
    for query in (
        "ExecutionStatus = 'Paused'",
        "ExecutionStatus = 'Running'",
        "ExecutionStatus IN ('Running', 'Paused')",
        "TemporalPauseInfo IS NOT NULL",
        f"TemporalPauseInfo = 'Workflow:{h.workflow_id}'",
        "TemporalPauseInfo = 'Reason:why'",
        "CloseTime IS NULL",
    ):
        h.note(f"{query}: {await h.listed(query)}")


# ---- options -----------------------------------------------------------------------------------------


@scenario
async def options_are_changed(h: Hand) -> None:
    await options(h, "priority", {"priority": {"priority_key": 2}})
    await h.begin(h.activity())
    await options(h, "priority", {"priority": {"priority_key": 2}})
    await look(h)
    await options(h, "priority", {"priority": {"priority_key": 2}})
    await options(h, "priority.priority_key", {"priority": {"priority_key": 3, "fairness_key": "not named"}})
    await options(h, "priority.fairness_key", {"priority": {"fairness_key": "f"}})
    await options(h, "priority.fairness_weight", {"priority": {"fairness_weight": 3}})
    await options(h, "", {"priority": {"priority_key": 4}})
    await options(h, "nonsense", {"priority": {"priority_key": 4}})
    await options(h, "priority", None)
    await options(h, "versioning_override", {})
    await options(h, "time_skipping_config", {"time_skipping_config": {}})
    await options(h, "priority", {"priority": {"priority_key": -2}})
    await options(h, "priority", {"priority": {"fairness_key": "x" * 100}})
    await h.attempt()
    await h.no_task()
    await h.signal()
    await h.answer(await h.take(), h.activity("b"))
    await h.attempt()
    await options(h, "priority", {})  # where it goes on, it goes on with no priority only here
    await h.terminate()
    await options(h, "priority", {"priority": {"priority_key": 2}})


@scenario
async def options_are_changed_before_and_while_a_task_runs(h: Hand) -> None:
    await h.start()
    await options(h, "priority", {"priority": {"priority_key": 2}})
    task = await h.take()
    await options(h, "priority", {"priority": {"priority_key": 3}})
    await h.answer(task)
    await h.take()


@scenario
async def options_of_a_paused_run(h: Hand) -> None:
    await h.begin()
    await pause(h)
    await options(h, "priority", {"priority": {"priority_key": 3}})
    await look(h)
    await unpause(h)
    await h.answer(await h.take())


# ---- the comparison ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(real_server: str) -> Played:
    return Played(SCENARIOS, real_server)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_paused_workflow_behaves_as_on_the_real_server(name: str, played: Played) -> None:
    played.check(name)
