"""Continue-as-new: what the next run gets, what it keeps, how soon it comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

LARGE_WORDS = 4
LARGE_WORD = "x" * 1_500_000
HOUR = timedelta(hours=1)
COLOR = SearchAttributeKey.for_keyword("Color")


@workflow.defn
class Counts:
    @workflow.run
    async def run(self, runs_left: int) -> list[Any]:
        info = workflow.info()
        if runs_left:
            workflow.continue_as_new(runs_left - 1)
        return [info.continued_run_id is not None, info.attempt, info.get_current_history_length()]


@workflow.defn
class GrowsUntilTold:
    """Hears large words, until it is suggested that it should continue as new."""

    def __init__(self) -> None:
        self.heard = 0

    @workflow.run
    async def run(self) -> list[int]:
        suggested_after = []
        for words in range(1, LARGE_WORDS + 1):
            await workflow.wait_condition(lambda words=words: self.heard >= words)  # type: ignore[misc]
            if workflow.info().is_continue_as_new_suggested():
                suggested_after.append(words)
        return suggested_after

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard += 1


@workflow.defn
class CountsWithOptions:
    @workflow.run
    async def run(self, runs_left: int) -> list[Any]:
        if runs_left:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(
                args=[runs_left - 1],
                workflow=CountsWithOptions.run,
                run_timeout=HOUR / 2,
                task_timeout=timedelta(seconds=5),
                retry_policy=RetryPolicy(maximum_attempts=2),
                memo={"left": runs_left - 1},
            )
        return [workflow.memo(), str(workflow.info().run_timeout), str(workflow.info().task_timeout)]


@workflow.defn
class KeepsWhatItHas:
    @workflow.run
    async def run(self, again: bool) -> list[Any]:
        if again:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
        info = workflow.info()
        return [
            workflow.memo(),
            str(info.run_timeout),
            str(info.execution_timeout),
            str(info.task_timeout),
            info.retry_policy is not None,
        ]


@workflow.defn
class Delays:
    @workflow.run
    async def run(self, again: bool) -> str:
        if again:
            workflow.continue_as_new(False, backoff_start_interval=timedelta(seconds=2))
        return "late"


@workflow.defn
class WaitsForAll:
    def __init__(self) -> None:
        self.got: list[str] = []

    @workflow.run
    async def run(self, got: list[str]) -> list[str]:
        self.got = got + self.got
        if got:
            await workflow.wait_condition(lambda: len(self.got) == 2)
            return self.got
        await asyncio.sleep(1.2)
        await workflow.wait_condition(lambda: bool(self.got))
        return workflow.continue_as_new(self.got)

    @workflow.signal
    def tell(self, word: str) -> None:
        self.got.append(word)


@workflow.defn
class FromATask:
    """A task raises it, and the workflow waits for the task."""

    @workflow.run
    async def run(self, again: bool) -> str:
        async def inner() -> None:
            if again:
                workflow.continue_as_new(False)

        await asyncio.gather(inner())
        return "done"


@workflow.defn
class FromAHandler:
    @workflow.run
    async def run(self, again: bool) -> str:
        if again:
            await asyncio.sleep(3600)
        return "done"

    @workflow.signal
    def again(self) -> None:
        workflow.continue_as_new(False)


@workflow.defn
class FailsAfterwards:
    """The retry policy goes on with the second run; its attempts count anew."""

    @workflow.run
    async def run(self, again: bool) -> str:
        if again:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
        if workflow.info().attempt == 1:
            raise ApplicationError("first attempt")
        return f"attempt {workflow.info().attempt}"


async def scenario_counts(d: Driver) -> None:
    handle = await d.start(Counts.run, 2)
    await d.outcome(handle)
    await d.watch_next_run(await d.watch_next_run(handle))


async def scenario_outcome_of_the_first_run(d: Driver) -> None:
    handle = await d.start(Counts.run, 1)
    first = d.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await d.outcome(first, follow_runs=False)
    await d.outcome(first)


async def scenario_options(d: Driver) -> None:
    handle = await d.start(CountsWithOptions.run, 1, memo={"old": True})
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_keeps(d: Driver) -> None:
    handle = await d.start(
        KeepsWhatItHas.run,
        True,
        memo={"note": "n"},
        run_timeout=HOUR,
        execution_timeout=2 * HOUR,
        task_timeout=timedelta(seconds=8),
        retry_policy=RetryPolicy(maximum_attempts=2),
    )
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_delay(d: Driver) -> None:
    handle = await d.start(Delays.run, True)
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_signals(d: Driver) -> None:
    handle = await d.start(WaitsForAll.run, [])
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    await handle.signal("tell", "one")
    following = await _next(d, handle)
    await d.until(following, "WORKFLOW_TASK_COMPLETED")
    await d.client.get_workflow_handle(handle.id).signal("tell", "two")
    await d.until(following, "WORKFLOW_EXECUTION_COMPLETED")
    await d.outcome(handle)


async def scenario_from_a_task(d: Driver) -> None:
    await d.outcome(await d.start(FromATask.run, True))


async def scenario_from_a_handler(d: Driver) -> None:
    handle = await d.start(FromAHandler.run, True)
    await d.until(handle, "TIMER_STARTED")
    await handle.signal("again")
    await d.outcome(handle)


async def scenario_then_retried(d: Driver) -> None:
    handle = await d.start(FailsAfterwards.run, True, retry_policy=RetryPolicy(maximum_attempts=3))
    await d.outcome(handle)
    await d.watch_next_run(await d.watch_next_run(handle))


async def _next(d: Driver, handle: Any) -> Any:
    run = d.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await d.until(run, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW")
    return await d.watch_next_run(handle)


@workflow.defn
class ChangesEverything:
    @workflow.run
    async def run(self, queue: str) -> list[Any]:
        if queue:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(
                "",
                workflow="ChangesEverything",
                task_queue=queue,
                run_timeout=HOUR / 4,
                task_timeout=timedelta(seconds=6),
                memo={"new": [1]},
                search_attributes=TypedSearchAttributes([SearchAttributePair(COLOR, "red")]),
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=3), non_retryable_error_types=["Kind"]),
            )
        info = workflow.info()
        policy = info.retry_policy
        return [
            workflow.memo(),
            info.typed_search_attributes.get(COLOR),
            str(info.run_timeout),
            str(info.task_timeout),
            list(policy.non_retryable_error_types or ()) if policy else None,
            info.is_continue_as_new_suggested(),
        ]


@workflow.defn
class Updated:
    def __init__(self) -> None:
        self.got: list[str] = []

    @workflow.run
    async def run(self, got: list[str]) -> list[str]:
        self.got = got + self.got
        await asyncio.sleep(1.2)
        await workflow.wait_condition(lambda: bool(self.got))
        if len(self.got) < 2:
            workflow.continue_as_new(self.got)
        return self.got

    @workflow.update
    async def add(self, word: str) -> str:
        self.got.append(word)
        return f"{word} is number {len(self.got)}"


@workflow.defn
class LeavesAnUpdate:
    """Continues as new while a handler waits: the update is not answered by the next run."""

    @workflow.run
    async def run(self, again: bool) -> str:
        if again:
            await workflow.wait_condition(lambda: self.asked)
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
        await asyncio.sleep(0.5)
        return "done"

    def __init__(self) -> None:
        self.asked = False

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def ask(self) -> str:
        self.asked = True
        await asyncio.sleep(3600)
        return "never"


async def scenario_every_option(d: Driver) -> None:
    old = TypedSearchAttributes([SearchAttributePair(COLOR, "blue")])
    handle = await d.start(
        ChangesEverything.run, d.queue, memo={"old": 1}, search_attributes=old, run_timeout=HOUR, execution_timeout=HOUR
    )
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_updates_of_two_runs(d: Driver) -> None:
    handle = await d.start(Updated.run, [])
    await d.until(handle, "TIMER_STARTED")
    await d.attempt("one", handle.execute_update("add", "one"))
    following = await _next(d, handle)
    await d.until(following, "TIMER_STARTED")
    await d.attempt("two", d.client.get_workflow_handle(handle.id).execute_update("add", "two"))
    await d.outcome(handle)


async def scenario_update_left_behind(d: Driver) -> None:
    handle = await d.start(LeavesAnUpdate.run, True)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    await d.attempt("ask", handle.execute_update("ask"))
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_suggested_when_large(d: Driver) -> None:
    handle = await d.start(GrowsUntilTold.run)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")  # else the first word may come into the first task
    for words in range(1, LARGE_WORDS + 1):
        await handle.signal(GrowsUntilTold.hear, LARGE_WORD)
        await d.until(handle, "WORKFLOW_TASK_COMPLETED", words + 1 if words < LARGE_WORDS else words)
    await d.outcome(handle)
