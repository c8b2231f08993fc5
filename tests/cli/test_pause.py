"""Holding activities and workflows, on a file and on a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli._site import run, run_json
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.worker import Worker

ABOUT = ("-w", "one", "-a", "ask")


@pytest_asyncio.fixture(params=["file", "server"])
async def asking(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A run `one` whose activity `ask` runs until it is completed from outside; gives the target."""
    from cli_code import ASKED, Approval, approve

    async with AsyncExitStack() as stack:
        target = "sqlite:///runs.db"
        if request.param == "server":
            target = (await stack.enter_async_context(in_process())).target
        async with (
            await Client.connect(target) as client,
            Worker(client, task_queue="q", workflows=[Approval], activities=[approve]),
        ):
            await client.start_workflow("Approval", id="one", task_queue="q")
            await ASKED.wait()
        monkeypatch.setenv("TSUZUKI_TARGET", target)
        yield target


async def command(*arguments: str, code: int = 0) -> Any:
    return await asyncio.to_thread(run_json, *arguments, code=code)


async def text(*arguments: str, code: int = 0) -> str:
    return (await asyncio.to_thread(run, *arguments, code=code)).output


async def pending() -> dict[str, Any]:
    [activity] = (await command("workflow", "describe", "-w", "one"))["pendingActivities"]
    return dict(activity)


async def test_an_activity_is_paused_reset_and_goes_on(asking: str) -> None:
    paused = await command("activity", "pause", *ABOUT, "--reason", "not now", "--identity", "ann")
    assert paused == {"workflowId": "one", "activityId": "ask", "status": "PAUSED"}
    info = (await pending())["pauseInfo"]["manual"]
    assert info == {"identity": "ann", "reason": "not now"}
    assert "by ann: not now" in await text("workflow", "describe", "-w", "one")
    await command("activity", "reset", *ABOUT, "--keep-paused", "--clear-heartbeat-details", "--jitter", "1s")
    assert (await pending())["paused"]
    assert await text("activity", "unpause", *ABOUT, "--reset-attempts") == "Activity ask of one unpaused.\n"
    assert "paused" not in await pending()
    await command("activity", "complete", *ABOUT, "--result", '"yes"')
    assert "no pending activity with id 'ask'" in await text("activity", "pause", *ABOUT, code=1)


async def test_options_of_an_activity_are_changed_and_restored(asking: str) -> None:
    change = ("activity", "update-options", *ABOUT)
    more = ("--heartbeat-timeout", "30s", "--retry-maximum-attempts", "3", "--task-queue", "other")
    options = (await command(*change, *more))["activityOptions"]
    assert (options["heartbeatTimeout"], options["taskQueue"]["name"]) == ("30s", "other")
    assert options["retryPolicy"]["maximumAttempts"] == 3
    assert (await pending())["activityOptions"]["heartbeatTimeout"] == "30s"
    shown = await text(*change, "--restore-original-options")
    assert "HeartbeatTimeout" not in shown
    assert "unlimited" in shown
    assert "give options to change" in await text(*change, code=2)
    assert "start_to_close_timeout" in await text(*change, "--start-to-close-timeout", "0s", code=1)


async def test_a_workflow_is_paused_and_goes_on(asking: str) -> None:
    paused = await command("workflow", "pause", "-w", "one", "--reason", "look first")
    assert paused == {"workflowId": "one", "status": "PAUSED"}
    assert (await command("workflow", "list", "-q", "ExecutionStatus = 'Paused'"))[0]["execution"][
        "workflowId"
    ] == "one"
    assert "look first" in await text("workflow", "describe", "-w", "one")
    assert (await command("top", "--once", "--output", "json"))["open_runs"] == [["q", "Approval", 1]]
    checked = await text("check", "--workflows", "cli_code", "--allow-empty", "*")
    assert "Approval: 1 open and 0 closed replayed" in checked
    assert "already paused" in await text("workflow", "pause", "-w", "one", code=1)
    assert await text("workflow", "unpause", "-w", "one") == "Workflow one unpaused.\n"
    assert "is not paused" in await text("workflow", "unpause", "-w", "one", code=1)


async def test_activities_of_many_runs_are_acted_on(asking: str) -> None:
    all_of_them = ("-q", "WorkflowType = 'Approval'", "--yes", "--reason", "all of them")
    await command("activity", "pause", *ABOUT)
    done = await command("activity", "unpause", *all_of_them)
    assert (done["operationType"], done["completeOperationCount"]) == ("BATCH_OPERATION_TYPE_UNPAUSE_ACTIVITY", "1")
    assert "paused" not in await pending()
    said = await text("activity", "update-options", "--heartbeat-timeout", "30s", *all_of_them)
    assert said.startswith("Options changed: 1 run.")
    assert (await pending())["activityOptions"]["heartbeatTimeout"] == "30s"
    await command("activity", "reset", "--restore-original-options", *all_of_them)
    assert (await pending())["activityOptions"]["heartbeatTimeout"] == "0s"
    assert "--activity-id and --workflow-id, or --query" in await text("activity", "reset", "-a", "ask", code=2)
    assert "--query is for many" in await text("activity", "reset", *ABOUT, *all_of_them, code=2)


async def test_what_is_done_to_open_runs_is_done_to_paused_ones(asking: str) -> None:
    await command("workflow", "pause", "-w", "one")
    await command("workflow", "terminate", "--query", "WorkflowType = 'Approval'", "--yes")
    assert await command("workflow", "list", "-q", "CloseTime IS NULL") == []
