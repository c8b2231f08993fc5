"""Activities seen from the workflow: results, failures, cancellation, and what is refused at the call."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from scripted_run import CONVERTER, ScriptedRun, WorkflowTaskFailedError
from temporalio.api.command.v1 import Command

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue, RetryPolicy
from tsuzuki.exceptions import ActivityError, ApplicationError, CancelledError, RetryState, TimeoutType
from tsuzuki.workflow import ActivityCancellationType

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

BOUND = timedelta(seconds=10)


@dataclasses.dataclass
class Page:
    title: str
    rank: int


@activity.defn
async def search(query: str, limit: int = 3) -> Page:
    return Page(query, limit)


@activity.defn(name="Note")
def note(page: Page) -> None:
    pass


class Searches:
    @activity.defn
    async def find(self, query: str) -> Page:
        return Page(query, 0)


def commands_of(run: ScriptedRun) -> list[Command]:
    """What the last completed workflow task produced."""
    return list(run.workflow_task().commands)


@workflow.defn
async def searches(query: str) -> str:
    page = await workflow.execute_activity(search, args=[query, 5], start_to_close_timeout=BOUND, summary="look")
    await workflow.execute_activity(note, page, schedule_to_close_timeout=BOUND, task_queue="notes")
    found = await workflow.execute_activity_method(Searches.find, "x", start_to_close_timeout=BOUND)
    return f"{page.title} {page.rank} {found.title}"


def test_results_come_back_as_the_hinted_type(cached: bool) -> None:
    run = ScriptedRun(searches, "cats", cached=cached)
    run.run_to_end({"search": Page, "Note": lambda page: None, "find": lambda query: Page(query, 0)})
    assert run.result == "cats 5 x"
    assert run.notation() == (
        "Started | WFT | ActivityScheduled search 1 | ActivityCompleted 1 | WFT | ActivityScheduled Note 2 | "
        "ActivityCompleted 2 | WFT | ActivityScheduled find 3 | ActivityCompleted 3 | WFT | Completed"
    )


def test_the_command_carries_the_options(cached: bool) -> None:
    [command] = commands_of(ScriptedRun(searches, "cats", cached=cached))
    attributes = command.schedule_activity_task_command_attributes
    assert attributes.activity_id == "1"
    assert attributes.task_queue.name == "queue"
    assert CONVERTER.from_payloads(attributes.input.payloads) == ["cats", 5]
    assert attributes.start_to_close_timeout.ToTimedelta() == BOUND
    assert not attributes.HasField("heartbeat_timeout")
    assert CONVERTER.from_payload(command.user_metadata.summary) == "look"


@workflow.defn
async def uses_every_option() -> None:
    workflow.start_activity(
        "any",
        "argument",
        task_queue="elsewhere",
        schedule_to_close_timeout=timedelta(minutes=4),
        schedule_to_start_timeout=timedelta(minutes=3),
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=timedelta(minutes=1),
        retry_policy=RetryPolicy(maximum_attempts=4, non_retryable_error_types=["Bad"]),
        activity_id="mine",
    )
    await asyncio.sleep(1)


def test_every_option_reaches_the_command(cached: bool) -> None:
    command = commands_of(ScriptedRun(uses_every_option, cached=cached))[0]
    attributes = command.schedule_activity_task_command_attributes
    assert (attributes.activity_id, attributes.activity_type.name) == ("mine", "any")
    assert attributes.task_queue.name == "elsewhere"
    assert not attributes.use_workflow_build_id
    assert [
        getattr(attributes, name).ToTimedelta() / timedelta(minutes=1)
        for name in (
            "schedule_to_close_timeout",
            "schedule_to_start_timeout",
            "start_to_close_timeout",
            "heartbeat_timeout",
        )
    ] == [4, 3, 2, 1]
    assert attributes.retry_policy.maximum_attempts == 4
    assert list(attributes.retry_policy.non_retryable_error_types) == ["Bad"]


@workflow.defn
async def shares_options() -> None:
    with workflow.activity_options(start_to_close_timeout=BOUND, task_queue="outer"):
        await workflow.execute_activity("first")
        with workflow.activity_options(task_queue="inner"):
            task = asyncio.create_task(workflow.execute_activity("second"))
            await workflow.execute_activity("third", task_queue="own")
        await task


def test_a_block_gives_its_options_to_all_calls_inside(cached: bool) -> None:
    run = ScriptedRun(shares_options, cached=cached)
    sent = commands_of(run)
    run.complete_activity("1")
    sent += commands_of(run)
    assert [
        (attributes.activity_type.name, attributes.task_queue.name, attributes.start_to_close_timeout.seconds)
        for attributes in (command.schedule_activity_task_command_attributes for command in sent)
    ] == [("first", "outer", 10), ("third", "own", 10), ("second", "inner", 10)]


@workflow.defn
async def survives_failure() -> list[Any]:
    try:
        await workflow.execute_activity(search, "x", start_to_close_timeout=BOUND)
    except ActivityError as error:
        cause = error.cause
        assert isinstance(cause, ApplicationError)
        return [error.activity_type, error.activity_id, error.retry_state, cause.type, cause.message]
    return []


def test_a_failed_activity_raises_activity_error_with_its_cause(cached: bool) -> None:
    run = ScriptedRun(survives_failure, cached=cached)
    run.workflow_task()
    run.fail_activity("1", "no network", "NetworkError")
    run.workflow_task()
    state = RetryState.MAXIMUM_ATTEMPTS_REACHED
    assert run.result == ["search", "1", state, "NetworkError", "no network"]


@workflow.defn
async def lets_errors_through(what: str) -> None:
    await workflow.execute_activity(what, start_to_close_timeout=BOUND)


def test_an_activity_error_that_leaves_the_workflow_fails_it(cached: bool) -> None:
    run = ScriptedRun(lets_errors_through, "search", cached=cached)
    run.workflow_task()
    run.time_out_activity("1")
    run.workflow_task()
    failure = run.failure
    assert failure.message == "Activity task timed out"
    assert failure.activity_failure_info.activity_type.name == "search"
    assert failure.cause.timeout_failure_info.timeout_type == TimeoutType.START_TO_CLOSE


@workflow.defn
async def takes_a_raw_result() -> str:
    raw = await workflow.execute_activity("any", result_type=RawValue, start_to_close_timeout=BOUND)
    return raw.payload.data.decode()


def test_a_named_activity_takes_the_result_type_from_the_call(cached: bool) -> None:
    run = ScriptedRun(takes_a_raw_result, cached=cached)
    run.run_to_end({"any": lambda: {"k": 1}})
    assert run.result == '{"k":1}'


# ---- cancellation ------------------------------------------------------------------------------------------


@workflow.defn
async def cancels(how: int, sleep_first: bool) -> list[str]:
    handle = workflow.start_activity(
        search,
        "x",
        start_to_close_timeout=BOUND,
        cancellation_type=ActivityCancellationType(how),
    )
    await asyncio.sleep(1 if sleep_first else 0)
    handle.cancel()
    try:
        return ["result", (await handle).title]
    except ActivityError as error:
        details = error.cause.details if isinstance(error.cause, CancelledError) else ["?"]
        return ["cancelled", *details, *(["recorded"] if error.scheduled_event_id else [])]


@pytest.mark.parametrize("how", [ActivityCancellationType.TRY_CANCEL, ActivityCancellationType.ABANDON])
def test_without_waiting_a_cancelled_activity_ends_in_the_same_workflow_task(cached: bool, how: int) -> None:
    run = ScriptedRun(cancels, how, True, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == ["cancelled"]
    asked = "" if how == ActivityCancellationType.ABANDON else "ActivityCancelRequested 1 | "
    assert run.notation().endswith(f"TimerFired 1 | WFT | {asked}Completed")


@pytest.mark.parametrize(
    ("end", "expected"),
    [("cancel", ["cancelled", "half done", "recorded"]), ("complete", ["result", "late"])],
)
def test_wait_cancellation_completed_waits_for_what_becomes_of_it(
    cached: bool, end: str, expected: Sequence[str]
) -> None:
    run = ScriptedRun(cancels, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED, True, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.notation().endswith("ActivityCancelRequested 1")
    if end == "cancel":
        run.cancel_activity("1", "half done")
    else:
        run.complete_activity("1", Page("late", 1))
    run.workflow_task()
    assert run.result == expected


def test_an_activity_cancelled_before_it_was_scheduled_leaves_no_trace(cached: bool) -> None:
    run = ScriptedRun(cancels, ActivityCancellationType.TRY_CANCEL, False, cached=cached)
    run.workflow_task()
    assert run.result == ["cancelled"]
    assert run.notation() == "Started | WFT | Completed"


@workflow.defn
async def cancels_at_once() -> str:
    handle = workflow.start_activity(search, "x", start_to_close_timeout=BOUND)
    handle.cancel()
    try:
        await handle
    except asyncio.CancelledError:
        return f"done={handle.done()} again={handle.cancel()}"
    return "?"


def test_a_handle_cancelled_before_its_first_turn_raises_asyncio_cancelled_error(cached: bool) -> None:
    run = ScriptedRun(cancels_at_once, cached=cached)
    run.workflow_task()
    assert run.result == "done=True again=False"


@workflow.defn
async def goes_on_after_try_cancel() -> str:
    handle = workflow.start_activity(search, "x", start_to_close_timeout=BOUND)
    await asyncio.sleep(1)
    handle.cancel()
    handle.cancel()
    try:
        await handle
    except ActivityError:
        await asyncio.sleep(5)
    return "on"


@pytest.mark.parametrize("end", ["cancel", "complete", "fail", "time_out"])
def test_what_becomes_of_an_activity_after_try_cancel_is_recorded_and_ignored(cached: bool, end: str) -> None:
    run = ScriptedRun(goes_on_after_try_cancel, cached=cached)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    {
        "cancel": lambda: run.cancel_activity("1"),
        "complete": lambda: run.complete_activity("1", Page("late", 1)),
        "fail": lambda: run.fail_activity("1", "late"),
        "time_out": lambda: run.time_out_activity("1"),
    }[end]()
    run.workflow_task()
    run.fire_timer("2")
    run.workflow_task()
    assert run.result == "on"


# ---- refused at the call -----------------------------------------------------------------------------------


@workflow.defn
async def calls(option: str, value: Any) -> None:
    values = {"zero": timedelta(0), "negative": timedelta(seconds=-1), "number": 5, "text": "x", "none": None}
    options: Any = {"start_to_close_timeout": BOUND, option: values[value]}
    await workflow.execute_activity(search, "x", **options)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("start_to_close_timeout", "zero", "activity search: start_to_close_timeout is 0:00:00; it must be more"),
        ("heartbeat_timeout", "negative", "activity search: heartbeat_timeout is -1 day, 23:59:59; it must be"),
        ("start_to_close_timeout", "number", "start_to_close_timeout is 5 (int); it must be of type timedelta"),
        ("start_to_close_timeout", "none", "activity search has no bound: give start_to_close_timeout"),
        ("retry_policy", "text", "the activity option retry_policy is 'x' (str); it must be of type RetryPolicy"),
        ("start_to_close_timout", "number", "no option start_to_close_timout; did you mean start_to_close_timeout?"),
        ("task_queue", "number", "the activity option task_queue is 5 (int); it must be of type str"),
        ("cancellation_type", "number", "cancellation_type is 5 (int); it must be of type ActivityCancellationType"),
    ],
)
def test_a_bad_option_fails_the_workflow_task_with_its_name(
    cached: bool, option: str, value: str, message: str
) -> None:
    run = ScriptedRun(calls, option, value, cached=cached)
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    assert message in str(caught.value)
    assert "test_workflow_activities.py" in caught.value.response.failure.stack_trace


@workflow.defn
async def passes_unserializable() -> None:
    await workflow.execute_activity(search, args=["q", {"client": object()}], start_to_close_timeout=BOUND)


def test_an_argument_that_cannot_be_encoded_names_the_argument_its_type_and_the_line(cached: bool) -> None:
    run = ScriptedRun(passes_unserializable, cached=cached)
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    line = passes_unserializable.__code__.co_firstlineno + 2
    assert f"test_workflow_activities.py:{line}: argument 'limit' of activity 'search'" in str(caught.value)
    assert "$['client']" in str(caught.value)
    assert "holds a object" in str(caught.value)


@workflow.defn
async def calls_no_activity() -> None:
    await workflow.execute_activity(survives_failure, start_to_close_timeout=BOUND)


def test_calling_something_that_is_no_activity(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match=r"survives_failure is not an activity: decorate it"):
        ScriptedRun(calls_no_activity, cached=cached).workflow_task()


@workflow.defn
async def calls_with_both() -> None:
    await workflow.execute_activity(search, "a", args=["b"], start_to_close_timeout=BOUND)  # type: ignore[call-overload]


def test_arg_and_args_exclude_each_other(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match=r"either one argument or `args=\[...\]`, not both"):
        ScriptedRun(calls_with_both, cached=cached).workflow_task()


@workflow.defn
async def expects_page() -> str:
    return (await workflow.execute_activity(search, "x", start_to_close_timeout=BOUND)).title


def test_a_result_that_does_not_fit_the_hint_fails_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(expects_page, cached=cached)
    run.workflow_task()
    run.complete_activity("1", [1, 2])
    with pytest.raises(
        WorkflowTaskFailedError, match=r"the result of activity 'search' \(activity 1\) does not fit `Page`"
    ):
        run.workflow_task()
