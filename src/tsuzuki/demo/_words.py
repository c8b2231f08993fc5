"""Words: what the planner, the search and the writer mean by one. Pure functions, no state.

Good enough for prose in languages that put spaces between words; not for those that do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_WORD: Final = re.compile(r"[^\W\d]\w*")

# Words that carry the grammar of a question and not its subject.
_GRAMMAR: Final = """
    a about above after again all also although always am an and another any anything are as ask at be because
    been before being best better between both but by came can cannot come compare compared could describe did
    difference differences different do does doing done down each either else enough even ever every everything
    explain few first follow following for from further gave get gets getting give given gives go goes going
    good got had happen happened happens has have having he help hence her here him his how however i if in
    instead into is it its itself just keep kind know let like likely look made main make makes making many may
    me mean means might mine more most much must my need needs neither never new no nor not nothing now of off
    often on once one only onto or other others otherwise our out over own part per perhaps please possible put
    rather really same say second see seem seems several shall she should since so some something sometimes soon
    still such take tell than that the their them then there therefore these they thing things think this those
    though through thus to together too toward two under unless until up upon us use used useful user uses using
    usually very via want was way we well went were what whatever when where whether which while who whole whom
    whose why will with within without work working works would yet you your
"""
STOP_WORDS: Final = frozenset(_GRAMMAR.split())

_SUFFIXES: Final = ("ations", "ation", "ingly", "ments", "ment", "ings", "ing", "edly", "ers", "ies", "ed", "er")
_VOWELS: Final = frozenset("aeiou")


def words(text: str) -> Iterator[str]:
    """The words of a text in order, as written; identifiers stay whole (`wait_for`)."""
    return (match.group() for match in _WORD.finditer(text))


def content_words(text: str) -> list[str]:
    """The words that carry meaning, in lower case, each once, in order of first use."""
    lowered = (word.lower() for word in words(text))
    return list(dict.fromkeys(word for word in lowered if len(word) > 1 and word not in STOP_WORDS))


def stem(word: str) -> str:
    """A common beginning for the forms of a word: task, tasks; cancel, cancelled, cancellation."""
    word = word.lower()
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            word = word.removesuffix(suffix)
            if word[-1] == word[-2] and word[-1] not in _VOWELS:  # cancell -> cancel
                word = word[:-1]
            break
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


def stems(text: str) -> set[str]:
    """The stems of the content words of a text."""
    return {stem(word) for word in content_words(text)}
