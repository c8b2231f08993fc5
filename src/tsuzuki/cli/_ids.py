"""Options that name a workflow, its code, a filter."""

from __future__ import annotations

from typing import Annotated

import typer

WorkflowId = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow.")]
RunId = Annotated[str, typer.Option("--run-id", "-r", help="The run; the open one, else the newest by default.")]
Filter = Annotated[
    str, typer.Option("--query", "-q", metavar="FILTER", help="A list filter, such as ExecutionStatus = 'Running'.")
]
Code = Annotated[
    list[str] | None,
    typer.Option(
        "--workflows",
        metavar="MODULE",
        help="Ask this code, by replaying the history on it, and no worker; may be given again.",
    ),
]
Name = Annotated[str, typer.Option("--name", "--type", help="Its name.")]
