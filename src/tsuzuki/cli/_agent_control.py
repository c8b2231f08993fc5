"""`tsuzuki agent status`, `pause`, `resume` and `cancel`, of a run that has a `Control`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from tsuzuki.agents import ControlState, RemoteControl
from tsuzuki.client import (
    Client,
    RPCError,
    ServiceUnavailableError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)

from ._connection import Connection, connected
from ._ids import Code, RunId, WorkflowId
from ._output import Output, OutputOption, plain, time_text, write_fields, write_json, write_table
from ._query import ask
from ._user import user

_HEARD_S_MAX: Final = 2.0
"""How long a run may take to say that it has heard a signal."""

Reason = Annotated[str, typer.Option(help="Why; recorded with it.")]
By = Annotated[str, typer.Option("--by", help="Who asks; by default --identity, or who you are on this machine.")]


@connected
def status(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    workflows: Code = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show whether a run is paused or cancelled, why, by whom, and where it waits. A worker answers, or the code that
    --workflows names."""
    state = ask(
        connection,
        workflow_id,
        run_id,
        "get_control_state",
        workflows=workflows,
        result_type=ControlState,
        needs="enters a Control (tsuzuki.agents)",
    )
    if output is not Output.TEXT:
        write_json(plain(state), output)
        return
    write_fields(
        "Control",
        [
            ("Status", state.status),
            ("Reason", state.reason),
            ("By", state.by),
            ("Since", time_text(state.since)),
            ("Checkpoint", state.checkpoint),
            ("WaitingAt", ", ".join(state.waiting_at)),
            ("PausedSeconds", f"{state.paused_s:.1f}" if state.paused_s else ""),
            ("Children", ", ".join(state.children)),
        ],
    )
    if state.actions:
        write_table(
            ("Time", "Action", "By", "Checkpoint", "Reason"),
            ((time_text(it.at), it.action, it.by, it.checkpoint, it.reason) for it in state.actions),
        )


@connected
def pause(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Reason = "",
    by: By = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Hold a run and its children at their next checkpoints."""
    _control(connection, workflow_id, run_id, by, output, "pause", lambda it: it.pause(reason))


@connected
def resume(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Reason = "",
    by: By = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a paused run and its children go on."""
    _control(connection, workflow_id, run_id, by, output, "resume", lambda it: it.resume(reason))


@connected
def cancel(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Reason = "",
    by: By = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Say why a run is cancelled, and cancel it; it may clean up."""
    _control(connection, workflow_id, run_id, by, output, "cancel", lambda it: it.cancel(reason))


def _control(
    connection: Connection,
    workflow_id: str,
    run_id: str,
    by: str,
    output: Output,
    action: str,
    send: Callable[[RemoteControl], Awaitable[None]],
) -> None:
    who = by or connection.identity or user()

    async def work(client: Client) -> str:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        await send(RemoteControl(handle, by=who))
        # Only code acts upon a pause. The service acts upon a cancel; and no worker reaches the file of this process.
        return "" if action == "cancel" or connection.embedded else await _unheard(handle)

    note = replace(connection, identity=connection.identity or who).run(work, "Sending")
    if output is not Output.TEXT:
        write_json({"workflowId": workflow_id, "action": action, "by": who, **({"note": note} if note else {})}, output)
    elif note:
        typer.echo(f"{action.capitalize()} recorded. {note}")
    else:
        typer.echo(f"{action.capitalize()} recorded. `tsuzuki agent status` shows where the run stands.")


async def _unheard(handle: WorkflowHandle[Any, Any]) -> str:
    """Why it is not known that the code of a run heeds a signal; empty if it does."""
    try:
        async with asyncio.timeout(_HEARD_S_MAX):
            await handle.query("get_status")
    except (TimeoutError, ServiceUnavailableError):
        return "No worker has answered yet; the code acts upon it once one is there."
    except WorkflowQueryRejectedError:
        return "The workflow is paused; its code acts upon this once it is unpaused (tsuzuki workflow unpause)."
    except WorkflowQueryFailedError as error:
        return (
            f"But nothing in the code answers get_status so far, so it may be that nothing comes of it: "
            f"{error.message}. A run heeds this if its code enters a Control (tsuzuki.agents)."
        )
    except RPCError as error:
        return f"Whether the code heeds it could not be asked: {error.message}"
    return ""
