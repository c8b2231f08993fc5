"""Child workflows: started, ended in every way, cancelled, closed with their parent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import (
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from differential._driver import Driver

HOUR = timedelta(hours=1)
COLOR = SearchAttributeKey.for_keyword("Color")


@activity.defn
async def echo(value: str) -> str:
    return value


@workflow.defn
class Doubles:
    @workflow.run
    async def run(self, value: int) -> int:
        await asyncio.sleep(0.3)  # its parent has seen by then that it started
        return 2 * value


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, how: str) -> None:
        await asyncio.sleep(0.3)
        if how == "application":
            raise ApplicationError("broken", "detail", type="Broken", non_retryable=True)
        raise ApplicationError("broken again")


@workflow.defn
class Sleeps:
    @workflow.run
    async def run(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slept"


@workflow.defn
class Waits:
    """Waits for a signal; on cancellation says what it saw, or does not care."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.run
    async def run(self, stubborn: bool) -> list[str]:
        try:
            await workflow.wait_condition(lambda: "end" in self.told)
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)
            if not stubborn:
                raise
            self.told.append("cancelled in vain")
        else:
            await asyncio.sleep(0.3)
        return self.told

    @workflow.signal
    def tell(self, word: str) -> None:
        self.told.append(word)


@workflow.defn
class CountsDown:
    @workflow.run
    async def run(self, runs_left: int) -> int:
        if runs_left:
            await asyncio.sleep(1.2)  # a run shorter than a second makes the next one wait
            workflow.continue_as_new(runs_left - 1)
        return runs_left


def chain(error: BaseException | None) -> str:
    words = []
    while error is not None:
        words.append(f"{type(error).__name__}: {getattr(error, 'message', error)}")
        error = error.__cause__
    return " <- ".join(words)


def facts(error: ChildWorkflowError) -> list[Any]:
    return [error.workflow_type, error.initiated_event_id, error.started_event_id, int(error.retry_state or 0)]


@workflow.defn
class Executes:
    @workflow.run
    async def run(self, child_id: str) -> int:
        first = await workflow.execute_child_workflow(Doubles.run, 4, id=child_id)
        by_name: int = await workflow.execute_child_workflow("Doubles", first, result_type=int)
        return by_name


@workflow.defn
class ExecutesElsewhere:
    """Its child runs on another queue, whose worker the child's activities stay with."""

    @workflow.run
    async def run(self, child_id: str, queue: str) -> list[str]:
        return await workflow.execute_child_workflow(SaysItsQueue.run, id=child_id, task_queue=queue)


@workflow.defn
class SaysItsQueue:
    @workflow.run
    async def run(self) -> list[str]:
        seen = await workflow.execute_activity(its_queue, start_to_close_timeout=HOUR)
        return [workflow.info().task_queue.rpartition("-")[2], seen]


@activity.defn
async def its_queue() -> str:
    return activity.info().task_queue.rpartition("-")[2]


@workflow.defn
class Options:
    @workflow.run
    async def run(self, child_id: str) -> int:
        handle = await workflow.start_child_workflow(
            Doubles.run,
            4,
            id=child_id,
            task_queue=workflow.info().task_queue,
            execution_timeout=HOUR,
            run_timeout=HOUR / 2,
            task_timeout=timedelta(seconds=7),
            retry_policy=RetryPolicy(maximum_attempts=3),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            memo={"note": [1, 2]},
            search_attributes=TypedSearchAttributes([SearchAttributePair(COLOR, "red")]),
            static_summary="doubles",
            static_details="a number",
        )
        assert handle.id == child_id
        assert handle.first_execution_run_id
        return await handle


@workflow.defn
class FansOut:
    @workflow.run
    async def run(self, child_ids: list[str]) -> list[int]:
        return await asyncio.gather(
            *(workflow.execute_child_workflow(Doubles.run, n, id=child_id) for n, child_id in enumerate(child_ids))
        )


@workflow.defn
class Isolates:
    """A child that fails is an exception like others."""

    @workflow.run
    async def run(self, child_id: str, how: str) -> list[Any]:
        try:
            if how == "timeout":
                await workflow.execute_child_workflow(Sleeps.run, 60, id=child_id, run_timeout=timedelta(seconds=1))
            else:
                await workflow.execute_child_workflow(Fails.run, how, id=child_id)
        except ChildWorkflowError as error:
            return [chain(error), facts(error), is_cancelled_exception(error)]
        return ["no error"]


@workflow.defn
class FailsWithItsChild:
    @workflow.run
    async def run(self, child_id: str) -> None:
        await workflow.execute_child_workflow(Fails.run, "application", id=child_id)


