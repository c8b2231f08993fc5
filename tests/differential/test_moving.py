"""An open run changes workers on the real server: one package begins it, the other ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import temporalio.client
import temporalio.worker

import tsuzuki.client
import tsuzuki.worker

from ._program import load_module

PROGRAM = Path(__file__).with_name("_moving_program.py")
PACKAGES = {"temporalio": (temporalio.client, temporalio.worker), "tsuzuki": (tsuzuki.client, tsuzuki.worker)}
ENDS_S_MAX = 60


async def _worker(package: str, target: str) -> tuple[Any, Any]:
    """A client and a worker of a package."""
    client_module, worker_module = PACKAGES[package]
    client = await client_module.Client.connect(target)
    code = load_module(PROGRAM, package)
    unsandboxed = {"workflow_runner": temporalio.worker.UnsandboxedWorkflowRunner()} if package == "temporalio" else {}
    return client, worker_module.Worker(
        client, task_queue="moving", workflows=[code.Greeting], activities=[code.greet], **unsandboxed
    )


@pytest.mark.parametrize(("begins", "ends"), [("temporalio", "tsuzuki"), ("tsuzuki", "temporalio")])
async def test_an_open_run_goes_on_at_a_worker_of_the_other_package(begins: str, ends: str, real_server: str) -> None:
    client, worker = await _worker(begins, real_server)
    async with asyncio.timeout(ENDS_S_MAX):
        async with worker:
            begun = await client.start_workflow("Greeting", "Ada", id=f"from-{begins}", task_queue="moving")
            assert await begun.execute_update("first_two") == ["Hello, host!", "Hello, Ada!"]
        await begun.signal("welcome", "Grace")
        client, worker = await _worker(ends, real_server)
        async with worker:
            run = client.get_workflow_handle(begun.id)
            await run.signal("welcome", "Lin")
            said = await run.result()
    assert said == ["Hello, host!", "Hello, Ada!", "Hello, Grace!", "Hello, Lin!"]
