"""An answer to a workflow task that is too large for a gRPC message ends its run, which would else be stuck: each
attempt would make it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
import temporalio.client
import temporalio.worker
import temporalio.workflow

import tsuzuki.client
import tsuzuki.worker
from tsuzuki import workflow
from tsuzuki.server import Server

QUEUE: Final = "large"
WAIT_S: Final = 60
_LARGE: Final = "x" * 1_900_000


@temporalio.workflow.defn(name="Large", sandboxed=False)
class OfficialLarge:
    """Each input is small enough, but not all together."""

    @temporalio.workflow.run
    async def run(self) -> None:
        once = timedelta(seconds=30)
        await asyncio.gather(
            *(temporalio.workflow.execute_activity("any", _LARGE, start_to_close_timeout=once) for _ in range(3))
        )


@workflow.defn(name="Large")
class Large:
    """The same."""

    @workflow.run
    async def run(self) -> None:
        once = timedelta(seconds=30)
        await asyncio.gather(*(workflow.execute_activity("any", _LARGE, start_to_close_timeout=once) for _ in range(3)))


@asynccontextmanager
async def _official(target: str) -> AsyncIterator[Any]:
    client = await temporalio.client.Client.connect(target)
    async with temporalio.worker.Worker(client, task_queue=QUEUE, workflows=[OfficialLarge]):
        yield client


@asynccontextmanager
async def _ours(target: str) -> AsyncIterator[Any]:
    async with (
        await tsuzuki.client.Client.connect(target) as client,
        tsuzuki.worker.Worker(client, task_queue=QUEUE, workflows=[Large]),
    ):
        yield client


@pytest.mark.parametrize("working", [_official, _ours], ids=["official worker", "our worker"])
async def test_a_run_whose_answer_is_too_large_ends(server: Server, working: Any) -> None:
    official = await temporalio.client.Client.connect(server.target)
    async with working(server.target) as client:
        await client.start_workflow("Large", id="w", task_queue=QUEUE)
        handle = official.get_workflow_handle("w")
        with pytest.raises(temporalio.client.WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), WAIT_S)
    assert "GrpcMessageTooLarge" in str(failed.value.cause)
    history = await handle.fetch_history()
    assert [event.event_type for event in history.events] == [1, 5, 6, 9, 27]
