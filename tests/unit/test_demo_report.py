"""The report: every quotation stands in the text it cites, and the numbers lead to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tsuzuki.demo import _model
from tsuzuki.demo._documents import read_documents
from tsuzuki.demo._index import Index, open_index
from tsuzuki.demo._model import model_from_environment, write_with_model
from tsuzuki.demo._passages import Passage
from tsuzuki.demo._report import Report, as_markdown, write_extract
from tsuzuki.demo._search import find
from tsuzuki.demo._topics import LEADS, Finding, Topic, decompose, follow_up

QUESTIONS = [
    "How do Python coroutines, tasks and cancellation work, and what can go wrong?",
    "How does garbage collection work?",
    "What is the difference between threads and processes?",
    "When should I use a context manager?",
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Python's documentation, indexed once for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with open_index("") as index:
            yield index


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """Each source with its text, line breaks taken out."""
    return {document.source: " ".join(document.text.split()) for document in read_documents("")}


def research(question: str, index: Index) -> list[Finding]:
    """The searches of the workflow, one after another."""
    plan = decompose(question, index, first=9, reserve=6)
    findings = [find(topic, question, index) for topic in plan.first]
    while len(findings) < 15:
        findings.append(find(follow_up(question, plan, findings), question, index))
    return findings


def check(report: Report, documents: dict[str, str]) -> None:
    """Every citation is a piece of the text that it names, and stands in the report under its number."""
    body, _, sources = report.text.partition("## Sources")
    for citation in report.citations:
        assert citation.quote in documents[citation.source]
        assert f"{as_markdown(citation.quote)} [{citation.number}]" in body
        assert f"{citation.number}. {as_markdown(citation.source)}\n" in sources
    listed = {int(number) for number in re.findall(r"^(\d+)\. ", sources, re.MULTILINE)}
    assert {int(number) for number in re.findall(r" \[(\d+)\]", body)} == listed
    assert listed == set(range(1, len(listed) + 1))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_quotation_stands_in_the_text_that_it_cites(
    question: str, python: Index, documents: dict[str, str]
) -> None:
    report = write_extract(question, research(question, python))
    check(report, documents)
    assert len(report.citations) >= 8
    assert len({citation.source for citation in report.citations}) >= 5
    assert report.text.startswith(f"# {question}\n\n## In short\n")


def test_the_default_question_is_answered_from_the_right_texts(python: Index) -> None:
    report = write_extract(QUESTIONS[0], research(QUESTIONS[0], python))
    cited = " ".join(citation.source for citation in report.citations)
    for source in (
        'help("async")',
        "asyncio.tasks.Task.cancel ",
        "asyncio.taskgroups.TaskGroup ",
        "asyncio.tasks.gather ",
    ):
        assert source in cited
    headings = re.findall(r"^## (.+)$", report.text, re.MULTILINE)
    assert headings == ["In short", "Coroutines", "Tasks", "Cancellation", LEADS, "Sources"]


def test_the_same_findings_give_the_same_report(python: Index) -> None:
    findings = research(QUESTIONS[1], python)
    assert findings == research(QUESTIONS[1], python)
    assert write_extract(QUESTIONS[1], findings) == write_extract(QUESTIONS[1], findings)


def test_nothing_is_quoted_twice(python: Index) -> None:
    report = write_extract(QUESTIONS[0], research(QUESTIONS[0], python))
    quotes = [citation.quote for citation in report.citations]
    assert len(quotes) == len(set(quotes))


def test_a_question_that_nothing_answers_gets_a_report_that_says_so(python: Index) -> None:
    report = write_extract("qwertzu asdfgh", research("qwertzu asdfgh", python))
    assert report.citations == ()
    assert "Nothing that was read answers this question." in report.text


def test_names_with_underscores_stay_as_they_are_in_markdown() -> None:
    assert as_markdown("Call obj.__await__() or `__init__` of __main__.") == (
        "Call `obj.__await__()` or `__init__` of `__main__`."
    )


# ---- the model -----------------------------------------------------------------------------------------

FINDINGS = [
    Finding(
        Topic("lamp", "Lamp", "What it is", "lamp", ("lamp",)),
        (Passage("a.md", "a", "A lamp gives light."), Passage("b.md", "b", "A dimmer turns a lamp down.")),
    )
]


def speak(text: str, heard: list[str] | None = None) -> FunctionModel:
    """A model that always answers the same, and notes what it was asked."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if heard is not None:
            heard.append(str(messages[-1]))
        return ModelResponse(parts=[TextPart(text)])

    return FunctionModel(answer)


async def test_a_model_writes_from_numbered_passages_and_its_citations_are_kept() -> None:
    heard: list[str] = []
    report = await write_with_model(
        speak("Lamps give light [1], less with a dimmer [2].", heard), "What is a lamp?", FINDINGS
    )
    assert "[2] b\\nA dimmer turns a lamp down." in heard[0]
    assert [(citation.number, citation.source) for citation in report.citations] == [(1, "a.md"), (2, "b.md")]
    assert report.text == (
        "# What is a lamp?\n\nLamps give light [1], less with a dimmer [2].\n\n## Sources\n\n1. a.md\n2. b.md\n"
    )


@pytest.mark.parametrize(("text", "words"), [("Lamps give light.", "none"), ("Lamps [3].", r"do not exist: \[3\]")])
async def test_a_model_that_cites_wrongly_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        await write_with_model(speak(text), "What is a lamp?", FINDINGS)


def test_a_model_is_used_only_with_a_key_and_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "TSUZUKI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert model_from_environment() is None
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert (model_from_environment() or "").startswith("openai:")
    monkeypatch.setenv("TSUZUKI_MODEL", "openai:other")
    assert model_from_environment() == "openai:other"
    monkeypatch.setattr(_model.importlib.util, "find_spec", lambda name: None)
    assert model_from_environment() is None
