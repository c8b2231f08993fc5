"""`tsuzuki activity pause`, `unpause`, `reset`, `update-options`: acting on an activity that a workflow waits for."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.batch.v1 import (
    BatchOperationResetActivities,
    BatchOperationUnpauseActivities,
    BatchOperationUpdateActivityOptions,
)
from temporalio.api.workflowservice.v1 import (
    StartBatchOperationRequest,
    UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse,
)

from tsuzuki.client import Client, PendingActivityHandle

from ._connection import Connection, connected
from ._endings import refuse
from ._ids import RunId, WorkflowId
from ._inputs import duration
from ._many import Rps, Which, Yes, act_on_many
from ._output import Output, OutputOption, as_data, write_fields, write_json

ActivityId = Annotated[str, typer.Option("--activity-id", "-a", help="Its id within the workflow.")]
Jitter = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="DURATION", help="Start at some time within this, as in 30s."),
]


SomeActivity = Annotated[
    str, typer.Option("--activity-id", "-a", help="Its id within the workflow; or --query for many.")
]
ItsWorkflow = Annotated[str, typer.Option("--workflow-id", "-w", help="The workflow that waits for it.")]
Many = Annotated[
    str, typer.Option("--query", "-q", metavar="FILTER", help="All activities of all open runs that a filter finds.")
]
Why = Annotated[str, typer.Option(help="Of many: recorded with the batch operation.")]


def _timeout(about: str) -> Any:
    return typer.Option(parser=duration, metavar="DURATION", help=about)


@connected
def pause(
    connection: Connection,
    activity_id: ActivityId,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    reason: Annotated[str, typer.Option(help="Shown by describe.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Let no attempt start until it is unpaused. A running attempt is told with its next heartbeat."""

    async def work(client: Client) -> None:
        await _handle(client, workflow_id, run_id, activity_id).pause(reason=reason)

    connection.run(work)
    tell(activity_id, workflow_id, "paused", output)


