"""Many long polls at once, here or in a child process that can be killed: python -m server._polls TARGET N."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import grpc
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

QUEUE: Final = "load"
POLL_S: Final = 50.0
POLLS_OF_A_CONNECTION: Final = 100


@asynccontextmanager
async def stubs(target: str, count: int) -> AsyncIterator[list[WorkflowServiceStub]]:
    """So many connections of their own."""
    async with AsyncExitStack() as opened:
        yield [
            WorkflowServiceStub(
                await opened.enter_async_context(
                    grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
                )
            )
            for _ in range(count)
        ]


def poll_request() -> rpc.PollWorkflowTaskQueueRequest:
    return rpc.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=QUEUE))


async def _poll(target: str, count: int) -> None:
    async with stubs(target, -(-count // POLLS_OF_A_CONNECTION)) as connections:
        polls = [
            connections[number // POLLS_OF_A_CONNECTION].PollWorkflowTaskQueue(poll_request(), timeout=POLL_S)
            for number in range(count)
        ]
        # A connection that has answered a later call has sent the earlier ones.
        for connection in connections:
            await connection.GetSystemInfo(rpc.GetSystemInfoRequest())
        print("polling", flush=True)
        await asyncio.gather(*polls)


if __name__ == "__main__":
    asyncio.run(_poll(sys.argv[1], int(sys.argv[2])))
