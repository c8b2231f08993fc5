"""`tsuzuki workflow pause` and `unpause`: holding one run."""

from __future__ import annotations

from typing import Annotated

import typer

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._ids import RunId, WorkflowId
from ._output import Output, OutputOption, write_json
from ._user import user

Reason = Annotated[str, typer.Option(help="Recorded with it; by default who asked.")]


@connected
def pause(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Reason = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Hold a workflow: its code does not run and no activity attempt starts until it is unpaused."""
    why = reason or f"Workflow Execution paused by {user()} with tsuzuki workflow pause"

    async def work(client: Client) -> None:
        await client.get_workflow_handle(workflow_id, run_id=run_id or None).pause(reason=why)

    connection.run(work)
    _tell(workflow_id, "paused", output)


@connected
def unpause(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Reason = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a paused workflow go on, with all that came meanwhile."""
    why = reason or f"Workflow Execution unpaused by {user()} with tsuzuki workflow unpause"

    async def work(client: Client) -> None:
        await client.get_workflow_handle(workflow_id, run_id=run_id or None).unpause(reason=why)

    connection.run(work)
    _tell(workflow_id, "unpaused", output)


def _tell(workflow_id: str, done: str, output: Output) -> None:
    if output is not Output.TEXT:
        write_json({"workflowId": workflow_id, "status": done.upper()}, output)
    else:
        typer.echo(f"Workflow {workflow_id} {done}.")
