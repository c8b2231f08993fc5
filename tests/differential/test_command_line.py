"""Our command line against our server and the real one: the same lines say the same, whichever answers."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from cli._site import CODE, run
from cli.test_agent import CODE as AGENTS
from server._running import in_process
from tsuzuki.client import Client
from tsuzuki.worker import Worker

BROKEN: Final = CODE.replace("        found = await", "        await asyncio.sleep(30)\n        found = await")
LINES: Final = (
    ("check --workflows cli_code --allow-empty *", 0),
    ("check --workflows cli_broken --allow-empty * --format github", 1),
    ("check --workflows cli_broken --allow-empty * --query WorkflowId='open' --sample=0", 1),
    ("workflow replay -w open --workflows cli_code", 0),
    ("workflow replay -w open --workflows cli_broken -o jsonl", 1),
    ("gates --workflows cli_code", 0),
    ("workflow state -w open --event 5 --workflows cli_code -o jsonl", 0),
    ("workflow metadata -w open", 0),
    ("workflow query -w open --name count -i 5 -o jsonl", 0),
    ("workflow update execute -w open --name add -i 1 --update-id u1", 0),
    ("workflow update describe -w open --update-id u1 -o jsonl", 0),
    ("workflow count --query WorkflowType='Research'", 0),
    ("task-queue describe -t q", 0),
    ("task-queue describe -t nobody", 0),
    ("worker list", 0),
    ("workflow signal --query WorkflowId='open' --name go -i 9 -y", 0),
    ("workflow result -w open", 0),
    ("schedule create -s s --type Research -t q -i 1 --interval 24h --paused --notes first", 0),
    ("schedule update -s s --notes second -i 2 --type Approval", 0),
    ("schedule describe -s s", 0),
    ("schedule delete -s s", 0),
    ('schedule create -s c --type Research -t q --calendar {"dayOfWeek":"Fri","hour":"17"} --run-timeout 2h', 0),
    ('schedule update -s c --calendar {"hour":"4"} --static-summary tea --priority-key 2', 0),
    ('schedule update -s c --calendar {"hours":"4"}', 2),
    ("schedule describe -s c", 0),
    ("schedule delete -s c", 0),
    ("operator search-attribute create --name Topic --type Keyword", 0),
    ("operator search-attribute create --name Topic --type Int", 1),
    ("operator namespace create team-a --retention 72h --description x", 0),
    ("operator namespace describe team-a", 0),
    ("agent approval list", 0),
    ("agent pause -w asks --reason lunch --by ann", 0),
    ("agent status -w asks", 0),
    ("agent approval reject -w asks -a nothing", 1),
    ("agent approval approve -w asks -a approval-1 --comment good --by ben --edited 7", 0),
    ("agent approval list -w asks --all -o jsonl", 0),
    ("agent budget show -w asks", 1),
    ("agent resume -w asks --by ann", 0),
    ("workflow result -w asks", 0),
    ("batch list", 0),
    ("workflow delete -w closed", 0),
)
MASKS: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "TIME"),
    (re.compile(r"[\d,]+\.\d\d/s *"), "RATE "),  # of the last half minute
)


@asynccontextmanager
async def with_runs(target: str) -> AsyncIterator[None]:
    """A worker, and two runs: one has ended, one waits."""
    import cli_agents
    import cli_code

    async with (
        await Client.connect(target) as client,
        Worker(
            client,
            task_queue="q",
            workflows=[cli_code.Approval, cli_code.Research, cli_agents.Asking],
            activities=[cli_code.approve, cli_code.search],
        ),
    ):
        await client.execute_workflow("Research", args=["tea"], id="closed", task_queue="q")
        asks = await client.start_workflow("Asking", id="asks", task_queue="q")
        await asks.query("list_approvals")  # it has asked
        handle = await client.start_workflow("Research", args=["tea", 5], id="open", task_queue="q")
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_id >= 10:  # the task after the search is done
                break
        yield


async def told(target: str) -> dict[str, str]:
    """What the command line says for each line, without what differs by nature."""
    said = {}
    async with with_runs(target):
        for line, code in LINES:
            arguments = [*line.split(), "--target", target]
            text = (await asyncio.to_thread(run, *arguments, code=code)).output
            for pattern, mask in MASKS:
                text = pattern.sub(mask, text)
            said[line] = text
    return said


async def test_the_same_lines_say_the_same(real_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name, code in (("cli_code", CODE), ("cli_broken", BROKEN), ("cli_agents", AGENTS)):
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(code)
    theirs = await told(real_server)
    async with in_process() as server:
        ours = await told(server.target)
    assert {line: text for line, text in ours.items() if theirs[line] != text} == {}, theirs
    assert "::error file=cli_broken.py,line=" in ours[LINES[1][0]]
    assert "Signal recorded: 1 run." in next(text for line, text in ours.items() if line.startswith("workflow signal"))