@workflow.defn
class StartsTwice:
    @workflow.run
    async def run(self, child_id: str, policy: int) -> list[str]:
        seen = []
        first = await workflow.start_child_workflow(Sleeps.run, 0.2, id=child_id)
        try:
            await workflow.start_child_workflow(Doubles.run, 1, id=child_id)
        except WorkflowAlreadyStartedError as error:
            seen.append(f"{error.workflow_id == child_id} {error.workflow_type}")
        await first
        try:
            again = await workflow.execute_child_workflow(
                Doubles.run, 2, id=child_id, id_reuse_policy=WorkflowIDReusePolicy(policy)
            )
            seen.append(f"again {again}")
        except WorkflowAlreadyStartedError:
            seen.append("refused")
        return seen


@workflow.defn
class Cancels:
    """Cancels its child itself, or is cancelled while it waits for it."""

    @workflow.run
    async def run(self, child_id: str, kind: int, stubborn: bool, itself: bool) -> list[Any]:
        handle = await workflow.start_child_workflow(
            Waits.run, stubborn, id=child_id, cancellation_type=ChildWorkflowCancellationType(kind)
        )
        try:
            if itself:
                await asyncio.sleep(0.3)
                handle.cancel("enough")
            return [await handle]
        except (ChildWorkflowError, asyncio.CancelledError) as error:
            return [
                chain(error),
                is_cancelled_exception(error),
                await workflow.execute_activity(echo, "after", start_to_close_timeout=HOUR),
            ]


@workflow.defn
class CancelsBeforeItIsSent:
    @workflow.run
    async def run(self) -> str:
        starting = asyncio.create_task(workflow.execute_child_workflow(Doubles.run, 1))
        await asyncio.sleep(0)
        starting.cancel("never mind")
        try:
            await starting
        except FailureError as error:
            return chain(error)
        return "not cancelled"


@workflow.defn
class SignalsItsChild:
    """Twice, each time when it is told to."""

    def __init__(self) -> None:
        self.to_tell = 0

    @workflow.run
    async def run(self, child_id: str) -> list[str]:
        handle = await workflow.start_child_workflow(Waits.run, False, id=child_id)
        await workflow.wait_condition(lambda: self.to_tell > 0)
        await handle.signal(Waits.tell, "hello")
        await workflow.wait_condition(lambda: self.to_tell > 1)
        await handle.signal("tell", "end")
        seen = await handle
        try:
            await handle.signal(Waits.tell, "too late")
        except ApplicationError as error:
            seen.append(f"{error.message} {error.type}")
        return seen

    @workflow.signal
    def tell_it(self) -> None:
        self.to_tell += 1


@workflow.defn
class Leaves:
    """Closes while its child is open."""

    @workflow.run
    async def run(self, child_id: str, policy: int, how: str) -> str:
        await workflow.start_child_workflow(
            Waits.run, False, id=child_id, parent_close_policy=ParentClosePolicy(policy)
        )
        if how == "fail":
            raise ApplicationError("leaving")
        if how == "again":
            workflow.continue_as_new(args=[child_id, policy, "rest"], workflow=Rests.run)
        if how == "wait":
            await asyncio.sleep(3600)
        return "left"


@workflow.defn
class Rests:
    @workflow.run
    async def run(self, child_id: str, policy: int, how: str) -> str:
        return how


async def scenario_execute(d: Driver) -> None:
    handle = await d.start(Executes.run, d.workflow_id("child"))
    await d.outcome(handle)
    d.watch(d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle)))


async def scenario_on_another_queue(d: Driver) -> None:
    async with d.other_worker():
        handle = await d.start(ExecutesElsewhere.run, d.workflow_id("child"), d.other_queue)
        await d.outcome(handle)
        d.watch(d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle)))


async def scenario_options(d: Driver) -> None:
    handle = await d.start(Options.run, d.workflow_id("child"))
    await d.outcome(handle)
    d.watch(d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle)))


async def scenario_failure_is_isolated(d: Driver) -> None:
    handle = await d.start(Isolates.run, d.workflow_id("child"), "application")
    await d.outcome(handle)
    d.watch(d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle)))


async def scenario_timeout(d: Driver) -> None:
    await d.outcome(await d.start(Isolates.run, d.workflow_id("child"), "timeout"))


async def scenario_terminated(d: Driver) -> None:
    handle = await d.start(Cancels.run, d.workflow_id("child"), 2, False, False)
    await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await d.client.get_workflow_handle(d.workflow_id("child")).terminate(reason="over")
    await d.outcome(handle)


async def scenario_failure_passes_on(d: Driver) -> None:
    await d.outcome(await d.start(FailsWithItsChild.run, d.workflow_id("child")))


