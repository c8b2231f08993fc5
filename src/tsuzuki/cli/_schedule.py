"""`tsuzuki schedule`: workflows that are started again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn

import typer

from tsuzuki.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)

from ._connection import Connection, connected
from ._endings import FAILED, refuse
from ._inputs import InputFiles, Inputs, arguments, duration, pairs
from ._lazy import group
from ._output import Output, OutputOption, time_text, write_fields, write_json, write_table

schedule = group("Workflows that are started again and again.")

ScheduleId = Annotated[str, typer.Option("--schedule-id", "-s", help="The schedule.")]
Overlap = Annotated[
    str,
    typer.Option(
        metavar="POLICY",
        help="While a workflow of it runs: Skip, BufferOne, BufferAll, CancelOther, TerminateOther, AllowAll.",
    ),
]
Time = datetime | None


@schedule.command()
@connected
def create(
    connection: Connection,
    schedule_id: ScheduleId,
    type: Annotated[str, typer.Option("--type", "--name", help="Workflow type.")],
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Where its worker takes tasks from.")],
    workflow_id: Annotated[
        str, typer.Option("--workflow-id", "-w", help="Beginning of the workflow ids; by default that of the schedule.")
    ] = "",
    cron: Annotated[
        list[str] | None, typer.Option(metavar="CRON", help="When: '30 12 * * MON-FRI'; may be given again.")
    ] = None,
    interval: Annotated[
        list[str] | None,
        typer.Option(metavar="DURATION[/OFFSET]", help="When: every so often, 45m or 6h/5h; may be given again."),
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="In which cron is read; the default is UTC.")] = None,
    start_time: Annotated[Time, typer.Option(help="Not before; UTC.")] = None,
    end_time: Annotated[Time, typer.Option(help="Not after; UTC.")] = None,
    jitter: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="Delay each by up to this, by chance.")
    ] = None,
    overlap_policy: Overlap = "",
    catchup_window: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="How late a start may be.")
    ] = None,
    pause_on_failure: Annotated[bool, typer.Option("--pause-on-failure", help="Pause when a workflow fails.")] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Make it paused.")] = False,
    notes: Annotated[str | None, typer.Option(help="For people.")] = None,
    remaining_actions: Annotated[int, typer.Option(min=0, help="Start only so many; 0 for no bound.")] = 0,
    inputs: Inputs = None,
    input_file: InputFiles = None,
    memo: Annotated[
        list[str] | None, typer.Option(metavar="KEY=JSON", help="A value shown with each workflow.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a schedule. A database that does not exist is made."""
    if not (cron or interval):
        refuse("give --cron or --interval: when is it to start something?")
    policy = SchedulePolicy(pause_on_failure=pause_on_failure)
    policy.overlap = _overlap(overlap_policy) or policy.overlap
    policy.catchup_window = catchup_window or policy.catchup_window
    made = Schedule(
        ScheduleActionStartWorkflow(
            type,
            args=arguments(inputs, input_file),
            id=workflow_id or schedule_id,
            task_queue=task_queue,
            memo=pairs("--memo", memo) or None,
        ),
        ScheduleSpec(
            cron_expressions=cron or [],
            intervals=[_interval(given) for given in interval or ()],
            time_zone_name=time_zone,
            start_at=_utc(start_time),
            end_at=_utc(end_time),
            jitter=jitter,
        ),
        policy,
        ScheduleState(notes, paused, bool(remaining_actions), remaining_actions),
    )

    async def work(client: Client) -> ScheduleAlreadyRunningError | None:
        try:
            await client.create_schedule(schedule_id, made)
        except ScheduleAlreadyRunningError as error:
            return error
        return None

    if connection.run(work, create=True) is not None:
        _taken(schedule_id)
    _tell(schedule_id, "created", output)


@schedule.command("list")
@connected
def list_schedules(connection: Connection, output: OutputOption = Output.TEXT) -> None:
    """List the schedules, newest first."""

    async def work(client: Client) -> list[ScheduleListDescription]:
        return [each async for each in await client.list_schedules()]

    found = connection.run(work, "Listing")
    rows = [
        {
            "scheduleId": each.id,
            "workflowType": each.workflow,
            "paused": each.state.paused,
            "nextActionTimes": [time_text(time) for time in each.next_action_times],
            "notes": each.state.note or "",
        }
        for each in found
    ]
    if output is Output.JSON:
        write_json(rows)
        return
    write_table(
        ("ScheduleId", "WorkflowType", "State", "NextActionTime", "Notes"),
        (
            (each.id, each.workflow, "Paused" if each.state.paused else "Running", _next(each), each.state.note or "")
            for each in found
        ),
    )


