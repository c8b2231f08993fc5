"""`tsuzuki top`: of a file beside its owner, and of a server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cli._site import execute, run, run_json, start
from server._running import in_process
from tsuzuki.cli._top import Look, Rates, rates
from tsuzuki.client import Client
from tsuzuki.store import SqliteStore


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
        await (await client.start_workflow("Research", id="two", task_queue="q")).terminate()
        look = await asyncio.to_thread(run_json, "top")
        assert look["runs"] == {"RUNNING": 1, "TERMINATED": 1}
        assert look["open_runs"] == [["q", "Research", 1]]


def test_rates_are_per_second() -> None:
    before = Look(10.0, {"RUNNING": 5, "COMPLETED": 1}, [], commits=100)
    now = Look(12.0, {"RUNNING": 3, "COMPLETED": 7}, [], commits=150)
    assert rates(before, now) == Rates(started=2.0, closed=3.0, commits=25.0)


def test_a_file_that_is_not_there_is_one_line(here: Path) -> None:
    assert run("top", code=2).stderr == "tsuzuki: there is no database runs.db\n"
