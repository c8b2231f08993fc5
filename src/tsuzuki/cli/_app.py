"""The command line: one Typer application, one file per command, imported when it is asked for.

Exit codes: 0 done, 1 failed, 2 bad input (one line says what), 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated

import typer
from typer.exceptions import TyperException

import tsuzuki

from ._endings import BAD_INPUT, INTERRUPTED
from ._lazy import group

_app = group(
    "Durable execution for Python: workflows as plain asyncio code that survive crashes.",
    {
        "demo": ("_demo:demo", "Research a question with 15 searches, in a way that survives kill -9."),
        "lint": ("_lint:lint", "Find in workflow code what would break replay, without running it."),
        "check": ("_check:check", "Replay open runs on the code at hand, before it is deployed."),
        "gates": (
            "_gates:gates",
            "List the gates (`get_version`, `patched`) in the code and in open runs, and which branches can go.",
        ),
        "top": (
            "_top:top",
            "Watch what runs and waits: runs by status and task queue, rates; of a server also the backlog of each "
            "task queue and who polls it.",
        ),
        "workflow": ("_workflow:workflow", "Workflows: start them, look at them, work on them."),
        "activity": ("_activity:activity", "Activities that are acted on from outside."),
        "schedule": ("_schedule:schedule", "Workflows that are started again and again."),
        "batch": ("_batch:batch", "Batch operations: one thing done to all runs that a filter finds."),
        "agent": ("_agent:agent", "Agents: hold them, answer them, see what they cost."),
        "task-queue": ("_task_queue:task_queue", "Task queues: what waits, who takes it."),
        "operator": ("_operator:operator", "Namespaces and search attributes."),
        "worker": ("_worker_commands:worker", "Run workflows and activities; see who does."),
        "server": ("_server:server", "Serve workflows to workers and clients in other processes and languages."),
        "store": ("_store:store", "Look after a database file."),
    },
    add_completion=True,
    pretty_exceptions_enable=False,
)


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
    # Typer has no words for a group without a command: it shows the help, and raises an error with an empty text.
    context = getattr(error, "ctx", None)
    text = " ".join(str(say() if say is not None else error).split()) or "Missing command."
    stop = "" if text.endswith((".", "?", "!")) else "."
    return f"{text}{stop} See: {context.command_path} --help" if context is not None else text
