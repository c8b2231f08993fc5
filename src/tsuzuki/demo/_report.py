"""The report: sentences chosen from what was found, each with the number of its source.

Nothing is rephrased. A sentence stands in the report as it stands in its source, so every citation can be
checked; `Citation.quote` is that sentence, before Markdown is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ._passages import Passage, is_quotable, sentences
from ._topics import LEADS, Finding, Topic
from ._words import stem, stems, words

QUOTES_PER_TOPIC: Final = 2
SUMMARY_QUOTES: Final = 3
QUOTE_WORDS_MAX: Final = 60
# Two quotes that share this much of their words say the same thing.
SAME_SHARE: Final = 0.6

# A sentence that begins like this leans on the one before it.
_LEANING: Final = re.compile(
    r"\W*(?:it|its|this|that|these|those|they|he|she|such|here|there|however|otherwise|also|but|and|so|then|thus|"
    r"hence|therefore|instead|for example|for instance|e\.g|i\.e|see|note|by default|in this case|if so|the latter|"
    r"the former|changed in|new in|deprecated|added in|the following|as above|as below|from the pov)\b",
    re.IGNORECASE,
)
# How a docstring speaks: good under the name of its function, odd in a summary.
_INSTRUCTION: Final = re.compile(
    r"\W*(?:add|block|call|cancel|check|close|construct|convert|create|declare|emit|execute|find|get|initialize|"
    r"make|parse|print|process|put|raise|read|register|remove|request|return|run|schedule|send|set|start|stop|"
    r"submit|test|update|wait|wake|wrap|write)(?:e?s)?\b",
    re.IGNORECASE,
)
_DEFINITION: Final = re.compile(r"\b(?:is an?|are|is called|are called|means|refers to|can be|consists of)\b")
_DUNDER: Final = re.compile(r"(?<![`\w])([\w.]*__\w+__(?:\(\))?)(?![`\w])")


@dataclass(frozen=True)
class Citation:
    """A sentence of the report and where it stands."""

    number: int
    source: str
    quote: str


@dataclass(frozen=True)
class Report:
    """An answer in Markdown, with its sources."""

    question: str
    text: str
    citations: tuple[Citation, ...]
    written_by: str


@dataclass(frozen=True)
class _Quote:
    """One to three sentences of a passage that follow one another, as they stand there."""

    passage: Passage
    text: str
    score: float


class _Draft:
    """The quotes chosen so far, numbered by source in the order of their first use."""

    def __init__(self) -> None:
        self.citations: list[Citation] = []
        self._numbers: dict[str, int] = {}
        self._said: list[set[str]] = []

    def cite(self, quote: _Quote) -> str:
        """The quote as Markdown with its number; it will not be chosen again."""
        number = self._numbers.setdefault(quote.passage.source, len(self._numbers) + 1)
        self.citations.append(Citation(number, quote.passage.source, quote.text))
        self._said.append(stems(quote.text))
        return f"{as_markdown(quote.text)} [{number}]"

    def is_new(self, quote: _Quote) -> bool:
        """Whether nothing chosen so far says the same."""
        meaning = stems(quote.text)
        return all(len(meaning & said) <= SAME_SHARE * min(len(meaning), len(said)) for said in self._said)

    def source_list(self) -> Iterator[str]:
        """The sources by number, as Markdown list items."""
        return (f"{number}. {as_markdown(source)}" for source, number in self._numbers.items())


def write_extract(question: str, findings: Sequence[Finding]) -> Report:
    """A report made of the best sentences found, without a model and without a network."""
    draft = _Draft()
    lines = [f"# {as_markdown(question)}", ""]
    asked = set().union(*(stems(finding.topic.subject) for finding in findings if finding.topic.section != LEADS))
    if summary := _summary(asked, findings, draft):
        lines += ["## In short", "", " ".join(summary), ""]
    for section, group in _by_section(findings):
        lines += _section(section, group, asked, draft)
    if draft.citations:
        lines += ["## Sources", "", *draft.source_list(), ""]
    else:
        lines += ["Nothing that was read answers this question.", ""]
    lines.append(_closing(findings, draft))
    return Report(question, "\n".join(lines) + "\n", tuple(draft.citations), "extractive writer")


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is: `__await__` is a name, not bold type."""
    return _DUNDER.sub(r"`\1`", text)


