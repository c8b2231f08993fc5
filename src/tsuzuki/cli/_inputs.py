"""What commands take besides names: JSON values, durations, KEY=VALUE pairs."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ._endings import refuse

Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="JSON", help="An argument, as JSON; may be given again."),
]
InputFiles = Annotated[
    list[Path] | None,
    typer.Option("--input-file", metavar="PATH", help="A file with an argument as JSON; may be given again."),
]

_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def arguments(inputs: list[str] | None, files: list[Path] | None) -> list[Any]:
    """Read the arguments of a workflow, signal, query or update."""
    if inputs and files:
        refuse("--input and --input-file cannot be combined")
    return [from_json("--input", text) for text in inputs or ()] + [_from_file(path) for path in files or ()]


def from_json(option: str, text: str) -> Any:
    """Read one JSON value, or end the command with a line that says what is wrong with it."""
    try:
        return json.loads(text)
    except ValueError as error:
        quoted = "" if text.lstrip()[:1] in ("{", "[", '"') else f""". Text takes quotes: {option} '"{text}"'"""
        refuse(f"{option} {text} is not JSON: {error}{quoted}")


def pairs(option: str, given: list[str] | None) -> dict[str, Any]:
    """Read KEY=JSON pairs."""
    found = {}
    for pair in given or ():
        key, separator, value = pair.partition("=")
        if not (key and separator):
            refuse(f"{option} {pair}: expected KEY=JSON")
        found[key] = from_json(f"{option} {key}", value)
    return found


def duration(text: str) -> timedelta:
    """Read a duration such as `90s`, `1h30m` or `500ms`.

    Raises:
        BadParameter: It is none.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no duration; expected a number and a unit, as in 90s, 1h30m or 500ms")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _from_file(path: Path) -> Any:
    try:
        return from_json(f"--input-file {path}:", path.read_text(encoding="utf-8"))
    except OSError as error:
        refuse(f"--input-file {path}: {error.strerror}")
