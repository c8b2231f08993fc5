"""`tsuzuki workflow fork`: what if an activity had answered this."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tsuzuki.client import Client, WorkflowHandle

from ._connection import Connection, connected
from ._endings import refuse
from ._ids import RunId, WorkflowId
from ._inputs import from_json, pairs
from ._output import Output, OutputOption, write_fields, write_json


@connected
def fork(
    connection: Connection,
    workflow_id: WorkflowId,
    event: Annotated[int, typer.Option("--event", "-e", min=1, help="The event from which the new run goes on.")],
    run_id: RunId = "",
    new_workflow_id: Annotated[str, typer.Option(help="Workflow id of the new run; a new one by default.")] = "",
    set_result: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTIVITY_ID=JSON", help="What an activity is to have returned; may be given again."),
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option(metavar="NAME[=JSON]", help="A signal to inject; may be given again.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a new run from an event of an old one, if wanted with other results or further signals.

    The old run is not touched. A Temporal cluster cannot do this; there is `temporal workflow reset`.
    """
    results = pairs("--set-result", set_result)
    signals = [_signal(given) for given in signal or ()]

    async def work(client: Client) -> WorkflowHandle[Any, Any]:
        return await client.fork_workflow(
            workflow_id, event, run_id=run_id or None, id=new_workflow_id or None, results=results, signals=signals
        )

    made = connection.run(work, "Forking")
    answer = {"workflowId": made.id, "runId": made.result_run_id, "from": {"workflowId": workflow_id, "eventId": event}}
    if output is not Output.TEXT:
        write_json(answer, output)
    else:
        write_fields("Forked", [("WorkflowId", made.id), ("RunId", made.result_run_id), ("FromEvent", event)])


def _signal(given: str) -> tuple[str, list[Any]]:
    name, separator, value = given.partition("=")
    if not name:
        refuse(f"--signal {given}: expected NAME=JSON")
    return name, [from_json("--signal", value, key=name)] if separator else []
