"""Commands that act on one run, or on all that a filter finds: which are meant, and acting on many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from temporalio.api.workflowservice.v1 import StartBatchOperationRequest

from tsuzuki.client import Client

from ._batch import run_batch, tell_batch
from ._connection import Connection
from ._endings import refuse
from ._output import Output
from ._user import user

SomeWorkflow = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow; or --query for many.")]
Many = Annotated[str, typer.Option("--query", "-q", metavar="FILTER", help="All open runs that a list filter finds.")]
ManyMore = Annotated[str, typer.Option("--query", "-q", metavar="FILTER", help="All runs that a list filter finds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before acting on many.")]
Rps = Annotated[float, typer.Option(min=0, help="Of many: most runs a second; 0 for no bound.")]


@dataclass(frozen=True)
class Which:
    """Which runs are meant: one, or all that a filter finds."""

    workflow_id: str
    run_id: str
    query: str
    yes: bool
    rps: float

    def __post_init__(self) -> None:
        if bool(self.workflow_id) == bool(self.query):
            refuse("give --workflow-id, or --query for many; one of them")
        if self.run_id and self.query:
            refuse("--run-id goes with --workflow-id, not with --query")


def act_on_many(
    connection: Connection,
    which: Which,
    batch: Callable[[Client], StartBatchOperationRequest],
    done: str,
    reason: str,
    output: Output,
    *,
    open_only: bool = True,
) -> None:
    """Have the engine act on each run that the filter finds, and say what became of it.

    Args:
        connection: Where.
        which: The filter, and whether to ask first.
        batch: Makes the operation.
        done: What to say of it.
        reason: Recorded with it; by default who asked.
        output: How to write that.
        open_only: Only on open runs, unless the filter speaks of a status.
    """
    query = _open_ones(which.query) if open_only else which.query
    if not which.yes:
        counted = connection.run(lambda client: client.count_workflows(query), "Counting")
        if not typer.confirm(f"{done}: {counted.count:,} runs. Go on?", err=True):
            raise typer.Exit(0)

    async def many(client: Client) -> Any:
        request = batch(client)
        request.visibility_query, request.max_operations_per_second = query, which.rps
        request.reason = reason or f"Requested by {user()} with tsuzuki workflow"
        return await run_batch(client, request)

    tell_batch(done, connection.run(many, "Acting on each; the engine goes on if you leave"), output)


def _open_ones(query: str) -> str:
    if "executionstatus" in query.lower():
        return query
    return f"({query}) AND CloseTime IS NULL"
