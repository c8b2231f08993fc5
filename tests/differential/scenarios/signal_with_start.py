"""A start that brings a signal."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDConflictPolicy

from differential._driver import Driver


@workflow.defn
class Collects:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self, count: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self.seen) >= count)
        return self.seen

    @workflow.signal
    def add(self, first: str, second: str = "-") -> None:
        self.seen.append(first + second)


async def scenario_signal_with_start_of_a_new_run(d: Driver) -> None:
    await d.outcome(await d.start(Collects.run, 1, start_signal="add", start_signal_args=["a", "b"]))


async def scenario_signal_with_start_of_an_open_run(d: Driver) -> None:
    first = await d.start(Collects.run, 2)
    await d.until(first, "WORKFLOW_TASK_COMPLETED")
    second = await d.client.start_workflow(
        Collects.run, 9, id=first.id, task_queue=d.queue, start_signal="add", start_signal_args=["a"]
    )
    d.note(f"same run: {second.first_execution_run_id == first.first_execution_run_id}")
    await d.until(first, "WORKFLOW_TASK_COMPLETED", 2)
    await first.signal("add", "b")
    await d.outcome(first)


async def scenario_signal_with_start_in_place_of_an_open_run(d: Driver) -> None:
    first = await d.start(Collects.run, 2)
    await d.until(first, "WORKFLOW_TASK_COMPLETED")
    policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
    second = await d.client.start_workflow(
        Collects.run,
        1,
        id=first.id,
        task_queue=d.queue,
        start_signal="add",
        start_signal_args=["a"],
        id_conflict_policy=policy,
    )
    await d.outcome(second)


async def scenario_signal_with_start_after_a_delay(d: Driver) -> None:
    delay = timedelta(milliseconds=300)
    await d.outcome(await d.start(Collects.run, 1, start_signal="add", start_signal_args=["a"], start_delay=delay))
