"""A run as a whole: arguments, results, failures, cancellation, stuck tasks, time, chance, caching, eviction."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import random
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from left_behind import left_behind
from scripted_run import RUN_ID, ScriptedRun, WorkflowTaskFailedError, drive
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from tsuzuki import activity, workflow
from tsuzuki.common import RawValue
from tsuzuki.exceptions import ApplicationError
from tsuzuki.worker._loop import WorkflowLoop
from tsuzuki.worker._workflow_run import WorkflowRun

pytestmark = pytest.mark.parametrize("cached", [True, False], ids=["incremental", "replay"])

BOUND = timedelta(seconds=10)


@dataclasses.dataclass
class Order:
    item: str
    count: int = 1


@activity.defn
async def act(value: Any = None) -> Any:
    return value


# ---- arguments and results ---------------------------------------------------------------------------------


@workflow.defn
class Greets:
    def __init__(self) -> None:
        self.greeting = "hello"

    @workflow.run
    async def run(self, order: Order, times: int = 2) -> list[str]:
        return [f"{self.greeting} {order.item} {order.count}"] * times


def test_arguments_are_decoded_by_hint_and_may_be_left_out(cached: bool) -> None:
    run = ScriptedRun(Greets, Order("tea", 3), cached=cached)
    run.workflow_task()
    assert run.result == ["hello tea 3", "hello tea 3"]
    run = ScriptedRun(Greets, Order("tea"), 1, cached=cached)
    run.workflow_task()
    assert run.result == ["hello tea 1"]


@workflow.defn
class Initializes:
    @workflow.init
    def __init__(self, order: Order) -> None:
        self.item = order.item

    @workflow.run
    async def run(self, order: Order) -> str:
        assert workflow.instance() is self
        return self.item


def test_init_takes_the_arguments_too(cached: bool) -> None:
    run = ScriptedRun(Initializes, Order("cup"), cached=cached)
    run.workflow_task()
    assert run.result == "cup"


@workflow.defn(name="plain")
async def plain_function(a: int, b: int) -> int:
    assert workflow.instance() is None
    return a + b


def test_a_plain_function_is_a_workflow(cached: bool) -> None:
    run = ScriptedRun(plain_function, 2, 3, cached=cached)
    run.workflow_task()
    assert (run.workflow_type, run.result) == ("plain", 5)


@workflow.defn(dynamic=True)
async def any_workflow(args: Sequence[RawValue]) -> list[Any]:
    converter = workflow.payload_converter()
    return [workflow.info().workflow_type, *(converter.from_payload(arg.payload) for arg in args)]


def test_the_dynamic_workflow_takes_every_unknown_type(cached: bool) -> None:
    run = ScriptedRun(any_workflow, 1, "x", cached=cached, workflow_type="whatever")
    run.workflow_task()
    assert run.result == ["whatever", 1, "x"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((Order("x"), "often"), "argument 'times' of workflow 'Greets': value 1 does not fit `int`"),
        (("tea",), "argument 'order' of workflow 'Greets': value 0 does not fit `Order`"),
        ((), "workflow 'Greets' was started with 0 argument(s); missing: order"),
        ((Order("x"), 1, 2), "started with 3 argument(s), but takes 2: (order, times)"),
    ],
)
def test_an_argument_that_does_not_fit_fails_the_workflow_task(
    cached: bool, args: tuple[Any, ...], message: str
) -> None:
    run = ScriptedRun(Greets, *args, cached=cached)
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    assert message in str(caught.value)


@workflow.defn
async def returns_a_lock() -> Any:
    return {"lock": asyncio.Lock()}


def test_a_result_that_cannot_be_encoded_fails_the_workflow_task(cached: bool) -> None:
    run = ScriptedRun(returns_a_lock, cached=cached)
    with pytest.raises(WorkflowTaskFailedError, match=r"_runs.py:\d+: the result of workflow 'returns_a_lock'"):
        run.workflow_task()


def test_an_unknown_type_names_the_known_ones_and_the_nearest(cached: bool) -> None:
    run = ScriptedRun(Greets, cached=cached, registered=[Greets, plain_function], workflow_type="Greats")
    with pytest.raises(WorkflowTaskFailedError) as caught:
        run.workflow_task()
    assert "workflow type 'Greats' is not registered" in str(caught.value)
    assert "did you mean 'Greets'? It knows: Greets, plain" in str(caught.value)


# ---- failing -----------------------------------------------------------------------------------------------


class BadInput(Exception):
    pass


@workflow.defn
async def raises(how: str) -> None:
    if how == "application":
        raise ApplicationError("no such item", "tea", type="NoItem", non_retryable=True)
    if how == "timeout":
        raise TimeoutError("too slow")
    if how == "cause":
        try:
            raise KeyError("tea")
        except KeyError as error:
            raise ApplicationError("outer") from error
    if how == "exit":
        raise SystemExit(1)
    raise BadInput("a bug")


def test_an_application_error_fails_the_workflow(cached: bool) -> None:
    run = ScriptedRun(raises, "application", cached=cached)
    run.workflow_task()
    info = run.failure.application_failure_info
    assert (run.failure.message, info.type, info.non_retryable) == ("no such item", "NoItem", True)
    assert "test_workflow_runs.py" in run.failure.stack_trace


def test_a_timeout_that_leaves_the_workflow_fails_it(cached: bool) -> None:
    run = ScriptedRun(raises, "timeout", cached=cached)
    run.workflow_task()
    assert run.failure.message == "too slow"


def test_the_cause_chain_is_recorded(cached: bool) -> None:
    run = ScriptedRun(raises, "cause", cached=cached)
    run.workflow_task()
    assert run.failure.cause.application_failure_info.type == "KeyError"


@workflow.defn(failure_exception_types=[BadInput])
async def raises_declared() -> None:
    raise BadInput("declared")


def test_declared_exceptions_fail_the_workflow(cached: bool) -> None:
    run = ScriptedRun(raises_declared, cached=cached)
    run.workflow_task()
    assert run.failure.message == "declared"
    run = ScriptedRun(raises, "bug", cached=cached, failure_exception_types=[BadInput])
    run.workflow_task()
    assert run.failure.application_failure_info.type == "BadInput"


@workflow.defn(name="Mended")
async def broken() -> str:
    await workflow.execute_activity(act, 1, start_to_close_timeout=BOUND)
    raise BadInput("a bug")


@workflow.defn(name="Mended")
async def mended() -> str:
    await workflow.execute_activity(act, 1, start_to_close_timeout=BOUND)
    await asyncio.sleep(1)
    return "mended"


def test_a_stuck_workflow_task_is_logged_in_growing_intervals(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = ScriptedRun(broken, cached=cached)
    run.workflow_task()
    run.complete_activity("1", 1)
    task = run.start_workflow_task()
    for attempt in range(1, 18):
        task.attempt = attempt
        run.process(task)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [message.split("attempt ")[1].split(")")[0] for message in errors] == ["1", "2", "4", "8", "16"]
    assert "BadInput: a bug" in errors[0]


def test_any_other_exception_fails_the_workflow_task_until_the_code_is_mended(
    cached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = ScriptedRun(broken, cached=cached)
    run.workflow_task()
    run.complete_activity("1", 1)
    for _ in range(2):
        with pytest.raises(WorkflowTaskFailedError, match="BadInput: a bug") as caught:
            run.workflow_task()
        assert caught.value.response.cause == (
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        )
        assert "in broken" in caught.value.response.failure.stack_trace
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert run.processor.cached == 0
    run.processor = run.new_processor([mended])
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == "mended"


def test_sys_exit_does_not_end_the_worker(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match=r"workflow code called sys.exit\(\)"):
        ScriptedRun(raises, "exit", cached=cached).workflow_task()


@workflow.defn
class FailsToStart:
    def __init__(self) -> None:
        raise BadInput("in __init__")

    @workflow.run
    async def run(self) -> None: ...


def test_an_error_in_init_fails_the_workflow_task(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match="in __init__"):
        ScriptedRun(FailsToStart, cached=cached).workflow_task()


def test_a_workflow_task_that_timed_out_is_skipped(cached: bool) -> None:
    run = ScriptedRun(mended, cached=cached)
    run.lose_workflow_task()
    run.workflow_task()
    run.complete_activity("1", 1)
    run.lose_workflow_task()
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == "mended"


def test_a_retried_workflow_task_whose_start_is_not_in_history(cached: bool) -> None:
    run = ScriptedRun(tells_time, cached=cached)
    task = run.start_workflow_task()
    del task.history.events[1:]
    task.started_time.FromNanoseconds(run.now_ns)
    response = run.process(task)
    assert isinstance(response, RespondWorkflowTaskCompletedRequest)
    run.complete_workflow_task(response)
    run.run_to_end()
    assert run.result == [pytest.approx(60.502, abs=1e-6)] * 3


# ---- cancelling --------------------------------------------------------------------------------------------


@workflow.defn
async def cleans_up(how: str) -> str:
    assert not workflow.cancellation_requested()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        assert workflow.cancellation_requested()
        assert workflow.cancellation_reason() == "enough"
        await workflow.execute_activity(act, "clean", start_to_close_timeout=BOUND)
        if how == "go on":
            return "went on"
        raise
    return "slept"


def test_cancellation_is_an_exception_that_may_be_cleaned_up_after(cached: bool) -> None:
    run = ScriptedRun(cleans_up, "end", cached=cached)
    run.workflow_task()
    run.request_cancel("enough")
    run.workflow_task()
    assert run.notation().endswith("CancelRequested | WFT | TimerCanceled 1 | ActivityScheduled act 1")
    run.complete_activity("1")
    run.workflow_task()
    assert run.notation().endswith("WFT | Canceled")


def test_cancellation_may_be_declined(cached: bool) -> None:
    run = ScriptedRun(cleans_up, "go on", cached=cached)
    run.workflow_task()
    run.request_cancel("enough")
    run.workflow_task()
    run.complete_activity("1")
    run.workflow_task()
    assert run.result == "went on"


@workflow.defn
async def waits_for_activity() -> None:
    await workflow.execute_activity(act, start_to_close_timeout=BOUND)


def test_a_cancelled_activity_of_a_cancelled_workflow_cancels_it(cached: bool) -> None:
    run = ScriptedRun(waits_for_activity, cached=cached)
    run.workflow_task()
    run.request_cancel()
    run.workflow_task()
    assert run.notation().endswith("CancelRequested | WFT | ActivityCancelRequested 1 | Canceled")


def test_cancelled_before_the_first_workflow_task(cached: bool) -> None:
    run = ScriptedRun(waits_for_activity, cached=cached)
    run.request_cancel()
    run.workflow_task()
    assert run.notation() == "Started | CancelRequested | WFT | Canceled"


@workflow.defn
async def cancels_itself() -> None:
    raise asyncio.CancelledError("by itself")


def test_cancelled_error_without_a_request_fails_the_workflow(cached: bool) -> None:
    run = ScriptedRun(cancels_itself, cached=cached)
    run.workflow_task()
    assert run.failure.message == "by itself"
    assert run.failure.HasField("canceled_failure_info")


# ---- commands at the end -----------------------------------------------------------------------------------


@workflow.defn
async def ends_with_tasks_left() -> str:
    async def late() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        workflow.start_activity(act, "late", start_to_close_timeout=BOUND)
        await asyncio.sleep(60)

    task = asyncio.create_task(late())
    await asyncio.sleep(0)
    return f"{task.done()}"


def test_commands_after_the_end_go_before_it(cached: bool) -> None:
    run = ScriptedRun(ends_with_tasks_left, cached=cached)
    run.workflow_task()
    assert run.notation() == "Started | WFT | ActivityScheduled act 1 | TimerStarted 1 | Completed"
    assert run.result == "False"


# ---- time, chance, info ------------------------------------------------------------------------------------


@workflow.defn
async def tells_time() -> list[float]:
    start = workflow.now()
    first = workflow.time()
    await workflow.sleep(timedelta(minutes=1))
    await workflow.sleep(0.5)
    return [workflow.time() - first, (workflow.now() - start).total_seconds(), workflow.time_ns() / 1e9 - first]


def test_time_is_when_the_workflow_task_started(cached: bool) -> None:
    run = ScriptedRun(tells_time, cached=cached)
    run.run_to_end()
    assert run.result == [pytest.approx(60.502, abs=1e-6)] * 3


@workflow.defn
async def draws() -> list[Any]:
    first = workflow.random().random()
    await workflow.sleep(1)
    return [first, workflow.random().random(), str(workflow.uuid4()), workflow.random_seed()]


def test_chance_is_seeded_by_the_original_run_id_like_the_official_sdk(cached: bool) -> None:
    run = ScriptedRun(draws, cached=cached)
    run.run_to_end()
    seed = run.result[3]
    expected = random.Random(seed)
    assert run.result[:2] == [expected.random(), expected.random()]
    assert run.result[2][14] == "4"


def test_a_reset_gives_other_numbers_from_there_on(cached: bool) -> None:
    run = ScriptedRun(draws, cached=cached)
    run.workflow_task()
    run.add("WORKFLOW_TASK_SCHEDULED")
    run.add("WORKFLOW_TASK_STARTED")
    failed = run.add("WORKFLOW_TASK_FAILED")
    failed.cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    failed.new_run_id = "another-run"
    run.forget()
    run.fire_timer("1")
    run.workflow_task()
    seed = run.result[3]
    assert run.result[1] == random.Random(seed).random()
    assert run.result[0] != run.result[1]


@workflow.defn
async def describes_itself() -> dict[str, Any]:
    info = workflow.info()
    await workflow.sleep(1)
    return {
        "same": workflow.info() is info,
        "ids": [info.workflow_id, info.run_id, info.first_execution_run_id],
        "queue": info.task_queue,
        "type": info.workflow_type,
        "attempt": info.attempt,
        "length": info.get_current_history_length(),
        "start": info.workflow_start_time.isoformat(),
        "memo": [dict(workflow.memo()), workflow.memo_value("n", type_hint=float), workflow.memo_value("m", "default")],
        "parent": info.parent,
    }


def test_info(cached: bool) -> None:
    run = ScriptedRun(describes_itself, cached=cached)
    started = run.events[0].workflow_execution_started_event_attributes
    started.memo.fields["n"].CopyFrom(workflow_payload(3))
    run.run_to_end()
    assert run.result == {
        "same": True,
        "ids": ["workflow-id", RUN_ID, RUN_ID],
        "queue": "queue",
        "type": "describes_itself",
        "attempt": 1,
        "length": 8,
        "start": "2023-11-14T22:13:20+00:00",
        "memo": [{"n": 3}, 3.0, "default"],
        "parent": None,
    }


def workflow_payload(value: Any) -> Any:
    from scripted_run import CONVERTER

    return CONVERTER.to_payload(value)


def test_outside_a_workflow_the_api_says_so(cached: bool) -> None:
    assert not workflow.in_workflow()
    for call in (workflow.info, workflow.now, workflow.random, workflow.uuid4):
        with pytest.raises(workflow.NotInWorkflowError, match="only inside workflow code"):
            call()


# ---- timers ------------------------------------------------------------------------------------------------


@workflow.defn
async def naps(how: str) -> str:
    if how == "cancelled at once":
        task = asyncio.create_task(workflow.sleep(60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
    elif how == "negative":
        await workflow.sleep(-1)
    elif how == "summary":
        await workflow.sleep(1, summary="why")
    elif how == "handle":
        fired: list[str] = []
        kept = asyncio.get_running_loop().call_later(1, fired.append, "kept")
        dropped = asyncio.get_running_loop().call_later(2, fired.append, "dropped")
        dropped.cancel()
        await workflow.sleep(3)
        return f"{fired} {dropped.cancelled()} {kept.cancelled()}"
    return "done"


def test_a_timer_cancelled_in_the_same_workflow_task_leaves_no_trace(cached: bool) -> None:
    run = ScriptedRun(naps, "cancelled at once", cached=cached)
    run.workflow_task()
    assert run.notation() == "Started | WFT | Completed"


def test_a_negative_duration_is_refused(cached: bool) -> None:
    with pytest.raises(WorkflowTaskFailedError, match="must not be negative"):
        ScriptedRun(naps, "negative", cached=cached).workflow_task()


def test_a_timers_summary_is_sent(cached: bool) -> None:
    [command] = ScriptedRun(naps, "summary", cached=cached).workflow_task().commands
    assert command.user_metadata.summary.data == b'"why"'


def test_call_later_is_a_timer(cached: bool) -> None:
    run = ScriptedRun(naps, "handle", cached=cached)
    run.run_to_end()
    assert run.result == "['kept'] True False"


@workflow.defn
async def waits_for_condition(bound: float | None) -> list[Any]:
    counter = 0

    async def count() -> None:
        nonlocal counter
        while counter < 3:
            await asyncio.sleep(10)
            counter += 1

    task = asyncio.create_task(count())
    try:
        await workflow.wait_condition(lambda: counter == 2, timeout=bound, timeout_summary="bound")
    except TimeoutError:
        return ["timeout", counter]
    finally:
        task.cancel()
    return ["held", counter]


@pytest.mark.parametrize(("bound", "expected"), [(None, ["held", 2]), (60, ["held", 2]), (15, ["timeout", 1])])
def test_wait_condition(cached: bool, bound: float | None, expected: list[Any]) -> None:
    run = ScriptedRun(waits_for_condition, bound, cached=cached)
    run.run_to_end()
    assert run.result == expected


@workflow.defn
async def cancels_wait() -> str:
    task = asyncio.create_task(workflow.wait_condition(lambda: False, timeout=60))
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "?"


def test_a_cancelled_wait_condition_cancels_its_timer(cached: bool) -> None:
    run = ScriptedRun(cancels_wait, cached=cached)
    run.run_to_end()
    assert run.result == "cancelled"
    assert "TimerCanceled" in run.notation()


# ---- replaying ---------------------------------------------------------------------------------------------


@workflow.defn
async def says_when_it_replays() -> list[bool]:
    seen = [workflow.unsafe.is_replaying()]
    workflow.logger.warning("first")
    await workflow.sleep(1)
    seen.append(workflow.unsafe.is_replaying())
    workflow.logger.warning("second")
    return seen


def test_is_replaying_and_a_logger_that_says_each_thing_once(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = ScriptedRun(says_when_it_replays, cached=cached)
    run.run_to_end()
    assert run.result == [not cached, False]
    assert [record.message.partition(" (")[0] for record in caplog.records] == ["first", "second"]
    assert "'workflow_id': 'workflow-id'" in caplog.records[0].message
    assert caplog.records[0].temporal_workflow["run_id"] == RUN_ID  # type: ignore[attr-defined]


# ---- caching and eviction ----------------------------------------------------------------------------------


def test_a_lost_run_is_rebuilt_from_fetched_history(cached: bool) -> None:
    run = ScriptedRun(mended, cached=True, page_size=2 if cached else 0)
    run.workflow_task()
    run.complete_activity("1", 1)
    run.processor = run.new_processor([mended])
    run.workflow_task()
    assert run.service.fetches == (3 if cached else 1)
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == "mended"


def test_history_in_pages(cached: bool) -> None:
    run = ScriptedRun(mended, cached=False, page_size=2)
    run.workflow_task()
    run.complete_activity("1", 1)
    run.workflow_task()
    run.fire_timer("1")
    run.workflow_task()
    assert run.result == "mended"
    assert run.service.fetches > 5


def test_a_whole_history_for_a_cached_run_continues_it(cached: bool) -> None:
    started: list[int] = []
    run = ScriptedRun(counts_starts, cached=True)
    counts_starts_seen[:] = [started]
    run.workflow_task()
    run.forget()
    run.fire_timer("1")
    run.workflow_task()
    assert len(started) == 1


counts_starts_seen: list[list[int]] = []


@workflow.defn
async def counts_starts() -> None:
    counts_starts_seen[0].append(1)
    await workflow.sleep(1)


def test_a_run_whose_answer_was_lost_is_rebuilt(cached: bool) -> None:
    """It ran ahead of history: the workflow task that it answered timed out."""
    run = ScriptedRun(mended, cached=cached)
    response = run.process(run.start_workflow_task())
    assert isinstance(response, RespondWorkflowTaskCompletedRequest)
    run.add("WORKFLOW_TASK_TIMED_OUT")
    run.forget()
    run.run_to_end({"act": lambda value: value})
    assert run.result == "mended"


def test_evict_forgets_one_run(cached: bool) -> None:
    run = ScriptedRun(mended, cached=True)
    run.workflow_task()
    assert run.processor.cached == 1
    run.processor.evict(RUN_ID)
    run.processor.evict("unknown")
    assert run.processor.cached == 0
    run.forget()
    run.run_to_end({"act": lambda value: value})
    assert run.result == "mended"


def test_the_least_recently_used_run_is_evicted(cached: bool) -> None:
    runs = [ScriptedRun(mended, cached=True) for _ in range(3)]
    processor = runs[0].new_processor([mended], size=2)
    for number, run in enumerate(runs):
        task = run.start_workflow_task()
        task.workflow_execution.run_id = f"run-{number}"
        drive(processor.process(task))
    assert processor.cached == 2
    processor.close()
    assert processor.cached == 0


doors: list[str] = []


@workflow.defn
class Resists:
    """Tries everything that it can while it is being evicted."""

    @workflow.run
    async def run(self) -> None:
        async def other() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                doors.append("other finally")

        task = asyncio.create_task(other())
        event = asyncio.Event()
        try:
            await workflow.execute_activity(act, start_to_close_timeout=BOUND)
        finally:
            doors.append(f"in workflow {workflow.in_workflow()}")
            for action in (
                lambda: workflow.start_activity(act, start_to_close_timeout=BOUND),
                lambda: asyncio.get_running_loop().call_later(1, print),
                lambda: asyncio.create_task(asyncio.sleep(1)),
                lambda: task.cancel(),
            ):
                _try(action)
            try:
                await event.wait()
            finally:
                await asyncio.sleep(5)


def _try(action: Callable[[], Any]) -> None:
    try:
        action()
    except BaseException as error:
        doors.append(type(error).__name__)


def test_eviction_shuts_every_door_and_reaches_no_other_run(
    cached: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    doors.clear()
    run, bystander = ScriptedRun(Resists, cached=True), ScriptedRun(mended, cached=True)
    bystander.workflow_task()
    run.workflow_task()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.processor.evict(RUN_ID)
        gc.collect()
    assert doors == ["other finally", "in workflow True", "Evicted", "Evicted", "Evicted"]
    assert caplog.records == []
    assert capsys.readouterr().err == ""
    assert not workflow.in_workflow()
    bystander.run_to_end({"act": lambda value: value})
    assert bystander.result == "mended"


@workflow.defn
async def forgets_errors() -> str:
    async def fails() -> None:
        raise ValueError("nobody asks")

    asyncio.create_task(fails())  # noqa: RUF006
    await asyncio.sleep(1)
    return "done"


def test_an_exception_that_nobody_retrieves_is_logged_once_and_not_by_evicted_runs(
    cached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = ScriptedRun(forgets_errors, cached=cached)
    run.run_to_end()
    gc.collect()
    assert run.result == "done"
    assert len([record for record in caplog.records if "never retrieved" in record.message]) <= 1


def test_a_finished_run_leaves_no_circles_to_the_garbage_collector(cached: bool) -> None:
    def finish() -> None:
        run = ScriptedRun(mended, cached=cached)
        run.run_to_end({"act": lambda value: value})

    assert left_behind(finish, WorkflowRun, WorkflowLoop) == set()


def test_no_sticky_attributes_without_a_cache(cached: bool) -> None:
    run = ScriptedRun(mended, cached=cached)
    response = run.workflow_task()
    assert response.HasField("sticky_attributes") is cached
    if cached:
        sticky = response.sticky_attributes.worker_task_queue
        assert (sticky.name, sticky.normal_name) == ("sticky", "queue")


def test_the_first_completion_names_the_sdk_and_its_behaviours(cached: bool) -> None:
    run = ScriptedRun(mended, cached=cached)
    first = run.workflow_task().sdk_metadata
    assert (first.sdk_name, list(first.core_used_flags)) == ("tsuzuki", [4, 3, 2, 1])
    run.complete_activity("1", 1)
    second = run.workflow_task().sdk_metadata
    assert (second.sdk_name, list(second.core_used_flags)) == ("", [])


def test_two_workflows_of_one_name_are_refused(cached: bool) -> None:
    with pytest.raises(ValueError, match="two workflows are named 'Mended'"):
        ScriptedRun(mended, cached=cached, registered=[mended, broken])
    with pytest.raises(TypeError, match="Order is not a workflow: decorate it"):
        ScriptedRun(mended, cached=cached, registered=[Order])