async def scenario_id_in_use(d: Driver) -> None:
    await d.outcome(await d.start(StartsTwice.run, d.workflow_id("child"), 1))


async def scenario_id_used_up(d: Driver) -> None:
    await d.outcome(await d.start(StartsTwice.run, d.workflow_id("child"), 3))


async def scenario_continues_as_new(d: Driver) -> None:
    handle = await d.start(RunsCountDown.run, d.workflow_id("child"))
    await d.outcome(handle)
    child = d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle))
    d.watch(child)
    await d.watch_next_run(child)


@workflow.defn
class RunsCountDown:
    @workflow.run
    async def run(self, child_id: str) -> int:
        return await workflow.execute_child_workflow(CountsDown.run, 1, id=child_id)


async def _cancel(d: Driver, kind: int, *, stubborn: bool = False, itself: bool = True) -> None:
    handle = await d.start(Cancels.run, d.workflow_id("child"), kind, stubborn, itself)
    child = d.client.get_workflow_handle(d.workflow_id("child"))
    if not itself:
        await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await handle.cancel()
    await d.outcome(handle)
    if kind == ChildWorkflowCancellationType.TRY_CANCEL:
        await d.outcome(child)
    d.watch(d.client.get_workflow_handle(child.id, run_id=await _child_run(d, handle)))


async def scenario_cancel_and_wait(d: Driver) -> None:
    await _cancel(d, 2)


async def scenario_cancel_a_stubborn_one(d: Driver) -> None:
    await _cancel(d, 2, stubborn=True)


async def scenario_cancel_wait_requested(d: Driver) -> None:
    await _cancel(d, 3)


async def scenario_cancel_abandons(d: Driver) -> None:
    handle = await d.start(Cancels.run, d.workflow_id("child"), int(ChildWorkflowCancellationType.ABANDON), False, True)
    await d.outcome(handle)


async def scenario_parent_cancelled(d: Driver) -> None:
    await _cancel(d, 2, itself=False)


async def scenario_parent_cancelled_abandons(d: Driver) -> None:
    handle = await d.start(
        Cancels.run, d.workflow_id("child"), int(ChildWorkflowCancellationType.ABANDON), False, False
    )
    await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await handle.cancel()
    await d.outcome(handle)


async def scenario_cancelled_before_it_is_sent(d: Driver) -> None:
    await d.outcome(await d.start(CancelsBeforeItIsSent.run))


async def scenario_signals(d: Driver) -> None:
    handle = await d.start(SignalsItsChild.run, d.workflow_id("child"))
    child = d.client.get_workflow_handle(d.workflow_id("child"))
    for told in range(2):  # neither has anything left to do: which of both is faster shows nowhere
        await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2 + 2 * told)
        await d.until(child, "WORKFLOW_TASK_COMPLETED", 1 + told)
        await handle.signal("tell_it")
    await d.outcome(handle)
    d.watch(d.client.get_workflow_handle(d.workflow_id("child"), run_id=await _child_run(d, handle)))


async def _leave(d: Driver, policy: ParentClosePolicy, how: str) -> None:
    handle = await d.start(Leaves.run, d.workflow_id("child"), int(policy), how)
    child = d.client.get_workflow_handle(d.workflow_id("child"))
    if how == "wait":
        await d.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await handle.terminate(reason="enough")
    await d.outcome(handle)
    await d.until(child, "WORKFLOW_TASK_COMPLETED")
    if policy == ParentClosePolicy.ABANDON:
        await child.signal("tell", "end")
    await d.outcome(child)
    d.watch(d.client.get_workflow_handle(child.id, run_id=await _child_run(d, handle)))


async def scenario_parent_close_abandons(d: Driver) -> None:
    await _leave(d, ParentClosePolicy.ABANDON, "return")


async def scenario_parent_close_cancels(d: Driver) -> None:
    await _leave(d, ParentClosePolicy.REQUEST_CANCEL, "fail")


async def scenario_parent_close_by_termination(d: Driver) -> None:
    await _leave(d, ParentClosePolicy.REQUEST_CANCEL, "wait")


async def scenario_parent_continues_as_new(d: Driver) -> None:
    await _leave(d, ParentClosePolicy.REQUEST_CANCEL, "again")


async def scenario_parent_continues_as_new_and_abandons(d: Driver) -> None:
    await _leave(d, ParentClosePolicy.ABANDON, "again")


async def _child_run(d: Driver, handle: object) -> str:
    run_id = handle.first_execution_run_id  # type: ignore[attr-defined]
    parent = d.client.get_workflow_handle(handle.id, run_id=run_id)  # type: ignore[attr-defined]
    started = await d.until(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
    return started.child_workflow_execution_started_event_attributes.workflow_execution.run_id
