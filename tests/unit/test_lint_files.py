"""Finding, reading and telling apart files; odd sources end in a finding, never in a crash."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lint_marks import in_run

from tsuzuki.replay.lint import Result, lint_paths, lint_text

BAD = in_run("time.time()")
LINE = BAD.splitlines().index("        time.time()") + 1


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def only(result: Result) -> tuple[str, int, int, str]:
    [finding] = result.findings
    return finding.path, finding.line, finding.column, finding.code


UNREADABLE = {
    "syntax": (b"# tsuzuki workflow\ndef (:\n", 2, "this is not Python"),
    "indentation": (b"# tsuzuki workflow\nif x:\npass\n", 3, "expected an indented block"),
    "NUL": (b"# tsuzuki workflow\nx = '\0'\n", 1, "null bytes"),
    "latin-1": ("# tsuzuki workflow\nx = 'é'\n".encode("latin-1"), 2, "not UTF-8: byte 0xe9"),
    "latin-1 at the top": ("# é\n".encode("latin-1"), 1, "not UTF-8"),
    "utf-16": ("# tsuzuki workflow".encode("utf-16"), 1, "not UTF-8"),
    "binary": (b"\x7fELF\x02\x01\x01\xff\xfe tsuzuki workflow", 1, "not UTF-8"),
    "unknown encoding": (b"# coding: klingon\n# tsuzuki workflow\n", 1, "encoding of the file is not known"),
    "wrong encoding": (b"# coding: ascii\n# tsuzuki workflow \xc3\xa9\n", 2, "not valid ASCII: byte 0xc3"),
    "deep": (b"# tsuzuki workflow\nx = " + b"(" * 500 + b")" * 500, 1, ""),
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("given_as", ["file.py", "."])
def test_a_file_that_cannot_be_checked_is_a_finding(here: Path, name: str, given_as: str) -> None:
    data, line, words = UNREADABLE[name]
    (here / "file.py").write_bytes(data)
    result = lint_paths([given_as])
    path, found_line, _, code = only(result)
    assert (path, code) == ("file.py", "TSU901")
    assert found_line == line or name == "deep"
    assert words in result.findings[0].message


ODD = {
    "empty": (b"", []),
    "only a comment": (b"# tsuzuki workflow", []),
    "windows line ends": (BAD.replace("\n", "\r\n").encode(), [LINE]),
    "old line ends": (BAD.replace("\n", "\r").encode(), [LINE]),
    "byte order mark": (codecs.BOM_UTF8 + BAD.encode(), [LINE]),
    "latin-1, declared": (b"# coding: latin-1\n" + f"# é\n{BAD}".encode("latin-1"), [LINE + 2]),
    "invalid escapes": (b"x = '\\d'\n" + BAD.encode(), [LINE + 1]),
    "no newline at the end": (BAD.rstrip().encode(), [LINE]),
    "a long sum": (BAD.encode() + b"x = " + b" + ".join([b"1"] * 900), [LINE]),
    "form feed": (b"\x0c" + BAD.encode(), [LINE]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_valid_sources_are_read_as_python_reads_them(here: Path, name: str) -> None:
    data, lines = ODD[name]
    (here / "file.py").write_bytes(data)
    findings = lint_paths(["file.py"]).findings
    assert [(finding.line, finding.code) for finding in findings] == [(line, "TSU001") for line in lines]


def test_a_sum_too_deep_for_the_check_is_a_finding() -> None:
    source = in_run("x = " + " + ".join(["Path('a')"] * 5000))
    assert [finding.code for finding in lint_text(source).findings] in (["TSU901"], [])


def test_columns_count_characters() -> None:
    [finding] = lint_text(in_run("x = '続き', time.time()")).findings
    assert (finding.column, finding.end_column) == (19, 30)


def test_folders_are_searched_for_python_files_of_ones_own(here: Path) -> None:
    for path in ["a.py", "deep/er/b.py", "venv/c.py", ".hidden/d.py", "__pycache__/e.py", "f.txt", "node_modules/g.py"]:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).write_text(BAD)
    assert [finding.path for finding in lint_paths(["."]).findings] == ["a.py", "deep/er/b.py"]
    assert [finding.path for finding in lint_paths(["venv", "f.txt"]).findings] == ["f.txt", "venv/c.py"]


def test_a_file_reached_twice_is_checked_once(here: Path) -> None:
    (here / "src").mkdir()
    (here / "src" / "a.py").write_text(BAD)
    (here / "src" / "link.py").symlink_to(here / "src" / "a.py")
    result = lint_paths(["src", "src/a.py", "./src/../src"])
    assert (result.files, len(result.findings)) == (1, 1)


def test_files_without_a_workflow_are_not_parsed_unless_named(here: Path) -> None:
    (here / "other.py").write_text("def (")
    assert lint_paths(["."]) == Result((), 1, 0, 0)
    assert only(lint_paths(["other.py"])) == ("other.py", 1, 5, "TSU901")


def test_what_is_no_file_is_a_finding(here: Path) -> None:
    os.mkfifo(here / "pipe.py")
    (here / "gone.py").symlink_to(here / "nowhere")
    findings = {finding.path: finding.message for finding in lint_paths(["pipe.py", "."]).findings}
    assert findings["pipe.py"] == "this is not a file"
    assert findings["gone.py"].startswith("the file cannot be opened: No such file")


def test_a_folder_that_cannot_be_listed_is_a_finding(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "src" / "closed").mkdir(parents=True)
    listed = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = lint_paths(["src"])
    assert only(result) == ("src/closed", 1, 1, "TSU901")
    assert result.findings[0].message == "the folder cannot be read"


def test_a_path_that_does_not_exist_is_an_error(here: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        lint_paths(["nowhere"])


LINES = """
while True: | await self.poll() | time.time() | for x in {1}: | try: | except: | with workflow.unsafe.x(): | return
pass | workflow.start_activity(charge) | global RECENT | def inner(): | class Inner: | lambda: x | RECENT[0] += 1
workflow.get_version(f'{x}', 1, 2) | match x: | case _: | *a, b = c | del x | async with x as y: | yield | nonlocal x
# tsuzuki: ignore[TSU001] | x = x | y = x | x = y | self.x = {x for x in self.x} | from . import * | import a.b.c
super().run() | inner() | @workflow.run | x: int | (x := 3)
"""
FRAGMENTS = st.sampled_from(re.split(r" \| |\n", LINES.strip()))


@given(st.lists(st.tuples(FRAGMENTS, st.integers(0, 4)), max_size=12))
def test_no_source_crashes_the_lint(lines: list[tuple[str, int]]) -> None:
    body = "\n".join(" " * depth + line for line, depth in lines)
    for source in (body, in_run(body or "pass"), in_run("pass") + "\n" + body):
        for finding in lint_text(source).findings:
            assert 1 <= finding.line <= source.count("\n") + 2
            assert finding.column >= 1
