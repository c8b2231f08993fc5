"""`tsuzuki top`: of a file beside its owner, and of a server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cli._site import execute, run, run_json, start
from server._running import in_process
from tsuzuki import workflow
from tsuzuki.cli._top import Look, Rates, rates
from tsuzuki.client import Client
from tsuzuki.store import SqliteStore
from tsuzuki.worker import Worker


def test_a_file_is_read_beside_its_owner(here: Path) -> None:
    execute("tea")
    start("tea", workflow_id="two")
    owner = SqliteStore.open(here / "runs.db")
    try:
        look = run_json("top")
        assert look["runs"] == {"RUNNING": 1, "COMPLETED": 1}
        assert look["open_runs"] == [["q", "Research", 1]]
        assert look["owner"].startswith("process ")
        shown = run("top", "--once").stdout
        assert "running 1   completed 1" in shown
        assert "Research" in shown
        assert "queues what waits in them and who polls is not in the file" in shown
    finally:
        owner.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_it_is_drawn_anew_until_ctrl_c(here: Path) -> None:
    import pty

    start("tea")
    ours, theirs = pty.openpty()
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in the background
    command = [sys.executable, "-c", listen + "from tsuzuki.cli import main; main()", "top", "--interval", "10ms"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as shown:
        os.close(theirs)
        drawn = b""
        while b"commits/s" not in drawn:  # the second look
            drawn += os.read(ours, 4096)
        shown.send_signal(signal.SIGINT)
        with suppress(OSError):  # the terminal is gone with the process
            while os.read(ours, 4096):
                pass
        assert shown.wait() == 0
    os.close(ours)
    assert b"Research" in drawn


async def test_a_server_is_asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process() as server, await Client.connect(server.target) as client:
        monkeypatch.setenv("TSUZUKI_TARGET", server.target)
        await client.start_workflow("Research", id="one", task_queue="q")
        await (await client.start_workflow("Research", id="two", task_queue="other")).terminate()
        look = await asyncio.to_thread(run_json, "top")
        assert look["runs"] == {"RUNNING": 1, "TERMINATED": 1}
        assert look["open_runs"] == [["q", "Research", 1]]
        waiting = {"workflow_tasks": 1, "activity_tasks": 0, "workflow_pollers": 0, "activity_pollers": 0}
        [queue] = look["queues"]
        assert queue.pop("add_rate") > 0 == queue.pop("dispatch_rate")
        assert queue == {"name": "q", **waiting}
        shown = (await asyncio.to_thread(run, "top", "--once")).stdout
        assert "workflow pollers" in shown
        assert "not in the file" not in shown

        @workflow.defn(name="Research")
        class Waiting:
            @workflow.run
            async def run(self) -> None:
                await workflow.wait_condition(lambda: False)

        async with Worker(client, task_queue="q", workflows=[Waiting]):
            while (look := await asyncio.to_thread(run_json, "top"))["queues"][0]["workflow_tasks"]:
                pass
            assert look["queues"][0]["workflow_pollers"] == 1


def test_jsonl_is_a_line_for_each_look(here: Path) -> None:
    start("tea")
    command = [sys.executable, "-c", "from tsuzuki.cli import main; main()"]
    command += ["top", "-o", "jsonl", "--interval", "10ms", "--target", "runs.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        looks = [json.loads(shown.stdout.readline()) for _ in range(3)]
        shown.terminate()
    assert [look["runs"] for look in looks] == [{"RUNNING": 1}] * 3


def test_rates_are_per_second() -> None:
    before = Look(10.0, {"RUNNING": 5, "COMPLETED": 1}, [], commits=100)
    now = Look(12.0, {"RUNNING": 3, "COMPLETED": 7}, [], commits=150)
    assert rates(before, now) == Rates(started=2.0, closed=3.0, commits=25.0)


def test_a_file_that_is_not_there_is_one_line(here: Path) -> None:
    assert run("top", code=2).stderr == "tsuzuki: there is no database runs.db\n"
