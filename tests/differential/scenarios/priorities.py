"""Priority and fairness keys: who gives them, who inherits them, where they show."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError

from differential._driver import Driver

EAGER = False
"""An activity that comes back with the answer to a workflow task is not told what it inherits."""
MINUTE = timedelta(minutes=1)
FIRST = Priority(priority_key=1, fairness_key="tenant", fairness_weight=2.5)


def shown(priority: Priority) -> list[Any]:
    return [priority.priority_key, priority.fairness_key, priority.fairness_weight]


@activity.defn
def see() -> list[Any]:
    return shown(activity.info().priority)


@workflow.defn
class Sees:
    @workflow.run
    async def run(self) -> list[Any]:
        return shown(workflow.info().priority)


@workflow.defn
class Gives:
    @workflow.run
    async def run(self, ids: list[str]) -> list[Any]:
        seen = [shown(workflow.info().priority)]
        for given in (None, Priority(priority_key=5), Priority(fairness_key="other"), Priority(fairness_weight=3.0)):
            options: Any = {} if given is None else {"priority": given}
            seen.append(await workflow.execute_activity(see, start_to_close_timeout=MINUTE, **options))
            seen.append(await workflow.execute_child_workflow(Sees.run, id=ids.pop(), **options))
        return seen


@workflow.defn
class Keeps:
    @workflow.run
    async def run(self, again: bool) -> list[Any]:
        if again:
            await asyncio.sleep(1.2)
            workflow.continue_as_new(False)
        return shown(workflow.info().priority)


@workflow.defn
class KeepsOnRetry:
    @workflow.run
    async def run(self) -> list[Any]:
        if workflow.info().attempt == 1:
            raise ApplicationError("once more")
        return shown(workflow.info().priority)


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            "nobody has it", task_queue="nobody polls", start_to_close_timeout=MINUTE, priority=Priority(priority_key=4)
        )


async def _gives(d: Driver, **options: Any) -> None:
    ids = [d.workflow_id(f"child {number}") for number in range(4)]
    await d.outcome(await d.start(Gives.run, ids, **options))
    for child_id in reversed(ids):
        d.watch(d.client.get_workflow_handle(child_id, run_id=await _first_run(d, child_id)))


async def _first_run(d: Driver, workflow_id: str) -> str:
    return (await d.client.get_workflow_handle(workflow_id).describe()).run_id  # type: ignore[no-any-return]


async def scenario_given(d: Driver) -> None:
    await _gives(d, priority=FIRST)


async def scenario_key_only(d: Driver) -> None:
    await _gives(d, priority=Priority(priority_key=2))


async def scenario_not_given(d: Driver) -> None:
    await _gives(d)


async def scenario_continue_as_new(d: Driver) -> None:
    handle = await d.start(Keeps.run, True, priority=FIRST)
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_retry(d: Driver) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=0.1))
    handle = await d.start(KeepsOnRetry.run, priority=FIRST, retry_policy=policy)
    await d.outcome(handle)
    await d.watch_next_run(handle)


async def scenario_described(d: Driver) -> None:
    handle = await d.start(Waits.run, priority=FIRST)
    await d.until(handle, "ACTIVITY_TASK_SCHEDULED")
    raw = (await handle.describe()).raw_description
    for priority in (raw.workflow_execution_info.priority, raw.pending_activities[0].priority):
        d.note([priority.priority_key, priority.fairness_key, priority.fairness_weight])
    await handle.terminate(reason="seen")


async def scenario_bad(d: Driver) -> None:
    for priority in (Priority(priority_key=9), Priority(fairness_weight=5000.0), Priority(fairness_weight=0.0001)):
        handle = await d.attempt(str(shown(priority)), d.start(Sees.run, name=f"bad {priority}", priority=priority))
        if handle is not None:
            await d.outcome(handle)


@activity.defn
def take_turn(name: str) -> None:
    turns.append(name)


turns: list[str] = []


@workflow.defn
class Queues:
    """Schedules one activity a priority, lowest first, on a queue that nobody polls yet."""

    @workflow.run
    async def run(self, queue: str, keys: list[int]) -> None:
        await asyncio.gather(
            *(
                workflow.execute_activity(
                    take_turn,
                    f"priority {key}",
                    task_queue=queue,
                    schedule_to_close_timeout=MINUTE,
                    priority=Priority(priority_key=key),
                )
                for key in keys
            )
        )


async def scenario_order_of_turns(d: Driver) -> None:
    # Its history is not part of the transcript: how activities and workflow tasks interleave is chance.
    handle = await d.client.start_workflow(
        Queues.run, args=[d.other_queue, [5, 3, 1, 4, 2]], id=d.workflow_id(), task_queue=d.queue
    )
    await d.until(handle, "ACTIVITY_TASK_SCHEDULED", 5)
    await asyncio.sleep(0.5)  # the real server has put them in its backlog by then
    async with d.other_worker(max_concurrent_activities=1):
        await handle.result()
    d.note(turns)
