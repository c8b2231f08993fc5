"""How commands end: exit codes, and one line for what goes wrong."""

from __future__ import annotations

from typing import Final, NoReturn

import typer

from ._terminal import one_line

FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


def refuse(why: str, code: int = BAD_INPUT) -> NoReturn:
    """Say in one line why nothing came of it, and end the command."""
    typer.echo(f"tsuzuki: {one_line(' '.join(why.split()))}", err=True)
    raise typer.Exit(code)
