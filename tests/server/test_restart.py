"""The server is killed with SIGKILL; its clients and workers, elsewhere, go on when it is back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from server import _official_program as program
from server._running import in_subprocess


async def test_a_killed_server_goes_on_with_its_runs(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with ExitStack() as servers:  # they outlive the worker: one that ends tells its server, and waits for its polls
        first = servers.enter_context(in_subprocess(db))
        port = int(first.target.rpartition(":")[2])
        client = await Client.connect(first.target)
        async with Worker(client, task_queue="q", workflows=program.WORKFLOWS, activities=program.ACTIVITIES):
            handle = await client.start_workflow(program.Counter.run, id="c", task_queue="q")
            await handle.signal(program.Counter.add, 5)
            assert await handle.query(program.Counter.total_now) == 5
            first.kill()
            servers.enter_context(in_subprocess(db, port=port))
            await handle.signal(program.Counter.add, 1)
            await handle.signal(program.Counter.finish)
            assert await handle.result() == 6
    assert f"database        {db}" in first.greeting
