"""`tsuzuki batch`, and how commands act on all runs that a filter finds: by a batch operation of the engine.

The engine goes on with one when the command has gone, and after a crash; the command waits for its end.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from temporalio.api.enums.v1 import BatchOperationState, BatchOperationType
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    DescribeBatchOperationResponse,
    ListBatchOperationsRequest,
    ListBatchOperationsResponse,
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._endings import FAILED
from ._lazy import group
from ._output import Output, OutputOption, as_data, time_text, write_fields, write_json, write_table

batch = group("Batch operations: one thing done to all runs that a filter finds.")

JobId = Annotated[str, typer.Option("--job-id", help="The batch operation.")]

_RUNNING: Final = BatchOperationState.BATCH_OPERATION_STATE_RUNNING
_LOOK_EVERY_S: Final = 0.1
_PAGE: Final = 100


async def run_batch(client: Client, request: StartBatchOperationRequest) -> DescribeBatchOperationResponse:
    """Start a batch operation, wait until it has ended, and give what became of it.

    Args:
        client: Where.
        request: What to do; its namespace and job id are filled in.
    """
    request.namespace, request.job_id = client.namespace, str(uuid4())
    await client.service.start_batch_operation(request)
    asked = DescribeBatchOperationRequest(namespace=client.namespace, job_id=request.job_id)
    while True:
        found = await client.service.describe_batch_operation(asked)
        if found.state != _RUNNING:
            return found
        await asyncio.sleep(_LOOK_EVERY_S)


def tell_batch(done: str, found: DescribeBatchOperationResponse, output: Output) -> None:
    """Say what became of one; exit code 1 if it could not do it to every run."""
    if output is not Output.TEXT:
        write_json(found, output)
    else:
        count = found.complete_operation_count
        failed = f", {found.failure_operation_count:,} failed" if found.failure_operation_count else ""
        typer.echo(f"{done}: {count:,} run{'' if count == 1 else 's'}{failed}. Batch operation {found.job_id}")
    if found.failure_operation_count or found.state != BatchOperationState.BATCH_OPERATION_STATE_COMPLETED:
        raise typer.Exit(FAILED)


@batch.command("list")
@connected
def list_batches(
    connection: Connection,
    limit: Annotated[int, typer.Option(min=0, help="Most to list; 0 for all.")] = _PAGE,
    output: OutputOption = Output.TEXT,
) -> None:
    """List batch operations, newest first."""

    async def work(client: Client) -> list[Any]:
        found: list[Any] = []
        request = ListBatchOperationsRequest(namespace=client.namespace, page_size=_PAGE)
        while True:
            page: ListBatchOperationsResponse = await client.service.list_batch_operations(request)
            found += page.operation_info
            if not page.next_page_token or (limit and len(found) >= limit):
                return found[: limit or None]
            request.next_page_token = page.next_page_token

    found = connection.run(work, "Listing")
    if output is not Output.TEXT:
        write_json([as_data(each) for each in found], output)
        return
    write_table(
        ("JobId", "State", "StartTime", "CloseTime"),
        ((each.job_id, _state(each), _time(each, "start_time"), _time(each, "close_time")) for each in found),
    )


@batch.command()
@connected
def describe(connection: Connection, job_id: JobId, output: OutputOption = Output.TEXT) -> None:
    """Show what a batch operation does, and how far it is."""

    async def work(client: Client) -> DescribeBatchOperationResponse:
        asked = DescribeBatchOperationRequest(namespace=client.namespace, job_id=job_id)
        return await client.service.describe_batch_operation(asked)

    found = connection.run(work)
    if output is not Output.TEXT:
        write_json(found, output)
        return
    kind = BatchOperationType.Name(found.operation_type).removeprefix("BATCH_OPERATION_TYPE_")
    write_fields(
        "Batch operation",
        [
            ("JobId", found.job_id),
            ("Type", kind.replace("_", " ").capitalize()),
            ("State", _state(found)),
            ("Total", found.total_operation_count),
            ("Completed", found.complete_operation_count),
            ("Failed", found.failure_operation_count),
            ("StartTime", _time(found, "start_time")),
            ("CloseTime", _time(found, "close_time")),
            ("Identity", found.identity),
            ("Reason", found.reason),
        ],
    )


@batch.command()
@connected
def terminate(
    connection: Connection,
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why; recorded with it.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """End a batch operation where it is; what it has done stays done."""

    async def work(client: Client) -> None:
        request = StopBatchOperationRequest(
            namespace=client.namespace, job_id=job_id, reason=reason, identity=client.identity
        )
        await client.service.stop_batch_operation(request)

    connection.run(work)
    if output is not Output.TEXT:
        write_json({"jobId": job_id, "status": "TERMINATED"}, output)
    else:
        typer.echo(f"Batch operation {job_id} terminated.")


def _state(each: Any) -> str:
    return BatchOperationState.Name(each.state).removeprefix("BATCH_OPERATION_STATE_").capitalize()


def _time(each: Any, field: str) -> str:
    return time_text(getattr(each, field).ToDatetime(UTC)) if each.HasField(field) else ""
