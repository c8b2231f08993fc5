"""What people do to pending activities (pause, unpause, reset, options) means here what it means on the real server."""

from __future__ import annotations

from typing import Any, Final

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType

from differential._by_hand import Hand, Played, Scenario, seconds

SCENARIOS: Final[dict[str, Scenario]] = {}

LONG: Final = {"initial_interval": seconds(100), "backoff_coefficient": 1.0}
"""A retry policy under which nobody waits for the second attempt."""
ONCE: Final = {"maximum_attempts": 1}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


# ---- pause, unpause ----------------------------------------------------------------------------------


@scenario
async def an_attempt_that_waits_is_paused(h: Hand) -> None:
    await h.begin(h.activity())
    await h.pause()
    await h.pending()
    await h.no_attempt()
    await h.pause(reason="again", identity="somebody else")
    await h.pending()
    await h.unpause()
    await h.pending()
    attempt = await h.attempt()
    await h.unpause()
    await h.complete(attempt)
    await h.pending()
    await h.pause()


@scenario
async def a_running_attempt_is_told_and_its_failure_leads_to_no_other(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.heartbeat(attempt, "one")
    await h.pause()
    await h.pending()
    await h.heartbeat(attempt, "two")
    await h.fail(attempt)
    await h.pending()
    await h.no_attempt()
    await h.unpause()
    await h.pending()
    attempt = await h.attempt()
    await h.pending()
    await h.complete(attempt)


@scenario
async def a_running_attempt_goes_on_when_unpaused(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.pause()
    await h.unpause(jitter=seconds(50))
    await h.pending()
    await h.heartbeat(attempt, "two")
    await h.fail(attempt)
    await h.complete(await h.attempt())


@scenario
async def a_paused_attempt_that_runs_may_complete(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.pause()
    await h.complete(attempt)
    await h.pending()


@scenario
async def a_paused_activity_may_be_completed_by_its_id(h: Hand) -> None:
    await h.begin(h.activity())
    await h.pause()
    about = {"workflow_id": h.workflow_id, "activity_id": "a", "identity": "me"}
    await h.call("RespondActivityTaskFailedById", **about)
    await h.call("RecordActivityTaskHeartbeatById", **about)
    await h.call("RespondActivityTaskCompletedById", **about)
    await h.pending()


@scenario
async def heartbeats_by_id_are_told_too(h: Hand) -> None:
    await h.begin(h.activity())
    await h.attempt()
    await h.reset()
    await h.pause()
    await h.call("RecordActivityTaskHeartbeatById", workflow_id=h.workflow_id, activity_id="a")


@scenario
async def the_rest_of_a_back_off_is_not_waited_for(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.pending()
    await h.pause()
    await h.pending()
    await h.unpause()
    await h.pending()
    await h.attempt()


@scenario
async def attempts_are_counted_anew(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.unpause(reset_attempts=True)  # it is not paused
    await h.pending()
    await h.pause()
    await h.unpause(reset_attempts=True)
    await h.pending()
    await h.attempt()
    await h.pending()


@scenario
async def heartbeat_details_are_forgotten(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.pause()
    await h.unpause(reset_heartbeat=True)
    await h.pending()
    await h.pause()
    await h.unpause(reset_attempts=True, reset_heartbeat=True, jitter=seconds(5000))
    await h.pending()


@scenario
async def counting_anew_gives_up_the_second_attempt_that_runs(h: Hand) -> None:
    await h.begin(h.activity())
    await h.fail(await h.attempt(), "first")
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.pause()
    await h.pending()
    await h.unpause(reset_attempts=True, reset_heartbeat=True)
    await h.pending()
    await h.heartbeat(attempt)
    await h.complete(attempt)
    await h.pending()


@scenario
async def a_paused_activity_outlives_its_last_attempt(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=ONCE))
    attempt = await h.attempt()
    await h.pause()
    await h.fail(attempt)
    await h.pending()
    await h.unpause()
    await h.pending()
    await h.fail(await h.attempt())
    await h.pending()


@scenario
async def a_failure_that_is_not_to_be_retried_ends_a_paused_activity(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.pause()
    await h.fail(attempt, non_retryable=True)
    await h.pending()


@scenario
async def a_paused_activity_retries_past_its_time(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG, schedule_to_close_timeout=seconds(50)))
    attempt = await h.attempt()
    await h.pause()
    await h.fail(attempt)
    await h.pending()


@scenario
async def one_activity_by_the_newer_names(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    about = {"workflow_id": h.workflow_id, "activity_id": "a", "identity": "operator"}

    async def pause(request_id: str, **fields: Any) -> None:
        fields = {**about, "reason": "why", "request_id": request_id, **fields}
        await h.call("PauseActivityExecution", f"pause {request_id}", **fields)

    await pause("one")
    await h.pending()
    await pause("one")
    await pause("two")
    await pause("")
    await pause("three", activity_id="nobody")
    await pause("three", activity_id="")
    await pause("three", workflow_id="")
    await pause("three", workflow_id="nobody")
    await pause("three", run_id=h.run_id)
    await h.call("UnpauseActivityExecution", **about)
    await h.pending()
    await h.call("UnpauseActivityExecution", **about)
    mask = {"update_mask": {"paths": ["heartbeat_timeout"]}}
    await h.call("UpdateActivityExecutionOptions", **mask, **about)
    changed = {"activity_options": {"heartbeat_timeout": seconds(3)}, **mask}
    await h.call("UpdateActivityExecutionOptions", **changed, **about)
    await h.call("ResetActivityExecution", **about)
    await h.pending()
    await h.call("UpdateActivityExecutionOptions", restore_original=True, **about)
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await pause("four")
    await h.call("ResetActivityExecution", keep_paused=True, reset_heartbeat=True, **about)
    await h.pending()
    await h.call("ResetActivityExecution", restore_original_options=True, jitter=seconds(5000), **about)
    await h.pending()
    await h.terminate()
    await pause("five")
    for method in ("UnpauseActivityExecution", "ResetActivityExecution"):
        await h.call(method, **about)


# ---- which activities --------------------------------------------------------------------------------


@scenario
async def activities_are_meant_by_id_by_type_or_all(h: Hand) -> None:
    await h.begin(h.activity("a"), h.activity("b"), h.activity("c", kind="Other"))
    await h.pause(id="nobody")
    await h.pause(type="Nobody")
    await h.pause(type="Act")
    await h.pending()
    await h.pause(type="Act")
    await h.pause(id="c")
    await h.unpause(type="Nobody")
    await h.unpause(type="Act")
    await h.pending()
    await h.pause(id="a")
    await h.unpause(unpause_all=True)
    await h.pending()
    await h.pause(id="a")
    await h.unpause(unpause_all=False)
    await h.pending()
    for operate in (h.unpause, h.reset):
        await operate(id="nobody")
        await operate(type="Nobody")
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(3)}, id="nobody")
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(3)}, type="Nobody")


@scenario
async def nothing_is_there_to_be_meant(h: Hand) -> None:
    changed = ("heartbeat_timeout", {"heartbeat_timeout": seconds(3)})
    await h.pause()
    await h.unpause()
    await h.reset()
    await h.options(*changed)
    await h.begin()
    await h.unpause(unpause_all=True)
    await h.reset(match_all=True)
    await h.options(*changed, match_all=True)
    for method in ("PauseActivity", "UnpauseActivity", "ResetActivity", "UpdateActivityOptions"):
        await h.call(method, execution=h.execution)
        await h.call(method, execution=h.execution, id="")
        await h.call(method, execution=h.execution, type="")
        await h.call(method, id="a")
        await h.call(method, execution={**h.execution, "run_id": "11111111-1111-4111-8111-111111111111"}, id="a")
    await h.terminate()
    await h.pause()
    await h.unpause()
    await h.reset()
    await h.options(*changed)


# ---- time --------------------------------------------------------------------------------------------


@scenario
async def no_timeout_counts_while_paused(h: Hand) -> None:
    short = {"schedule_to_start_timeout": seconds(1)}, {"schedule_to_close_timeout": seconds(1)}
    await h.begin(h.activity("a", **short[0]), h.activity("b", **short[1]))
    await h.pause(type="Act")
    await h.elapse(2.3)
    await h.pending()
    await h.unpause(id="b")
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")


@scenario
async def the_wait_for_a_worker_begins_anew(h: Hand) -> None:
    await h.begin(h.activity(schedule_to_start_timeout=seconds(2)))
    await h.pause()
    await h.elapse(2.3)
    await h.unpause()
    await h.pending()
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")


@scenario
async def an_attempt_may_complete_late_while_paused(h: Hand) -> None:
    await h.begin(h.activity(start_to_close_timeout=seconds(1)))
    attempt = await h.attempt()
    await h.pause()
    await h.elapse(2.3)
    await h.heartbeat(attempt)
    await h.complete(attempt)


@scenario
async def a_late_attempt_times_out_when_unpaused(h: Hand) -> None:
    await h.begin(h.activity(start_to_close_timeout=seconds(1)))
    await h.attempt()
    await h.pause()
    await h.elapse(2.3)
    await h.pending()
    await h.unpause()
    await h.attempt()


@scenario
async def a_silent_attempt_times_out_when_unpaused(h: Hand) -> None:
    await h.begin(h.activity(heartbeat_timeout=seconds(1), retry_policy=ONCE))
    await h.attempt()
    await h.pause()
    await h.elapse(2.3)
    await h.unpause()
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")


@scenario
async def a_failure_after_the_time_of_a_paused_activity(h: Hand) -> None:
    await h.begin(h.activity(schedule_to_close_timeout=seconds(1)))
    attempt = await h.attempt()
    await h.pause()
    await h.elapse(2.3)
    await h.fail(attempt)
    await h.pending()
    await h.unpause()
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")


# ---- cancellation ------------------------------------------------------------------------------------


async def _cancel(h: Hand) -> None:
    await h.signal()
    scheduled = [e for e in await h.events() if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK)
    command.request_cancel_activity_task_command_attributes.scheduled_event_id = scheduled[0].event_id
    await h.task(command)


@scenario
async def a_paused_activity_is_cancelled_at_once(h: Hand) -> None:
    await h.begin(h.activity())
    await h.pause()
    await _cancel(h)
    await h.pending()


@scenario
async def a_running_attempt_is_paused_cancelled_and_reset(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.pause()
    await _cancel(h)
    await h.pending()
    await h.heartbeat(attempt)
    await h.reset()
    await h.pending()
    await h.heartbeat(attempt)
    await h.fail(attempt)
    await h.pending()


@scenario
async def a_running_attempt_is_cancelled_and_then_paused(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await _cancel(h)
    await h.pause()
    await h.pending()
    await h.heartbeat(attempt)
    await h.fail(attempt)
    await h.pending()


# ---- reset -------------------------------------------------------------------------------------------


@scenario
async def an_attempt_that_waits_is_reset(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    await h.reset()
    await h.pending()
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.reset()
    await h.pending()
    attempt = await h.attempt()
    await h.pending()
    await h.fail(attempt)
    await h.reset(reset_heartbeat=True, jitter=seconds(5000))
    await h.pending()
    await h.reset()
    await h.pending()
    await h.complete(await h.attempt())


@scenario
async def the_first_attempt_is_told_of_a_reset(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.heartbeat(attempt, "one")
    await h.reset(reset_heartbeat=True)
    await h.pending()
    await h.heartbeat(attempt, "two")
    await h.pending()
    await h.fail(attempt)
    await h.until_pending(lambda pending: pending.attempt == 2)
    attempt = await h.attempt()
    await h.heartbeat(attempt)
    await h.complete(attempt)


@scenario
async def a_later_attempt_is_given_up_by_a_reset(h: Hand) -> None:
    await h.begin(h.activity(start_to_close_timeout=seconds(2)))
    await h.fail(await h.attempt())
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.reset()
    await h.pending()
    await h.heartbeat(attempt)
    await h.fail(attempt)
    await h.complete(attempt)
    await h.pending()
    await h.attempt()


@scenario
async def a_reset_does_not_add_to_the_attempts(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=ONCE))
    attempt = await h.attempt()
    await h.reset()
    await h.fail(attempt)
    await h.pending()


@scenario
async def a_reset_unpauses(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.pause()
    await h.reset()
    await h.pending()
    await h.attempt()


@scenario
async def a_reset_may_keep_the_pause(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.fail(attempt)
    await h.pause()
    await h.reset(keep_paused=True, jitter=seconds(50))
    await h.pending()
    await h.no_attempt()
    await h.reset(keep_paused=True, reset_heartbeat=True)
    await h.pending()
    await h.unpause()
    await h.pending()
    await h.heartbeat(await h.attempt())


@scenario
async def a_running_attempt_is_paused_and_reset(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.pause()
    await h.reset(keep_paused=True)
    await h.heartbeat(attempt)
    await h.reset()
    await h.pending()
    await h.heartbeat(attempt)
    await h.pause()
    await h.heartbeat(attempt)
    await h.fail(attempt)
    await h.pending()
    await h.unpause()
    await h.heartbeat(await h.attempt())


@scenario
async def details_are_kept_for_a_paused_attempt_and_forgotten_after_it(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    attempt = await h.attempt()
    await h.heartbeat(attempt, "details")
    await h.pause()
    await h.reset(keep_paused=True, reset_heartbeat=True)
    await h.fail(attempt)
    await h.pending()
    await h.unpause()
    await h.pending()
    await h.attempt()


@scenario
async def pausing_does_not_take_a_reset_back(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    await h.reset()
    await h.pause()
    await h.unpause()
    await h.heartbeat(attempt)


@scenario
async def all_of_a_type_are_reset(h: Hand) -> None:
    names = "abc"
    await h.begin(*(h.activity(i, kind="Act" if i < "c" else "Other", queue=i, retry_policy=LONG) for i in names))
    for name in names:
        await h.fail(await h.attempt_quietly(name))
    await h.reset(type="Act")
    await h.pending()
    await h.reset(match_all=True)
    await h.pending()


# ---- options -----------------------------------------------------------------------------------------


@scenario
async def options_are_changed_one_by_one(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG, schedule_to_close_timeout=seconds(600), priority={"priority_key": 2}))
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(3)})
    await h.pending()
    await h.options("startToCloseTimeout", {"start_to_close_timeout": seconds(34)})
    await h.options(
        "schedule_to_start_timeout schedule_to_close_timeout",
        {"schedule_to_start_timeout": seconds(35), "schedule_to_close_timeout": seconds(500)},
    )
    await h.options("task_queue.name", {"task_queue": {"name": f"{h.workflow_id}-other"}})
    await h.pending()
    await h.options("retry_policy.maximum_attempts", {"retry_policy": {"maximum_attempts": 7}})
    await h.options(
        "retry_policy.initial_interval retryPolicy.backoffCoefficient retry_policy.maximum_interval",
        {
            "retry_policy": {
                "initial_interval": seconds(5),
                "backoff_coefficient": 3,
                "maximum_interval": seconds(50),
                "maximum_attempts": 8,
            }
        },
    )
    await h.options("priority", {"priority": {"priority_key": 4, "fairness_key": "f"}})
    await h.options("priority.priority_key", {"priority": {"priority_key": 5}})
    await h.options("priority.fairness_weight", {"priority": {"fairness_weight": 2}})
    await h.pending()
    await h.no_attempt()
    attempt = await h.attempt_quietly("other")
    await h.options(restore_original=True)
    await h.pending()
    await h.heartbeat(attempt)
    await h.complete(attempt)


@scenario
async def options_may_be_unset(h: Hand) -> None:
    await h.begin(h.activity(heartbeat_timeout=seconds(5), schedule_to_start_timeout=seconds(100)))
    await h.options("heartbeat_timeout schedule_to_start_timeout", {})
    await h.pending()
    await h.options("priority", {"priority": {"priority_key": 3}})
    await h.options("priority", {})
    longer = {"heartbeat_timeout": seconds(500), "schedule_to_start_timeout": seconds(500)}
    names = "heartbeat_timeout schedule_to_start_timeout schedule_to_close_timeout"
    await h.options(names, {**longer, "schedule_to_close_timeout": seconds(20)})
    await h.pending()
    await h.options("start_to_close_timeout", {"start_to_close_timeout": seconds(700)})


@scenario
async def options_past_the_time_of_the_run(h: Hand) -> None:
    await h.begin(h.activity(), workflow_run_timeout=seconds(100))
    longer = {"start_to_close_timeout": seconds(500), "schedule_to_close_timeout": seconds(600)}
    await h.options("start_to_close_timeout schedule_to_close_timeout", longer)
    await h.options("schedule_to_close_timeout", {})


@scenario
async def options_that_cannot_be(h: Hand) -> None:
    await h.begin(h.activity())
    beat = {"heartbeat_timeout": seconds(3)}
    refused: list[tuple[str, Any]] = [
        ("", beat),
        ("heartbeat_timeout", None),
        ("heartbeat_timeout", {"heartbeat_timeout": seconds(-3)}),
        ("start_to_close_timeout", {}),
        ("start_to_close_timeout", {"start_to_close_timeout": seconds(0)}),
        ("schedule_to_close_timeout", {"schedule_to_close_timeout": seconds(-1)}),
        ("task_queue.name", {"task_queue": {"name": ""}}),
        ("task_queue.name", {"task_queue": {"name": "x" * 1200}}),
        ("task_queue.name", {}),
        ("retry_policy", {}),
        ("retry_policy.maximum_attempts", {}),
        ("retry_policy.maximum_attempts", {"retry_policy": {"maximum_attempts": -1}}),
        ("retry_policy.initial_interval", {"retry_policy": {"initial_interval": seconds(-1)}}),
        ("retry_policy.maximum_interval", {"retry_policy": {"maximum_interval": seconds(-1)}}),
        ("retry_policy.maximum_interval", {"retry_policy": {"maximum_interval": seconds(0.001)}}),
        ("retry_policy.backoff_coefficient", {"retry_policy": {"backoff_coefficient": 0.5}}),
        ("priority.priority_key", {}),
        ("priority.priority_key", {"priority": {"priority_key": -1}}),
        ("priority.fairness_key", {"priority": {"fairness_key": "x" * 100}}),
        ("priority.fairness_weight", {"priority": {"fairness_weight": -1}}),
    ]
    for paths, given in refused:
        await h.options(paths, given)
    await h.options("heartbeat_timeout", beat, restore_original=True)
    await h.options("heartbeat_timeout", None, restore_original=True)
    for nothing in ("nonsense", "task_queue", "task_queue.kind", "heartbeat_timeout.seconds"):
        await h.options(nothing, {"task_queue": {"name": "elsewhere"}, **beat})
    await h.pending()


@scenario
async def options_of_a_running_attempt(h: Hand) -> None:
    await h.begin(h.activity(start_to_close_timeout=seconds(1)))
    attempt = await h.attempt()
    await h.options("start_to_close_timeout", {"start_to_close_timeout": seconds(100)})
    await h.pending()
    await h.elapse(2.3)
    await h.heartbeat(attempt)
    await h.options("start_to_close_timeout", {"start_to_close_timeout": seconds(1)})
    await h.attempt_quietly()


@scenario
async def options_of_an_attempt_that_backs_off(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    await h.fail(await h.attempt())
    await h.options("retry_policy.initial_interval", {"retry_policy": {"initial_interval": seconds(50)}})
    await h.pending()
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(3)})
    await h.pending()
    await h.options("retry_policy.initial_interval", {"retry_policy": {"initial_interval": seconds(1)}})
    await h.attempt_quietly()


@scenario
async def options_of_a_paused_activity(h: Hand) -> None:
    await h.begin(h.activity(retry_policy=LONG))
    await h.fail(await h.attempt())
    await h.pause()
    await h.options(
        "retry_policy.initial_interval heartbeat_timeout",
        {"retry_policy": {"initial_interval": seconds(1)}, "heartbeat_timeout": seconds(9)},
    )
    await h.pending()
    await h.no_attempt()
    await h.reset(restore_original_options=True, keep_paused=True)
    await h.pending()
    await h.reset(restore_original_options=True)
    await h.pending()
    await h.attempt()


@scenario
async def options_of_several_activities(h: Hand) -> None:
    await h.begin(h.activity("a"), h.activity("b"), h.activity("c", kind="Other"))
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(3)}, type="Act")
    await h.pending()
    await h.options("heartbeat_timeout", {"heartbeat_timeout": seconds(4)}, match_all=True)
    await h.pending()
    await h.options(restore_original=True, type="Act")
    await h.pending()


@scenario
async def options_end_an_activity_that_waits(h: Hand) -> None:
    await h.begin(h.activity())
    await h.options("schedule_to_close_timeout", {"schedule_to_close_timeout": seconds(1)})
    await h.until_event("ACTIVITY_TASK_TIMED_OUT")


@scenario
async def a_reset_restores_options(h: Hand) -> None:
    await h.begin(h.activity())
    attempt = await h.attempt()
    changed = {"heartbeat_timeout": seconds(3), "task_queue": {"name": f"{h.workflow_id}-other"}}
    await h.options("heartbeat_timeout task_queue.name", changed)
    await h.reset(restore_original_options=True)
    await h.pending()
    await h.heartbeat(attempt)
    await h.fail(attempt)
    await h.attempt()


# ---- the comparison ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(real_server: str) -> Played:
    return Played(SCENARIOS, real_server)


@pytest.mark.parametrize("name", SCENARIOS)
def test_people_control_activities_as_on_the_real_server(name: str, played: Played) -> None:
    played.check(name)
