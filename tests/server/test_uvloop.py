"""`--uvloop`: the same server on another event loop, if its package is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typer.testing import CliRunner

from server._running import in_subprocess
from server.test_eager_activities import Doubles, twice
from tsuzuki.cli._app import _app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at what a process has loaded in /proc")


def has_loaded_uvloop(pid: int) -> bool:
    return "uvloop" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("wished", [True, False])
async def test_an_official_worker_runs_on_it(tmp_path: Path, wished: bool) -> None:
    with in_subprocess(tmp_path / "runs.db", arguments=("--uvloop",) if wished else ()) as server:
        assert has_loaded_uvloop(server.process.pid) is wished
        if wished:
            client = await Client.connect(server.target)
            runner = UnsandboxedWorkflowRunner()
            async with Worker(client, task_queue="q", workflow_runner=runner, workflows=[Doubles], activities=[twice]):
                assert await client.execute_workflow(Doubles.run, 3, id="w", task_queue="q") == [0, 2, 4]
        server.process.terminate()
        assert server.process.wait(20) == 0


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    result = CliRunner().invoke(_app, ["server", "start", "--port", "0", "--no-http", "--uvloop"])
    assert result.exit_code == 1
    assert "pip install 'tsuzuki[uvloop]'" in result.output
