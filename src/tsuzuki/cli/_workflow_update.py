"""`tsuzuki workflow update`: change a workflow and get an answer."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowExecutionUpdateResponse,
)

from tsuzuki.client import Client, WorkflowUpdateFailedError, WorkflowUpdateStage

from ._connection import Connection, connected
from ._endings import FAILED, refuse
from ._ids import Name, RunId, WorkflowId
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments
from ._lazy import group
from ._output import Output, OutputOption, as_data, json_text, payload_text, write_fields, write_json
from ._worker import WorkerModules, with_worker

update = group("Change a workflow and get an answer.")
UpdateId = Annotated[str, typer.Option(help="The same id counts once in a run; a new one by default.")]
KnownUpdate = Annotated[str, typer.Option("--update-id", help="The update.")]
WorkerQueue = Annotated[str, typer.Option("--task-queue", "-t", help="Of --worker.")]


@update.command("execute")
@connected
def execute_update(
    connection: Connection,
    name: Name,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    update_id: UpdateId = "",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Send an update and wait for its result. Exit code 1: it was rejected, or failed."""
    args = arguments(inputs, input_file, input_meta, input_base64)

    async def work(client: Client) -> dict[str, Any]:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        sent = await handle.start_update(
            name, args=args, id=update_id or None, wait_for_stage=WorkflowUpdateStage.COMPLETED
        )
        return {"name": name, "updateId": sent.id, "result": await sent.result()}

    tell_update(connection, with_worker(connection, worker, task_queue, work), output)


@update.command("start")
@connected
def start_update(
    connection: Connection,
    name: Name,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    update_id: UpdateId = "",
    wait_for_stage: Annotated[str, typer.Option(help="accepted; there is no other.")] = "accepted",
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Send an update and wait until it is accepted."""
    if wait_for_stage != "accepted":
        refuse(f"--wait-for-stage {wait_for_stage}: expected accepted; `update execute` waits for the result")
    args = arguments(inputs, input_file, input_meta, input_base64)

    async def work(client: Client) -> dict[str, Any]:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        sent = await handle.start_update(
            name, args=args, id=update_id or None, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        return {"name": name, "updateId": sent.id}

    tell_update(connection, with_worker(connection, worker, task_queue, work), output)


@update.command("result")
@connected
def update_result(
    connection: Connection,
    update_id: KnownUpdate,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    worker: WorkerModules = None,
    task_queue: WorkerQueue = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Wait for the result of an update."""

    async def work(client: Client) -> dict[str, Any]:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None).get_update_handle(update_id)
        return {"updateId": update_id, "result": await handle.result()}

    tell_update(connection, with_worker(connection, worker, task_queue, work), output)


@update.command()
@connected
def describe(
    connection: Connection,
    update_id: KnownUpdate,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Show how far an update is, without waiting for it."""

    async def work(client: Client) -> PollWorkflowExecutionUpdateResponse:
        request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace, identity=client.identity)
        request.update_ref.update_id = update_id
        request.update_ref.workflow_execution.workflow_id = workflow_id
        request.update_ref.workflow_execution.run_id = run_id
        return await client.service.poll_workflow_execution_update(request)

    found = connection.run(work)
    stage = Stage.Name(found.stage).removeprefix("UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_")
    if output is not Output.TEXT:
        write_json({"updateId": update_id, "stage": stage, **as_data(found.outcome)}, output)
        return
    outcome = found.outcome
    write_fields(
        "Update",
        [
            ("UpdateId", update_id),
            ("Stage", stage.capitalize()),
            ("Result", ", ".join(payload_text(each) for each in outcome.success.payloads)),
            ("Failure", outcome.failure.message if outcome.HasField("failure") else ""),
        ],
    )


def tell_update(connection: Connection, work: Any, output: Output, *, create: bool = False) -> None:
    """Do what asks for an update, and say what it answered; exit code 1 if it was refused, or failed."""

    async def tolerant(client: Client) -> dict[str, Any] | WorkflowUpdateFailedError:
        try:
            done: dict[str, Any] = await work(client)
        except WorkflowUpdateFailedError as error:
            return error
        return done

    found = connection.run(tolerant, "Updating", create=create)
    if isinstance(found, WorkflowUpdateFailedError):
        _update_failed(found)
    if output is not Output.TEXT:
        write_json(found, output)
    else:
        write_fields("Update", ((key[0].upper() + key[1:], json_text(value)) for key, value in found.items()))


def _update_failed(error: WorkflowUpdateFailedError) -> NoReturn:
    refuse(f"{error}", FAILED)
