"""One search: the best passages for a topic, few of each text, and the leads that they give."""

from __future__ import annotations

from collections import Counter
from typing import Final

from ._index import Index
from ._passages import Passage
from ._topics import Finding, Topic, leads

PASSAGES_MAX: Final = 6
PASSAGES_PER_TEXT_MAX: Final = 2


def find(topic: Topic, question: str, index: Index) -> Finding:
    """Try the queries of a topic in order until enough passages are found."""
    found: dict[Passage, None] = {}
    per_text: Counter[str] = Counter()
    for query in topic.queries:
        for passage in index.search(query, 4 * PASSAGES_MAX):
            enough = len(found) == PASSAGES_MAX or per_text[passage.source] == PASSAGES_PER_TEXT_MAX
            if not enough and passage not in found:
                found[passage] = None
                per_text[passage.source] += 1
    return Finding(topic, tuple(found), leads(topic, question, tuple(found), index))
