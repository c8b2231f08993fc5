"""The documents are true: every program in them is run, and prints what they say.

A `python` block begins with the name of its file. A `console` block has commands after `$` and what they print;
`Killed` stands for a death by SIGKILL, as the shell says it. Blocks of one document share a folder.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w./-]+\.py)\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(command: str, folder: Path) -> str:
    """What a command prints to standard output, as a shell would show it."""
    program, *arguments = shlex.split(command)
    assert program == "python", f"only python is run by this test, not {program}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,  # only a hang takes so long
        check=False,
    )
    killed = done.returncode == -signal.SIGKILL
    assert killed or done.returncode == 0, f"$ {command}\n{done.stderr}"
    return done.stdout + ("Killed\n" if killed else "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_programs_print_what_the_document_says(document: Path, tmp_path: Path) -> None:
    for language, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        if language == "python":
            match = FILE_NAME.match(text)
            assert match, f"a python block begins with the name of its file, not: {text[:60]!r}"
            path = tmp_path / match.group(1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif language == "console":
            commands = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)
            assert commands[0] == "", "a console block begins with a command"
            for command, expected in zip(commands[1::2], commands[2::2], strict=True):
                assert run(command, tmp_path) == expected


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = HEADING.findall(BLOCK.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_into_a_document_lead_to_a_heading(document: Path) -> None:
    links = ANCHOR.findall(document.read_text(encoding="utf-8"))
    pages = {page: document.parent / page if page else document for page, _ in links}
    assert [f"{page}#{anchor}" for page, anchor in links if anchor not in anchors(pages[page])] == []


def test_the_program_in_the_readme_is_the_example_and_is_short() -> None:
    blocks = dict(BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert blocks["python"] == (ROOT / "examples" / "order.py").read_text(encoding="utf-8")
    lines = [line for line in blocks["python"].splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 25
