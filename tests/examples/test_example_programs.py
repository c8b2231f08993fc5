"""The programs of the chapter's patterns run as they stand, on the engine and on the real server."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from in_turn import InTurn

from tsuzuki.client import Client

ROOT = Path(__file__).parents[2]

OUTPUT = {
    "wait_for_all": """\
Why? Because.
Why do cats purr? Because.
Why is the sky blue at noon and red at night? Because.
""",
    "first_come": """\
1. three facts about hares
2. three facts about tortoises
3. three facts about snails
""",
    "time_limit": """\
the thinker was told to stop
no answer within 1 s
""",
    "children": """\
three facts about owls
nothing about unicorns: there are none
three facts about ants
""",
    "fire_and_forget": """\
writer is done
planner: 700 tokens
writer: 600 tokens
""",
    "pause_resume": """\
paused: paused
read all 5 pages
paused: paused
put away before the end
""",
    "endless": """\
35 rounds, in all 36
4 runs
""",
    "cancellable_loop": """\
saved what was read
ended by CancelledError
""",
    "memory": """\
What now? Knowing summary of monday, last message of monday.
What now? Knowing nothing.
""",
    "change_code": """\
the old run: B(A(old))
a new run:   B2(C(A(new)), express=True)
""",
    "who_asked": """\
audit: ada called read('page 7',)
page 7 for ada
audit: grace called read('page 7',)
page 7 for grace
""",
    "traced": """\
StartWorkflow:Research
StartWorkflow:Research -> RunWorkflow:Research
StartWorkflow:Research -> StartActivity:find
StartActivity:find -> RunActivity:find
StartWorkflow:Research -> StartActivity:find
StartActivity:find -> RunActivity:find
StartWorkflow:Research -> CompleteWorkflow:Research
pages_found 9
temporal_activity_task_received 2
temporal_workflow_completed 1
""",
    "deep_research": """\
Follow this plan? 9 topics; the first three will do
paused: lunch first
# How do a lamp and a switch work?
4 citations by 4 agents
162 words read
""",
    "quote": """\
a quote of 55
14 events
""",
    "streaming_agent": """\
the model: Let me look it up.
tool_call=search arguments={'topic': 'owls'}
librarian.search is tried again
tool_result=search content=one sentence about owls, from the shelf of birds
tool_call=final_result arguments={'title': 'Owls', 'sentences': 1}
Owls 1
""",
    "three_of_five": """\
a report on cats, wolves, zebrafish
""",
}


@pytest.mark.parametrize("name", OUTPUT)
def test_it_runs_as_it_stands(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, OUTPUT[name]), done.stderr


DIES = """
import os, runpy, sys
import tsuzuki.agents as agents

async def die(self, *given, **named):
    os.kill(os.getpid(), 9)

owner, method = sys.argv.pop(1).split(".")
setattr(getattr(agents, owner), method, die)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.parametrize("at", ["RemoteApprovals.approve", "RemoteControl.resume"])
def test_deep_research_goes_on_in_another_process(at: str, tmp_path: Path) -> None:
    program, target = str(ROOT / "examples" / "deep_research.py"), "sqlite:///deep.db"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments, target],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert run("-c", DIES, at, program).returncode == -signal.SIGKILL
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == OUTPUT["deep_research"].splitlines()[-3:]


STREAMS = {"streaming_agent"}
"""They show an event stream, which no other server keeps."""


SLEEPERS = {"first_come": ("first-come", 3), "three_of_five": ("three-of-five", 4)}
"""Whose output goes by the order in which activities end: the workflow id, and how many of them sleep."""


@pytest.mark.parametrize("name", [name for name in OUTPUT if name not in STREAMS | SLEEPERS.keys()])
async def test_it_runs_the_same_on_the_real_server(
    name: str, real_server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    await importlib.reload(importlib.import_module(name)).main(real_server)
    assert capfd.readouterr().out == OUTPUT[name]


@pytest.mark.parametrize("name", SLEEPERS)
async def test_it_takes_results_in_the_same_order_on_the_real_server(
    name: str, real_server: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, (workflow_id, count) = importlib.import_module(name), SLEEPERS[name]
    in_turn = InTurn(count)
    monkeypatch.setattr(module, "asyncio", in_turn)
    async with await Client.connect(real_server) as client:
        conducting = asyncio.create_task(in_turn.conduct(client.get_workflow_handle(workflow_id)))
        await module.main(real_server)
        await conducting
    assert capfd.readouterr().out == OUTPUT[name]


def test_every_example_is_tested() -> None:
    elsewhere = {"order", "research"}
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == {*elsewhere, *OUTPUT}


def test_no_module_of_the_tests_takes_the_name_of_an_example() -> None:
    # The folders of tests without __init__.py are on one path: the first module of a name would be the one for all.
    helpers = {path.stem for path in (ROOT / "tests").glob("*/*.py") if not (path.parent / "__init__.py").exists()}
    assert not helpers & {path.stem for path in (ROOT / "examples").glob("*.py")}
