"""The command line: one Typer application, one file per command.

Exit codes: 0 done, 1 failed, 2 bad input (one line says what), 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated

import typer
from typer.exceptions import TyperException

import tsuzuki

from ._activity import activity
from ._check import check
from ._connection import BAD_INPUT, INTERRUPTED
from ._debug import debug
from ._demo import demo
from ._fork import fork
from ._gates import gates
from ._lint import lint
from ._replay import replay, state
from ._reset import reset
from ._schedule import schedule
from ._server import server
from ._store import store
from ._top import top
from ._trace import trace
from ._worker_run import worker
from ._workflow_look import count, describe, list_workflows, show
from ._workflow_start import execute, result, signal_with_start, start
from ._workflow_talk import cancel, query, signal, stack, terminate, update

_app = typer.Typer(
    help="Durable execution for Python: workflows as plain asyncio code that survive crashes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_app.command()(demo)
_app.command()(lint)
_app.command()(check)
_app.command()(gates)
_app.command()(top)

_workflow = typer.Typer(help="Workflows: start them, look at them, work on them.", no_args_is_help=True)
for _command in (start, execute, result, signal_with_start, count, describe, show, trace):
    _workflow.command()(_command)
_workflow.command("list")(list_workflows)
for _command in (signal, query, stack, cancel, terminate, replay, state, debug, fork, reset):
    _workflow.command()(_command)
_workflow.add_typer(update, name="update")
_app.add_typer(_workflow, name="workflow")
_app.add_typer(activity, name="activity")
_app.add_typer(server, name="server")
_app.add_typer(store, name="store")
_app.add_typer(schedule, name="schedule")
_app.add_typer(worker, name="worker")


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
    try:
        code = _app(standalone_mode=False)
    except TyperException as error:
        typer.echo(f"tsuzuki: {_first_line(error)}", err=True)
        raise SystemExit(getattr(error, "exit_code", BAD_INPUT)) from None
    except typer.Abort:
        typer.echo("tsuzuki: interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _first_line(error: TyperException) -> str:
    """What is wrong with a command line, and where its options are listed."""
    say = getattr(error, "format_message", None)
    context = getattr(error, "ctx", None)
    text = " ".join(str(say() if say is not None else error).split())
    return f"{text} See: {context.command_path} --help" if context is not None else text
