"""`tsuzuki activity`: finishing an activity from outside, and acting on one that a workflow waits for."""

from __future__ import annotations

from typing import Annotated

import typer

from tsuzuki.client import AsyncActivityHandle, Client
from tsuzuki.exceptions import ApplicationError

from ._activity_control import ActivityId, pause, reset, tell, unpause, update_options
from ._connection import Connection, connected
from ._ids import RunId, WorkflowId
from ._inputs import from_json
from ._lazy import group
from ._output import Output, OutputOption

activity = group("Activities that are acted on from outside.")
activity.command()(pause)
activity.command()(unpause)
activity.command()(reset)
activity.command()(update_options)


@activity.command()
@connected
def complete(
    connection: Connection,
    activity_id: ActivityId,
    workflow_id: WorkflowId,
    result: Annotated[str, typer.Option(metavar="JSON", help="Its result.")],
    run_id: RunId = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Finish an activity with a result."""
    value = from_json("--result", result)

    async def work(client: Client) -> None:
        await _handle(client, workflow_id, run_id, activity_id).complete(value)

    connection.run(work)
    tell(activity_id, workflow_id, "completed", output)


@activity.command()
@connected
def fail(
    connection: Connection,
    activity_id: ActivityId,
    workflow_id: WorkflowId,
    reason: Annotated[str, typer.Option(help="The message of the failure.")] = "",
    detail: Annotated[str | None, typer.Option(metavar="JSON", help="A detail of the failure.")] = None,
    non_retryable: Annotated[bool, typer.Option("--non-retryable", help="Do not try it again.")] = False,
    run_id: RunId = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Fail an activity's attempt; its retry policy decides whether there is another."""
    details = [] if detail is None else [from_json("--detail", detail)]

    async def work(client: Client) -> None:
        error = ApplicationError(reason or "failed by the command line", *details, non_retryable=non_retryable)
        await _handle(client, workflow_id, run_id, activity_id).fail(error)

    connection.run(work)
    tell(activity_id, workflow_id, "failed", output)


def _handle(client: Client, workflow_id: str, run_id: str, activity_id: str) -> AsyncActivityHandle:
    return client.get_async_activity_handle(workflow_id=workflow_id, run_id=run_id or None, activity_id=activity_id)
