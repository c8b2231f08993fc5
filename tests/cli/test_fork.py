"""`tsuzuki workflow fork`, on a file and through a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cli._site import execute, run, run_json
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.worker import Worker

WORKER = ("--worker", "cli_code", "-t", "q")


@pytest.mark.usefixtures("here")
def test_a_fork_with_another_result_on_a_file() -> None:
    execute("tea")
    made = run_json("workflow", "fork", "-w", "one", "-e", "5", "--set-result", '1="MILK"', "--new-workflow-id", "two")
    assert made["workflowId"] == "two"
    assert run_json("workflow", "result", "-w", "two", *WORKER)["result"] == "MILK"
    assert run_json("workflow", "result", "-w", "one", *WORKER)["result"] == "TEA"
    described = run_json("workflow", "describe", "-w", "two")["workflowExecutionInfo"]
    assert described["memo"]["fields"]["tsuzuki_forked_from"]["event_id"] == 5


@pytest.mark.usefixtures("here")
def test_a_result_that_was_seen_names_the_events_that_work() -> None:
    execute("tea")
    refused = run("workflow", "fork", "-w", "one", "-e", "10", "--set-result", '1="MILK"', code=0)
    assert refused  # the task that ended the run is done again, so event 10 is one that works
    execute("tea", "-i", "0", workflow_id="longer")
    missing = run("workflow", "fork", "-w", "one", "-e", "50", code=2)
    assert missing.stderr == "tsuzuki: there is no event 50 to fork from: the history has events 1 to 11.\n"
    assert "expected NAME=JSON" in run("workflow", "fork", "-w", "one", "-e", "5", "--signal", "=1", code=2).stderr
    unquoted = run("workflow", "fork", "-w", "one", "-e", "5", "--signal", "go=on", code=2).stderr
    assert unquoted.startswith("tsuzuki: --signal go=on is not JSON: ")
    assert unquoted.endswith("""Text takes quotes: --signal 'go="on"'\n""")


async def test_a_fork_with_a_signal_through_a_server(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process() as server:
        monkeypatch.setenv("TSUZUKI_TARGET", server.target)
        from cli_code import Research, search

        async with (
            await Client.connect(server.target) as client,
            Worker(client, task_queue="q", workflows=[Research], activities=[search]),
        ):
            begin = ("workflow", "start", "--type", "Research", "-t", "q", "-w", "one", "-i", '"tea"', "-i", "2")
            await asyncio.to_thread(run, *begin)
            handle = client.get_workflow_handle("one")
            async for event in handle.fetch_history_events(wait_new_event=True):
                if event.event_id == 10:
                    break
            asked = ("workflow", "fork", "-w", "one", "-e", "10", "--signal", "go=2", "--new-workflow-id", "two")
            await asyncio.to_thread(run, *asked)
            assert await client.get_workflow_handle("two").result() == "TEA"
            assert (await handle.describe()).close_time is None
