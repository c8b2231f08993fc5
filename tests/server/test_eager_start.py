"""An eager start over gRPC: the official client's worker runs the task that came with the answer."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from server.test_reset import TellsItsRun


async def test_the_official_worker_takes_the_task_of_its_start(client: Client) -> None:
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue="q", workflows=[TellsItsRun], workflow_runner=runner):
        handle = await client.start_workflow(TellsItsRun.run, id="w", task_queue="q", request_eager_start=True)
        assert await handle.result() == handle.first_execution_run_id
    events = (await handle.fetch_history()).events
    assert events[0].workflow_execution_started_event_attributes.eager_execution_accepted
    assert [event.event_type for event in events[:4]] == [1, 5, 6, 7]