@connected
def unpause(
    connection: Connection,
    activity_id: SomeActivity = "",
    workflow_id: ItsWorkflow = "",
    run_id: RunId = "",
    reset_attempts: Annotated[bool, typer.Option("--reset-attempts", help="Count attempts from 1 again.")] = False,
    reset_heartbeats: Annotated[bool, typer.Option("--reset-heartbeats", help="Forget heartbeat details.")] = False,
    jitter: Jitter = None,
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    reason: Why = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a paused activity go on: at once, not at the end of its back-off."""
    _check_which(activity_id, workflow_id, query)

    def batch(client: Client) -> StartBatchOperationRequest:
        operation = BatchOperationUnpauseActivities(
            identity=client.identity, match_all=True, reset_attempts=reset_attempts, reset_heartbeat=reset_heartbeats
        )
        if jitter is not None:
            operation.jitter.FromTimedelta(jitter)
        return StartBatchOperationRequest(unpause_activities_operation=operation)

    if query:
        act_on_many(connection, Which("", run_id, query, yes, rps), batch, "Activities unpaused", reason, output)
        return

    async def work(client: Client) -> None:
        handle = _handle(client, workflow_id, run_id, activity_id)
        await handle.unpause(reset_attempts=reset_attempts, reset_heartbeat=reset_heartbeats, jitter=jitter)

    connection.run(work)
    tell(activity_id, workflow_id, "unpaused", output)


@connected
def reset(
    connection: Connection,
    activity_id: SomeActivity = "",
    workflow_id: ItsWorkflow = "",
    run_id: RunId = "",
    keep_paused: Annotated[bool, typer.Option("--keep-paused", help="Leave it paused if it is.")] = False,
    clear_heartbeat_details: Annotated[
        bool, typer.Option("--clear-heartbeat-details", help="Forget heartbeat details.")
    ] = False,
    restore_original_options: Annotated[
        bool, typer.Option("--restore-original-options", help="With the options that the workflow gave.")
    ] = False,
    jitter: Jitter = None,
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    reason: Why = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Begin an activity anew with attempt 1, unpaused. A running first attempt is told with its next heartbeat."""
    _check_which(activity_id, workflow_id, query)

    def batch(client: Client) -> StartBatchOperationRequest:
        operation = BatchOperationResetActivities(
            identity=client.identity,
            match_all=True,
            keep_paused=keep_paused,
            reset_heartbeat=clear_heartbeat_details,
            restore_original_options=restore_original_options,
        )
        if jitter is not None:
            operation.jitter.FromTimedelta(jitter)
        return StartBatchOperationRequest(reset_activities_operation=operation)

    if query:
        act_on_many(connection, Which("", run_id, query, yes, rps), batch, "Activities reset", reason, output)
        return

    async def work(client: Client) -> None:
        await _handle(client, workflow_id, run_id, activity_id).reset(
            keep_paused=keep_paused,
            reset_heartbeat=clear_heartbeat_details,
            restore_original_options=restore_original_options,
            jitter=jitter,
        )

    connection.run(work)
    tell(activity_id, workflow_id, "reset", output)


@connected
def update_options(
    connection: Connection,
    activity_id: SomeActivity = "",
    workflow_id: ItsWorkflow = "",
    run_id: RunId = "",
    task_queue: Annotated[str | None, typer.Option(help="Where its attempts wait for a worker.")] = None,
    schedule_to_close_timeout: Annotated[timedelta | None, _timeout("All attempts; 0s for none.")] = None,
    schedule_to_start_timeout: Annotated[timedelta | None, _timeout("Until a worker takes it; 0s for none.")] = None,
    start_to_close_timeout: Annotated[timedelta | None, _timeout("Of one attempt; 0s for none.")] = None,
    heartbeat_timeout: Annotated[timedelta | None, _timeout("Between two heartbeats; 0s for none.")] = None,
    retry_initial_interval: Annotated[timedelta | None, _timeout("Before the second attempt.")] = None,
    retry_maximum_interval: Annotated[timedelta | None, _timeout("Longest back-off.")] = None,
    retry_backoff_coefficient: Annotated[
        float | None, typer.Option(help="By what the back-off grows with each attempt; 1 or more.")
    ] = None,
    retry_maximum_attempts: Annotated[int | None, typer.Option(help="Most attempts; 0 for no bound.")] = None,
    restore_original_options: Annotated[
        bool, typer.Option("--restore-original-options", help="Those that the workflow gave; nothing else.")
    ] = False,
    query: Many = "",
    yes: Yes = False,
    rps: Rps = 0,
    reason: Why = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Change options of an activity, for the attempt that runs or waits too, and show those in force."""
    _check_which(activity_id, workflow_id, query)
    options = ActivityOptions()
    changed = {
        "schedule_to_close_timeout": schedule_to_close_timeout,
        "schedule_to_start_timeout": schedule_to_start_timeout,
        "start_to_close_timeout": start_to_close_timeout,
        "heartbeat_timeout": heartbeat_timeout,
        "retry_policy.initial_interval": retry_initial_interval,
        "retry_policy.maximum_interval": retry_maximum_interval,
        "retry_policy.backoff_coefficient": retry_backoff_coefficient,
        "retry_policy.maximum_attempts": retry_maximum_attempts,
        "task_queue.name": task_queue,
    }
    paths = [path for path, value in changed.items() if value is not None]
    if bool(paths) == restore_original_options:
        refuse("give options to change, or --restore-original-options alone")
    for path in paths:
        _write(options, path, changed[path])

    def batch(client: Client) -> StartBatchOperationRequest:
        operation = BatchOperationUpdateActivityOptions(
            identity=client.identity,
            match_all=True,
            activity_options=options if paths else None,
            restore_original=restore_original_options,
        )
        operation.update_mask.paths.extend(paths)
        return StartBatchOperationRequest(update_activity_options_operation=operation)

    if query:
        act_on_many(connection, Which("", run_id, query, yes, rps), batch, "Options changed", reason, output)
        return

    async def work(client: Client) -> UpdateActivityOptionsResponse:
        request = UpdateActivityOptionsRequest(
            namespace=client.namespace,
            identity=client.identity,
            id=activity_id,
            activity_options=options if paths else None,
            restore_original=restore_original_options,
        )
        request.execution.workflow_id, request.execution.run_id = workflow_id, run_id
        request.update_mask.paths.extend(paths)
        return await client.service.update_activity_options(request)

    found = connection.run(work).activity_options
    if output is not Output.TEXT:
        write_json({"activityOptions": as_data(found)}, output)
        return
    policy = found.retry_policy
    write_fields(
        f"Options of activity {activity_id}",
        [
            ("TaskQueue", found.task_queue.name),
            ("ScheduleToCloseTimeout", found.schedule_to_close_timeout.ToTimedelta() or ""),
            ("ScheduleToStartTimeout", found.schedule_to_start_timeout.ToTimedelta() or ""),
            ("StartToCloseTimeout", found.start_to_close_timeout.ToTimedelta() or ""),
            ("HeartbeatTimeout", found.heartbeat_timeout.ToTimedelta() or ""),
            ("RetryInitialInterval", policy.initial_interval.ToTimedelta()),
            ("RetryBackoffCoefficient", policy.backoff_coefficient),
            ("RetryMaximumInterval", policy.maximum_interval.ToTimedelta() or ""),
            ("RetryMaximumAttempts", policy.maximum_attempts or "unlimited"),
            ("PriorityKey", found.priority.priority_key or ""),
        ],
    )


def _check_which(activity_id: str, workflow_id: str, query: str) -> None:
    if query:
        if activity_id or workflow_id:
            refuse("--query is for many; give it, or --activity-id and --workflow-id")
    elif not (activity_id and workflow_id):
        refuse("give --activity-id and --workflow-id, or --query for many")


def _write(options: Any, path: str, value: Any) -> None:
    name, _, rest = path.partition(".")
    if rest:
        _write(getattr(options, name), rest, value)
    elif isinstance(value, timedelta):
        getattr(options, name).FromTimedelta(value)
    else:
        setattr(options, name, value)


def _handle(client: Client, workflow_id: str, run_id: str, activity_id: str) -> PendingActivityHandle:
    return client.get_workflow_handle(workflow_id, run_id=run_id or None).pending_activity(activity_id)


def tell(activity_id: str, workflow_id: str, done: str, output: Output) -> None:
    """Say what was done to an activity."""
    answer: dict[str, Any] = {"workflowId": workflow_id, "activityId": activity_id, "status": done.upper()}
    if output is not Output.TEXT:
        write_json(answer, output)
    else:
        typer.echo(f"Activity {activity_id} of {workflow_id} {done}.")
