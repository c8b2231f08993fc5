"""The report written by a language model, when there is a key for one in the environment.

The model sees only what was found, numbered, and its text is refused unless it cites those numbers. The
call goes through `pydantic-ai` (the `agents` extra); nothing here is imported before it is needed.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ._passages import Passage
from ._report import Citation, Report, as_markdown
from ._topics import Finding

if TYPE_CHECKING:
    from pydantic_ai.models import Model

PASSAGES_MAX: Final = 40

# Key in the environment -> the model that it opens; TSUZUKI_MODEL names another.
_MODELS: Final = {
    "ANTHROPIC_API_KEY": "anthropic:claude-haiku-5-5",
    "OPENAI_API_KEY": "openai:gpt-6-luna",
}

_INSTRUCTIONS: Final = """\
Answer the question from the numbered passages alone, as a report in Markdown of 400 to 800 words: a short
summary first, then sections with headings of your own. After every statement cite its passage by number, as
[3]. Quote exactly where the wording matters. Say plainly what the passages leave open. Write neither a title
nor a list of sources: both are added."""

_NUMBER: Final = re.compile(r"\[(\d+)\]")


def model_from_environment() -> str | None:
    """The model to write with: None without a key, or without the `agents` extra."""
    if importlib.util.find_spec("pydantic_ai") is None:
        return None
    for key, model in _MODELS.items():
        if os.environ.get(key):
            return os.environ.get("TSUZUKI_MODEL") or model
    return None


async def write_with_model(model: str | Model, question: str, findings: Sequence[Finding]) -> Report:
    """Have a model write the report.

    Raises:
        ValueError: The model cited nothing, or a passage that does not exist. Asking again may help.
    """
    from pydantic_ai import Agent

    passages = list(dict.fromkeys(passage for finding in findings for passage in finding.passages))[:PASSAGES_MAX]
    numbered = "\n\n".join(f"[{number}] {p.title}\n{p.text}" for number, p in enumerate(passages, start=1))
    agent = Agent(model, instructions=_INSTRUCTIONS)
    answer = await agent.run(f"Question: {question}\n\nPassages:\n\n{numbered}")
    written = answer.output.strip()
    citations = _citations(written, passages)
    sources = [f"{citation.number}. {as_markdown(citation.source)}" for citation in citations]
    text = "\n".join([f"# {as_markdown(question)}", "", written, "", "## Sources", "", *sources, ""])
    name = model if isinstance(model, str) else model.model_name
    return Report(question, text, citations, name)


def _citations(written: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """What a text cites, by number, with the whole passage for a quote."""
    numbers = sorted({int(number) for number in _NUMBER.findall(written)})
    if not numbers:
        raise ValueError("the model cited none of the passages")
    if unknown := [number for number in numbers if not 1 <= number <= len(passages)]:
        raise ValueError(f"the model cited passages that do not exist: {unknown}")
    return tuple(Citation(number, passages[number - 1].source, passages[number - 1].text) for number in numbers)
