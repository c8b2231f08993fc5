"""The commands that the documents show are there, and take the options that they are shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tsuzuki.cli._app import _app
from tsuzuki.cli._lazy import StandIn

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "docs" / "tutorial.md"]
DOCUMENTS += sorted((ROOT / "docs" / "how-to").glob("*.md"))
SHOWN = re.compile(r"^(?:\$ |    )?(tsuzuki [a-z].*)$|`(tsuzuki [a-z][^`]*)`", re.MULTILINE)
OPTION = re.compile(r"--[a-z][\w-]*")


def shown(document: Path) -> Iterator[str]:
    for block, inline in SHOWN.findall(document.read_text(encoding="utf-8")):
        yield " ".join((block or inline).split())


def wrong(line: str) -> str:
    """What is wrong with a command line; empty if nothing is."""
    command: Any = typer.main.get_command(_app)
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:  # cut short, to be read by people
        words = line.split()[1:]
    while words and hasattr(command, "commands") and re.fullmatch(r"[a-z-]+", words[0]):
        word = words.pop(0)
        if word not in command.commands:
            return f"{line}: there is no {word!r}"
        command = command.commands[word]
        command = command.load() if isinstance(command, StandIn) else command
    if hasattr(command, "commands"):
        return ""  # a group as a whole
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    return ", ".join(f"{line}: no option {word}" for word in words if OPTION.fullmatch(word) and word not in known)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_as_shown(document: Path) -> None:
    assert [told for line in shown(document) if (told := wrong(line))] == []


def test_there_is_something_to_look_at() -> None:
    assert sum(1 for document in DOCUMENTS for _ in shown(document)) > 100
    assert wrong("tsuzuki workflow strat") == "tsuzuki workflow strat: there is no 'strat'"
    assert wrong("tsuzuki workflow list --qery x") == "tsuzuki workflow list --qery x: no option --qery"
