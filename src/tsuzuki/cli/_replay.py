"""`tsuzuki workflow replay` and `state`: a recorded history against the code at hand."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tsuzuki.client import Client, WorkflowHistory
from tsuzuki.replay import Replayer, describe_failure, load_workflows, state_at_event
from tsuzuki.worker.past import RunState

from ._connection import Connection, Modules, connected, run_or_refuse
from ._endings import FAILED, refuse
from ._ids import RunId
from ._output import Output, OutputOption, write_json

WorkflowId = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow.")]
HistoryFile = Annotated[
    Path | None, typer.Option("--file", "-f", help="An exported history instead; - for standard input.")
]


@connected
def replay(
    connection: Connection,
    workflows: Modules,
    workflow_id: WorkflowId = "",
    run_id: RunId = "",
    file: HistoryFile = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Replay a history on the code at hand, from a database, a server, or an exported file.

    Exit code 0: it replays, 1: it does not, 2: bad input.
    """
    history = recorded_history(connection, workflow_id, run_id, file)

    async def work() -> Exception | None:
        replayer = Replayer(
            workflows=load_workflows(workflows),
            data_converter=connection.data_converter,
            interceptors=connection.code_interceptors,
        )
        return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure

    failure = run_or_refuse(work, "Replaying")
    name = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    broken = failure and describe_failure(failure, history.workflow_id, history.run_id, is_open=True)
    if output is not Output.TEXT:
        write_json(
            {
                "workflowId": history.workflow_id,
                "type": name,
                "events": len(history.events),
                "replays": not broken,
                "broken": asdict(broken) if broken else None,
            },
            output,
        )
    elif broken:
        place = f"{broken.path}:{broken.line}: " if broken.path else ""
        typer.echo(f"{name} {history.workflow_id}: {place}{broken.error}")
        if broken.gate:
            typer.echo(f"gate: {broken.gate}")
    else:
        typer.echo(f"{name} {history.workflow_id}: {len(history.events)} events replayed, no difference.")
    if broken:
        raise typer.Exit(FAILED)


@connected
def state(
    connection: Connection,
    workflows: Modules,
    workflow_id: WorkflowId = "",
    run_id: RunId = "",
    event: Annotated[int, typer.Option("--event", "-e", min=0, help="At which event; 0 for the newest.")] = 0,
    mask: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", help="Names of variables that are not to be shown.")
    ] = None,
    file: HistoryFile = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show where a run's code stood at an event: lines, variables, pending work, answers of queries."""
    history = recorded_history(connection, workflow_id, run_id, file)

    async def work() -> RunState:
        return await state_at_event(
            history,
            load_workflows(workflows),
            event,
            masks=mask or (),
            data_converter=connection.data_converter,
            interceptors=connection.code_interceptors,
        )

    try:
        found = run_or_refuse(work, "Replaying")
    except ValueError as error:
        refuse(str(error))
    if output is not Output.TEXT:
        write_json(asdict(found), output)
    else:
        typer.echo(_as_text(found))


def recorded_history(connection: Connection, workflow_id: str, run_id: str, file: Path | None) -> WorkflowHistory:
    if file is None:
        if not workflow_id:
            refuse("give --workflow-id, or --file with an exported history")

        async def fetch(client: Client) -> WorkflowHistory:
            return await client.get_workflow_handle(workflow_id, run_id=run_id or None).fetch_history()

        return connection.run(fetch, "Reading the history")
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        history = WorkflowHistory.from_json(workflow_id or file.stem, text)
        assert history.run_id is not None
    except OSError as error:
        refuse(f"{file}: {error.strerror}")
    except ValueError as error:
        refuse(f"{file} is no exported history: {error}. `workflow show --output json` writes one, Temporal's own too")
    return history


def _as_text(state: RunState) -> str:
    lines = [
        f"{state.workflow_type} {state.workflow_id}, run {state.run_id}",
        f"event {state.event_id}, code ran up to event {state.code_event_id}, workflow time {state.time or '-'}",
    ]
    for task in state.tasks:
        lines.append(f"\ntask {task.name}")
        for frame in task.frames:
            if not frame.user:
                continue
            lines.append(f"  {frame.file}:{frame.line} in {frame.function}")
            lines.append(f"      {frame.source}")
            lines += [f"        {variable.name} = {variable.text}" for variable in frame.variables]
    if state.finished:
        lines.append("\nthe workflow has returned")
    if state.instance:
        lines += ["\nworkflow object", *(f"  {it.name} = {it.text}" for it in state.instance)]
    if state.pending:
        lines += ["\npending", *(f"  {it.kind} {it.name} ({it.id}), event {it.event_id}" for it in state.pending)]
    if state.queries:
        lines += ["\nqueries", *(f"  {name}: {answer}" for name, answer in state.queries.items())]
    gates = [f"{name}={version}" for name, version in state.versions.items()] + list(state.patches)
    if gates:
        lines.append(f"\ngates: {', '.join(gates)}")
    return "\n".join(lines)
