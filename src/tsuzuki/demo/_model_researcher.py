"""A model as a research agent: it decides what to search for, and what it was shown is what it has found.

Workflow code knows the agent by the names of its tools (`RESEARCHER`); the worker makes its activities with a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tsuzuki.agents import AgentResult, DurableAgent, Entry, EntryKind, Ledger
from tsuzuki.demo._index import open_index, quote
from tsuzuki.demo._passages import Passage
from tsuzuki.demo._topics import Finding, Topic
from tsuzuki.demo._web_search import WebSearch
from tsuzuki.demo._words import content_words

if TYPE_CHECKING:
    from pydantic_ai.models import Model

PASSAGES_MAX: Final = 6
TURNS_MAX: Final = 8
INSTRUCTIONS: Final = (
    "You research one topic for a report. Search until you have seen passages that answer it, in other words too, and "
    "follow names that come up. Then say in a few sentences what you found and what stays open. State nothing that no "
    "passage says."
)


def researcher(model: Model | str, corpus: str, web: WebSearch | None, ledger: Ledger | None = None) -> DurableAgent:
    """The agent, as a worker needs it; the model cannot choose what is searched.

    Args:
        model: As for `DurableAgent`.
        corpus: Folder of the texts; empty for Python's documentation.
        web: For searches of the web; None to refuse them.
        ledger: Where its calls are booked.
    """

    def search_texts(query: str) -> list[dict[str, str]]:
        """Search the texts at hand for passages.

        Args:
            query: A few words.
        """
        words = " OR ".join(map(quote, content_words(query))) or quote(query)
        with open_index(corpus) as index:
            return [asdict(passage) for passage in index.search(words, PASSAGES_MAX)]

    def search_web(query: str) -> list[dict[str, str]]:
        """Search the web for passages.

        Args:
            query: A few words.
        """
        if web is None:
            return []
        return [asdict(passage) for passage in web.search(query)]

    tools: Sequence[Callable[..., Any]] = (search_texts, search_web)
    return DurableAgent("researcher", model, instructions=INSTRUCTIONS, tools=tools, ledger=ledger)


RESEARCHER: Final = researcher("", "", None)
"""The agent, as workflow code needs it."""


def task_of(topic: Topic, question: str) -> str:
    """What the agent is asked."""
    return f"The report answers: {question}\nYour topic: {topic.title} ({topic.heading}, of {topic.section})"


def finding_of(topic: Topic, result: AgentResult, said_before: Sequence[Entry] = ()) -> Finding:
    """The passages that the agent was shown in this conversation, each once."""
    shown = [
        Passage(**passage)
        for entry in result.conversation[len(said_before) :]
        if entry.kind is EntryKind.TOOL and not entry.failed and entry.text.startswith("[")
        for passage in json.loads(entry.text)
    ]
    return Finding(topic, tuple(dict.fromkeys(shown)))
