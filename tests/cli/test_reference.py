"""docs/reference/command-line.md says what the commands say. `make reference` writes it anew; review the difference."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main

from tsuzuki.cli._app import _app
from tsuzuki.cli._connection import PANEL
from tsuzuki.cli._lazy import StandIn

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"

INTRODUCTION = """# Command line

Written by `make reference` from the commands themselves. How to use them:
[the command line](../how-to/command-line.md).

Exit codes: 0 done, 1 failed (it ran, and the answer is bad), 2 bad input, 130 interrupted. What goes wrong is one line
on standard error.
"""


_KINDS = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def pages() -> str:
    """The whole page."""
    commands = sorted(_leaves(typer.main.get_command(_app), "tsuzuki"))
    parts = [INTRODUCTION, _connection(dict(commands)["tsuzuki workflow list"])]
    parts += [_command(path, command) for path, command in commands]
    return "\n".join(parts)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(command, StandIn):
        command = command.load()
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, each in inner.items():
        yield from _leaves(each, f"{path} {name}")


def _connection(command: Any) -> str:
    rows = [_row(each) for each in _parameters(command) if _is_connection(each)]
    return "\n".join(["## Connection", "", "Commands that talk to an engine take these too.", "", *_table(rows)])


def _command(path: str, command: Any) -> str:
    own = [each for each in _parameters(command) if not _is_connection(each)]
    talks = any(_is_connection(each) for each in _parameters(command))
    parts = [f"## `{path}`", "", *(line.strip() for line in (command.help or "").strip().splitlines()), ""]
    if own:
        parts += _table([_row(each) for each in own])
    if talks:
        parts += ["And the options of the [connection](#connection).", ""]
    return "\n".join(parts)


def _parameters(command: Any) -> list[Any]:
    return [each for each in command.params if each.name != "help" and not getattr(each, "hidden", False)]


def _is_connection(parameter: Any) -> bool:
    return getattr(parameter, "rich_help_panel", None) == PANEL


def _row(parameter: Any) -> tuple[str, str]:
    if not parameter.opts[0].startswith("-"):
        name = f"`{parameter.metavar or parameter.opts[0].upper()}`"
    else:
        value = "" if parameter.is_flag else f" `{parameter.metavar or _kind(parameter)}`"
        name = ", ".join(f"`{option}`" for option in parameter.opts) + value
    said = [parameter.help or ""]
    if parameter.required:
        said.append("Required.")
    elif not getattr(parameter, "is_flag", False) and parameter.default not in (None, "", [], ()):
        said.append(f"Default: `{getattr(parameter.default, 'value', parameter.default)}`.")
    variables = parameter.envvar
    if variables:
        names = [variables] if isinstance(variables, str) else variables
        said.append(f"Also: {', '.join(f'`{name}`' for name in names)}.")
    return name, " ".join(part for part in said if part)


def _kind(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(member.value) for member in annotation)
    return _KINDS.get(annotation, "TEXT")


def _table(rows: list[tuple[str, str]]) -> list[str]:
    escaped = [(name.replace("|", "\\|"), said.replace("|", "\\|")) for name, said in rows]
    return ["| option | |", "|---|---|", *(f"| {name} | {said} |" for name, said in escaped), ""]


def test_the_reference_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == pages(), "run `make reference` and review the difference"


def test_every_command_says_what_it_does() -> None:
    for path, command in _leaves(typer.main.get_command(_app), "tsuzuki"):
        assert command.help, path
        for parameter in _parameters(command):
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(pages(), encoding="utf-8")
