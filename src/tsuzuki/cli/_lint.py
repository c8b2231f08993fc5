"""`tsuzuki lint`: reads the command line and writes the findings.

Findings go to standard output; for the formats that programs read the closing line goes to standard error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from tsuzuki.replay.lint import FORMATS, OWN_CODES, RULES, UnknownCodeError, lint_paths, select, summary

FOUND = 1
BAD_INPUT = 2


class Format(StrEnum):
    """How findings are written; the names of `FORMATS`."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


_RULES = "tsuzuki lint --rules"


def lint(
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Files and folders to check.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the findings.")] = Format.TEXT,
    chosen: Annotated[
        list[str] | None, typer.Option("--select", metavar="CODES", help="Only these rules: TSU001,TSU1 ...")
    ] = None,
    ignored: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODES", help="Not these rules: TSU001,TSU1 ...")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and leave.")] = False,
) -> None:
    """Find in workflow code what would break replay, without running it.

    Exit code 0: nothing found, 1: something found, 2: bad input. A finding is taken back by a comment on its
    line: `# tsuzuki: ignore[TSU001] reason`.
    """
    if rules:
        for code, name in [*((rule.code, rule.name) for rule in RULES), *OWN_CODES.items()]:
            typer.echo(f"{code} {name}")
        return
    if not paths:
        _refuse("give the files and folders to check, as in `tsuzuki lint src`")
    try:
        result = lint_paths(paths, select(_split(chosen), _split(ignored)))
    except UnknownCodeError as error:
        _refuse(f"{error}; `{_RULES}` lists them")
    except FileNotFoundError as error:
        _refuse(f"{_printable(str(error))} does not exist")
    if not result.files:
        typer.echo("tsuzuki: no Python files there", err=True)
    if result.findings or form is not Format.GITHUB:
        typer.echo(_printable(FORMATS[form.value](result)))
    if form is not Format.TEXT:
        typer.echo(_printable(summary(result)), err=True)
    if result.findings:
        raise typer.Exit(FOUND)


def _refuse(why: str) -> NoReturn:
    typer.echo(f"tsuzuki: {why}", err=True)
    raise typer.Exit(BAD_INPUT)


def _split(lists: list[str] | None) -> list[str]:
    return [code.strip() for one in lists or [] for code in one.split(",") if code.strip()]


def _printable(text: str) -> str:
    """Paths may hold bytes that are no characters."""
    return text.encode("utf-8", "backslashreplace").decode()
