"""Findings as text for people, as JSON for programs, and as annotations of GitHub's checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from ._finding import Finding, Result


def summary(result: Result) -> str:
    """Return the closing line: what was found, and in how much."""
    places = f"{_count(result.files, 'file')} with {_count(result.workflows, 'workflow')}"
    taken_back = f" ({_count(result.suppressed, 'finding')} suppressed)" if result.suppressed else ""
    if not result.findings:
        return f"No problems in {places}{taken_back}."
    bad = len({finding.path for finding in result.findings})
    return f"Found {_count(len(result.findings), 'problem')} in {bad} of {places}{taken_back}."


def as_text(result: Result) -> str:
    """Return `path:line:column: CODE message` with a line of help for each, and the summary."""
    lines = []
    for finding in result.findings:
        lines += [f"{_place(finding)}: {finding.code} {finding.message}", f"    help: {finding.help}"]
    return "\n".join([*lines, *([""] if lines else []), summary(result)])


def as_json(result: Result) -> str:
    """Return an object: `findings`, each with all of its attributes, and `summary` with the counts."""
    counts = {"problems": len(result.findings), "files": result.files}
    counts |= {"workflows": result.workflows, "suppressed": result.suppressed}
    return json.dumps({"findings": [asdict(it) for it in result.findings], "summary": counts}, indent=2)


def as_github(result: Result) -> str:
    """Return workflow commands, one `::error` a finding, which GitHub shows at the line."""
    return "\n".join(map(_annotation, result.findings))


FORMATS: Final[Mapping[str, Callable[[Result], str]]] = {"text": as_text, "json": as_json, "github": as_github}
"""The formats by name."""


def _annotation(finding: Finding) -> str:
    properties = {
        "title": f"tsuzuki {finding.code} ({finding.name})",
        "file": finding.path,
        "line": finding.line,
        "col": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
    if finding.line != finding.end_line:  # GitHub takes columns for one line only
        del properties["col"], properties["endColumn"]
    written = ",".join(f"{key}={escape(str(value), ':,')}" for key, value in properties.items())
    return f"::error {written}::{escape(f'{finding.message}. Help: {finding.help}')}"


def escape(text: str, more: str = "") -> str:
    """Write text so that it can stand in a workflow command of GitHub; `more` is what else has a meaning there."""
    return "".join(_escaped(character, more) for character in text)


def _escaped(character: str, more: str) -> str:
    return f"%{ord(character):02X}" if character in "%\r\n" + more else character


def _place(finding: Finding) -> str:
    return f"{finding.path}:{finding.line}:{finding.column}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
