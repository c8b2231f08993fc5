"""The verdict before a deployment as text, as JSON, as annotations of GitHub's checks and as JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final
from xml.etree import ElementTree

from ._deploy_check import BrokenRun, DeployVerdict, TypeVerdict
from .lint import escape

BROKEN_SHOWN_MAX: Final = 5
"""Broken runs of one type that the text names; the other formats name all."""

_NO_HISTORY: Final = "no history: run it once somewhere and check that, or allow it with --allow-empty"


def as_text(verdict: DeployVerdict) -> str:
    """Return a line for each type, with the first broken runs below it, and the verdict."""
    lines = []
    for one in verdict.types:
        lines.append(f"{_word(one):7} {one.workflow_type}: {_counts(one)}")
        for broken in one.broken[:BROKEN_SHOWN_MAX]:
            lines += _details(broken)
        if len(one.broken) > BROKEN_SHOWN_MAX:
            lines.append(f"        ... and {len(one.broken) - BROKEN_SHOWN_MAX} more")
    return "\n".join([*lines, "", summary(verdict)])


def as_json(verdict: DeployVerdict) -> str:
    """Return an object: `ok`, and `types` with all that is known of each."""
    types = [asdict(one) | {"ok": one.ok, "replayed": one.replayed} for one in verdict.types]
    return json.dumps({"ok": verdict.ok, "types": types}, indent=2)


def as_github(verdict: DeployVerdict) -> str:
    """Return workflow commands: an `::error` for each broken run and for each type without history."""
    lines = []
    for one in verdict.types:
        for broken in one.broken:
            place = f"file={escape(broken.path, ':,')},line={broken.line}," if broken.path else ""
            title = escape(f"tsuzuki check {one.workflow_type}", ":,")
            lines.append(f"::error {place}title={title}::{escape(_sentence(broken))}")
        if not one.ok and not one.broken:
            lines.append(f"::error title=tsuzuki check::{escape(f'{one.workflow_type}: {_NO_HISTORY}')}")
    return "\n".join(lines)


def as_junit(verdict: DeployVerdict) -> str:
    """Return JUnit's XML: a suite with a case for each type."""
    failures = sum(not one.ok for one in verdict.types)
    suite = ElementTree.Element(
        "testsuite", name="tsuzuki check", tests=str(len(verdict.types)), failures=str(failures)
    )
    for one in verdict.types:
        case = ElementTree.SubElement(suite, "testcase", classname="tsuzuki.check", name=one.workflow_type)
        if not one.ok:
            text = "\n\n".join(_sentence(broken) for broken in one.broken) or _NO_HISTORY
            failure = ElementTree.SubElement(case, "failure", message=_counts(one))
            failure.text = text
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def summary(verdict: DeployVerdict) -> str:
    """Return the verdict in one line."""
    replayed = sum(one.replayed for one in verdict.types)
    broken = sum(len(one.broken) for one in verdict.types)
    empty = [one.workflow_type for one in verdict.types if not one.ok and not one.broken]
    if verdict.ok:
        return f"Safe to deploy: {_count(replayed, 'run')} replayed."
    said = [f"{broken} of {_count(replayed, 'run')} would break"] if broken else []
    said += [f"no history of {', '.join(empty)}"] if empty else []
    return f"Do not deploy: {'; '.join(said)}."


FORMATS: Final[Mapping[str, Callable[[DeployVerdict], str]]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "junit": as_junit,
}
"""The formats by name."""


def _word(one: TypeVerdict) -> str:
    if one.broken:
        return "BROKEN"
    return "safe" if one.ok and one.replayed else ("empty" if one.ok else "EMPTY")


def _counts(one: TypeVerdict) -> str:
    if not one.replayed:
        return "no history" if one.ok else _NO_HISTORY
    counts = f"{one.open_runs} open and {one.closed_runs} closed replayed"
    return counts + (f", {len(one.broken)} broken" if one.broken else "")


def _details(broken: BrokenRun) -> list[str]:
    place = f"{broken.path}:{broken.line}: " if broken.path else ""
    lines = [
        f"        {'open' if broken.open else 'closed'} run {broken.run_id} of workflow {broken.workflow_id!r}",
        f"        {place}{broken.error}",
    ]
    return lines + ([f"        gate: {broken.gate}"] if broken.gate else [])


def _sentence(broken: BrokenRun) -> str:
    gate = f" Gate: {broken.gate}" if broken.gate else ""
    return f"workflow {broken.workflow_id!r}, run {broken.run_id}: {broken.error}{gate}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
