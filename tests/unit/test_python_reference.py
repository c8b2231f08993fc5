"""docs/reference/python says what the public names say. `make reference` writes it anew; review the difference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import griffe
import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / "docs" / "reference" / "python"
INDEX: Final = PAGES / "README.md"

MODULES: Final = {
    "workflow": "what workflow code may call",
    "activity": "activities, and what their code may call",
    "client": "start, find, ask and steer workflows",
    "worker": "run workflows and activities",
    "common": "retry policies, priorities, search attributes",
    "exceptions": "what is raised",
    "converter": "payloads: conversion, encryption, offloading",
    "agents": "control, budgets, approvals, memory, durable agents",
    "replay": "replay of histories, the deploy gate, gates, forks",
    "replay.lint": "the lint for determinism",
    "worker.past": "the state of a run at one of its events",
    "testing": "virtual time",
    "opentelemetry": "traces",
    "propagation": "context variables that travel along",
    "server": "the server, as a library",
}
"""Those that users import from, in the order in which they meet them."""

WIDTH: Final = 100


@cache
def package() -> Any:
    return griffe.load("tsuzuki", search_paths=[ROOT / "src"], docstring_parser="google")


def exported(module: str) -> list[tuple[str, Any]]:
    """The names of a module's `__all__`, with what they stand for."""
    loaded = package()[module]
    found = [(str(name), loaded[str(name)]) for name in loaded.exports]
    return [(name, it.final_target if it.is_alias else it) for name, it in sorted(found, key=lambda each: each[0])]


def pages() -> dict[Path, str]:
    """Every page, by its place."""
    rows = [f"- [`tsuzuki.{module}`](tsuzuki.{module}.md): {what}" for module, what in MODULES.items()]
    index = [
        "# Python",
        "",
        "Written by `make reference` from the public names and what they say of themselves. The command line has",
        "[a page of its own](../command-line.md).",
        "",
        *rows,
    ]
    written = {INDEX: "\n".join(index) + "\n"}
    for module in MODULES:
        written[PAGES / f"tsuzuki.{module}.md"] = "\n".join(_module(module)).rstrip() + "\n"
    return written


def _module(module: str) -> Iterator[str]:
    yield from [f"# `tsuzuki.{module}`", "", *_said(package()[module])]
    yield from [",\n".join(f"[{name}](#{name.lower()})" for name, _ in exported(module)), ""]
    for name, it in exported(module):
        yield from [f"## `{name}`", ""]
        if it.is_class:
            yield from _class(name, it)
        elif it.is_function:
            yield from [*_fenced(_call(name, it.parameters, it.returns, it)), *_said(it)]
        else:
            yield from [*_fenced([_assigned(name, it)]), *_said(it)]


def _class(name: str, it: Any) -> Iterator[str]:
    bases = ", ".join(str(base) for base in it.bases)
    title = f"class {name}({bases})" if bases else f"class {name}"
    takes = [] if _is_enum(it) or "TypedDict" in bases else list(it.parameters)
    yield from _fenced([title, *(_call(name, takes, None, it) if len(takes) > 1 else [])])
    yield from _said(it)
    members = [(key, member) for key, member in _members(it) if member.docstring or _is_enum(it)]
    told = [each.name for part in _sections(it) if part.kind.value == "attributes" for each in part.value]
    attributes = [each for each in members if each[1].is_attribute and each[0] not in told]
    if attributes:
        yield from [] if told else ["Members:" if _is_enum(it) else "Attributes:", ""]
        yield from [*_rows((key, *_attribute(member, it)) for key, member in attributes), ""]
    for key, member in members:
        if member.is_function:
            yield from [f"### `{name}.{key}`", "", *_fenced(_call(key, member.parameters, member.returns, member))]
            yield from _said(member)


def _members(it: Any) -> list[tuple[str, Any]]:
    """Its own, and those from bases that have no entry of their own."""
    found = [(key, member) for key, member in it.all_members.items() if not key.startswith("_")]
    targets = [(key, member.final_target if member.is_alias else member) for key, member in found]
    return [(key, member) for key, member in targets if member.parent is it or member.parent.path not in _entries()]


@cache
def _entries() -> frozenset[str]:
    return frozenset(it.path for module in MODULES for _, it in exported(module))


def _attribute(member: Any, of: Any) -> tuple[Any, str]:
    return None if _is_enum(of) else member.annotation, member.docstring.value if member.docstring else ""


def _is_enum(it: Any) -> bool:
    return any(str(base).split(".")[-1] in ("Enum", "IntEnum", "StrEnum", "IntFlag") for base in it.bases)


def _call(name: str, parameters: Any, returns: Any, it: Any) -> list[str]:
    """How it is called; on several lines if it is long."""
    words, marked = [], False
    for parameter in parameters:
        kind = parameter.kind.value
        if parameter.name in ("self", "cls"):
            continue
        if kind == "variadic positional":
            marked = True
        elif kind == "keyword-only" and not marked:
            words, marked = [*words, "*"], True
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        word = f"{stars}{parameter.name}" + (f": {parameter.annotation}" if parameter.annotation else "")
        if parameter.default is not None and not stars:
            default = "..." if str(parameter.default).isupper() else str(parameter.default)
            word += f" = {default}"
        words.append(word)
    asynchronous = "async " if "async" in it.labels else ""
    back = f" -> {returns}" if returns is not None else ""
    line = f"{asynchronous}{name}({', '.join(words)}){back}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{asynchronous}{name}(", *(f"    {word}," for word in words), f"){back}"]


def _assigned(name: str, it: Any) -> str:
    value = " ".join(str(it.value).split())
    return f"{name} = {value}" if it.value is not None and len(value) <= WIDTH else name


def _fenced(lines: list[str]) -> list[str]:
    return ["```py", *lines, "```", ""]


def _sections(it: Any) -> list[Any]:
    return it.docstring.parsed if it.docstring else []


def _said(it: Any) -> Iterator[str]:
    """What a docstring says, its sections as lists."""
    for part in _sections(it):
        match part.kind.value:
            case "text":
                yield part.value
            case "parameters":
                yield from ["Arguments:", "", *_rows((each.name, None, each.description) for each in part.value)]
            case "attributes":
                rows = ((each.name, each.annotation, each.description) for each in part.value)
                yield from ["Attributes:", "", *_rows(rows)]
            case "raises":
                rows = ((str(each.annotation), None, each.description) for each in part.value)
                yield from ["Raises:", "", *_rows(rows)]
            case "returns" | "yields" as kind:
                yield " ".join([f"{kind.capitalize()}:", *(" ".join(each.description.split()) for each in part.value)])
            case other:
                raise AssertionError(f"{it.path}: a section of the kind {other!r}, which this page cannot show yet")
        yield ""


def _rows(rows: Any) -> Iterator[str]:
    for name, annotation, description in rows:
        kind = f" (`{annotation}`)" if annotation else ""
        words = " ".join(description.split())
        yield f"- `{name}`{kind}: {words}" if words else f"- `{name}`{kind}"


def test_the_reference_is_what_the_names_say() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")} == {
        path.name: text for path, text in pages().items()
    }, "run `make reference` and review the difference"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_says_what_it_is(module: str) -> None:
    assert [name for name, it in exported(module) if not it.docstring] == []


if __name__ == "__main__":
    PAGES.mkdir(parents=True, exist_ok=True)
    for old in PAGES.glob("*.md"):
        old.unlink()
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
