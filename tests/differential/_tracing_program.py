"""A workflow that does a bit of everything that is traced; loaded for either package."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from temporalio import activity, client, worker, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

__all__ = ["Child", "Traced", "client", "work", "worker"]

WAIT = timedelta(seconds=20)


@activity.defn
async def work(fail: bool) -> None:
    if fail:
        raise ApplicationError("no")


@workflow.defn(name="Child")
class Child:
    def __init__(self) -> None:
        self.told = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.told == 2)

    @workflow.signal
    def tell(self) -> None:
        self.told += 1


@workflow.defn(name="Traced")
class Traced:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, activity_queue: str) -> str:
        if not activity_queue:
            raise ApplicationError("the end")
        there = {"task_queue": activity_queue, "start_to_close_timeout": WAIT}
        await workflow.execute_activity(work, False, **there)
        await workflow.execute_local_activity(work, False, start_to_close_timeout=WAIT)
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity(work, True, retry_policy=RetryPolicy(maximum_attempts=1), **there)
        child_id = workflow.info().workflow_id + "-child"
        child = await workflow.start_child_workflow(Child.run, id=child_id)
        await child.signal(Child.tell)
        await workflow.get_external_workflow_handle(child_id).signal("tell")
        await child
        await workflow.wait_condition(lambda: self.done)
        workflow.continue_as_new("")

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.query
    def ask(self) -> bool:
        return self.done

    @workflow.update
    async def change(self) -> None:
        pass

    @change.validator
    def check(self) -> None:
        pass
