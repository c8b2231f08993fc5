"""The index, the planner and the leads, on a corpus small enough to know by heart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsuzuki.demo import _index
from tsuzuki.demo._documents import CorpusError
from tsuzuki.demo._index import Index, open_index, quote
from tsuzuki.demo._search import PASSAGES_MAX, PASSAGES_PER_TEXT_MAX, find
from tsuzuki.demo._topics import LEADS, Finding, Lead, Plan, Topic, decompose, follow_up

TEXTS = {
    "lamps.md": """\
# Lamps

A lamp gives light when the current flows through its filament. The lamp must never be opened while it is hot.

# Dimmer

A dimmer turns a lamp down. The dimmer raises an error if the voltage is wrong, and the lamp goes out.
""",
    "switches.md": """\
# Switches

A switch opens and closes the current. Use a switch with a dimmer when the voltage may change over time.

# Fuse_Box

A FuseBox protects each switch and each lamp. When a switch fails, the FuseBox cuts the current at once.
""",
    "garden.md": """\
# Garden

A garden needs water and light every day. The garden is watered in the evening, when the sun is low.

# Evening

In the evening the FuseBox of the garden is checked, because a wet lamp may fail without a warning.
""",
}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return str(folder)


@pytest.fixture
def index(corpus: str) -> Iterator[Index]:
    with open_index(corpus) as index:
        yield index


def test_search_puts_what_is_about_a_word_before_what_mentions_it(index: Index) -> None:
    assert [passage.title for passage in index.search("lamp", 2)] == ["lamps: Lamps", "lamps: Dimmer"]
    assert index.count("lamp") == 4
    assert index.word("fusebox") == ("FuseBox", 2, 0)
    assert index.word("nothing") == ("nothing", 0, 0)


def test_of_equally_frequent_spellings_the_first_is_kept(corpus: str) -> None:
    """In every process: not the order of a set decides."""
    names = [f"Fuse{letter}ox" for letter in "ABCDEFGHIJKL"]
    text = " ".join(f"{name} and {name.lower()}" for name in names)
    Path(corpus, "names.md").write_text(f"# Names\n\n{text}.\n")
    with open_index(corpus) as index:
        assert [index.word(name.lower())[0] for name in names] == names


def test_any_word_can_be_quoted_for_a_query(index: Index) -> None:
    for word in ('say "lamp"', "AND", "lamp*", "title : lamp", "lamp)"):
        index.count(quote(word))


def test_the_index_is_built_once_for_each_state_of_the_corpus(corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = _index._build
    monkeypatch.setattr(_index, "_build", lambda *args: (built.append(args[0]), build(*args)))
    for _ in range(3):
        open_index(corpus).close()
    assert len(built) == 1
    Path(corpus, "new.md").write_text("Another text that the index does not have yet.")
    with open_index(corpus) as index:
        assert index.documents == 4
    assert len(built) == 2


def test_a_build_that_fails_leaves_nothing_behind(corpus: str) -> None:
    Path(corpus, "broken.md").write_bytes(b"\0")
    with pytest.raises(CorpusError):
        open_index(corpus)
    assert list(_index.cache_folder().iterdir()) == []


def test_the_index_is_opened_for_reading_only(index: Index) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        index._connection.execute("DELETE FROM word")


def test_without_a_writable_home_the_cache_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert _index.cache_folder().is_dir()
    assert blocked not in _index.cache_folder().parents


@pytest.mark.parametrize(
    "question",
    [
        "How do a lamp, a switch and a dimmer work, and what can go wrong?",
        "lamp",
        "What is a garden?",
        "lamp switch dimmer garden voltage current evening",
        "Why?",
        "unheard-of words alone",
        "電気はどう流れますか",
    ],
)
def test_every_question_gives_fifteen_different_topics(question: str, index: Index) -> None:
    plan = decompose(question, index, first=9, reserve=6)
    topics = [*plan.first, *plan.reserve]
    assert (len(plan.first), len(plan.reserve)) == (9, 6)
    assert len({topic.title for topic in topics}) == 15
    for topic in topics:
        find(topic, question, index)  # each of its queries is valid


def test_a_question_is_taken_apart_into_its_subjects_and_what_is_asked_of_them(index: Index) -> None:
    plan = decompose("How do a lamp and a switch work, and what can go wrong?", index, first=5, reserve=0)
    assert [topic.title for topic in plan.first] == [
        "lamp: what it is",
        "switch: what it is",
        "lamp: what can go wrong",
        "switch: what can go wrong",
        "lamp and switch together",
    ]


def test_subjects_that_begin_with_the_same_word_come_as_in_the_question(corpus: str) -> None:
    subjects = ["garden lamp", "garden switch", "garden fuse", "garden dimmer"]
    for number in range(3):
        text = ". ".join(f"The {subject} is number {number}" for subject in subjects)
        Path(corpus, f"more{number}.md").write_text(f"# More {number}\n\n{text}.\n")
    with open_index(corpus) as index:
        plan = decompose(f"What is a {', a '.join(subjects)}?", index, first=4, reserve=0)
    assert [topic.subject for topic in plan.first] == subjects


def test_a_search_takes_few_passages_of_each_text(index: Index) -> None:
    finding = find(Topic("all", "All", "All", "lamp", ("lamp OR garden OR switch",)), "lamp", index)
    per_text = [sum(passage.source == source for passage in finding.passages) for source in TEXTS]
    assert len(finding.passages) <= PASSAGES_MAX
    assert max(per_text) <= PASSAGES_PER_TEXT_MAX


def test_a_name_that_several_passages_share_becomes_a_lead(index: Index) -> None:
    topic = Topic("lamps that fail", "Lamp", "Wrong", "lamp", ("fail",))
    finding = find(topic, "Why do lamps fail?", index)
    assert "FuseBox" in [lead.term for lead in finding.leads]


def _finding(title: str, *leads: tuple[str, float], section: str = "Lamp") -> Finding:
    return Finding(Topic(title, section, title, title, (title,)), (), tuple(Lead(*lead) for lead in leads))


def test_the_strongest_lead_over_all_findings_is_followed() -> None:
    findings = [_finding("a", ("Fuse", 3.0), ("Dimmer", 2.0)), _finding("b", ("Dimmer", 2.0))]
    topic = follow_up("lamp", Plan(()), findings)
    assert (topic.title, topic.section) == ("Dimmer", LEADS)


def test_a_lead_is_followed_once_in_whatever_form() -> None:
    findings = [_finding("a", ("dimmer", 9.0), ("Fuse", 1.0)), _finding("dimmers", section=LEADS)]
    assert follow_up("lamp", Plan(()), findings).title == "Fuse"


def test_a_lead_of_a_lead_counts_less() -> None:
    findings = [_finding("a", ("Fuse", 2.0)), _finding("Switch", ("Dimmer", 4.0), section=LEADS)]
    assert follow_up("lamp", Plan(()), findings).title == "Fuse"


def test_without_leads_the_reserve_is_used_in_order() -> None:
    reserve = (_finding("r1").topic, _finding("r2").topic)
    assert follow_up("lamp", Plan((), reserve), [_finding("a")]).title == "r1"
    assert follow_up("lamp", Plan((), reserve), [_finding("a"), _finding("r1")]).title == "r2"


def test_the_choice_of_leads_does_not_depend_on_the_order_of_equal_ones() -> None:
    one = [_finding("a", ("Fuse", 2.0), ("Dimmer", 2.0))]
    other = [_finding("a", ("Dimmer", 2.0), ("Fuse", 2.0))]
    assert follow_up("lamp", Plan(()), one) == follow_up("lamp", Plan(()), other)
