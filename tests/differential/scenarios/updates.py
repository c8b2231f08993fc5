"""Updates: accepted, rejected, waited for, sent twice; and what becomes of them when the run closes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from differential._driver import Driver


@activity.defn
async def double(value: int) -> int:
    return 2 * value


@workflow.defn
class Account:
    def __init__(self) -> None:
        self.balance = 0
        self.done = False
        self.go = False

    @workflow.run
    async def run(self, wait_for_handlers: bool = True) -> int:
        await workflow.wait_condition(lambda: self.done)
        if wait_for_handlers:
            await workflow.wait_condition(workflow.all_handlers_finished)
        return self.balance

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.signal
    def let_go(self) -> None:
        self.go = True

    @workflow.update
    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @add.validator
    def check(self, amount: int) -> None:
        if amount < 0:
            raise ApplicationError("negative", type="Negative")

    @workflow.update
    async def add_doubled(self, amount: int) -> int:
        self.balance += await workflow.execute_activity(double, amount, start_to_close_timeout=timedelta(seconds=5))
        return self.balance

    @workflow.update(name="sleeps", unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def sleeps_a_while(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slept"

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def waits(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        info = workflow.current_update_info()
        return info.name if info else ""

    @workflow.update
    def starts_timers(self, count: int) -> None:
        self.timers = [asyncio.ensure_future(asyncio.sleep(3600)) for _ in range(count)]

    @workflow.query
    def balance_now(self) -> int:
        return self.balance

    @workflow.update
    async def fails(self) -> None:
        raise ApplicationError("as asked", "detail", type="Asked")

    @workflow.update
    async def finishes(self) -> str:
        self.done = True
        return "finishing"

    @workflow.update(dynamic=True)
    def others(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} {len(args)}"


async def _idle(d: Driver, *args: Any) -> Any:
    handle = await d.start(Account.run, *args)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED")
    return handle


async def _finish(d: Driver, handle: Any) -> None:
    await handle.signal("finish")
    await d.outcome(handle)


async def scenario_update(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("add", handle.execute_update(Account.add, 3))
    await d.attempt("again", handle.execute_update("add", 4))
    await _finish(d, handle)


async def scenario_update_rejected(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("add", handle.execute_update(Account.add, -3))
    await d.attempt("and again", handle.execute_update(Account.add, -4))
    await _finish(d, handle)


async def scenario_update_rejected_between_others(d: Driver) -> None:
    handle = await _idle(d)
    for amount in (1, -1, 2, -2, -3, 3):
        await d.attempt(f"add {amount}", handle.execute_update(Account.add, amount))
    await _finish(d, handle)


async def scenario_update_that_awaits_an_activity(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("add", handle.execute_update(Account.add_doubled, 3))
    await _finish(d, handle)


async def scenario_update_that_sleeps(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("sleeps", handle.execute_update("sleeps", 0.2))
    await _finish(d, handle)


async def scenario_update_fails(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("fails", handle.execute_update(Account.fails))
    await _finish(d, handle)


async def scenario_update_unknown_goes_to_the_dynamic_handler(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("unknown", handle.execute_update("unknown", args=[1, 2]))
    await _finish(d, handle)


async def scenario_update_accepted_then_completed(d: Driver) -> None:
    handle = await _idle(d)
    update = await handle.start_update(Account.waits, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await d.until(handle, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED")
    await handle.signal("let_go")
    await d.attempt("result", update.result())
    await d.attempt("by handle", handle.get_update_handle(update.id).result())
    await _finish(d, handle)


async def scenario_update_same_id(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("first", handle.execute_update(Account.add, 3, id="the same"))
    await d.attempt("second", handle.execute_update(Account.add, 3, id="the same"))
    await d.attempt("rejected", handle.execute_update(Account.add, -3, id="rejected"))
    await d.attempt("then fine", handle.execute_update(Account.add, 4, id="rejected"))
    await _finish(d, handle)
    await d.attempt("closed, known", handle.execute_update(Account.add, 3, id="the same"))
    await d.attempt("closed, polled", handle.get_update_handle("the same").result())
    await d.attempt("closed, unknown", handle.execute_update(Account.add, 3, id="another"))
    await d.attempt("closed, unknown, polled", handle.get_update_handle("nobody").result())


async def scenario_update_that_ends_the_workflow(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("finishes", handle.execute_update(Account.finishes))
    await d.outcome(handle)


async def scenario_update_unfinished_at_the_end(d: Driver) -> None:
    handle = await _idle(d, False)
    update = await handle.start_update(Account.waits, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await d.until(handle, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED")
    await _finish(d, handle)
    await d.attempt("abandoned", update.result())


async def scenario_update_of_a_terminated_run(d: Driver) -> None:
    handle = await _idle(d)
    update = await handle.start_update(Account.waits, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await d.until(handle, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED")
    await handle.terminate(reason="enough")
    await d.attempt("terminated", update.result())


async def scenario_update_query_after_rejection(d: Driver) -> None:
    handle = await _idle(d)
    await d.attempt("add", handle.execute_update(Account.add, 3))
    await d.attempt("reject", handle.execute_update(Account.add, -3))
    await d.attempt("query", handle.query("balance_now"))
    await _finish(d, handle)


async def scenario_update_rejected_after_many_events(d: Driver) -> None:
    for count in (3, 5, 6, 7, 8, 9, 12):
        handle = await d.start(Account.run, name=f"many {count}")
        await d.until(handle, "WORKFLOW_TASK_COMPLETED")
        await handle.execute_update("starts_timers", count)
        await d.attempt("reject", handle.execute_update(Account.add, -3))
        await _finish(d, handle)


async def scenario_update_of_nothing(d: Driver) -> None:
    handle = d.client.get_workflow_handle(d.workflow_id("never started"))
    await d.attempt("update", handle.execute_update("add", 1))


def _start(d: Driver, policy: WorkflowIDConflictPolicy, **options: Any) -> WithStartWorkflowOperation[Any, Any]:
    return WithStartWorkflowOperation(
        Account.run, True, id=d.workflow_id(), task_queue=d.queue, id_conflict_policy=policy, **options
    )


async def _update_with_start(d: Driver, amount: int, policy: WorkflowIDConflictPolicy, **options: Any) -> Any:
    operation = _start(d, policy, **options)
    call = d.client.execute_update_with_start_workflow(Account.add, amount, start_workflow_operation=operation)
    await d.attempt(f"add {amount}", call)
    return operation


async def scenario_update_with_start(d: Driver) -> None:
    operation = await _update_with_start(d, 3, WorkflowIDConflictPolicy.FAIL)
    handle = await operation.workflow_handle()
    d.watch(handle)
    await _update_with_start(d, 4, WorkflowIDConflictPolicy.USE_EXISTING)
    await _update_with_start(d, -4, WorkflowIDConflictPolicy.USE_EXISTING)
    failing = await _update_with_start(d, 5, WorkflowIDConflictPolicy.FAIL)
    await d.attempt("handle", failing.workflow_handle())
    await _finish(d, handle)
    await _update_with_start(d, 6, WorkflowIDConflictPolicy.USE_EXISTING, id_reuse_policy=_NEVER_AGAIN)


async def scenario_update_with_start_rejected(d: Driver) -> None:
    operation = await _update_with_start(d, -3, WorkflowIDConflictPolicy.USE_EXISTING)
    handle = await operation.workflow_handle()
    d.watch(handle)
    await _finish(d, handle)


_NEVER_AGAIN = WorkflowIDReusePolicy.REJECT_DUPLICATE


@workflow.defn
class Registering:
    """Sets one handler when it is made, and the others as it begins to run."""

    def __init__(self) -> None:
        workflow.set_update_handler("made", lambda: "made with the object")

    @workflow.run
    async def run(self) -> str:
        done = False

        def finish() -> str:
            nonlocal done
            done = True
            return "finished"

        workflow.set_update_handler("finish", finish)
        workflow.set_update_handler("add", lambda amount: amount + 1)
        await workflow.wait_condition(lambda: done)
        return "done"


async def scenario_update_with_start_whose_handler_run_sets(d: Driver) -> None:
    """What comes with the first task meets the handlers that the object has when it is made, not those of `run`."""
    for name in ("made", "add"):
        operation = WithStartWorkflowOperation(
            Registering.run,
            id=d.workflow_id(name),
            task_queue=d.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        args = [] if name == "made" else [3]
        try:
            d.note(
                await d.client.execute_update_with_start_workflow(name, args=args, start_workflow_operation=operation)
            )
        except WorkflowUpdateFailedError:  # in the words of each package
            d.note(f"no handler of {name} yet")
        handle = await operation.workflow_handle()
        d.watch(handle)
        await d.attempt("add later", handle.execute_update("add", 4))
        await d.attempt("finish", handle.execute_update("finish"))
        await d.outcome(handle)
