"""Documents cut into passages (a paragraph or two of prose) and passages into sentences.

A sentence is an exact piece of its passage, and a passage is a piece of its document with the line
breaks taken out; nothing is rewritten, so that a quotation can be checked against the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ._documents import Document

PASSAGE_CHARS_MIN: Final = 40
PASSAGE_CHARS_WANTED: Final = 700
PASSAGE_CHARS_MAX: Final = 1500

_UNDERLINE: Final = re.compile(r"^([=*\-~^#\"'+])\1{2,}$")
_MARKDOWN_HEADING: Final = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_LIST_MARK: Final = re.compile(r"^(?:[*+•-]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'`*(\[]*[A-Z0-9])")
_ABBREVIATION: Final = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|resp|Dr|Mr|Ms|St|No|Fig|pp?)\.|\b[A-Z]\.)$")
# What code has and prose has not: assignments, calls with several arguments, prompts, grammar; and footnotes.
_CODE: Final = re.compile(r">>>|::=|\.\.\.|[{};]|\s=\s|==|->|\w\(\w*,|^@|\bdef |\breturn |\bimport \w+$|\|\s|\[\d+\]")


@dataclass(frozen=True)
class Passage:
    """A few sentences of a document that stand together."""

    source: str
    title: str
    text: str


def passages(document: Document) -> Iterator[Passage]:
    """The prose of a document in passages; code, tables, grammar and headings are left out.

    Paragraphs that follow one another under one heading make one passage, while it stays short.
    """
    heading = ""
    passage = ""

    def cut() -> Iterator[Passage]:
        nonlocal passage
        if len(passage) >= PASSAGE_CHARS_MIN:
            yield Passage(document.source, f"{document.title}: {heading}" if heading else document.title, passage)
        passage = ""

    for block in _blocks(document.text):
        lines = block
        if found := _heading(block):
            yield from cut()
            heading, lines = found
        paragraph = " ".join(" ".join(lines).split())
        text = _LIST_MARK.sub("", paragraph)
        fits = len(passage) + len(text) < PASSAGE_CHARS_WANTED
        if text != paragraph or not fits or not is_prose(text):
            yield from cut()
        if is_prose(text) and len(text) <= PASSAGE_CHARS_MAX:
            passage = f"{passage} {text}".strip()
        if text != paragraph:
            yield from cut()
    yield from cut()


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank lines; a list item begins a new one; fenced code is skipped."""
    block: list[str] = []
    fenced = False
    for line in text.splitlines():
        fence = _FENCE.match(line)
        fenced ^= bool(fence)
        begins_anew = not line.strip() or fence or fenced or _LIST_MARK.match(line.strip())
        if begins_anew and block:
            yield block
            block = []
        if line.strip() and not fence and not fenced:
            block.append(line)
    if block:
        yield block


def _heading(block: list[str]) -> tuple[str, list[str]] | None:
    """The heading that begins a block and the lines after it, if there is one."""
    if match := _MARKDOWN_HEADING.match(block[0]):
        return match.group(1), block[1:]
    if len(block) > 1 and _UNDERLINE.match(block[1].strip()) and not _UNDERLINE.match(block[0].strip()):
        return block[0].strip(), block[2:]
    return None


def is_prose(text: str) -> bool:
    """Whether a paragraph reads as sentences: it ends as one, and most of it is plain words."""
    tokens = text.split()
    plain = sum(token.strip("\"'`*_.,;:()[]").replace("-", "").isalpha() for token in tokens)
    return len(tokens) >= 5 and text.rstrip("\"'`*)]")[-1:] in ".!?:" and plain >= 0.7 * len(tokens)


def sentences(text: str) -> list[str]:
    """The sentences of a passage, each an exact piece of it."""
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        piece = text[start : match.start()]
        if not _ABBREVIATION.search(piece):
            end = match.start() + len(match.group().rstrip())
            found.append(text[start:end])
            start = match.end()
    found.append(text[start:])
    return [sentence for sentence in found if sentence.strip()]


def is_quotable(sentence: str) -> bool:
    """Whether a sentence can stand in a report: long enough to say something, and free of code."""
    count = len(sentence.split())
    return (
        6 <= count <= 50
        and sentence[0] not in ",;.)"
        and sentence.rstrip("\"'`*)]").endswith((".", "!"))
        and (not _CODE.search(sentence))
    )
