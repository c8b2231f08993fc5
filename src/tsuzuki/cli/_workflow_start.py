"""`tsuzuki workflow start`, `execute`, `signal-with-start`, `execute-update-with-start` and `result`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from tsuzuki.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowContinuedAsNewError,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)

from ._connection import Connection, connected
from ._endings import FAILED
from ._ids import RunId, WorkflowId
from ._inputs import arguments
from ._output import Output, OutputOption, write_fields, write_json
from ._start_options import Start, starting
from ._worker import WorkerModules, refuse_to_wait, with_worker
from ._workflow_update import tell_update

_ENDINGS: Final[Mapping[WorkflowExecutionStatus | None, str]] = {
    WorkflowExecutionStatus.CANCELED: "CANCELED",
    WorkflowExecutionStatus.TERMINATED: "TERMINATED",
    WorkflowExecutionStatus.TIMED_OUT: "TIMEOUT",
}
"""In the words of Temporal's command line."""


async def _start(client: Client, what: Start, **more: Any) -> WorkflowHandle[Any, Any]:
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(what.type, args=what.args, **what.options, **more)
    return handle


def _started(connection: Connection, handle: WorkflowHandle[Any, Any], what: Start) -> dict[str, str]:
    return {
        "workflowId": handle.id,
        "runId": handle.result_run_id or "",
        "type": what.type,
        "namespace": connection.namespace,
        "taskQueue": what.task_queue,
    }


def _tell_started(started: dict[str, str]) -> None:
    write_fields("Running execution", ((name[0].upper() + name[1:], value) for name, value in started.items()))


@connected
@starting
def start(connection: Connection, what: Start, output: OutputOption = Output.TEXT) -> None:
    """Start a workflow and say its ids. A database that does not exist is made."""
    handle = connection.run(lambda client: _start(client, what), create=True)
    started = _started(connection, handle, what)
    if output is not Output.TEXT:
        write_json(started, output)
    else:
        _tell_started(started)


@connected
@starting
def execute(
    connection: Connection, what: Start, worker: WorkerModules = None, output: OutputOption = Output.TEXT
) -> None:
    """Start a workflow and wait for its result. Exit code 1: it ended without one."""

    async def work(client: Client) -> tuple[dict[str, str], dict[str, Any]]:
        handle = await _start(client, what)
        started = _started(connection, handle, what)
        if output is Output.TEXT:
            _tell_started(started)
        return started, await _outcome(client, handle.id, handle.result_run_id or "")

    started, outcome = connection.run(
        with_worker(connection, worker, what.task_queue, work), f"Waiting for {what.type}", create=True
    )
    _tell_outcome(outcome, output, started)


@connected
@starting
def signal_with_start(
    connection: Connection,
    what: Start,
    signal_name: Annotated[str, typer.Option("--signal-name", "--signal-type", help="The signal.")],
    signal_input: Annotated[
        list[str] | None, typer.Option(metavar="JSON", help="An argument of the signal, as JSON; may be given again.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Signal the open run of a workflow id, or one that is started with the signal in its history."""
    signal = {"start_signal": signal_name, "start_signal_args": arguments(signal_input, None)}
    handle = connection.run(lambda client: _start(client, what, **signal), create=True)
    started = _started(connection, handle, what)
    if output is not Output.TEXT:
        write_json(started, output)
    else:
        _tell_started(started)


@connected
@starting
def execute_update_with_start(
    connection: Connection,
    what: Start,
    update_name: Annotated[str, typer.Option("--update-name", "--update-type", help="The update.")],
    update_id: Annotated[str, typer.Option(help="The same id counts once in a run; a new one by default.")] = "",
    update_input: Annotated[
        list[str] | None, typer.Option(metavar="JSON", help="An argument of the update, as JSON; may be given again.")
    ] = None,
    worker: WorkerModules = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Update the open run of a workflow id, or one that is started for it, and wait for the result. Needs
    --id-conflict-policy UseExisting or Fail. Exit code 1: the update was rejected, or failed."""
    args = arguments(update_input, None)

    async def work(client: Client) -> dict[str, Any]:
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            what.type, args=what.args, **what.options
        )
        result = await client.execute_update_with_start_workflow(
            update_name, args=args, id=update_id or None, start_workflow_operation=operation
        )
        return {"workflowId": what.options["id"], "name": update_name, "result": result}

    tell_update(connection, with_worker(connection, worker, what.task_queue, work), output, create=True)


@connected
def result(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    worker: WorkerModules = None,
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Of the worker.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Wait for the result of a workflow, past retries and to the end of a chain of continue-as-new. With --run-id for
    that of this run, or of what it continued as. Exit code 1: it ended without one."""

    def check(described: WorkflowExecutionDescription) -> None:
        if alone and described.close_time is None:
            refuse_to_wait(connection)

    async def work(client: Client) -> dict[str, Any]:
        return await _outcome(client, workflow_id, run_id, retried=not run_id, check=check)

    alone = connection.embedded and worker is None
    waiting = work if alone else with_worker(connection, worker, task_queue, work)
    outcome = connection.run(waiting, f"Waiting for {workflow_id}")
    _tell_outcome(outcome, output, {"workflowId": workflow_id})


async def _outcome(
    client: Client,
    workflow_id: str,
    run_id: str,
    *,
    retried: bool = True,
    check: Callable[[WorkflowExecutionDescription], None] = lambda described: None,
) -> dict[str, Any]:
    """Wait for how a run ended; what has completed has its result, though a cron schedule goes on.

    Args:
        client: Where it is.
        workflow_id: Which workflow.
        run_id: Which run; the newest if empty.
        retried: Go on with the run that follows on a failure.
        check: Told of each run before it is waited for.
    """
    while True:
        described = await client.get_workflow_handle(workflow_id, run_id=run_id or None).describe()
        check(described)
        handle = client.get_workflow_handle(workflow_id, run_id=described.run_id)
        try:
            return {"status": "COMPLETED", "result": await handle.result(follow_runs=False)}
        except WorkflowContinuedAsNewError as error:
            run_id = error.new_execution_run_id
        except WorkflowFailureError as error:
            run_id = error.new_execution_run_id
            if not (retried and run_id):
                return await _failure(handle, error)


async def _failure(handle: WorkflowHandle[Any, Any], error: WorkflowFailureError) -> dict[str, Any]:
    """How a run ended that has no result; a failure can say that something was cancelled, so the run is asked."""
    status = _ENDINGS.get((await handle.describe()).status, "FAILED")
    failed = {"status": status, "failure": f"{error.cause.__class__.__name__}: {error.cause}"}
    cause = error.cause.__cause__
    if cause is not None:
        failed["cause"] = f"{cause.__class__.__name__}: {cause}"
    return failed


def _tell_outcome(outcome: dict[str, Any], output: Output, started: dict[str, str]) -> None:
    if output is not Output.TEXT:
        write_json({**started, **outcome}, output)
    else:
        write_fields("Results", ((name.capitalize(), value) for name, value in outcome.items()))
    if outcome["status"] != "COMPLETED":
        raise typer.Exit(FAILED)
