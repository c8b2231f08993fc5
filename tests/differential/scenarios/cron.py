"""Cron: when runs come, what each is told of the ones before, and how the chain ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

EVERY_SECOND = "@every 1s"
LEAP_DAY = "0 0 29 2 *"
COLOR = SearchAttributeKey.for_keyword("Color")


@workflow.defn
class Sums:
    @workflow.run
    async def run(self, step: int) -> int:
        before = workflow.get_last_completion_result(int) if workflow.has_last_completion_result() else 0
        return (before or 0) + step


@workflow.defn
class Knows:
    @workflow.run
    async def run(self) -> list[Any]:
        info = workflow.info()
        failure = workflow.get_last_failure()
        seen = [
            info.cron_schedule,
            info.attempt,
            info.continued_run_id is not None,
            workflow.has_last_completion_result(),
            str(failure) if failure else None,
        ]
        count = workflow.get_last_completion_result(list) if workflow.has_last_completion_result() else None
        if count is not None and failure is None:
            raise ApplicationError("every second one fails")
        return [*seen, count is not None]


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        failure = workflow.get_last_failure()
        raise ApplicationError(f"attempt {workflow.info().attempt}, after {failure}")


@workflow.defn
class Continues:
    @workflow.run
    async def run(self, again: bool) -> list[Any]:
        if again:
            workflow.continue_as_new(False)
        return [workflow.info().cron_schedule, workflow.has_last_completion_result()]


@workflow.defn
class Waits:
    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await asyncio.sleep(3600)
        return self.told

    @workflow.signal
    def tell(self, word: str) -> None:
        self.told.append(word)


@workflow.defn
class Slow:
    """Takes longer than its interval: the times meanwhile are passed over."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(2.5)
        return "late"


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, child: str, id: str, schedule: str) -> Any:
        return await workflow.execute_child_workflow(child, id=id, cron_schedule=schedule)


async def _runs(d: Driver, handle: Any, count: int) -> Any:
    """Wait until `count` runs have followed; watch them all; gives the last."""
    for _ in range(count):
        run = d.client.get_workflow_handle(handle.id, run_id=handle.run_id or handle.first_execution_run_id)
        async with asyncio.timeout(120):
            while (await run.describe()).close_time is None:
                await d.pause()
        handle = await d.watch_next_run(handle)
    return handle


async def _end(d: Driver, handle: Any) -> None:
    await d.client.get_workflow_handle(handle.id).terminate(reason="enough")


async def scenario_carries_the_result(d: Driver) -> None:
    handle = await d.start(Sums.run, 2, cron_schedule=EVERY_SECOND, memo={"note": "n"})
    last = await _runs(d, handle, 2)
    await _end(d, last)


async def scenario_knows(d: Driver) -> None:
    handle = await d.start(Knows.run, cron_schedule=EVERY_SECOND)
    await _end(d, await _runs(d, handle, 3))


async def scenario_fails(d: Driver) -> None:
    handle = await d.start(Fails.run, cron_schedule=EVERY_SECOND)
    await _end(d, await _runs(d, handle, 2))


async def scenario_fails_and_retries(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=0.1), maximum_attempts=2)
    handle = await d.start(Fails.run, cron_schedule="@every 2s", retry_policy=policy)
    await _end(d, await _runs(d, handle, 4))  # one that waits for 2 s: the third one does for 0.1 s only


async def scenario_times_out(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule="@every 2s", run_timeout=timedelta(seconds=1))
    await _end(d, await _runs(d, handle, 1))


async def scenario_execution_timeout(d: Driver) -> None:
    handle = await d.start(Sums.run, 1, cron_schedule="@every 2s", execution_timeout=timedelta(seconds=3))
    last = await _runs(d, handle, 1)
    await d.until(last, "WORKFLOW_EXECUTION_TIMED_OUT")
    await d.outcome(handle)


async def scenario_execution_timeout_before_the_first_run(d: Driver) -> None:
    handle = await d.start(Sums.run, 1, cron_schedule=LEAP_DAY, execution_timeout=timedelta(seconds=1))
    await d.outcome(handle)


async def scenario_run_timeout_counts_from_the_first_task(d: Driver) -> None:
    handle = await d.start(Sums.run, 1, cron_schedule="@every 3s", run_timeout=timedelta(seconds=1))
    await _end(d, await _runs(d, handle, 1))