def _closing(findings: Sequence[Finding], draft: _Draft) -> str:
    read = {passage for finding in findings for passage in finding.passages}
    texts = {passage.source for passage in read}
    cited = {citation.source for citation in draft.citations}
    return (
        f"*{len(findings)} searches read {len(read)} passages of {len(texts)} texts. "
        f"The {len(draft.citations)} quotes from {len(cited)} of them are word for word.*"
    )


def _summary(asked: set[str], findings: Sequence[Finding], draft: _Draft) -> list[str]:
    """One good sentence for each subject in turn, while there are any."""
    by_section = [
        sorted(
            (quote for finding in group for quote in _quotes(finding, asked, sentences_max=1)),
            key=lambda quote: (bool(_INSTRUCTION.match(quote.text)), -quote.score, quote.text),
        )
        for section, group in _by_section(findings)
        if section != LEADS
    ]
    chosen: list[str] = []
    for _ in range(SUMMARY_QUOTES):
        for quotes in by_section:
            best = next((quote for quote in quotes if draft.is_new(quote)), None)
            if best and len(chosen) < SUMMARY_QUOTES:
                chosen.append(draft.cite(best))
    return chosen


def _by_section(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings by section, in order of first use; the leads come last."""
    sections: dict[str, list[Finding]] = {}
    for finding in findings:
        sections.setdefault(finding.topic.section, []).append(finding)
    if LEADS in sections:
        sections[LEADS] = sections.pop(LEADS)
    return list(sections.items())


def _section(section: str, findings: Iterable[Finding], asked: set[str], draft: _Draft) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        items: dict[str, str] = {}
        for quote in _quotes(finding, asked, sentences_max=3):
            if len(items) < QUOTES_PER_TOPIC and quote.passage.source not in items and draft.is_new(quote):
                items[quote.passage.source] = f"- **{as_markdown(quote.passage.title)}**: {draft.cite(quote)}"
        if items:
            lines += [f"### {as_markdown(finding.topic.heading)}", "", *items.values(), ""]
    return [f"## {section}", "", *lines] if lines else []


def _quotes(finding: Finding, asked: set[str], sentences_max: int) -> list[_Quote]:
    """What can be quoted of a finding, best first."""
    quotes = [
        _Quote(passage, text, _score(finding.topic, asked, text) + 1.5 / (1 + rank))
        for rank, passage in enumerate(finding.passages)
        for text in _runs(passage.text, sentences_max)
        if _speaks_of(finding.topic, asked, text)
    ]
    return sorted(quotes, key=lambda quote: (-quote.score, quote.text))


def _runs(text: str, sentences_max: int) -> Iterator[str]:
    """Runs of sentences that can stand alone: the first leans on nothing, and none of them is code."""
    pieces = sentences(text)
    starts = [place for place, piece in enumerate(pieces) if not _LEANING.match(piece)]
    for start in starts:
        begin = text.index(pieces[start])
        run = ""
        for piece in pieces[start : start + sentences_max]:
            longer = text[begin : text.index(piece, begin) + len(piece)]
            if not is_quotable(piece) or len(longer.split()) > QUOTE_WORDS_MAX:
                break
            run = longer
        if run:
            yield run


def _speaks_of(topic: Topic, asked: set[str], text: str) -> bool:
    """Whether a text is about the topic; a lead must also lead back to the question."""
    meaning = stems(text)
    return bool(meaning & stems(topic.subject)) and (topic.section != LEADS or bool(meaning & asked))


def _score(topic: Topic, asked: set[str], text: str) -> float:
    """How much a text says of what was asked."""
    meaning = stems(text)
    length = len(text.split())
    cues = {stem(cue) for query in topic.queries[:1] for cue in words(query)}
    return (
        1.0 * len(meaning & stems(topic.subject))
        + 0.5 * len(meaning & asked)
        + 0.5 * min(len(meaning & cues), 3)
        + 1.0 * bool(_DEFINITION.search(text))
        + min(length, 40) / 40
    )
