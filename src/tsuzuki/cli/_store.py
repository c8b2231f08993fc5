"""`tsuzuki store`: a database file by itself, without running anything on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from tsuzuki.client import WorkflowExecutionStatus
from tsuzuki.store import StoreError, back_up, check_store, store_info

from ._endings import FAILED, refuse
from ._lazy import group
from ._output import Output, OutputOption, write_fields, write_json

store = group("Look after a database file.")

Database = Annotated[
    str,
    typer.Option(
        "--target", "--db", envvar="TSUZUKI_TARGET", help="The database (research.db, sqlite:///research.db)."
    ),
]


@store.command()
def check(target: Database, output: OutputOption = Output.TEXT) -> None:
    """Check everything that a store promises: histories, what stands beside them, checksums.

    Exit code 0: all is well, 1: something is broken, 2: it is no store. It may be open elsewhere.
    """
    path = database_path(target)
    try:
        with Console(stderr=True).status(f"Checking {path} ..."):
            problems = check_store(path)
    except (StoreError, OSError) as error:
        refuse(str(error))
    if output is not Output.TEXT:
        write_json([problem._asdict() for problem in problems], output)
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{path}: {f'{len(problems):,} problems' if problems else 'everything is as promised'}.")
    if problems:
        raise typer.Exit(FAILED)


@store.command()
def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.")],
    target: Database,
    output: OutputOption = Output.TEXT,
) -> None:
    """Copy a store, also while it is open elsewhere. Every commit that was on disk at the beginning is in it."""
    path = database_path(target)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            copying = progress.add_task("Copying", total=None)
            back_up(path, to, progress=lambda done, total: progress.update(copying, completed=done, total=total))
    except (StoreError, OSError) as error:
        refuse(str(error), FAILED)
    if output is not Output.TEXT:
        write_json({"path": str(to), "bytes": to.stat().st_size}, output)
    else:
        typer.echo(f"{to}: {to.stat().st_size:,} bytes. Run it or the original, not both: each tries open work again.")


@store.command()
def info(target: Database, output: OutputOption = Output.TEXT) -> None:
    """Show what a store holds, and which process has it open."""
    try:
        found = store_info(database_path(target))
    except (StoreError, OSError) as error:
        refuse(str(error))
    runs = {WorkflowExecutionStatus(status).name: count for status, count in found.runs.items()}
    if output is not Output.TEXT:
        open_runs = [
            {"task_queue": queue, "type": kind, "count": count} for (queue, kind), count in found.open_runs.items()
        ]
        write_json({**asdict(found), "runs": runs, "open_runs": open_runs}, output)
        return
    write_fields(
        "Store",
        [
            ("Path", found.path),
            ("Version", found.version),
            ("Size", f"{found.bytes:,} bytes"),
            ("Commits", f"{found.commits:,}"),
            ("Opened", f"{found.incarnation:,} times"),
            ("Namespaces", ", ".join(found.namespaces)),
            ("Runs", ", ".join(f"{name.lower()} {count:,}" for name, count in runs.items()) or "none"),
            ("Open runs", ", ".join(f"{kind} {count:,}" for (_, kind), count in found.open_runs.items())),
            ("Owner", f"process {found.owner_pid}" if found.owner_pid else "none: no process has it open"),
        ],
    )


def database_path(target: str) -> str:
    if target.startswith("sqlite:///"):
        target = target.removeprefix("sqlite:///")
    elif "://" in target or (":" in target and not Path(target).exists()):
        refuse(f"--target {target} is no database file; expected a path such as research.db")
    if not Path(target).is_file():
        refuse(f"there is no database {target}")
    return target
