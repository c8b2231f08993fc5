"""`tsuzuki workflow debug` under the real pdb and the real debugpy, and the watchdog while a person looks."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cli._debug_adapter import Ide
from cli._site import CODE, execute, run, start

TSUZUKI = Path(sys.executable).with_name("tsuzuki")

FIRST_LINE = next(n for n, line in enumerate(CODE.splitlines(), 1) if "found = await" in line)
LAST_LINE = next(n for n, line in enumerate(CODE.splitlines(), 1) if "return found" in line)


def debug(*arguments: str, typed: str) -> str:
    """Run the debugger in a process of its own, with what a person types."""
    done = subprocess.run(
        [str(TSUZUKI), "workflow", "debug", "-w", "one", "--workflows", "cli_code", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("here")
def test_pdb_shows_the_real_frames_at_the_event() -> None:
    execute("tea")
    shown = debug("-e", "5", typed="p word\np self.seen\np 'found' in locals()\npending\nq\n")
    assert f"cli_code.py:{FIRST_LINE} in Research.run" in shown
    assert "(tsuzuki) 'tea'\n(tsuzuki) 0\n(tsuzuki) False\n" in shown
    assert "activity search (1), event 5" in shown
    assert "query count: 0" in shown


@pytest.mark.usefixtures("here")
def test_a_coroutine_is_chosen() -> None:
    start("tea", "-i", "9")
    run("workflow", "signal", "-w", "one", "--name", "go", "-i", "1")
    waiting = ("workflow", "update", "start", "-w", "one", "--name", "add_later", "-i", "5", "--update-id", "later")
    run(*waiting, "--worker", "cli_code", "-t", "q")
    listed = debug(typed="q\n").splitlines()
    [runs] = [line[0] for line in listed if line.endswith(" in Research.run")]
    [adds] = [line[0] for line in listed if line.endswith(" in Research.add_later")]
    shown = debug(typed=f"task {adds}\np steps\ntask {runs}\np word\ntask 7\nq\n")
    assert "(tsuzuki) 5\n" in shown
    assert "(tsuzuki) 'tea'\n" in shown
    assert "expected the number of a task, 0 to 1" in shown


@pytest.mark.usefixtures("here")
def test_a_breakpoint_stops_the_replay_and_steps() -> None:
    execute("tea")
    shown = debug("-b", f"cli_code.py:{LAST_LINE}", typed="p found\np self.seen\nc\n")
    assert f"cli_code.py({LAST_LINE})run()" in shown
    assert "(tsuzuki) 'TEA'" in shown
    assert "No code waits: the workflow has returned" in shown
    assert "at event" not in debug("-b", f"cli_code.py:{LAST_LINE}", typed="q\n")


def test_breakpoint_in_workflow_code_opens_pdb(here: Path) -> None:
    execute("tea")
    changed = CODE.replace("        found = await", "        breakpoint()\n        found = await")
    (here / "cli_code.py").write_text(changed)
    shown = debug("-e", "5", typed="p word\nc\nq\n")
    assert "(Pdb) 'tea'\n" in shown
    assert "Research one at event 5" in shown


@pytest.mark.usefixtures("here")
def test_what_is_wrong_is_one_line() -> None:
    execute("tea")
    base = ("workflow", "debug", "-w", "one", "--workflows", "cli_code")
    assert "there is no event 99" in run(*base, "-e", "99", code=2).stderr
    assert "expected FILE:LINE" in run(*base, "-b", "cli_code.py", code=2).stderr
    assert "there is no file" in run(*base, "-b", "other.py:3", code=2).stderr
    assert "no breakpoint at" in run(*base, "-b", "cli_code.py:9999", code=2).stderr


def test_an_ide_attaches_and_stops_in_workflow_code_and_at_the_event(here: Path) -> None:
    execute("tea")
    command = [str(TSUZUKI), "workflow", "debug", "-w", "one", "-e", "5", "--workflows", "cli_code"]
    with process([*command, "--wait-for-ide", "--ide-port", "0"]) as (debugged, first_line):
        with closing(Ide(int(re.findall(r":(\d+);", first_line)[0]))) as ide:
            ide.attach({str(here / "cli_code.py"): [FIRST_LINE]})
            thread = ide.stopped()
            name, variables = ide.variables(thread)
            assert (name, variables["word"]) == ("run", "'tea'")
            while name == "run":  # the line is come to again when its activity is done
                ide.go_on(thread)
                thread = ide.stopped()
                name, variables = ide.variables(thread)
            assert "'Research.run'" in variables["waiting"]
            ide.go_on(thread)
        assert debugged.wait() == 0


# ---- the watchdog ----------------------------------------------------------------------------------

HELD_S = 1.0
HELD_UP = """
import asyncio, logging, sys
from datetime import timedelta
from tsuzuki import workflow
from tsuzuki.client import Client
from tsuzuki.worker import Worker

logging.basicConfig(stream=sys.stdout)

@workflow.defn
class Held:
    @workflow.run
    async def run(self) -> str:
        word = "tea"
        STOP
        return word

async def main() -> None:
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="q", workflows=[Held], deadlock_timeout=timedelta(seconds=0.2)),
    ):
        print("result", await client.execute_workflow(Held.run, id="one", task_queue="q"), flush=True)

ATTACH
asyncio.run(main())
"""


BEGINNINGS = ("begins", "port", "waiting for an IDE")


@contextmanager
def process(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert started.stdout is not None
    try:
        line = started.stdout.readline()
        while line and not line.startswith(BEGINNINGS):  # debugpy may have warnings
            line = started.stdout.readline()
        yield started, line
    finally:
        started.kill()
        started.wait()
        for stream in (started.stdin, started.stdout):
            assert stream is not None
            stream.close()


def test_the_watchdog_keeps_quiet_under_pdb(here: Path) -> None:
    (here / "held.py").write_text(
        HELD_UP.replace("STOP", "breakpoint()").replace("ATTACH", 'print("begins", flush=True)')
    )
    with process([sys.executable, "-u", "held.py"]) as (held, _):
        assert held.stdin is not None
        assert held.stdout is not None
        assert held.stdout.readline().startswith("> ")  # it stands at the breakpoint
        time.sleep(HELD_S)  # a person looks, for longer than the deadlock timeout
        rest, _ = held.communicate("p word\nc\n", timeout=60)
    assert "'tea'" in rest
    assert "result tea" in rest
    assert "Deadlock" not in rest


def test_the_watchdog_keeps_quiet_under_debugpy(here: Path) -> None:
    attach = """
import debugpy
print("port", debugpy.listen(("127.0.0.1", 0))[1], flush=True)
debugpy.wait_for_client()
"""
    text = HELD_UP.replace("STOP", "pass").replace("ATTACH", attach)
    (here / "held.py").write_text(text)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if each.strip() == "pass")
    with (
        process([sys.executable, "-Xfrozen_modules=off", "-u", "held.py"]) as (held, first_line),
        closing(Ide(int(first_line.split()[1]))) as ide,
    ):
        ide.attach({str(here / "held.py"): [line]})
        thread = ide.stopped()
        time.sleep(HELD_S)  # a person looks, for longer than the deadlock timeout
        assert ide.variables(thread)[1]["word"] == "'tea'"
        ide.go_on(thread)
        said = []
        assert held.stdout is not None
        while not said or not said[-1].startswith("result"):  # not to the end: the adapter has the pipe too
            said.append(held.stdout.readline())
            assert said[-1], said
            assert "deadlock" not in said[-1].lower()
    assert said == ["result tea\n"]
