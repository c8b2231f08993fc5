"""What to search for: a question taken apart by rules, and leads that earlier findings give.

`decompose` reads the corpus, so it runs in an activity. `follow_up` is a pure function of its arguments
and runs in workflow code: replayed on the same findings, it chooses the same topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log
from typing import Final

from ._index import Index, quote
from ._passages import Passage
from ._words import content_words, stem, stems, words

SUBJECTS_MAX: Final = 4
# A word that more than this share of the passages have does not narrow a search, unless they are few anyway.
GENERIC_SHARE: Final = 0.12
GENERIC_PASSAGES_MIN: Final = 20
# A word that more than this share of the passages have leads nowhere in particular; a few passages always may.
LEAD_SHARE_MAX: Final = 0.02
LEAD_PASSAGES_MIN: Final = 2
LEAD_PASSAGES_MAX: Final = 6

# Words that name the corpus rather than a subject in it.
GENERIC: Final = frozenset({"python"})

LEADS: Final = "Leads followed"

# Words that ask for trouble rather than name a subject.
_TROUBLE_WORDS: Final = ("wrong", "fail", "pitfall", "problem", "mistake", "danger", "trouble", "bug", "risk", "trap")
_TROUBLE: Final = frozenset(map(stem, _TROUBLE_WORDS))

# aspect -> the words that passages about it use; none: the passages that have the subject in their title.
_ASPECTS: Final[dict[str, tuple[str, ...]]] = {
    "what it is": (),
    "what can go wrong": ("raise", "error", "exception", "fail", "must", "never", "warning", "invalid", "deadlock"),
    "how it behaves": ("when", "while", "until", "wait", "run", "next", "then", "immediately"),
    "how to use it": ("use", "example", "create", "should", "want", "provide", "pass"),
    "limits and alternatives": ("instead", "unlike", "only", "limit", "prefer", "deprecated", "except"),
    "what it costs": ("fast", "slow", "memory", "performance", "efficient", "expensive", "large", "time"),
    "how it changed": ("version", "change", "new", "since", "previously", "added"),
    "where else it appears": ("also", "related", "similar", "same", "like", "see"),
    "what it is for": ("because", "purpose", "allow", "so", "order", "useful", "intend"),
}


@dataclass(frozen=True)
class Topic:
    """One search.

    Attributes:
        title: What to show while it runs.
        section: The heading of the report that it serves.
        heading: The heading within that section.
        subject: What a sentence must speak of to be worth quoting.
        queries: FTS5 queries, tried in order until enough is found.
    """

    title: str
    section: str
    heading: str
    subject: str
    queries: tuple[str, ...]


@dataclass(frozen=True)
class Lead:
    """A term that a search turned up, with how strongly."""

    term: str
    weight: float


@dataclass(frozen=True)
class Finding:
    """What one search found."""

    topic: Topic
    passages: tuple[Passage, ...] = ()
    leads: tuple[Lead, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The topics of a question: those to search first, and some in reserve for when leads run out."""

    first: tuple[Topic, ...]
    reserve: tuple[Topic, ...] = field(default=())


def decompose(question: str, index: Index, first: int, reserve: int) -> Plan:
    """Take a question apart into `first` topics and as many in `reserve`, by what the corpus has of it."""
    subjects = _subjects(question, index)
    ordered = list(_candidates(subjects, asks_for_trouble=bool(stems(question) & _TROUBLE)))
    # Few subjects give few topics: say the rest in words of the whole question, so that the count stands.
    anything = " OR ".join(map(quote, content_words(question))) or quote(question)
    ordered += [
        Topic(f"the question as it is, part {number}", "Also found", "In passing", question, (anything,))
        for number in range(1, first + reserve + 1)
    ]
    return Plan(tuple(ordered[:first]), tuple(ordered[first : first + reserve]))


def follow_up(question: str, plan: Plan, findings: Sequence[Finding]) -> Topic:
    """The next topic: the strongest lead not searched yet, or the next topic in reserve."""
    searched = {finding.topic.title for finding in findings}
    known = set().union(*map(stems, searched))
    weights: dict[str, float] = {}
    for finding in findings:
        nearness = 0.3 if finding.topic.section == LEADS else 1.0  # a lead of a lead is further away
        for lead in finding.leads:
            if stem(lead.term) not in known:
                weights[lead.term] = weights.get(lead.term, 0.0) + nearness * lead.weight
    if not weights:
        return next(topic for topic in plan.reserve if topic.title not in searched)
    term = min(weights, key=lambda term: (-weights[term], term))
    literal = quote(term)
    near = " OR ".join(map(quote, content_words(question))) or literal
    return Topic(term, LEADS, term, term, (f"{literal} AND ({near})", f"title : {literal}", literal))


