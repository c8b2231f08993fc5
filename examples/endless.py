"""A loop without end, in runs of bounded length: python examples/endless.py [TARGET]

Every round adds events to the history. `continue_as_new` goes on in a new run with an empty one and the same id.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from tsuzuki import activity, workflow
from tsuzuki.client import Client, WorkflowHandle
from tsuzuki.worker import Worker

ROUNDS_A_RUN = 10


@activity.defn
async def poll(number: int) -> int:
    """The reading of a meter."""
    return number % 3


@workflow.defn
class Meter:
    @workflow.run
    async def run(self, first: int, total: int, last: int) -> str:
        for number in range(first, last + 1):
            total += await workflow.execute_activity(poll, number, start_to_close_timeout=timedelta(seconds=10))
            too_long = number - first + 1 >= ROUNDS_A_RUN or workflow.info().is_continue_as_new_suggested()
            if too_long and number < last:
                workflow.continue_as_new(args=[number + 1, total, last])
        return f"{last} rounds, in all {total}"


async def count_runs(client: Client, handle: WorkflowHandle[Any, Any]) -> int:
    """Follow the chain of runs back to the first."""
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    before = started.continued_execution_run_id
    return 1 if not before else 1 + await count_runs(client, client.get_workflow_handle("meter", run_id=before))


async def main(target: str = "sqlite://") -> None:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue="meter", workflows=[Meter], activities=[poll]),
    ):
        handle = await client.start_workflow(Meter.run, args=[1, 0, 35], id="meter", task_queue="meter")
        print(await handle.result())
        print(f"{await count_runs(client, client.get_workflow_handle('meter'))} runs")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
