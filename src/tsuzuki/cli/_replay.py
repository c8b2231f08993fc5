"""`tsuzuki workflow replay` and `state`: a recorded history against the code at hand."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tsuzuki.client import Client, WorkflowHistory
from tsuzuki.replay import Replayer, describe_failure, load_workflows, state_at_event
from tsuzuki.worker.past import RunState

from ._connection import (
    DEFAULT_NAMESPACE,
    DEFAULT_TARGET,
    FAILED,
    Modules,
    Namespace,
    Target,
    refuse,
    run_or_refuse,
    run_with_client,
)

WorkflowId = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow.")]
RunId = Annotated[str, typer.Option("--run-id", "-r", help="The run; the newest by default.")]
HistoryFile = Annotated[
    Path | None, typer.Option("--file", "-f", help="An exported history instead; - for standard input.")
]


def replay(
    workflows: Modules,
    workflow_id: WorkflowId = "",
    run_id: RunId = "",
    file: HistoryFile = None,
    target: Target = DEFAULT_TARGET,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Replay a history on the code at hand, from a database, a server, or an exported file.

    Exit code 0: it replays, 1: it does not, 2: bad input.
    """
    history = _history(workflow_id, run_id, file, target, namespace)

    async def work() -> Exception | None:
        replayer = Replayer(workflows=load_workflows(workflows))
        return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure

    failure = run_or_refuse(work)
    name = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    if failure is None:
        typer.echo(f"{name} {history.workflow_id}: {len(history.events)} events replayed, no difference.")
        return
    broken = describe_failure(failure, history.workflow_id, history.run_id, is_open=True)
    place = f"{broken.path}:{broken.line}: " if broken.path else ""
    typer.echo(f"{name} {history.workflow_id}: {place}{broken.error}")
    if broken.gate:
        typer.echo(f"gate: {broken.gate}")
    raise typer.Exit(FAILED)


def state(
    workflows: Modules,
    workflow_id: WorkflowId = "",
    run_id: RunId = "",
    event: Annotated[int, typer.Option("--event", "-e", min=0, help="At which event; 0 for the newest.")] = 0,
    mask: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", help="Names of variables that are not to be shown.")
    ] = None,
    file: HistoryFile = None,
    target: Target = DEFAULT_TARGET,
    namespace: Namespace = DEFAULT_NAMESPACE,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show where a run's code stood at an event: lines, variables, pending work, answers of queries."""
    history = _history(workflow_id, run_id, file, target, namespace)

    async def work() -> RunState:
        return await state_at_event(history, load_workflows(workflows), event, masks=mask or ())

    try:
        found = run_or_refuse(work)
    except ValueError as error:
        refuse(str(error))
    typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False) if as_json else _as_text(found))


def _history(workflow_id: str, run_id: str, file: Path | None, target: str, namespace: str) -> WorkflowHistory:
    if file is None:
        if not workflow_id:
            refuse("give --workflow-id, or --file with an exported history")

        async def fetch(client: Client) -> WorkflowHistory:
            return await client.get_workflow_handle(workflow_id, run_id=run_id or None).fetch_history()

        return run_with_client(target, namespace, fetch)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        history = WorkflowHistory.from_json(workflow_id or file.stem, text)
        assert history.run_id is not None
    except (OSError, ValueError) as error:
        refuse(f"{file}: {error}")
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