def leads(topic: Topic, question: str, passages: Sequence[Passage], index: Index, limit: int = 8) -> tuple[Lead, ...]:
    """The terms that set the passages of a search apart from the rest of the corpus, strongest first."""
    known = stems(question) | stems(topic.title)
    names = {word.lower() for passage in passages for word in words(_name(passage))}
    seen = Counter(
        word.lower()
        for passage in passages
        for word in set(words(f"{_name(passage)} {passage.text}"))
        if len(word) > 3 and not word.startswith("_") and stem(word) not in known
    )
    common = max(LEAD_PASSAGES_MAX, LEAD_SHARE_MAX * index.passages)
    found = []
    for word, here in seen.items():
        form, everywhere, headings = index.word(word)
        if here >= LEAD_PASSAGES_MIN and 0 < everywhere <= common:
            # Names, and what the corpus has a heading for, lead further than words that merely occur.
            is_name = any(letter.isupper() for letter in form[1:]) or "_" in form
            strength = here * (3 if is_name else 1) * (3 if word in names else 1 if headings else 0.5)
            found.append(Lead(form, round(strength * log(index.passages / everywhere), 2)))
    found.sort(key=lambda lead: (-lead.weight, lead.term))
    return tuple(found[:limit])


def _name(passage: Passage) -> str:
    """What a passage is about: its heading, or the last part of a dotted name."""
    return passage.title.rpartition(".")[2]


def _subjects(question: str, index: Index) -> list[str]:
    """The words and phrases of a question that the corpus knows, in the order of the question."""
    known = [word for word in content_words(question) if stem(word) not in _TROUBLE and index.count(quote(word))]
    in_order = [word.lower() for word in words(question)]
    phrases = [
        f"{left} {right}"
        for left, right in pairwise(in_order)
        if left in known and right in known and _belong_together(left, right, index)
    ]
    inside = {word for phrase in phrases for word in phrase.split()}
    subjects = list(dict.fromkeys(phrases + [word for word in known if word not in inside]))
    common = max(GENERIC_PASSAGES_MIN, GENERIC_SHARE * index.passages)
    narrow = [s for s in subjects if s not in GENERIC and index.count(quote(s)) <= common] or subjects
    kept = set(sorted(narrow, key=lambda subject: index.count(quote(subject)))[:SUBJECTS_MAX])
    position = {word: number for number, word in reversed(list(enumerate(in_order)))}
    return sorted((s for s in narrow if s in kept), key=lambda subject: position.get(subject.split()[0], 0))


def _belong_together(left: str, right: str, index: Index) -> bool:
    """Whether two neighbours in the question are one subject: the corpus often has them side by side."""
    together = index.count(quote(f"{left} {right}"))
    return together >= 3 and together >= 0.1 * min(index.count(quote(left)), index.count(quote(right)))


def _candidates(subjects: Sequence[str], asks_for_trouble: bool) -> Iterator[Topic]:
    """Topics in the order of their use: each aspect for every subject, and neighbours taken together."""
    aspects = list(_ASPECTS)
    pairs_after = 2 if asks_for_trouble else 1
    for number, aspect in enumerate(aspects):
        if number == pairs_after:
            for left, right in pairwise(subjects):
                both = f"{quote(left)} AND {quote(right)}"
                title = f"{left} and {right} together"
                yield Topic(title, left.capitalize(), f"Together with {right}", left, (both,))
        for subject in subjects:
            yield _topic(subject, aspect)


def _topic(subject: str, aspect: str) -> Topic:
    literal = quote(subject)
    cues = " OR ".join(map(quote, _ASPECTS[aspect]))
    queries = (f"{literal} AND ({cues})", literal) if cues else (f"title : {literal}", literal)
    return Topic(f"{subject}: {aspect}", subject.capitalize(), aspect.capitalize(), subject, queries)
