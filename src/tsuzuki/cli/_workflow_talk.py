"""`tsuzuki workflow signal`, `query`, `stack`, `cancel` and `terminate`."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from tsuzuki.client import Client
from tsuzuki.common import QueryRejectCondition

from ._connection import Connection, connected
from ._endings import refuse
from ._ids import Code, Name, RunId, WorkflowId
from ._inputs import InputFiles, Inputs, arguments
from ._output import Output, OutputOption, json_text, write_fields, write_json

SomeWorkflow = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow; or --query for many.")]
Many = Annotated[str, typer.Option("--query", "-q", metavar="FILTER", help="All open runs that a list filter finds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before acting on many.")]
Reject = Annotated[
    str, typer.Option(metavar="CONDITION", help="Closed runs not to ask: not_open, not_completed_cleanly.")
]


# ---- to one run or many ----------------------------------------------------------------------------


@connected
def signal(
    connection: Connection,
    name: Name,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    query: Many = "",
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Send a signal to a workflow."""
    args = arguments(inputs, input_file)

    async def send(client: Client, workflow_id: str, run_id: str | None) -> None:
        await client.get_workflow_handle(workflow_id, run_id=run_id).signal(name, args=args)

    _to_each(connection, send, "Signal", "recorded", workflow_id, run_id, query, yes, output)


@connected
def cancel(
    connection: Connection,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    reason: Annotated[str, typer.Option(help="Recorded with the request.")] = "",
    query: Many = "",
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Ask a workflow to stop: its code is cancelled, may clean up, and decides how it ends."""

    async def send(client: Client, workflow_id: str, run_id: str | None) -> None:
        await client.get_workflow_handle(workflow_id, run_id=run_id).cancel(reason=reason)

    _to_each(connection, send, "Cancel", "requested", workflow_id, run_id, query, yes, output)


@connected
def terminate(
    connection: Connection,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    reason: Annotated[str, typer.Option(help="Recorded with the end; by default who asked.")] = "",
    query: Many = "",
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """End a workflow at once; its code is not told and does not clean up."""
    why = reason or f"Requested by {_user()} with tsuzuki workflow terminate"

    async def send(client: Client, workflow_id: str, run_id: str | None) -> None:
        await client.get_workflow_handle(workflow_id, run_id=run_id).terminate(reason=why)

    _to_each(connection, send, "Workflow", "terminated", workflow_id, run_id, query, yes, output)


def _to_each(
    connection: Connection,
    send: Any,
    what: str,
    done: str,
    workflow_id: str,
    run_id: str,
    query: str,
    yes: bool,
    output: Output,
) -> None:
    if bool(workflow_id) == bool(query):
        refuse("give --workflow-id, or --query for many; one of them")
    if run_id and query:
        refuse("--run-id goes with --workflow-id, not with --query")

    async def one(client: Client) -> list[tuple[str, str]]:
        await send(client, workflow_id, run_id or None)
        return [(workflow_id, run_id)]

    async def many(client: Client) -> list[tuple[str, str]]:
        found = [(run.id, run.run_id) async for run in client.list_workflows(_open_ones(query))]
        if not yes and not typer.confirm(f"{done.capitalize()}: {len(found):,} runs. Go on?", err=True):
            return []
        for one_id, its_run in found:
            await send(client, one_id, its_run)
        return found

    reached = connection.run(many if query else one, "" if query and not yes else "Sending")
    if output is Output.JSON:
        write_json([{"workflowId": one_id, **({"runId": its_run} if its_run else {})} for one_id, its_run in reached])
    else:
        typer.echo(f"{what} {done}." if not query else f"{what} {done}: {len(reached):,} runs.")


def _open_ones(query: str) -> str:
    if "executionstatus" in query.lower():
        return query
    return f"{f'({query})' if ' or ' in query.lower() else query} AND ExecutionStatus = 'Running'"


# ---- queries ---------------------------------------------------------------------------------------


@connected
def query(
    connection: Connection,
    name: Name,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    reject_condition: Reject = "",
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Ask a workflow's code, open or closed. A worker answers, or the code that --workflows names."""
    answer = _ask(connection, workflow_id, run_id, name, arguments(inputs, input_file), reject_condition, workflows)
    if output is Output.JSON:
        write_json({"queryResult": [answer]})
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
    answer = _ask(connection, workflow_id, run_id, "__stack_trace", [], reject_condition, workflows)
    if output is Output.JSON:
        write_json({"queryResult": [answer]})
    else:
        typer.echo(str(answer).rstrip())


def _ask(
    connection: Connection,
    workflow_id: str,
    run_id: str,
    name: str,
    args: list[Any],
    reject_condition: str,
    modules: list[str] | None,
) -> Any:
    if modules is None and connection.embedded:
        refuse(
            f"code answers a query, and while this process has {connection.target} open no worker elsewhere can: "
            "name the code with --workflows MODULE, or ask through a server"
        )
    condition = None
    if reject_condition:
        try:
            condition = QueryRejectCondition[reject_condition.upper()]
        except KeyError:
            refuse(f"--reject-condition {reject_condition}: expected not_open or not_completed_cleanly")

    async def work(client: Client) -> Any:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        if modules is None:
            return await handle.query(name, args=args, reject_condition=condition)
        from tsuzuki.replay import load_workflows, query_history

        code = load_workflows(modules)
        history = await handle.fetch_history()
        return await query_history(history, code, name, args, data_converter=client.data_converter)

    return connection.run(work, "Asking")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
