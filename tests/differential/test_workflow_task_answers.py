"""Commands of one workflow task that are about each other, and answers that are too large to be sent, leave the history
that they leave on the real server."""

from __future__ import annotations

from typing import Final

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, WorkflowTaskFailedCause

from differential._by_hand import Hand, Played, Scenario
from differential.test_resets import done, timer

SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def cancel_activity(scheduled_event_id: int) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK)
    command.request_cancel_activity_task_command_attributes.scheduled_event_id = scheduled_event_id
    return command


def cancel_timer(timer_id: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER)
    command.cancel_timer_command_attributes.timer_id = timer_id
    return command


def child(h: Hand) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
    asked = command.start_child_workflow_execution_command_attributes
    asked.workflow_id, asked.workflow_type.name = f"{h.workflow_id}-child", "Child"
    asked.task_queue.name = f"{h.workflow_id}-children"
    return command


def cancel_child(h: Hand, *, child_only: bool) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION)
    asked = command.request_cancel_external_workflow_execution_command_attributes
    asked.workflow_id, asked.child_workflow_only = f"{h.workflow_id}-child", child_only
    return command


async def with_one_pending(h: Hand, *, started: bool = False) -> None:
    """Activity `a`, scheduled by event 5, and news."""
    await h.begin(h.activity("a"))
    if started:
        await h.attempt_quietly()
    await h.signal()


# ---- activities --------------------------------------------------------------------------------------


@scenario
async def an_activity_is_scheduled_and_cancelled(h: Hand) -> None:
    await h.begin(h.activity("a"), timer("t"), cancel_activity(5))
    await h.pending()
    await h.no_attempt()


@scenario
async def an_eager_activity_is_scheduled_and_cancelled(h: Hand) -> None:
    await h.begin(h.activity("a", request_eager_execution=True), cancel_activity(5))
    await h.pending()


@scenario
async def activities_are_cancelled_in_another_order(h: Hand) -> None:
    await h.begin(timer("t"), h.activity("a"), h.activity("b"), cancel_activity(7), cancel_activity(6))


@scenario
async def the_id_of_an_activity_is_free_once_it_is_cancelled(h: Hand) -> None:
    await h.begin(h.activity("a"), cancel_activity(5), h.activity("a"))
    await h.pending()


@scenario
async def the_id_of_a_pending_activity_is_free_once_it_is_cancelled(h: Hand) -> None:
    await with_one_pending(h)
    await h.task(cancel_activity(5), h.activity("a"))
    await h.pending()


@scenario
async def the_id_of_an_activity_that_a_worker_has_is_not_free(h: Hand) -> None:
    await with_one_pending(h, started=True)
    await h.task(cancel_activity(5), h.activity("a"))
    await h.task()


@scenario
async def an_activity_is_cancelled_twice(h: Hand) -> None:
    await h.begin(h.activity("a"), cancel_activity(5), cancel_activity(5))


@scenario
async def a_pending_activity_is_cancelled_twice(h: Hand) -> None:
    await with_one_pending(h)
    await h.task(cancel_activity(5), cancel_activity(5))


@scenario
async def an_activity_that_a_worker_has_is_cancelled_twice(h: Hand) -> None:
    await with_one_pending(h, started=True)
    await h.task(cancel_activity(5), cancel_activity(5))
    await h.task()


@scenario
async def an_activity_is_cancelled_before_it_is_scheduled(h: Hand) -> None:
    await h.begin(cancel_activity(5), h.activity("a"))
    await h.task()


@scenario
async def another_event_than_the_activitys_is_named(h: Hand) -> None:
    await h.begin(h.activity("a"), timer("t"), cancel_activity(6))
    await h.task()


@scenario
async def several_pending_activities_are_cancelled(h: Hand) -> None:
    """Their ends come behind all that the task asks for, and behind what came while it ran."""
    await h.begin(h.activity("a"), h.activity("b"))
    await h.signal()
    task = await h.take()
    await h.signal("late")
    await h.answer(task, cancel_activity(5), timer("t"), cancel_activity(6))


@scenario
async def a_run_cancels_its_activity_and_completes(h: Hand) -> None:
    await with_one_pending(h)
    await h.task(cancel_activity(5), done())


@scenario
async def a_run_schedules_an_activity_cancels_it_and_completes(h: Hand) -> None:
    await h.begin(h.activity("a"), cancel_activity(5), done())


@scenario
async def an_activity_is_scheduled_and_cancelled_at_the_third_attempt(h: Hand) -> None:
    """Two events more come before it, which history did not show until then."""
    await h.start()
    for _ in range(2):
        failed = await h.take()
        await h.call("RespondWorkflowTaskFailed", "fail", task_token=failed.task_token)
    await h.task(h.activity("a"), cancel_activity(8))


# ---- timers and children -----------------------------------------------------------------------------


@scenario
async def a_timer_is_started_and_cancelled_again_and_again(h: Hand) -> None:
    await h.begin(timer("t"), cancel_timer("t"), timer("t"), cancel_timer("t"))


@scenario
async def a_timer_is_cancelled_before_it_is_started(h: Hand) -> None:
    await h.begin(cancel_timer("t"), timer("t"))
    await h.task()


@scenario
async def a_timer_is_cancelled_twice(h: Hand) -> None:
    await h.begin(timer("t"), cancel_timer("t"), cancel_timer("t"))
    await h.task()


@scenario
async def a_child_is_started_and_cancelled(h: Hand) -> None:
    await h.begin(child(h), cancel_child(h, child_only=True))
    await h.task()


@scenario
async def a_child_is_started_and_cancelled_as_any_workflow(h: Hand) -> None:
    await h.begin(child(h), cancel_child(h, child_only=False))
    await h.task()


# ---- answers that workers could not send ---------------------------------------------------------------


async def fail(h: Hand, cause: WorkflowTaskFailedCause.ValueType) -> None:
    await h.start()
    task = await h.take()
    await h.signal()
    told = {"message": "too large", "application_failure_info": {"type": "TooLarge"}}
    await h.call("RespondWorkflowTaskFailed", "fail", task_token=task.task_token, cause=cause, failure=told)


@scenario
async def an_answer_is_too_large_for_a_message(h: Hand) -> None:
    await fail(h, WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE)


@scenario
async def payloads_are_too_large(h: Hand) -> None:
    await fail(h, WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE)
    await h.task()


@scenario
async def a_request_is_too_large(h: Hand) -> None:
    await fail(h, WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_REQUEST_TOO_LARGE)
    await h.task()


# ---- the comparison ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(real_server: str) -> Played:
    return Played(SCENARIOS, real_server)


@pytest.mark.parametrize("name", SCENARIOS)
def test_answers_do_what_they_do_on_the_real_server(name: str, played: Played) -> None:
    played.check(name)
