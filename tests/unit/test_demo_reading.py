"""What the demo reads: folders of text, Python's own documentation, passages and sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from tsuzuki.demo._documents import CorpusError, Document, fingerprint, read_documents
from tsuzuki.demo._passages import is_prose, is_quotable, passages, sentences
from tsuzuki.demo._words import content_words, stem


def test_a_folder_gives_its_text_files_in_order_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.md").write_text("b")
    (tmp_path / "a_note.txt").write_text("a")
    (tmp_path / "sub" / "c.rst").write_text("c")
    (tmp_path / "image.png").write_bytes(b"\0\1")
    (tmp_path / ".hidden.md").write_text("h")
    found = [(document.source, document.title) for document in read_documents(str(tmp_path))]
    assert found == [("a_note.txt", "a note"), ("b.md", "b"), ("sub/c.rst", "c")]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder.rmdir(), "does not exist"),
        (lambda folder: None, "no text files"),
        (lambda folder: (folder / "a.md").symlink_to(folder / "gone"), "cannot be read"),
        (lambda folder: (folder / "a.md").write_bytes(b"text\0more"), "binary"),
        (lambda folder: (folder / "a.md").write_bytes("caf\xe9".encode("latin-1")), "not UTF-8"),
        (lambda folder: (folder / "a.md").write_bytes(b"x" * (20 * 2**20 + 1)), "larger than"),
    ],
)
def test_a_folder_that_cannot_be_read_in_full_is_refused_in_one_line(tmp_path: Path, make, words) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "corpus"
    folder.mkdir()
    make(folder)
    with pytest.raises(CorpusError, match=words) as refused:
        list(read_documents(str(folder)))
    assert "corpus" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("text")
    with pytest.raises(CorpusError, match="not a folder"):
        fingerprint(str(path))


def test_the_fingerprint_changes_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    before = fingerprint(str(tmp_path))
    assert fingerprint(str(tmp_path)) == before
    path.write_text("longer")
    assert fingerprint(str(tmp_path)) != before


@pytest.fixture(scope="module")
def python() -> list[Document]:
    """Python's own documentation, read once for this module."""
    return list(read_documents(""))


def test_pythons_own_documentation_has_the_reference_and_the_library(python: list[Document]) -> None:
    sources = {document.source for document in python}
    assert 'help("async")' in sources
    assert "asyncio.tasks.Task.cancel (asyncio/tasks.py)" in sources
    assert "collections.abc.Coroutine.send (_collections_abc.py)" in sources
    private = [source for source in sources if "._" in source and ".__" not in source]
    assert private == []


def test_passages_leave_out_code_and_keep_headings() -> None:
    text = """\
Top line that is no sentence

Retries
=======

A failed search is run again. It waits a little longer each time, so that a busy service can recover.

    search(topic, attempt=2)

```python
this is fenced code, however much it looks like a sentence that goes on and on.
```

- The first item of the list says something about limits.
- The second item of the list says something about costs.
"""
    found = [(passage.title, passage.text) for passage in passages(Document("notes.md", "notes", text))]
    assert found == [
        (
            "notes: Retries",
            "A failed search is run again. It waits a little longer each time, so that a busy service can recover.",
        ),
        ("notes: Retries", "The first item of the list says something about limits."),
        ("notes: Retries", "The second item of the list says something about costs."),
    ]


def test_every_passage_is_a_piece_of_its_document(python: list[Document]) -> None:
    checked = 0
    for document in python:
        whole = " ".join(document.text.split())
        for passage in passages(document):
            # A passage may join paragraphs; the line break between them is the only thing taken out.
            assert passage.text in whole, document.source
            checked += 1
    assert checked > 1000


def test_sentences_are_exact_pieces_and_abbreviations_end_none() -> None:
    text = 'Use a lock, e.g. Lock or RLock. "It waits." Does it? See St. Petersburg! (All of it.) Done.'
    found = sentences(text)
    assert found == [
        "Use a lock, e.g. Lock or RLock.",
        '"It waits."',
        "Does it?",
        "See St. Petersburg!",
        "(All of it.)",
        "Done.",
    ]
    assert all(sentence in text for sentence in found)


def test_code_is_not_quotable() -> None:
    assert is_quotable("A task that nothing refers to may be collected at any time.")
    assert not is_quotable("Too short to say much.")
    assert not is_quotable("The loop runs x = search(topic, 2) until it returns.")
    assert not is_quotable("the text stops in the middle of what it says about")
    assert not is_prose("-> 0x01 [==] {a: 1} *args, **kwargs .")


def test_forms_of_a_word_share_a_stem() -> None:
    assert {stem(word) for word in ("cancel", "cancels", "cancelled", "canceled", "cancelling", "cancellation")} == {
        "cancel"
    }
    assert stem("tasks") == stem("task")
    assert stem("class") == "class"
    assert content_words("How do Python tasks work, and why the tasks?") == ["python", "tasks"]
