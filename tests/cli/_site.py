"""A folder with workflow code and a store, and the command run in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tsuzuki.cli._app import _app

CODE = """
import asyncio
from datetime import timedelta
from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy

ASKED = asyncio.Event()

@activity.defn
async def search(word: str) -> str:
    if word == "bad":
        raise ValueError("no such word")
    return word.upper()

@activity.defn
async def approve() -> str:
    ASKED.set()
    activity.raise_complete_async()

@workflow.defn
class Research:
    def __init__(self) -> None:
        self.seen = 0

    @workflow.run
    async def run(self, word: str, until: int = 0) -> str:
        found = await workflow.execute_activity(
            search, word, start_to_close_timeout=timedelta(minutes=1), retry_policy=RetryPolicy(maximum_attempts=1)
        )
        await workflow.wait_condition(lambda: self.seen >= until)
        return found

    @workflow.signal
    def go(self, steps: int) -> None:
        self.seen += steps

    @workflow.query
    def count(self, times: int = 1) -> int:
        return self.seen * times

    @workflow.update
    def add(self, steps: int) -> int:
        self.seen += steps
        return self.seen

    @workflow.update
    async def add_later(self, steps: int) -> int:
        await workflow.wait_condition(lambda: self.seen > 100)
        return steps

    @add.validator
    def check_add(self, steps: int) -> None:
        if steps < 0:
            raise ValueError("steps is negative")

@workflow.defn
class Approval:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(approve, activity_id="ask", start_to_close_timeout=timedelta(hours=1))

@workflow.defn
class Parent:
    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(0.001)
        return await workflow.execute_child_workflow(Research.run, args=["tea"], id="the-child")
"""

Run = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the module `cli_code` in it and `runs.db` as the target."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("cli_code", None)  # of an earlier test, in another folder
    monkeypatch.setenv("TSUZUKI_TARGET", "runs.db")
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "cli_code.py").write_text(CODE)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    """Run the command and check how it ended."""
    result = CliRunner().invoke(_app, list(arguments))
    assert result.exit_code == code, f"{arguments}: exit code {result.exit_code}\n{result.output}\n{result.exception!r}"
    return result


def run_json(*arguments: str, code: int = 0) -> Any:
    """Run the command with `--output json` and read what it writes."""
    return json.loads(run(*arguments, "--output", "json", code=code).stdout)


def execute(word: str, *more: str, workflow_id: str = "one", code: int = 0) -> Result:
    """Run a Research workflow to its end, on a worker beside the command."""
    start = ("workflow", "execute", "--type", "Research", "-t", "q", "-w", workflow_id, "-i", json.dumps(word))
    return run(*start, "--worker", "cli_code", *more, code=code)


def start(word: str, *more: str, workflow_id: str = "one") -> Result:
    """Start a Research workflow; nothing runs it."""
    return run("workflow", "start", "--type", "Research", "-t", "q", "-w", workflow_id, "-i", json.dumps(word), *more)
