"""`tsuzuki check`: the gate before a deployment. The verdict goes to standard output, progress to standard error."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from tsuzuki.client import Client
from tsuzuki.replay import FORMATS, DeployVerdict, deploy_check, load_workflows

from ._connection import Connection, Modules, connected
from ._endings import FAILED


class Format(StrEnum):
    """How the verdict is written; the names of `FORMATS`."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


@connected
def check(
    connection: Connection,
    workflows: Modules,
    query: Annotated[str, typer.Option(help="A list filter that narrows the runs down.")] = "",
    sample: Annotated[int, typer.Option(min=0, help="Closed runs of each type to replay, newest first.")] = 20,
    allow_empty: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="A type that may have no history; * for all.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the verdict.")] = Format.TEXT,
) -> None:
    """Replay open runs on the code at hand, before it is deployed.

    Exit code 0: every run replays, 1: some would break or a type has no history, 2: bad input.
    """

    async def work(client: Client) -> DeployVerdict:
        loaded = load_workflows(workflows)
        with Console(stderr=True).status("Reading runs ...") as status:
            return await deploy_check(
                client,
                loaded,
                query=query,
                sample=sample,
                allow_empty=allow_empty or (),
                interceptors=connection.worker_interceptors,
                progress=lambda name, count: status.update(f"{name}: {count:,} runs replayed"),
            )

    verdict = connection.run(work, "")
    typer.echo(FORMATS[form.value](verdict))
    if not verdict.ok:
        raise typer.Exit(FAILED)
