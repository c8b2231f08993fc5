"""README's promise: the same workflow, activities and worker on a Temporal cluster, by another target alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tsuzuki.client import Client
from tsuzuki.demo import SEARCHES, UNRELIABLE, Question, Report, Research, make_plan, search, write_report
from tsuzuki.demo._executions import read_executions
from tsuzuki.worker import Worker


async def ask(target: str, question: Question) -> tuple[Report, str]:
    """The report, and the id of the run that made it."""
    async with (
        await Client.connect(target, wait=20) as client,
        Worker(client, task_queue="demo", workflows=[Research], activities=[make_plan, search, write_report]),
    ):
        handle = await client.start_workflow(Research.run, question, id="demo", task_queue="demo")
        return await handle.result(), (await handle.describe()).run_id


async def test_the_demo_gives_the_same_report_on_both(
    real_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "lamps.md").write_text("# Lamp\n\nA lamp gives light when current flows through it.\n")
    log = str(tmp_path / "searches.log")
    question = Question("What is a lamp?", corpus=str(tmp_path / "texts"), log=log)
    reports = {}
    for target in (real_server, f"sqlite:///{tmp_path / 'demo.db'}"):
        reports[target], run_id = await ask(target, question)
        counts = Counter(execution.search for execution in read_executions(log, run_id))
        assert counts == {number: 2 if number == UNRELIABLE else 1 for number in range(1, SEARCHES + 1)}
    ours, theirs = reports.values()
    assert ours == theirs
    assert "A lamp gives light" in ours.text
