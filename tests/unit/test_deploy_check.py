"""The check before a deployment, the inventory of gates, and their commands, on a store with runs in it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from temporalio.api.history.v1 import HistoryEvent
from typer.testing import CliRunner, Result

from tsuzuki.cli._app import _app
from tsuzuki.client import (
    Client,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    RPCError,
    WorkflowHandle,
    WorkflowNotFoundError,
)
from tsuzuki.replay import deploy_check, load_workflows
from tsuzuki.service import StatusCode
from tsuzuki.worker import Worker

OLD = """
import asyncio
from datetime import timedelta
from tsuzuki import activity, workflow

@activity.defn
async def search(word: str) -> str:
    return word.upper()

@workflow.defn
async def research(word: str) -> str:
    found = await workflow.execute_activity(search, word, start_to_close_timeout=timedelta(minutes=1))
    await workflow.wait_condition(lambda: word != "wait")
    return found

@workflow.defn
async def unused() -> None:
    pass
"""
INSERTED = "    await asyncio.sleep(30)\n    found = await"
GATED = """    if workflow.get_version("rest_v1", workflow.DEFAULT_VERSION, 1) >= 1:
        await asyncio.sleep(30)
    found = await"""


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store in which `old_code` ran: one run is closed, one waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("old_code", "inserted_code", "gated_code"):  # of an earlier test, in another folder
        sys.modules.pop(module, None)
    monkeypatch.setenv("TSUZUKI_TARGET", "sqlite:///runs.db")
    write(tmp_path, "old_code", OLD)
    write(tmp_path, "inserted_code", OLD.replace("    found = await", INSERTED))
    write(tmp_path, "gated_code", OLD.replace("    found = await", GATED))
    await run_some("old_code", "runs.db", ["closed", "wait"])
    return tmp_path


async def run_some(module: str, store: str, words: Sequence[str]) -> None:
    workflows = load_workflows([module])
    search = __import__(module).search
    async with (
        await Client.connect(f"sqlite:///{store}") as client,
        Worker(client, task_queue="q", workflows=workflows, activities=[search]),
    ):
        for word in words:
            handle = await client.start_workflow("research", word, id=word, task_queue="q")
            if word == "wait":
                await _until_searched(handle)
            else:
                await handle.result()


async def _until_searched(handle: WorkflowHandle[str]) -> None:
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_id >= 10:  # the task after the search is done
            return


def run(*arguments: str) -> Result:
    return CliRunner().invoke(_app, list(arguments))


def test_the_same_code_is_safe_once_the_unused_type_is_allowed(site: Path) -> None:
    refused = run("check", "--workflows", "old_code")
    assert refused.exit_code == 1
    assert "safe    research: 1 open and 1 closed replayed" in refused.stdout
    assert "EMPTY   unused: no history" in refused.stdout
    assert refused.stdout.endswith("Do not deploy: no history of unused.\n")
    allowed = run("check", "--workflows", "old_code", "--allow-empty", "unused")
    assert (allowed.exit_code, allowed.stdout.splitlines()[-1]) == (0, "Safe to deploy: 2 runs replayed.")


def test_an_ungated_change_is_caught_at_its_line(site: Path) -> None:
    result = run("check", "--workflows", "inserted_code", "--allow-empty", "*")
    assert result.exit_code == 1
    line = (site / "inserted_code.py").read_text().splitlines().index("    await asyncio.sleep(30)") + 1
    assert f"inserted_code.py:{line}: history event 5 is ActivityTaskScheduled 'search'" in result.stdout
    assert "now produces StartTimer 30 s" in result.stdout
    assert 'gate: if workflow.get_version("change_search_v1", workflow.DEFAULT_VERSION, 1) >= 1:' in result.stdout
    assert "Do not deploy: 2 of 2 runs would break." in result.stdout


def test_a_gated_change_is_safe(site: Path) -> None:
    assert run("check", "--workflows", "gated_code", "--allow-empty", "*").exit_code == 0


def test_closed_runs_are_left_out_with_no_sample(site: Path) -> None:
    result = run("check", "--workflows", "inserted_code", "--allow-empty", "*", "--sample", "0")
    assert "BROKEN  research: 1 open and 0 closed replayed, 1 broken" in result.stdout


async def start_for_nobody() -> None:
    async with await Client.connect("sqlite:///runs.db") as client:
        for id in ("new", "terminated", "cancelled"):
            await client.start_workflow("research", "soon", id=id, task_queue="nobody")
        await client.get_workflow_handle("terminated").terminate()
        await client.get_workflow_handle("cancelled").cancel()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ("word: int", "argument 'word' of workflow 'research'"),
        ("word: str, limit: int", "was started with 1 argument(s); missing: limit"),
        ("", "was started with 1 argument(s), but takes 0"),
    ],
)
def test_a_run_that_has_not_begun_and_cannot_read_its_input_is_broken(site: Path, changed: str, reason: str) -> None:
    asyncio.run(start_for_nobody())
    assert run("check", "--workflows", "old_code", "--allow-empty", "*").exit_code == 0
    write(site, "narrowed_code", OLD.replace("research(word: str)", f"research({changed})"))
    sys.modules.pop("narrowed_code", None)
    result = run("check", "--workflows", "narrowed_code", "--allow-empty", "*", "--format", "json")
    assert result.exit_code == 1
    (found,) = (each for each in json.loads(result.stdout)["types"] if each["workflow_type"] == "research")
    broken = {each["workflow_id"]: each for each in found["broken"]}
    assert set(broken) == {"wait", "closed", "new", "cancelled"}, "what was ended before it began stops nobody"
    line = 1 + next(
        n for n, text in enumerate((site / "narrowed_code.py").read_text().splitlines()) if "def research" in text
    )
    assert {(each["path"], each["line"], each["gate"]) for each in broken.values()} == {("narrowed_code.py", line, "")}
    assert all(reason in each["error"] for each in broken.values())


class Holding(OutboundInterceptor):
    """Gives no history before so many were asked for; one of them has been deleted meanwhile."""

    def __init__(self, next: OutboundInterceptor, owner: Held) -> None:
        super().__init__(next)
        self.owner = owner

    async def _events(self, input: FetchWorkflowHistoryEventsInput) -> AsyncIterator[HistoryEvent]:
        owner = self.owner
        owner.asked.append(input.id)
        if len(owner.asked) == owner.expected:
            owner.together.set()
        await asyncio.wait_for(owner.together.wait(), 60)
        if input.id == owner.gone:
            raise WorkflowNotFoundError(f"there is no workflow {input.id!r}", StatusCode.NOT_FOUND)
        async for event in self.next.fetch_workflow_history_events(input):
            yield event

    def fetch_workflow_history_events(self, input: FetchWorkflowHistoryEventsInput) -> AsyncIterator[HistoryEvent]:
        return self._events(input)


class Held(Interceptor):
    def __init__(self, expected: int, gone: str = "") -> None:
        self.expected, self.gone = expected, gone
        self.asked: list[str] = []
        self.together = asyncio.Event()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return Holding(next, self)


async def test_histories_are_read_ahead_and_a_run_that_is_gone_is_left_out(site: Path) -> None:
    await run_some("old_code", "runs.db", ["second", "third"])
    held = Held(3, gone="second")
    async with await Client.connect("sqlite:///runs.db", interceptors=[held]) as client:
        workflows = load_workflows(["old_code"])
        verdict = await deploy_check(client, workflows, query="ExecutionStatus != 'Running'", allow_empty=["unused"])
    assert sorted(held.asked) == ["closed", "second", "third"]  # one after the other they would wait for ever
    assert (verdict.ok, verdict.types[0].closed_runs) == (True, 2)


async def test_a_server_that_fails_meanwhile_ends_the_check(site: Path) -> None:
    await run_some("old_code", "runs.db", ["second"])
    held = Held(99)
    held.together.set()
    async with await Client.connect("sqlite:///runs.db", interceptors=[held]) as client:

        def fail(name: str, count: int) -> None:
            raise RPCError("the server is gone", StatusCode.UNAVAILABLE)

        with pytest.raises(RPCError):
            await deploy_check(client, load_workflows(["old_code"]), progress=fail)


def test_the_formats_for_programs_name_every_broken_run(site: Path) -> None:
    arguments = ["check", "--workflows", "inserted_code", "--format"]
    found = json.loads(run(*arguments, "json").stdout)
    assert not found["ok"]
    assert [(one["workflow_type"], one["ok"], one["replayed"]) for one in found["types"]] == [
        ("research", False, 2),
        ("unused", False, 0),
    ]
    github = run(*arguments, "github").stdout.splitlines()
    assert len(github) == 3
    assert github[0].startswith("::error file=inserted_code.py,line=")
    suite = ElementTree.fromstring(run(*arguments, "junit").stdout)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("no_such_code", "there is no module 'no_such_code'"),
        ("json", "module 'json' has no workflow"),
    ],
)
def test_a_module_that_cannot_serve_is_named(site: Path, module: str, says: str) -> None:
    result = run("check", "--workflows", module)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_recorded_run_is_replayed_from_the_store_or_a_file(site: Path) -> None:
    assert run("workflow", "replay", "-w", "closed", "--workflows", "old_code").exit_code == 0
    broken = run("workflow", "replay", "-w", "closed", "--workflows", "inserted_code")
    assert broken.exit_code == 1
    assert "inserted_code.py:" in broken.stdout
    assert run("workflow", "replay", "-w", "nobody", "--workflows", "old_code").exit_code == 1


async def test_an_exported_history_is_replayed_from_its_file(site: Path) -> None:
    async with await Client.connect("sqlite:///runs.db") as client:
        history = await client.get_workflow_handle("closed").fetch_history()
    (site / "closed.json").write_text(history.to_json())
    good, bad = await asyncio.to_thread(
        lambda: [
            run("workflow", "replay", "--file", "closed.json", "--workflows", code)
            for code in ("old_code", "inserted_code")
        ]
    )
    assert (good.exit_code, bad.exit_code) == (0, 1)


def test_the_state_at_an_event_names_line_and_variables(site: Path) -> None:
    result = run("workflow", "state", "-w", "wait", "--event", "5", "--workflows", "old_code")
    assert "found = await workflow.execute_activity(search, word" in result.stdout
    assert "word = 'wait'" in result.stdout
    assert "activity search (1), event 5" in result.stdout
    later = json.loads(run("workflow", "state", "-w", "wait", "--workflows", "old_code", "-o", "json").stdout)
    assert later["pending"] == []


async def test_gates_say_what_open_runs_still_need(site: Path) -> None:
    listed = await asyncio.to_thread(run, "gates", "--workflows", "gated_code")
    assert "gated_code.py:" in listed.stdout
    assert "keep the old branch: 1 open run took it or may still come to it" in listed.stdout
