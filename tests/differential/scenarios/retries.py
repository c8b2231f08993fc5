"""Workflow retry in full: when another attempt follows, what it is told, and when none does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

SOON = timedelta(seconds=0.1)


@workflow.defn
class Tries:
    """Fails as `how` says until attempt `until`."""

    @workflow.run
    async def run(self, how: str, until: int) -> list[Any]:
        info = workflow.info()
        failure = workflow.get_last_failure()
        seen = [info.attempt, str(failure) if failure else None, info.continued_run_id is not None]
        if info.attempt >= until:
            return [*seen, workflow.has_last_completion_result(), info.retry_policy is not None]
        match how:
            case "delay":
                raise ApplicationError("later", next_retry_delay=timedelta(seconds=2))
            case "no more":
                raise ApplicationError("never", non_retryable=True)
            case "then sleep" if info.attempt > 1:
                await asyncio.sleep(3600)
            case "type":
                await asyncio.sleep(0.3)
                raise ApplicationError("a kind", type="Kind")
            case "sleep":
                await asyncio.sleep(3600)
            case _:
                raise ApplicationError(str(seen))
        return seen


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, child_id: str, how: str, until: int, attempts: int) -> Any:
        return await workflow.execute_child_workflow(
            Tries.run,
            args=[how, until],
            id=child_id,
            retry_policy=RetryPolicy(
                initial_interval=SOON, maximum_attempts=attempts, non_retryable_error_types=["Kind"]
            ),
            run_timeout=timedelta(seconds=3) if how == "sleep" else None,
        )


async def _chain(d: Driver, handle: Any) -> None:
    """Watch the runs that followed, to the last."""
    while True:
        run = d.client.get_workflow_handle(handle.id, run_id=handle.run_id or handle.first_execution_run_id)
        last = (await run.fetch_history()).events[-1]
        if not getattr(getattr(last, last.WhichOneof("attributes")), "new_execution_run_id", ""):
            return
        handle = await d.watch_next_run(handle)


async def _tries(d: Driver, how: str, until: int, policy: RetryPolicy, **options: Any) -> None:
    handle = await d.start(Tries.run, how, until, retry_policy=policy, **options)
    await d.outcome(handle)
    await _chain(d, handle)


async def scenario_told_of_the_failure_before(d: Driver) -> None:
    await _tries(d, "", 3, RetryPolicy(initial_interval=SOON))


async def scenario_backoff_grows(d: Driver) -> None:
    policy = RetryPolicy(
        initial_interval=timedelta(seconds=1.1), backoff_coefficient=1.5, maximum_interval=timedelta(seconds=2)
    )
    await _tries(d, "", 4, policy)


async def scenario_next_retry_delay(d: Driver) -> None:
    await _tries(d, "delay", 2, RetryPolicy(initial_interval=SOON))


async def scenario_not_retryable(d: Driver) -> None:
    await _tries(d, "no more", 2, RetryPolicy(initial_interval=SOON))


async def scenario_not_retryable_type(d: Driver) -> None:
    await _tries(d, "type", 2, RetryPolicy(initial_interval=SOON, non_retryable_error_types=["Kind"]))


async def scenario_attempts_used_up(d: Driver) -> None:
    await _tries(d, "", 9, RetryPolicy(initial_interval=SOON, maximum_attempts=2))


async def scenario_one_attempt(d: Driver) -> None:
    await _tries(d, "", 9, RetryPolicy(maximum_attempts=1))


async def scenario_no_time_left(d: Driver) -> None:
    """The next attempt would begin after the execution timeout."""
    policy = RetryPolicy(initial_interval=timedelta(seconds=20))
    await _tries(d, "", 9, policy, execution_timeout=timedelta(seconds=10))


async def scenario_run_timeouts(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=SOON, maximum_attempts=2)
    await _tries(d, "sleep", 9, policy, run_timeout=timedelta(seconds=3))


async def scenario_timeout_named_not_retryable(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=SOON, non_retryable_error_types=["TemporalTimeout:StartToClose"])
    await _tries(d, "sleep", 9, policy, run_timeout=timedelta(seconds=3))


async def scenario_cancelled_between_attempts(d: Driver) -> None:
    handle = await d.start(Tries.run, "then sleep", 9, retry_policy=RetryPolicy(initial_interval=timedelta(minutes=10)))
    first = d.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await d.until(first, "WORKFLOW_EXECUTION_FAILED")
    await d.client.get_workflow_handle(handle.id).cancel()
    await d.outcome(handle)
    await _chain(d, handle)


async def scenario_signalled_between_attempts(d: Driver) -> None:
    handle = await d.start(Tries.run, "", 2, retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2)))
    first = d.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await d.until(first, "WORKFLOW_EXECUTION_FAILED")
    await d.client.get_workflow_handle(handle.id).signal("anything")
    await d.outcome(handle)
    await _chain(d, handle)


async def _child(d: Driver, how: str, until: int, attempts: int) -> None:
    parent = await d.start(Parent.run, d.workflow_id("child"), how, until, attempts, name="parent")
    started = await d.until(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
    await d.outcome(parent)
    execution = started.child_workflow_execution_started_event_attributes.workflow_execution
    child = d.client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
    d.watch(child)
    await _chain(d, child)


async def scenario_child(d: Driver) -> None:
    await _child(d, "", 3, 0)


async def scenario_child_attempts_used_up(d: Driver) -> None:
    await _child(d, "", 9, 2)


async def scenario_child_not_retryable_type(d: Driver) -> None:
    await _child(d, "type", 9, 0)


async def scenario_child_times_out(d: Driver) -> None:
    await _child(d, "sleep", 9, 2)
