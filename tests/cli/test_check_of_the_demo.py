"""Deliberate changes of the demo's own code against runs that the demo left: `check` names the line, or finds none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tsuzuki.demo.research as demo
from cli._site import run
from tsuzuki import activity
from tsuzuki.client import Client
from tsuzuki.demo._index import open_index
from tsuzuki.demo._report import Report, write_extract
from tsuzuki.demo._search import find
from tsuzuki.demo._topics import Finding
from tsuzuki.worker import Worker

SOURCE = Path(demo.__file__).read_text()
STOPS_AT = 12
TEXTS = {
    "tea": "Tea is grown in the hills. Green tea is steamed, black tea is left to wither. Tea came by sea.",
    "sea": "The sea is salt. Ships cross the sea with tea and salt. A storm at sea sinks ships.",
    "salt": "Salt is won from the sea by the sun. Salt keeps fish. Roads were made for salt.",
}


@activity.defn(name="search")
async def search(job: demo.Search) -> Finding:
    if job.question.text.startswith("open") and job.number == STOPS_AT:
        activity.raise_complete_async()
    with open_index(job.question.corpus) as index:
        return find(job.topic, job.question.text, index)


@activity.defn(name="write_report")
async def write_report(draft: demo.Draft) -> Report:
    return write_extract(draft.question, draft.findings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the store of two runs of the demo: one has ended, one waits for its twelfth search."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("demo")
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("TSUZUKI_TARGET", "runs.db")
        (folder / "texts").mkdir()
        for name, text in TEXTS.items():
            (folder / "texts" / f"{name}.txt").write_text(text)
        asyncio.run(run_both(folder))
        yield folder


async def run_both(folder: Path) -> None:
    async with (
        await Client.connect("sqlite:///runs.db") as client,
        Worker(
            client,
            task_queue="q",
            workflows=[demo.Research],
            activities=[demo.make_plan, search, write_report],
        ),
    ):
        for name in ("open", "closed"):
            question = demo.Question(f"{name}: how do tea and salt cross the sea?", str(folder / "texts"))
            await client.start_workflow(demo.Research.run, question, id=name, task_queue="q")
        await client.get_workflow_handle("closed").result()
        async for event in client.get_workflow_handle("open").fetch_history_events(wait_new_event=True):
            if event.activity_task_scheduled_event_attributes.activity_id == f"search-{STOPS_AT}":
                break


def changed(folder: Path, old: str, new: str) -> str:
    """Write the demo with one change as a module; give its name."""
    assert SOURCE.count(old) == 1, f"the demo has changed: {old!r} is there {SOURCE.count(old)} times"
    module = f"changed_{abs(hash((old, new)))}"
    sys.modules.pop(module, None)
    (folder / f"{module}.py").write_text(SOURCE.replace(old, new))
    return module


def line_of(folder: Path, module: str, text: str) -> int:
    (line,) = [
        number
        for number, written in enumerate((folder / f"{module}.py").read_text().splitlines(), start=1)
        if text in written
    ]
    return line


BROKEN = {
    "a step at the beginning": (
        "        plan = await workflow.execute_activity(",
        "        await workflow.sleep(5)  # new\n        plan = await workflow.execute_activity(",
        "# new",
        {"open", "closed"},
        "change_make_plan_v1",
    ),
    "a step between the searches": (
        "            topic = follow_up(question.text, plan, findings)",
        "            await workflow.sleep(1)  # new\n            topic = follow_up(question.text, plan, findings)",
        "# new",
        {"open", "closed"},
        "change_search_v1",
    ),
    "one search more, which only the ended run has come to": (
        "        while len(findings) < SEARCHES:",
        "        while len(findings) < SEARCHES + 1:",
        "        return await workflow.execute_activity(  # the search",
        {"closed"},
        "change_search_v1",
    ),
    "other ids": (
        'activity_id=f"search-{number}"',
        'activity_id=f"look-{number}"',
        "        return await workflow.execute_activity(  # the search",
        {"open", "closed"},
        "change_search_v1",
    ),
    "another activity": (
        "            make_plan,\n",
        "            search,\n",
        "        plan = await workflow.execute_activity(",
        {"open", "closed"},
        "change_search_v1",
    ),
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_change_is_caught_at_its_line(runs: Path, change: str) -> None:
    old, new, at, broken, gate = BROKEN[change]
    module = changed(runs, old, new)
    file = runs / f"{module}.py"
    mark = "            search,\n            Search("
    file.write_text(
        file.read_text().replace(
            f"        return await workflow.execute_activity(\n{mark}",
            f"        return await workflow.execute_activity(  # the search\n{mark}",
        )
    )
    found = json.loads(run("check", "--workflows", module, "--format", "json", code=1).stdout)
    (verdict,) = found["types"]
    assert {each["workflow_id"] for each in verdict["broken"]} == broken
    for each in verdict["broken"]:
        assert (each["path"], each["line"]) == (f"{module}.py", line_of(runs, module, at)), each["error"]
        assert gate in each["gate"]
    lines = run("check", "--workflows", module, "--format", "github", code=1).stdout.splitlines()
    assert all(line.startswith(f"::error file={module}.py,line={line_of(runs, module, at)},") for line in lines)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("start_to_close_timeout=timedelta(minutes=2)", "start_to_close_timeout=timedelta(minutes=9)"),
        ("maximum_attempts=5", "maximum_attempts=50"),
        (
            "        plan = await workflow.execute_activity(",
            '        if workflow.get_version("pause_v1", workflow.DEFAULT_VERSION, 1) >= 1:\n'
            "            await workflow.sleep(5)\n"
            "        plan = await workflow.execute_activity(",
        ),
    ],
    ids=["a time limit", "a retry policy", "a step behind a gate"],
)
def test_a_change_that_old_runs_do_not_see_is_safe(runs: Path, old: str, new: str) -> None:
    told = run("check", "--workflows", changed(runs, old, new)).stdout
    assert told.splitlines()[-1] == "Safe to deploy: 2 runs replayed."