async def scenario_continues(d: Driver) -> None:
    """A run that continues as new leaves the schedule, as on the real server with the official worker."""
    handle = await d.start(Continues.run, True, cron_schedule="@every 2s")
    await _runs(d, handle, 1)
    await d.outcome(handle)


async def scenario_slow(d: Driver) -> None:
    handle = await d.start(Slow.run, cron_schedule="@every 2s")
    await _end(d, await _runs(d, handle, 1))


async def scenario_cancel_while_it_waits(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule=LEAP_DAY)
    await handle.cancel()
    await d.outcome(handle)


async def scenario_cancel_while_it_runs(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule=EVERY_SECOND)
    await d.until(handle, "TIMER_STARTED")
    await handle.cancel()
    await d.outcome(handle)


async def scenario_terminate_while_it_waits(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule=LEAP_DAY)
    await handle.terminate(reason="no more")
    await d.outcome(handle)


async def scenario_signal_while_it_waits(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule="@every 2s", run_timeout=timedelta(seconds=60))
    await handle.signal("tell", "early")
    await d.until(handle, "TIMER_STARTED")
    await _end(d, handle)


async def scenario_signal_with_start(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule=EVERY_SECOND, start_signal="tell", start_signal_args=["with"])
    await d.until(handle, "TIMER_STARTED")
    await _end(d, handle)


async def scenario_signal_with_start_of_one_that_waits(d: Driver) -> None:
    handle = await d.start(Waits.run, cron_schedule=LEAP_DAY)
    await d.client.start_workflow(
        Waits.run, id=handle.id, task_queue=d.queue, start_signal="tell", start_signal_args=["with"]
    )
    await d.until(handle, "TIMER_STARTED")
    await _end(d, handle)


async def scenario_bad_schedules(d: Driver) -> None:
    for schedule in ("bad", "60 * * * *", "* * 31 2 *", "@every x", "CRON_TZ=Mars/X * * * * *"):
        await d.attempt(schedule, d.start(Sums.run, 1, name=f"bad {schedule}", cron_schedule=schedule))


async def scenario_with_start_delay(d: Driver) -> None:
    await d.attempt("start", d.start(Sums.run, 1, cron_schedule=EVERY_SECOND, start_delay=timedelta(seconds=1)))


async def scenario_child(d: Driver) -> None:
    parent = await d.start(Parent.run, "Knows", d.workflow_id("child"), EVERY_SECOND, name="parent")
    initiated = await d.until(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
    execution = initiated.child_workflow_execution_started_event_attributes.workflow_execution
    child = d.client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
    d.watch(child)
    last = await _runs(d, child, 1)
    await last.terminate(reason="enough")
    await d.outcome(parent)


async def scenario_child_cancelled(d: Driver) -> None:
    parent = await d.start(Parent.run, "Waits", d.workflow_id("child"), LEAP_DAY, name="parent")
    await d.until(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
    await parent.cancel()
    await d.outcome(parent)


async def scenario_child_with_a_bad_schedule(d: Driver) -> None:
    parent = await d.start(Parent.run, "Waits", d.workflow_id("child"), "bad", name="parent")
    await d.until(parent, "WORKFLOW_TASK_FAILED")
    await parent.terminate(reason="enough")


@workflow.defn
class ChangesItsProperties:
    @workflow.run
    async def run(self, fails: bool) -> list[Any]:
        seen = [dict(workflow.memo()), workflow.info().typed_search_attributes.get(COLOR)]
        workflow.upsert_memo({"changed": True})
        workflow.upsert_search_attributes([COLOR.value_set("changed")])
        if fails and workflow.info().attempt == 1:
            raise ApplicationError("once more")
        return [repr(part) for part in seen]


async def scenario_changed_properties(d: Driver) -> None:
    """What a run changed in itself, the next one of its schedule is started with, or not."""
    handle = await d.start(ChangesItsProperties.run, False, cron_schedule=EVERY_SECOND, memo={"note": "n"})
    await _end(d, await _runs(d, handle, 2))


async def scenario_changed_properties_and_retry(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=0.1), maximum_attempts=2)
    handle = await d.start(ChangesItsProperties.run, True, retry_policy=policy, memo={"note": "n"})
    await d.outcome(handle)
    await _runs(d, handle, 1)
