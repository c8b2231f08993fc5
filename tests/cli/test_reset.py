"""`tsuzuki workflow reset`, on a file and through a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cli._site import execute, run, run_json, start
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.worker import Worker

WORKER = ("--worker", "cli_code", "-t", "q")


@pytest.mark.usefixtures("here")
def test_a_closed_run_goes_on_in_a_new_one() -> None:
    execute("tea")
    old = run_json("workflow", "describe", "-w", "one")["workflowExecutionInfo"]["execution"]["runId"]
    new = run_json("workflow", "reset", "-w", "one", "--type", "FirstWorkflowTask", "--reason", "again")["runId"]
    assert new != old
    assert run_json("workflow", "result", "-w", "one", *WORKER)["result"] == "TEA"
    assert len(run_json("workflow", "show", "-w", "one", "-r", old)["events"]) == 11
    run("workflow", "reset", "-w", "one", "--type", "LastWorkflowTask", "--reason", "once more")
    run("workflow", "reset", "-w", "one", "-r", old, "-e", "4", "--reason", "from the first run")


@pytest.mark.usefixtures("here")
def test_all_that_a_filter_finds_go_on_in_new_runs() -> None:
    for workflow_id in ("one", "two"):
        execute("tea", workflow_id=workflow_id)
    many = ("workflow", "reset", "--query", "WorkflowType = 'Research'", "--reason", "again")
    told = run(*many, "--type", "FirstWorkflowTask", "--yes").stdout
    assert told.startswith("Reset: 2 runs. Batch operation ")
    assert run_json("workflow", "count", "--query", "ExecutionStatus = 'Running'")["count"] == 2
    assert run_json("workflow", "count")["count"] == 4
    assert "of many give --type" in run(*many, "-e", "4", code=2).stderr
    run(*many, "--type", "LastWorkflowTask", code=1)  # nobody answers the question
    assert "one of them" in run("workflow", "reset", "--reason", "x", "--type", "LastWorkflowTask", code=2).stderr


async def test_signals_since_are_applied_again_through_a_server(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process() as server:
        monkeypatch.setenv("TSUZUKI_TARGET", server.target)
        from cli_code import Research, search

        async with (
            await Client.connect(server.target) as client,
            Worker(client, task_queue="q", workflows=[Research], activities=[search]),
        ):
            begin = ("workflow", "start", "--type", "Research", "-t", "q", "-w", "one", "-i", '"tea"', "-i", "1")
            await asyncio.to_thread(run, *begin)
            handle = client.get_workflow_handle("one")
            await handle.signal("go", 1)
            await handle.result()
            again = ("workflow", "reset", "-w", "one", "--type", "FirstWorkflowTask", "--reason", "again")
            await asyncio.to_thread(run, *again)
            assert await asyncio.wait_for(client.get_workflow_handle("one").result(), 60) == "TEA"


@pytest.mark.usefixtures("here")
def test_what_is_wrong_is_one_line() -> None:
    start("tea")
    base = ("workflow", "reset", "-w", "one", "--reason", "r")
    assert "one of them" in run(*base, code=2).stderr
    assert "expected FirstWorkflowTask" in run(*base, "--type", "No", code=2).stderr
    assert "expected All, Signal or Update" in run(*base, "-e", "4", "--reapply-exclude", "No", code=2).stderr
    assert "nothing to go back to" in run(*base, "--type", "LastWorkflowTask", code=2).stderr
    assert run(*base, "-e", "99", code=1).stderr.count("\n") == 1
