"""Starting, ending and starting again: timeouts, delays, policies for ids, terminate."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

SHORT = timedelta(milliseconds=400)


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(3600)


@workflow.defn
class Quick:
    @workflow.run
    async def run(self, succeed: bool) -> str:
        if not succeed:
            raise ApplicationError("as asked")
        return "done"


async def scenario_execution_timeout(d: Driver) -> None:
    await d.outcome(await d.start(Sleeper.run, execution_timeout=SHORT))


async def scenario_run_timeout(d: Driver) -> None:
    await d.outcome(await d.start(Sleeper.run, run_timeout=SHORT))


async def scenario_run_timeout_with_retry(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2)
    handle = await d.start(Sleeper.run, run_timeout=timedelta(seconds=2), retry_policy=policy)
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_all_timeouts_given(d: Driver) -> None:
    handle = await d.start(
        Quick.run,
        True,
        execution_timeout=timedelta(hours=1),
        run_timeout=timedelta(minutes=30),
        task_timeout=timedelta(seconds=5),
    )
    await d.outcome(handle)


async def scenario_run_timeout_longer_than_execution(d: Driver) -> None:
    handle = await d.start(Quick.run, True, execution_timeout=timedelta(minutes=1), run_timeout=timedelta(minutes=30))
    await d.outcome(handle)


async def scenario_start_delay(d: Driver) -> None:
    await d.outcome(await d.start(Quick.run, True, start_delay=SHORT))


async def scenario_terminate(d: Driver) -> None:
    handle = await d.start(Sleeper.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.terminate("a detail", 2, reason="enough")
    await d.outcome(handle)
    await d.attempt("terminate once more", handle.terminate())


async def scenario_terminate_without_reason(d: Driver) -> None:
    handle = await d.start(Sleeper.run)
    await d.until(handle, "TIMER_STARTED")
    await handle.terminate()
    await d.outcome(handle)


async def scenario_unknown_workflow_id(d: Driver) -> None:
    handle = d.client.get_workflow_handle(d.workflow_id("never started"))
    await d.attempt("describe", handle.describe())
    await d.attempt("cancel", handle.cancel())
    await d.attempt("terminate", handle.terminate())


async def _start_again(d: Driver, first_succeeds: bool, policy: WorkflowIDReusePolicy) -> None:
    await d.outcome(await d.start(Quick.run, first_succeeds))
    again = await d.attempt("again", d.start(Quick.run, True, id_reuse_policy=policy))
    if again is not None:
        await d.outcome(again)


async def scenario_reuse_allowed(d: Driver) -> None:
    await _start_again(d, True, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


async def scenario_reuse_if_failed_after_success(d: Driver) -> None:
    await _start_again(d, True, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)


async def scenario_reuse_if_failed_after_failure(d: Driver) -> None:
    await _start_again(d, False, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)


async def scenario_reuse_rejected(d: Driver) -> None:
    await _start_again(d, False, WorkflowIDReusePolicy.REJECT_DUPLICATE)


async def _start_beside(d: Driver, policy: WorkflowIDConflictPolicy) -> None:
    first = await d.start(Sleeper.run)
    await d.until(first, "TIMER_STARTED")
    second = await d.attempt("beside", d.start(Quick.run, True, id_conflict_policy=policy))
    if second is not None:
        d.note(f"same run: {second.first_execution_run_id == first.first_execution_run_id}")
    if policy == WorkflowIDConflictPolicy.TERMINATE_EXISTING:
        await d.outcome(second)
        await d.outcome(first, follow_runs=False)
    else:
        await first.terminate(reason="end of the scenario")


async def scenario_conflict_fails(d: Driver) -> None:
    await _start_beside(d, WorkflowIDConflictPolicy.FAIL)


async def scenario_conflict_uses_existing(d: Driver) -> None:
    await _start_beside(d, WorkflowIDConflictPolicy.USE_EXISTING)


async def scenario_conflict_terminates_existing(d: Driver) -> None:
    await _start_beside(d, WorkflowIDConflictPolicy.TERMINATE_EXISTING)


async def scenario_reuse_rejected_while_open(d: Driver) -> None:
    first = await d.start(Sleeper.run)
    await d.until(first, "TIMER_STARTED")
    policy = WorkflowIDReusePolicy.REJECT_DUPLICATE
    await d.attempt("beside", d.start(Quick.run, True, id_reuse_policy=policy))
    await first.terminate(reason="end of the scenario")
