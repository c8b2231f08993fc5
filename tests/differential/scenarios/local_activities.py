"""Local activities: run by the worker that holds the workflow task, and recorded in markers."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.workflow import ActivityCancellationType

from differential._driver import Driver

REAL_TIME = True
"""The worker's own clock is part of this: the engine's must keep its pace."""

MINUTE = timedelta(minutes=1)
SOON = timedelta(milliseconds=20)
SHORT_TASK = timedelta(seconds=3)
"""Timeout of workflow tasks that are to be outlived: a heartbeat comes every 2.4 s."""
ONCE = RetryPolicy(maximum_attempts=1)
QUICKLY = RetryPolicy(initial_interval=SOON, backoff_coefficient=1.0, maximum_attempts=3)


# ---- activities ------------------------------------------------------------------------------------------


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@activity.defn
def add(first: int, second: int) -> int:
    return first + second


@activity.defn
async def nothing() -> None:
    activity.heartbeat("nobody listens")


@activity.defn
async def until_attempt(wanted: int) -> int:
    attempt = activity.info().attempt
    if attempt < wanted:
        raise ApplicationError(f"attempt {attempt} of {wanted}", attempt, type="Early")
    return attempt


@activity.defn
async def refuse() -> None:
    raise ApplicationError("no", "detail", type="Refusal", non_retryable=True)


@activity.defn
async def break_() -> None:
    raise ValueError("broken")


@activity.defn
async def nap(seconds: float, answer: str = "rested") -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if answer == "stubborn":
            return answer
        raise
    return answer


@activity.defn
def nap_in_a_thread(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@activity.defn
async def look_around() -> list[Any]:
    info = activity.info()
    return [
        info.is_local,
        info.activity_id,
        info.activity_type,
        info.attempt,
        info.workflow_type,
        info.start_to_close_timeout.total_seconds() if info.start_to_close_timeout else None,
        info.schedule_to_close_timeout.total_seconds() if info.schedule_to_close_timeout else None,
        info.heartbeat_timeout,
        list(info.heartbeat_details),
    ]


# ---- plain calls -----------------------------------------------------------------------------------------


@workflow.defn
class Calls:
    @workflow.run
    async def run(self) -> list[Any]:
        got: list[Any] = [
            await workflow.execute_local_activity(greet, "you", start_to_close_timeout=MINUTE),
            await workflow.execute_local_activity(add, args=[1, 2], start_to_close_timeout=MINUTE, activity_id="sum"),
            await workflow.execute_local_activity(nothing, schedule_to_close_timeout=MINUTE, summary="a summary"),
            await workflow.execute_local_activity("greet", "me", start_to_close_timeout=MINUTE, result_type=str),
        ]
        got.append(await workflow.execute_activity(greet, "all", start_to_close_timeout=MINUTE))
        got.append(await workflow.execute_local_activity(look_around, start_to_close_timeout=MINUTE))
        got.append(
            await workflow.execute_local_activity(
                look_around, start_to_close_timeout=2 * MINUTE, schedule_to_close_timeout=MINUTE
            )
        )
        await asyncio.sleep(0.05)
        got.append(await workflow.start_local_activity(greet, "at last", start_to_close_timeout=MINUTE))
        return got


async def scenario_calls(d: Driver) -> None:
    await d.outcome(await d.start(Calls.run))


@workflow.defn
class Parallel:
    @workflow.run
    async def run(self) -> list[str]:
        naps = [
            workflow.execute_local_activity(nap, args=[0.1 * (3 - number), str(number)], start_to_close_timeout=MINUTE)
            for number in range(3)
        ]
        return list(await asyncio.gather(*naps))


async def scenario_parallel(d: Driver) -> None:
    """They end in another order than they were started in."""
    await d.outcome(await d.start(Parallel.run))


@workflow.defn
class Chains:
    """What follows one of them is asked for before the other has ended."""

    @workflow.run
    async def run(self) -> list[str]:
        async def chain(name: str, seconds: float) -> str:
            first = await workflow.execute_local_activity(nap, args=[seconds, name], start_to_close_timeout=MINUTE)
            await workflow.sleep(0.05 if name == "fast" else 2.0)
            return await workflow.execute_local_activity(greet, first, start_to_close_timeout=MINUTE)

        return list(await asyncio.gather(chain("slow", 0.3), chain("fast", 0.05)))


async def scenario_chains(d: Driver) -> None:
    await d.outcome(await d.start(Chains.run))


@workflow.defn
class Beside:
    """What the code asks for beside a local activity is sent when that has ended."""

    @workflow.run
    async def run(self) -> list[Any]:
        ordinary = workflow.start_activity(greet, "you", start_to_close_timeout=MINUTE)
        sleeping = asyncio.create_task(workflow.sleep(0.05))
        rested = await workflow.execute_local_activity(nap, 0.2, start_to_close_timeout=MINUTE)
        await sleeping
        return [rested, await ordinary]


async def scenario_beside_other_commands(d: Driver) -> None:
    await d.outcome(await d.start(Beside.run))


# ---- retries and failures --------------------------------------------------------------------------------


@workflow.defn
class Retries:
    @workflow.run
    async def run(self, how: str) -> Any:
        match how:
            case "within":
                return await workflow.execute_local_activity(
                    until_attempt, 3, start_to_close_timeout=MINUTE, retry_policy=QUICKLY
                )
            case "timer":
                return await workflow.execute_local_activity(
                    until_attempt,
                    3,
                    start_to_close_timeout=MINUTE,
                    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
                    local_retry_threshold=timedelta(milliseconds=150),
                )
            case "timer with an id":
                return await workflow.execute_local_activity(
                    until_attempt,
                    2,
                    activity_id="mine",
                    schedule_to_close_timeout=MINUTE,
                    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200)),
                    local_retry_threshold=timedelta(milliseconds=100),
                )
            case "used up":
                return await workflow.execute_local_activity(
                    until_attempt, 9, start_to_close_timeout=MINUTE, retry_policy=QUICKLY
                )
            case "refused":
                return await workflow.execute_local_activity(refuse, start_to_close_timeout=MINUTE, summary="refused")
            case "type":
                policy = RetryPolicy(initial_interval=SOON, non_retryable_error_types=["ValueError"])
                return await workflow.execute_local_activity(break_, start_to_close_timeout=MINUTE, retry_policy=policy)
            case "last attempt is over the threshold":
                return await workflow.execute_local_activity(
                    until_attempt,
                    9,
                    start_to_close_timeout=MINUTE,
                    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=2),
                    local_retry_threshold=SOON,
                )


async def _retries(d: Driver, how: str) -> None:
    await d.outcome(await d.start(Retries.run, how))


async def scenario_retries_within_the_task(d: Driver) -> None:
    await _retries(d, "within")


async def scenario_retry_through_a_timer(d: Driver) -> None:
    await _retries(d, "timer")


async def scenario_retry_through_a_timer_with_an_id(d: Driver) -> None:
    await _retries(d, "timer with an id")


async def scenario_attempts_used_up(d: Driver) -> None:
    await _retries(d, "used up")


async def scenario_attempts_used_up_over_the_threshold(d: Driver) -> None:
    await _retries(d, "last attempt is over the threshold")


async def scenario_not_retryable(d: Driver) -> None:
    await _retries(d, "refused")


async def scenario_not_retryable_type(d: Driver) -> None:
    await _retries(d, "type")


@workflow.defn
class Caught:
    @workflow.run
    async def run(self) -> Any:
        caught = []
        for failing in (refuse, break_):
            try:
                await workflow.execute_local_activity(failing, start_to_close_timeout=MINUTE, retry_policy=ONCE)
            except Exception as error:
                caught.append([type(error).__name__, str(error), type(error.__cause__).__name__])
        return caught


async def scenario_caught(d: Driver) -> None:
    await d.outcome(await d.start(Caught.run))


@workflow.defn
class TimesOut:
    @workflow.run
    async def run(self, how: str) -> Any:
        match how:
            case "start to close":
                return await workflow.execute_local_activity(
                    nap, 30, start_to_close_timeout=timedelta(milliseconds=100), retry_policy=ONCE
                )
            case "start to close, twice":
                return await workflow.execute_local_activity(
                    nap,
                    30,
                    start_to_close_timeout=timedelta(milliseconds=100),
                    retry_policy=RetryPolicy(initial_interval=SOON, maximum_attempts=2),
                )
            case "schedule to close":
                return await workflow.execute_local_activity(
                    nap, 30, schedule_to_close_timeout=timedelta(milliseconds=150)
                )
            case "schedule to close, through timers":
                return await workflow.execute_local_activity(
                    until_attempt,
                    9,
                    schedule_to_close_timeout=timedelta(seconds=1),
                    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2)),
                    local_retry_threshold=SOON,
                )


async def _times_out(d: Driver, how: str) -> None:
    await d.outcome(await d.start(TimesOut.run, how))


async def scenario_start_to_close(d: Driver) -> None:
    await _times_out(d, "start to close")


async def scenario_start_to_close_twice(d: Driver) -> None:
    await _times_out(d, "start to close, twice")


async def scenario_schedule_to_close(d: Driver) -> None:
    await _times_out(d, "schedule to close")


async def scenario_schedule_to_close_through_timers(d: Driver) -> None:
    await _times_out(d, "schedule to close, through timers")


# ---- cancellation ----------------------------------------------------------------------------------------


@workflow.defn
class Cancels:
    """Cancels a local activity when another one has ended."""

    @workflow.run
    async def run(self, cancellation_type: int, answer: str, seconds: float) -> Any:
        handle = workflow.start_local_activity(
            nap,
            args=[seconds, answer],
            start_to_close_timeout=MINUTE,
            retry_policy=ONCE,
            cancellation_type=ActivityCancellationType(cancellation_type),
        )
        await workflow.execute_local_activity(nap, 0.1, start_to_close_timeout=MINUTE)
        handle.cancel()
        try:
            return await handle
        except Exception as error:
            greeting = await workflow.execute_local_activity(
                greet, type(error.__cause__).__name__, start_to_close_timeout=MINUTE
            )
            await workflow.execute_activity(greet, greeting, start_to_close_timeout=MINUTE)
            raise


async def _cancels(
    d: Driver, cancellation_type: ActivityCancellationType, answer: str = "rested", seconds: float = 0.6
) -> None:
    await d.outcome(await d.start(Cancels.run, int(cancellation_type), answer, seconds))


async def scenario_cancel_try(d: Driver) -> None:
    await _cancels(d, ActivityCancellationType.TRY_CANCEL)


async def scenario_cancel_wait(d: Driver) -> None:
    await _cancels(d, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)


async def scenario_cancel_wait_in_vain(d: Driver) -> None:
    await _cancels(d, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED, "stubborn")


async def scenario_cancel_abandon(d: Driver) -> None:
    await _cancels(d, ActivityCancellationType.ABANDON)


@workflow.defn
class CancelsAtOnce:
    @workflow.run
    async def run(self, cancellation_type: int, turns: int) -> Any:
        handle = workflow.start_local_activity(
            nap, 0.1, start_to_close_timeout=MINUTE, cancellation_type=ActivityCancellationType(cancellation_type)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        handle.cancel()
        try:
            return await handle
        except BaseException as error:
            return type(error).__name__


async def _cancels_at_once(d: Driver, cancellation_type: ActivityCancellationType, turns: int = 1) -> None:
    await d.outcome(await d.start(CancelsAtOnce.run, int(cancellation_type), turns))


async def scenario_cancel_at_once_try(d: Driver) -> None:
    await _cancels_at_once(d, ActivityCancellationType.TRY_CANCEL)


async def scenario_cancel_at_once_wait(d: Driver) -> None:
    await _cancels_at_once(d, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)


async def scenario_cancel_at_once_abandon(d: Driver) -> None:
    await _cancels_at_once(d, ActivityCancellationType.ABANDON)


async def scenario_cancel_before_the_first_turn(d: Driver) -> None:
    await _cancels_at_once(d, ActivityCancellationType.TRY_CANCEL, 0)


@workflow.defn
class CancelsBackoff:
    @workflow.run
    async def run(self, local: bool) -> Any:
        handle = workflow.start_local_activity(
            until_attempt,
            9,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=20)),
            local_retry_threshold=MINUTE if local else SOON,
        )
        if local:
            await workflow.execute_local_activity(nap, 0.1, start_to_close_timeout=MINUTE)
        else:
            await asyncio.sleep(0.1)
        handle.cancel()
        try:
            return await handle
        except BaseException as error:
            return f"{type(error).__name__} <- {type(error.__cause__).__name__}"


async def scenario_cancel_between_attempts(d: Driver) -> None:
    await d.outcome(await d.start(CancelsBackoff.run, True))


async def scenario_cancel_while_the_timer_runs(d: Driver) -> None:
    await d.outcome(await d.start(CancelsBackoff.run, False))


@workflow.defn
class Cancelled:
    @workflow.run
    async def run(self, cancellation_type: int) -> Any:
        return await workflow.execute_local_activity(
            nap, 30, start_to_close_timeout=MINUTE, cancellation_type=ActivityCancellationType(cancellation_type)
        )


async def _cancelled(d: Driver, cancellation_type: ActivityCancellationType) -> None:
    """The request comes with a heartbeat of the workflow task."""
    handle = await d.start(Cancelled.run, int(cancellation_type), task_timeout=SHORT_TASK)
    await d.until(handle, "WORKFLOW_TASK_STARTED")
    await handle.cancel()
    await d.outcome(handle)


async def scenario_workflow_cancelled_try(d: Driver) -> None:
    await _cancelled(d, ActivityCancellationType.TRY_CANCEL)


async def scenario_workflow_cancelled_wait(d: Driver) -> None:
    await _cancelled(d, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)


# ---- long ones -------------------------------------------------------------------------------------------


@workflow.defn
class Long:
    def __init__(self) -> None:
        self.signals: list[str] = []

    @workflow.run
    async def run(self, seconds: float, beside: bool) -> Any:
        sleeping = asyncio.create_task(workflow.sleep(0.05)) if beside else None
        rested = await workflow.execute_local_activity(nap, seconds, start_to_close_timeout=MINUTE)
        if sleeping is not None:
            await sleeping
        return [rested, self.signals]

    @workflow.signal
    def tell(self, text: str) -> None:
        self.signals.append(text)

    @workflow.query
    def told(self) -> list[str]:
        return self.signals


async def scenario_longer_than_the_task(d: Driver) -> None:
    await d.outcome(await d.start(Long.run, 3.6, False, task_timeout=SHORT_TASK))


async def scenario_longer_than_two_tasks(d: Driver) -> None:
    await d.outcome(await d.start(Long.run, 6.0, False, task_timeout=SHORT_TASK))


async def scenario_long_beside_a_timer(d: Driver) -> None:
    await d.outcome(await d.start(Long.run, 3.6, True, task_timeout=SHORT_TASK))


async def scenario_signal_meanwhile(d: Driver) -> None:
    handle = await d.start(Long.run, 3.6, False, task_timeout=SHORT_TASK)
    await d.until(handle, "WORKFLOW_TASK_STARTED")
    await handle.signal(Long.tell, "meanwhile")
    await d.outcome(handle)


async def scenario_signal_two_heartbeats_before_the_end(d: Driver) -> None:
    """The workflow task that brought the signal ended with nothing to show for it."""
    handle = await d.start(Long.run, 6.0, False, task_timeout=SHORT_TASK)
    await d.until(handle, "WORKFLOW_TASK_STARTED")
    await handle.signal(Long.tell, "meanwhile")
    await d.outcome(handle)


async def scenario_query_meanwhile(d: Driver) -> None:
    handle = await d.start(Long.run, 0.4, False)
    await d.until(handle, "WORKFLOW_TASK_STARTED")
    await d.attempt("query", handle.query(Long.told))
    await d.outcome(handle)


@workflow.defn
class LongRetries:
    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_local_activity(
            until_attempt,
            4,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), backoff_coefficient=1.0),
        )


async def scenario_retries_past_the_task(d: Driver) -> None:
    await d.outcome(await d.start(LongRetries.run, task_timeout=SHORT_TASK))


# ---- in handlers, and at the end -------------------------------------------------------------------------


@workflow.defn
class Handlers:
    def __init__(self) -> None:
        self.got: list[str] = []

    @workflow.run
    async def run(self, wanted: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self.got) >= wanted)
        return self.got

    @workflow.signal
    async def tell(self, name: str) -> None:
        self.got.append(await workflow.execute_local_activity(greet, name, start_to_close_timeout=MINUTE))

    @workflow.update
    async def ask(self, name: str) -> str:
        self.got.append(await workflow.execute_local_activity(greet, name, start_to_close_timeout=MINUTE))
        return self.got[-1]

    @workflow.update
    async def refuse(self) -> None:
        await workflow.execute_local_activity(refuse, start_to_close_timeout=MINUTE)


async def scenario_in_a_signal_handler(d: Driver) -> None:
    handle = await d.start(Handlers.run, 1)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    await handle.signal(Handlers.tell, "you")
    await d.outcome(handle)


async def scenario_in_an_update_handler(d: Driver) -> None:
    handle = await d.start(Handlers.run, 1)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    await d.attempt("refuse", handle.execute_update(Handlers.refuse, id="first"))
    await d.attempt("ask", handle.execute_update(Handlers.ask, "you", id="second"))
    await d.outcome(handle)


@workflow.defn
class Leaves:
    """Ends while a local activity runs."""

    @workflow.run
    async def run(self, how: str) -> str:
        handle = workflow.start_local_activity(nap, 0.3, start_to_close_timeout=MINUTE)
        await workflow.execute_local_activity(greet, "you", start_to_close_timeout=MINUTE)
        assert not handle.done()
        if how == "fails":
            raise ApplicationError("enough")
        if how == "continues":
            workflow.continue_as_new("returns")
        return "done"


async def scenario_left_running(d: Driver) -> None:
    await d.outcome(await d.start(Leaves.run, "returns"))


async def scenario_left_running_by_a_failure(d: Driver) -> None:
    await d.outcome(await d.start(Leaves.run, "fails"))


async def scenario_left_running_by_continue_as_new(d: Driver) -> None:
    handle = await d.start(Leaves.run, "continues")
    await d.outcome(handle)
    await d.watch_next_run(handle)


@workflow.defn
class Awaits:
    """Looks at a local activity beside other things."""

    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = []
        slow = workflow.start_local_activity(nap, args=[0.4, "slow"], start_to_close_timeout=MINUTE)
        fast = workflow.start_local_activity(nap, args=[0.1, "fast"], start_to_close_timeout=MINUTE)
        done, _ = await workflow.wait([slow, fast], return_when=asyncio.FIRST_COMPLETED)
        seen.append([slow in done, fast in done])
        before = workflow.now()
        await slow
        seen.append(workflow.now() > before)
        return seen


async def scenario_first_completed(d: Driver) -> None:
    await d.outcome(await d.start(Awaits.run))
