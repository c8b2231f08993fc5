"""`tsuzuki schedule create` and `update`: the same options, on nothing or on what there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import typer
from google.protobuf import json_format
from temporalio.api.schedule.v1 import CalendarSpec

from tsuzuki.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from ._connection import Connection, connected
from ._endings import FAILED, refuse
from ._inputs import InputBase64, InputFiles, InputMeta, Inputs, arguments, duration, pairs
from ._output import Output, OutputOption, write_json
from ._signature import with_options
from ._start_options import bounds_and_labels, search_attributes

ScheduleId = Annotated[str, typer.Option("--schedule-id", "-s", help="The schedule.")]
Overlap = Annotated[
    str,
    typer.Option(
        metavar="POLICY",
        help="While a workflow of it runs: Skip, BufferOne, BufferAll, CancelOther, TerminateOther, AllowAll.",
    ),
]
Cron = Annotated[list[str] | None, typer.Option(metavar="CRON", help="When: '30 12 * * MON-FRI'; may be given again.")]
Calendar = Annotated[
    list[str] | None,
    typer.Option(metavar="JSON", help="""When: '{"dayOfWeek":"Fri","hour":"17","minute":"5"}'; may be given again."""),
]
Interval = Annotated[
    list[str] | None,
    typer.Option(metavar="DURATION[/OFFSET]", help="When: every so often, 45m or 6h/5h; may be given again."),
]
TimeZone = Annotated[str | None, typer.Option(help="In which cron is read; the default is UTC.")]
StartTime = Annotated[datetime | None, typer.Option(help="Not before; UTC.")]
EndTime = Annotated[datetime | None, typer.Option(help="Not after; UTC.")]
Duration = timedelta | None
Part = TypeVar("Part", ScheduleSpec, SchedulePolicy, ScheduleState)
Jitter = Annotated[
    Duration, typer.Option(parser=duration, metavar="DURATION", help="Delay each by up to this, by chance.")
]
Catchup = Annotated[Duration, typer.Option(parser=duration, metavar="DURATION", help="How late a start may be.")]
Notes = Annotated[str | None, typer.Option(help="For people.")]
IdBeginning = Annotated[
    str, typer.Option("--workflow-id", "-w", help="Beginning of the workflow ids; by default that of the schedule.")
]


_starting = with_options(bounds_and_labels, into="started_with")


@connected
@_starting
def create(
    connection: Connection,
    schedule_id: ScheduleId,
    type: Annotated[str, typer.Option("--type", "--name", help="Workflow type.")],
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Where its worker takes tasks from.")],
    workflow_id: IdBeginning = "",
    calendar: Calendar = None,
    cron: Cron = None,
    interval: Interval = None,
    time_zone: TimeZone = None,
    start_time: StartTime = None,
    end_time: EndTime = None,
    jitter: Jitter = None,
    overlap_policy: Overlap = "",
    catchup_window: Catchup = None,
    pause_on_failure: Annotated[bool, typer.Option("--pause-on-failure", help="Pause when a workflow fails.")] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Make it paused.")] = False,
    notes: Notes = None,
    remaining_actions: Annotated[int, typer.Option(min=0, help="Start only so many; 0 for no bound.")] = 0,
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    *,
    started_with: dict[str, Any],
    schedule_memo: Annotated[
        list[str] | None, typer.Option(metavar="KEY=JSON", help="A value shown with the schedule; may be given again.")
    ] = None,
    schedule_search_attribute: Annotated[
        list[str] | None, typer.Option(metavar="KEY=JSON", help="A value to find the schedule by; may be given again.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a schedule. A database that does not exist is made."""
    given = dict(locals())
    if not (calendar or cron or interval):
        refuse("give --calendar, --cron or --interval: when is it to start something?")
    action = ScheduleActionStartWorkflow(type, id=workflow_id or schedule_id, task_queue=task_queue)
    shown = pairs("--schedule-memo", schedule_memo)
    found_by = search_attributes("--schedule-search-attribute", schedule_search_attribute)
    made = _changed(Schedule(action, ScheduleSpec(), SchedulePolicy(), ScheduleState()), given)

    async def work(client: Client) -> ScheduleAlreadyRunningError | None:
        try:
            await client.create_schedule(schedule_id, made, memo=shown or None, search_attributes=found_by)
        except ScheduleAlreadyRunningError as error:
            return error
        return None

    if connection.run(work, create=True) is not None:
        refuse(f"there is a schedule {schedule_id} already; choose another --schedule-id, or `update` that one", FAILED)
    tell(schedule_id, "created", output)