@schedule.command()
@connected
def describe(connection: Connection, schedule_id: ScheduleId, output: OutputOption = Output.TEXT) -> None:
    """Show a schedule: what it starts when, what it has done, what it will do."""

    async def work(client: Client) -> ScheduleDescription:
        return await client.get_schedule_handle(schedule_id).describe()

    found = connection.run(work)
    if output is Output.JSON:
        write_json(found.raw_description)
        return
    info, state, action = found.info, found.schedule.state, found.schedule.action
    write_fields(
        "Schedule",
        [
            ("ScheduleId", found.id),
            ("WorkflowType", action.workflow),
            ("TaskQueue", action.task_queue),
            ("State", "Paused" if state.paused else "Running"),
            ("Notes", state.note),
            ("Overlap", found.schedule.policy.overlap.name.title().replace("_", "")),
            ("Actions", info.num_actions),
            ("Missed", info.num_actions_missed_catchup_window),
            ("Skipped", info.num_actions_skipped_overlap),
            ("RemainingActions", state.remaining_actions if state.limited_actions else ""),
            ("Running", ", ".join(each.workflow_id for each in info.running_actions)),
            ("Recent", ", ".join(each.action.workflow_id for each in info.recent_actions)),
            ("Next", ", ".join(time_text(time) for time in info.next_action_times[:5])),
        ],
    )


@schedule.command()
@connected
def toggle(
    connection: Connection,
    schedule_id: ScheduleId,
    pause: Annotated[bool, typer.Option("--pause", help="Pause it.")] = False,
    unpause: Annotated[bool, typer.Option("--unpause", help="Let it go on.")] = False,
    reason: Annotated[str, typer.Option(help="Becomes its note.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Pause a schedule, or let it go on."""
    if pause == unpause:
        refuse("give --pause or --unpause; one of them")

    async def work(client: Client) -> None:
        handle = client.get_schedule_handle(schedule_id)
        await (handle.pause if pause else handle.unpause)(note=reason or None)

    connection.run(work)
    _tell(schedule_id, "paused" if pause else "unpaused", output)


@schedule.command()
@connected
def trigger(
    connection: Connection, schedule_id: ScheduleId, overlap_policy: Overlap = "", output: OutputOption = Output.TEXT
) -> None:
    """Let a schedule act now."""
    overlap = _overlap(overlap_policy)

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).trigger(overlap=overlap)

    connection.run(work)
    _tell(schedule_id, "triggered", output)


@schedule.command()
@connected
def backfill(
    connection: Connection,
    schedule_id: ScheduleId,
    start_time: Annotated[datetime, typer.Option(help="From this time on; UTC.")],
    end_time: Annotated[datetime, typer.Option(help="Up to this time; UTC.")],
    overlap_policy: Overlap = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a schedule act on times of the past, as if they were now."""
    times = ScheduleBackfill(start_time.replace(tzinfo=UTC), end_time.replace(tzinfo=UTC), _overlap(overlap_policy))

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).backfill(times)

    connection.run(work)
    _tell(schedule_id, "backfilled", output)


@schedule.command()
@connected
def delete(connection: Connection, schedule_id: ScheduleId, output: OutputOption = Output.TEXT) -> None:
    """Delete a schedule; workflows that it started go on."""

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).delete()

    connection.run(work)
    _tell(schedule_id, "deleted", output)


def _tell(schedule_id: str, done: str, output: Output) -> None:
    if output is Output.JSON:
        write_json({"scheduleId": schedule_id, "status": done.upper()})
    else:
        typer.echo(f"Schedule {schedule_id} {done}.")


def _taken(schedule_id: str) -> NoReturn:
    refuse(f"there is a schedule {schedule_id} already; choose another --schedule-id, or delete that one", FAILED)


def _overlap(text: str) -> ScheduleOverlapPolicy | None:
    if not text:
        return None
    named: dict[str, Any] = {policy.name.replace("_", "").lower(): policy for policy in ScheduleOverlapPolicy}
    found = named.get(text.replace("_", "").lower())
    if found is None:
        names = ", ".join(policy.name.title().replace("_", "") for policy in ScheduleOverlapPolicy)
        refuse(f"--overlap-policy {text}: expected one of {names}")
    return ScheduleOverlapPolicy(found)


def _interval(text: str) -> ScheduleIntervalSpec:
    every, separator, offset = text.partition("/")
    return ScheduleIntervalSpec(duration(every), duration(offset) if separator else None)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _next(each: ScheduleListDescription) -> str:
    return time_text(each.next_action_times[0]) if each.next_action_times else ""
