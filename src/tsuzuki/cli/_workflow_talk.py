"""`tsuzuki workflow signal`, `cancel`, `terminate` and `delete`: to one run, or to all that a filter finds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from temporalio.api.batch.v1 import (
    BatchOperationCancellation,
    BatchOperationDeletion,
    BatchOperationSignal,
    BatchOperationTermination,
)
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, StartBatchOperationRequest

from tsuzuki.client import Client, WorkflowHandle

from ._connection import Connection, connected
from ._ids import Name, RunId
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments
from ._many import Many, ManyMore, Rps, SomeWorkflow, Which, Yes, act_on_many
from ._output import Output, OutputOption, write_json
from ._user import user


@connected
def signal(
    connection: Connection,
    name: Name,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    reason: Annotated[str, typer.Option(help="Of many: recorded with the batch operation.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Send a signal to a workflow."""
    args = arguments(inputs, input_file, input_meta, input_base64)

    def batch(client: Client) -> StartBatchOperationRequest:
        operation = BatchOperationSignal(signal=name, identity=client.identity)
        operation.input.payloads.extend(client.data_converter.payload_converter.to_payloads(args))
        return StartBatchOperationRequest(signal_operation=operation)

    async def send(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal(name, args=args)

    _act(connection, Which(workflow_id, run_id, query, yes, rps), send, batch, "Signal recorded", reason, output)


@connected
def cancel(
    connection: Connection,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    reason: Annotated[str, typer.Option(help="Recorded with the request.")] = "",
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Ask a workflow to stop: its code is cancelled, may clean up, and decides how it ends."""

    def batch(client: Client) -> StartBatchOperationRequest:
        return StartBatchOperationRequest(cancellation_operation=BatchOperationCancellation(identity=client.identity))

    async def send(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.cancel(reason=reason)

    _act(connection, Which(workflow_id, run_id, query, yes, rps), send, batch, "Cancel requested", reason, output)


@connected
def terminate(
    connection: Connection,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    reason: Annotated[str, typer.Option(help="Recorded with the end; by default who asked.")] = "",
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """End a workflow at once; its code is not told and does not clean up."""
    why = reason or f"Requested by {user()} with tsuzuki workflow terminate"

    def batch(client: Client) -> StartBatchOperationRequest:
        return StartBatchOperationRequest(termination_operation=BatchOperationTermination(identity=client.identity))

    async def send(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.terminate(reason=why)

    _act(connection, Which(workflow_id, run_id, query, yes, rps), send, batch, "Workflow terminated", why, output)


@connected
def delete(
    connection: Connection,
    workflow_id: SomeWorkflow = "",
    run_id: RunId = "",
    query: ManyMore = "",
    yes: Yes = False,
    rps: Rps = 0,
    reason: Annotated[str, typer.Option(help="Of many: recorded with the batch operation.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Delete a run and its history; an open one is terminated first. It cannot be brought back."""

    def batch(client: Client) -> StartBatchOperationRequest:
        return StartBatchOperationRequest(deletion_operation=BatchOperationDeletion(identity=client.identity))

    which = Which(workflow_id, run_id, query, yes, rps)

    async def one(client: Client) -> None:
        request = DeleteWorkflowExecutionRequest(namespace=client.namespace)
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = workflow_id, run_id
        await client.service.delete_workflow_execution(request)

    if query:
        act_on_many(connection, which, batch, "Deleted", reason, output, open_only=False)
    else:
        connection.run(one, "Deleting")
        _tell_one(which, "Deleted", output)


def _act(
    connection: Connection,
    which: Which,
    send: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]],
    batch: Callable[[Client], StartBatchOperationRequest],
    done: str,
    reason: str,
    output: Output,
) -> None:
    async def one(client: Client) -> None:
        await send(client.get_workflow_handle(which.workflow_id, run_id=which.run_id or None))

    if which.query:
        act_on_many(connection, which, batch, done, reason, output)
    else:
        connection.run(one, "Sending")
        _tell_one(which, done, output)


def _tell_one(which: Which, done: str, output: Output) -> None:
    if output is not Output.TEXT:
        run = {"runId": which.run_id} if which.run_id else {}
        write_json({"workflowId": which.workflow_id, **run}, output)
    else:
        typer.echo(f"{done}.")