@connected
@_starting
def update(
    connection: Connection,
    schedule_id: ScheduleId,
    type: Annotated[str, typer.Option("--type", "--name", help="Workflow type.")] = "",
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Where its worker takes tasks from.")] = "",
    workflow_id: IdBeginning = "",
    calendar: Calendar = None,
    cron: Cron = None,
    interval: Interval = None,
    time_zone: TimeZone = None,
    start_time: StartTime = None,
    end_time: EndTime = None,
    jitter: Jitter = None,
    overlap_policy: Overlap = "",
    catchup_window: Catchup = None,
    pause_on_failure: Annotated[
        bool | None, typer.Option("--pause-on-failure/--no-pause-on-failure", help="Pause when a workflow fails.")
    ] = None,
    paused: Annotated[bool | None, typer.Option("--paused/--no-paused", help="See `toggle` too.")] = None,
    notes: Notes = None,
    remaining_actions: Annotated[int | None, typer.Option(min=0, help="Start only so many; 0 for no bound.")] = None,
    inputs: Inputs = None,
    input_file: InputFiles = None,
    input_meta: InputMeta = None,
    input_base64: InputBase64 = False,
    *,
    started_with: dict[str, Any],
    output: OutputOption = Output.TEXT,
) -> None:
    """Change a schedule; what is not given stays. --calendar, --cron and --interval together replace all its times."""
    given = dict(locals())

    def change(now: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(_changed(now.description.schedule, given))

    async def work(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).update(change)

    connection.run(work)
    tell(schedule_id, "updated", output)


def _changed(now: Schedule, given: Mapping[str, Any]) -> Schedule:
    """What there is, with what was given in its place."""
    args = arguments(given["inputs"], given["input_file"], given["input_meta"], given["input_base64"])
    for name, value in (
        ("workflow", given["type"]),
        ("id", given["workflow_id"]),
        ("task_queue", given["task_queue"]),
        ("args", args),
    ):
        if value:
            setattr(now.action, name, value)
    now.action.set_options(**given["started_with"])
    return Schedule(now.action, _times(now.spec, given), _policy(now.policy, given), _state(now.state, given))


def _times(now: ScheduleSpec, given: Mapping[str, Any]) -> ScheduleSpec:
    if given["calendar"] or given["cron"] or given["interval"]:
        now = replace(
            now,
            calendars=[],
            cron_expressions=[*(given["cron"] or ()), *map(_cron_of, given["calendar"] or ())],
            intervals=[_interval(each) for each in given["interval"] or ()],
        )
    return _with(
        now,
        time_zone_name=given["time_zone"],
        start_at=_utc(given["start_time"]),
        end_at=_utc(given["end_time"]),
        jitter=given["jitter"],
    )


def _policy(now: SchedulePolicy, given: Mapping[str, Any]) -> SchedulePolicy:
    return _with(
        now,
        overlap=overlap_policy_of(given["overlap_policy"]),
        catchup_window=given["catchup_window"],
        pause_on_failure=given["pause_on_failure"],
    )


def _state(now: ScheduleState, given: Mapping[str, Any]) -> ScheduleState:
    left = given["remaining_actions"]
    return _with(
        now,
        note=given["notes"],
        paused=given["paused"],
        limited_actions=None if left is None else bool(left),
        remaining_actions=left,
    )


def _with(now: Part, **values: Any) -> Part:
    return replace(now, **{name: value for name, value in values.items() if value is not None})


def overlap_policy_of(text: str) -> ScheduleOverlapPolicy | None:
    """Read the name of an overlap policy; None for none."""
    if not text:
        return None
    named: dict[str, Any] = {policy.name.replace("_", "").lower(): policy for policy in ScheduleOverlapPolicy}
    found = named.get(text.replace("_", "").lower())
    if found is None:
        names = ", ".join(policy.name.title().replace("_", "") for policy in ScheduleOverlapPolicy)
        refuse(f"--overlap-policy {text}: expected one of {names}")
    return ScheduleOverlapPolicy(found)


def tell(schedule_id: str, done: str, output: Output) -> None:
    """Say what became of a schedule."""
    if output is not Output.TEXT:
        write_json({"scheduleId": schedule_id, "status": done.upper()}, output)
    else:
        typer.echo(f"Schedule {schedule_id} {done}.")


def _cron_of(text: str) -> str:
    """A calendar as the cron expression that Temporal's own command line makes of it."""
    calendar = CalendarSpec()
    try:
        json_format.Parse(text, calendar)
    except json_format.ParseError as error:
        refuse(f"--calendar {text}: {error}")
    fields = [getattr(calendar, name) or default for name, default in _CALENDAR]
    if any(character.isspace() or character == "#" for character in "".join(fields)):
        refuse(f"--calendar {text}: a field has a space or # in it")
    return " ".join(fields) + (f" # {calendar.comment}" if calendar.comment else "")


_CALENDAR: Final = (
    ("second", "0"),
    ("minute", "0"),
    ("hour", "0"),
    ("day_of_month", "*"),
    ("month", "*"),
    ("day_of_week", "*"),
    ("year", "*"),
)
"""The fields of a calendar in the order of cron, and what they are when not given."""


def _interval(text: str) -> ScheduleIntervalSpec:
    every, separator, offset = text.partition("/")
    return ScheduleIntervalSpec(duration(every), duration(offset) if separator else None)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)
