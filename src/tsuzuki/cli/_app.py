"""The command line: one Typer application, one file per command.

Exit codes: 0 done, 1 failed, 2 bad input (one line says what), 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated

import typer

import tsuzuki

from ._check import check
from ._demo import demo
from ._gates import gates
from ._lint import lint
from ._replay import replay, state
from ._server import server

_app = typer.Typer(
    help="Durable execution for Python: workflows as plain asyncio code that survive crashes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_app.command()(demo)
_app.command()(lint)
_app.command()(check)
_app.command()(gates)

_workflow = typer.Typer(help="Workflows: look at them and work on them.", no_args_is_help=True)
_workflow.command()(replay)
_workflow.command()(state)
_app.add_typer(_workflow, name="workflow")
_app.add_typer(server, name="server")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tsuzuki {tsuzuki.__version__}")
        raise typer.Exit


@_app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the entry point of the `tsuzuki` script."""
    _app()
