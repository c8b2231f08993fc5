"""`tsuzuki schedule`: workflows that are started again and again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tsuzuki.client import Client, ScheduleBackfill, ScheduleDescription, ScheduleListDescription

from ._connection import Connection, connected
from ._endings import refuse
from ._lazy import group
from ._output import Output, OutputOption, time_text, write_fields, write_json, write_table
from ._schedule_change import Overlap, ScheduleId, create, overlap_policy_of, tell, update

schedule = group("Workflows that are started again and again.")
schedule.command()(create)
schedule.command()(update)


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
    if output is not Output.TEXT:
        write_json(rows, output)
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
    if output is not Output.TEXT:
        write_json(found.raw_description, output)
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
    tell(schedule_id, "paused" if pause else "unpaused", output)


@schedule.command()
@connected
def trigger(
    connection: Connection, schedule_id: ScheduleId, overlap_policy: Overlap = "", output: OutputOption = Output.TEXT
) -> None:
    """Let a schedule act now."""
    overlap = overlap_policy_of(overlap_policy)

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).trigger(overlap=overlap)

    connection.run(work)
    tell(schedule_id, "triggered", output)


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
    times = ScheduleBackfill(
        start_time.replace(tzinfo=UTC), end_time.replace(tzinfo=UTC), overlap_policy_of(overlap_policy)
    )

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).backfill(times)

    connection.run(work)
    tell(schedule_id, "backfilled", output)


@schedule.command()
@connected
def delete(connection: Connection, schedule_id: ScheduleId, output: OutputOption = Output.TEXT) -> None:
    """Delete a schedule; workflows that it started go on."""

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).delete()

    connection.run(work)
    tell(schedule_id, "deleted", output)


def _next(each: ScheduleListDescription) -> str:
    return time_text(each.next_action_times[0]) if each.next_action_times else ""
