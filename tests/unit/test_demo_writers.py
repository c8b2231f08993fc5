"""Which writer a run ends with: the model in a thread of the worker, or the offline writer when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tsuzuki.client import Client
from tsuzuki.demo import Question, Report, Research, make_plan, research, search, write_report
from tsuzuki.worker import Worker


@pytest.fixture
def question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Question:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "lamps.md").write_text("# Lamp\n\nA lamp gives light when current flows through it.\n")
    return Question("What is a lamp?", corpus=str(tmp_path / "texts"))


async def ask(question: Question) -> tuple[Report, list[int]]:
    """The report, and the attempts that the recorded activities took."""
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue="demo", workflows=[Research], activities=[make_plan, search, write_report]),
    ):
        report = await client.execute_workflow(Research.run, question, id="demo", task_queue="demo")
        history = await client.get_workflow_handle("demo").fetch_history()
        attempts = [
            event.activity_task_started_event_attributes.attempt
            for event in history.events
            if event.HasField("activity_task_started_event_attributes")
        ]
        return report, attempts


async def test_a_model_writes_when_there_is_one(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("A lamp gives light [1].")])

    monkeypatch.setattr(research, "model_from_environment", lambda: FunctionModel(answer, model_name="a model"))
    report, attempts = await ask(question)
    assert (report.written_by, attempts[-1]) == ("a model", 1)
    assert "A lamp gives light [1].\n\n## Sources\n\n1. lamps.md\n" in report.text


async def test_a_model_that_fails_twice_leaves_the_report_to_the_offline_writer(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ConnectionError("the model does not answer")

    monkeypatch.setattr(research, "model_from_environment", lambda: FunctionModel(fail))
    report, attempts = await ask(question)
    assert (report.written_by, attempts[-1]) == ("extractive writer", 3)
    assert "A lamp gives light" in report.text


async def test_without_a_key_the_offline_writer_writes_at_once(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    report, attempts = await ask(question)
    assert (report.written_by, attempts[-1]) == ("extractive writer", 1)
