"""`tsuzuki workflow query`, `stack` and `metadata`: what a workflow's code says of itself."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from temporalio.api.sdk.v1 import WorkflowMetadata

from ._connection import Connection, connected
from ._ids import Code, Name, RunId, WorkflowId
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments
from ._output import Output, OutputOption, json_text, write_fields, write_json, write_table
from ._query import ask
from ._terminal import printable

STACK: Final = "__stack_trace"
METADATA: Final = "__temporal_workflow_metadata"

Reject = Annotated[
    str, typer.Option(metavar="CONDITION", help="Closed runs not to ask: not_open, not_completed_cleanly.")
]


@connected
def query(
    connection: Connection,
    name: Name,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    reject_condition: Reject = "",
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Ask a workflow's code, open or closed. A worker answers, or the code that --workflows names."""
    args = arguments(inputs, input_file, input_meta, input_base64)
    answer = ask(connection, workflow_id, run_id, name, args, reject_condition=reject_condition, workflows=workflows)
    if output is not Output.TEXT:
        write_json({"queryResult": [answer]}, output)
    else:
        write_fields("Query result", [("QueryResult", json_text(answer))])


@connected
def stack(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reject_condition: Reject = "",
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show where a workflow's code waits. A worker answers, or the code that --workflows names."""
    answer = ask(connection, workflow_id, run_id, STACK, reject_condition=reject_condition, workflows=workflows)
    if output is not Output.TEXT:
        write_json({"queryResult": [answer]}, output)
    else:
        typer.echo(printable(str(answer)).rstrip() or "No code waits: the workflow has ended, or has not begun.")


@connected
def metadata(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reject_condition: Reject = "",
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a workflow takes (signals, queries, updates) and says of itself. A worker answers, or the code that
    --workflows names."""
    found = ask(
        connection,
        workflow_id,
        run_id,
        METADATA,
        reject_condition=reject_condition,
        workflows=workflows,
        result_type=WorkflowMetadata,
    )
    if output is not Output.TEXT:
        write_json(found, output)
        return
    definition = found.definition
    write_fields("Metadata", [("Type", definition.type), ("CurrentDetails", found.current_details)])
    takes = [
        (kind, each.name, each.description)
        for kind, listed in (
            ("Signal", definition.signal_definitions),
            ("Query", definition.query_definitions),
            ("Update", definition.update_definitions),
        )
        for each in listed
    ]
    if takes:
        write_table(("Kind", "Name", "Description"), takes)
