"""`tsuzuki workflow reset`: the old run ends, and a new one goes on from one of its workflow tasks."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import uuid4

import typer
from temporalio.api.batch.v1 import BatchOperationReset
from temporalio.api.common.v1 import ResetOptions
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest, StartBatchOperationRequest

from tsuzuki.client import Client, InvalidArgumentError, WorkflowHistory

from ._connection import Connection, connected
from ._endings import refuse
from ._ids import RunId
from ._many import ManyMore, Rps, SomeWorkflow, Which, Yes, act_on_many
from ._output import Output, OutputOption, write_fields, write_json
from ._user import user

_FIRST: Final = "FirstWorkflowTask"
_LAST: Final = "LastWorkflowTask"
_TARGETS: Final = {_FIRST: "first_workflow_task", _LAST: "last_workflow_task"}
_EXCLUDED: Final = {
    "all": [
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ],
    "signal": [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
    "update": [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE],
}


@connected
def reset(
    connection: Connection,
    reason: Annotated[str, typer.Option(help="Recorded with the end of the old run.")],
    workflow_id: SomeWorkflow = "",
    event_id: Annotated[
        int, typer.Option("--event-id", "-e", min=0, help="The end of the workflow task that is to be done again.")
    ] = 0,
    type: Annotated[str, typer.Option("--type", "-t", help=f"Instead: {_FIRST} or {_LAST}.")] = "",
    run_id: RunId = "",
    reapply_exclude: Annotated[str, typer.Option(help="What came since and is left out: All, Signal, Update.")] = "",
    query: ManyMore = "",
    yes: Yes = False,
    rps: Rps = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """End a run, and go on in a new one of the same workflow id from a workflow task of the old one.

    Signals and updates that came since are applied again. To try something out and keep the old run, use `fork`.
    """
    if bool(event_id) == bool(type):
        refuse("give --event-id or --type; one of them")
    if type not in ("", _FIRST, _LAST):
        refuse(f"--type {type}: expected {_FIRST} or {_LAST}")
    excluded = _EXCLUDED.get(reapply_exclude.lower()) if reapply_exclude else []
    if excluded is None:
        refuse(f"--reapply-exclude {reapply_exclude}: expected All, Signal or Update")
    which = Which(workflow_id, run_id, query, yes, rps)
    if query:
        if event_id:
            refuse("--event-id is of one run; of many give --type")
        options = ResetOptions(reset_reapply_exclude_types=excluded)
        getattr(options, _TARGETS[type]).SetInParent()
        operation = BatchOperationReset(identity=connection.identity or user(), options=options)
        act_on_many(
            connection,
            which,
            lambda client: StartBatchOperationRequest(reset_operation=operation),
            "Reset",
            reason,
            output,
            open_only=False,
        )
        return

    async def work(client: Client) -> str:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        base = (await handle.describe()).run_id
        pinned = client.get_workflow_handle(workflow_id, run_id=base)
        request = ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            reason=reason,
            request_id=str(uuid4()),
            workflow_task_finish_event_id=event_id or _task_end(await pinned.fetch_history(), type),
            reset_reapply_exclude_types=excluded,
            identity=client.identity,
        )
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = workflow_id, base
        return (await client.service.reset_workflow_execution(request)).run_id

    new_run_id = connection.run(work, "Resetting")
    if output is not Output.TEXT:
        write_json({"workflowId": workflow_id, "runId": new_run_id}, output)
    else:
        write_fields("Reset", [("WorkflowId", workflow_id), ("RunId", new_run_id)])


def _task_end(history: WorkflowHistory, which: str) -> int:
    ends = [
        event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    if not ends:
        raise InvalidArgumentError(
            f"no workflow task of '{history.workflow_id}' has completed yet: nothing to go back to"
        )
    return ends[0] if which == _FIRST else ends[-1]
