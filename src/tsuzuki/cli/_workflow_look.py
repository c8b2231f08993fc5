"""`tsuzuki workflow list`, `count`, `describe` and `show`: looking, without changing anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer
from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.client import (
    Client,
    PauseInfo,
    PendingActivity,
    WorkflowExecution,
    WorkflowExecutionCount,
    WorkflowExecutionDescription,
    WorkflowHistory,
)

from ._connection import Connection, connected
from ._endings import refuse
from ._ids import Filter, RunId, WorkflowId
from ._output import (
    Output,
    OutputOption,
    as_data,
    payload_text,
    time_text,
    value_text,
    write_fields,
    write_json,
    write_table,
)
from ._terminal import one_line

LIST_MAX: Final = 1000


@connected
def list_workflows(
    connection: Connection,
    query: Filter = "",
    limit: Annotated[int, typer.Option(min=0, help=f"Most runs to list; 0 for all. The default is {LIST_MAX}.")] = (
        LIST_MAX
    ),
    page_size: Annotated[int, typer.Option(min=1, help="Most runs of one call.")] = 1000,
    output: OutputOption = Output.TEXT,
) -> None:
    """List runs, newest first."""

    async def work(client: Client) -> list[WorkflowExecution]:
        found = []
        async for run in client.list_workflows(query or None, page_size=page_size, limit=limit or None):
            if output is Output.JSONL:  # a line at a time: there may be many
                write_json(run.raw_info, output)
            else:
                found.append(run)
        return found

    runs = connection.run(work, "Listing")
    if output is Output.JSON:
        write_json([as_data(run.raw_info) for run in runs])
    if output is not Output.TEXT:
        return
    rows = ((_status(run), run.id, run.workflow_type, time_text(run.start_time), run.run_id) for run in runs)
    write_table(("Status", "WorkflowId", "Type", "StartTime", "RunId"), rows)
    if limit and len(runs) == limit:
        typer.echo(f"The newest {limit:,}; --limit 0 lists all, --query narrows them down.", err=True)


@connected
def count(connection: Connection, query: Filter = "", output: OutputOption = Output.TEXT) -> None:
    """Count runs; with GROUP BY ExecutionStatus at the end of the filter, by status."""

    async def work(client: Client) -> WorkflowExecutionCount:
        return await client.count_workflows(query or None)

    counted = connection.run(work, "Counting")
    groups = [{"values": list(group.group_values), "count": group.count} for group in counted.groups]
    if output is not Output.TEXT:
        write_json({"count": counted.count, **({"groups": groups} if groups else {})}, output)
        return
    typer.echo(f"Total: {counted.count}")
    for group in counted.groups:
        typer.echo(f"  {', '.join(str(value) for value in group.group_values)}: {group.count}")


@connected
def describe(
    connection: Connection, workflow_id: WorkflowId, run_id: RunId = "", output: OutputOption = Output.TEXT
) -> None:
    """Show a run: its state, its times, what it waits for, and why it is stuck if it is."""

    async def work(client: Client) -> tuple[WorkflowExecutionDescription, str | None, Any]:
        described = await client.get_workflow_handle(workflow_id, run_id=run_id or None).describe()
        return described, await described.static_summary(), await described.memo()

    described, summary, memo = connection.run(work)
    if output is not Output.TEXT:
        write_json(described.raw_description, output)
        return
    info = described.raw_info
    write_fields(
        "Execution",
        [
            ("WorkflowId", described.id),
            ("RunId", described.run_id),
            ("Type", described.workflow_type),
            ("Summary", summary),
            ("Namespace", described.namespace),
            ("Status", _status(described)),
            ("Paused", _paused(described.pause)),
            ("TaskQueue", described.task_queue),
            ("StartTime", time_text(described.start_time)),
            ("CloseTime", time_text(described.close_time)),
            ("HistoryLength", described.history_length),
            ("HistorySize", info.history_size_bytes),
            ("Memo", json.dumps(memo, ensure_ascii=False, default=str) if memo else ""),
            ("ParentWorkflowId", described.parent_id),
            ("ParentRunId", described.parent_run_id),
        ],
    )
    if described.search_attributes:
        values = sorted(described.search_attributes.items())
        write_fields("Search attributes", ((name, value_text(value)) for name, value in values))
    _write_pending(described)


def _write_pending(described: WorkflowExecutionDescription) -> None:
    task = described.pending_workflow_task
    if task is not None:
        write_fields(
            "Pending workflow task",
            [
                ("State", task.state.name.title()),
                ("Attempt", task.attempt),
                ("ScheduledTime", time_text(task.scheduled_time)),
                ("LastFailure", task.last_failure),
            ],
        )
    activities = described.pending_activities
    for activity in activities:
        write_fields(f"Pending activity {activity.activity_id}", _pending_activity(activity))
    for child in described.pending_children:
        write_fields(
            "Pending child",
            [("WorkflowId", child.workflow_id), ("RunId", child.run_id), ("Type", child.workflow_type_name)],
        )
    if task is None and not activities and not described.pending_children and described.close_time is None:
        typer.echo("Nothing is pending but what the code waits for itself: a signal, an update or a timer.")


def _paused(pause: PauseInfo | None) -> str:
    if pause is None:
        return ""
    return f"{time_text(pause.time)} by {pause.identity}{': ' if pause.reason else ''}{pause.reason}"


def _pending_activity(activity: PendingActivity) -> Iterator[tuple[str, object]]:
    bound = f" of {activity.maximum_attempts}" if activity.maximum_attempts else ""
    yield "Type", activity.activity_type
    yield "State", activity.state.name.replace("_", " ").title()
    yield "Paused", _paused(activity.pause)
    yield "Attempt", f"{activity.attempt}{bound}"
    yield "LastStartedTime", time_text(activity.last_started_time)
    yield "LastHeartbeatTime", time_text(activity.last_heartbeat_time)
    yield "NextAttemptTime", time_text(activity.next_attempt_time)
    yield "LastFailure", activity.last_failure
    yield "LastWorker", activity.last_worker_identity


@connected
def show(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run closes. Not for json.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Newest event first.")] = False,
    detailed: Annotated[bool, typer.Option("--detailed", help="All of each event; for text.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the history of a run. `--output json > history.json` is what `workflow replay --file` and Temporal's own
    tools read."""

    follow = follow and output is not Output.JSON

    def write(event: HistoryEvent) -> None:
        if output is Output.JSONL:
            write_json(event, output)
        else:
            typer.echo(_event(event, detailed))

    async def work(client: Client) -> list[HistoryEvent]:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        events = []
        async for event in handle.fetch_history_events(wait_new_event=follow):
            events.append(event)
            if follow:
                write(event)
        return events

    if follow and reverse:
        refuse("--follow goes on at the end of the history: it cannot be combined with --reverse")
    events = connection.run(work, "" if follow else "Reading the history")
    if reverse:
        events.reverse()
    if output is Output.JSON:
        typer.echo(WorkflowHistory(workflow_id, events).to_json())
    elif not follow:
        for event in events:
            write(event)


def _event(event: HistoryEvent, detailed: bool) -> str:
    name = event_name(event)
    time = event.event_time.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ")
    if not detailed:
        return f"{event.event_id:>6}  {time}  {name:<38} {_subject(event)}{_caller(event)}".rstrip()
    attributes = _attributes(event)
    lines = json.dumps(as_data(attributes), indent=2, ensure_ascii=False) if attributes is not None else "{}"
    return f"{event.event_id:>6}  {time}  {name}{_caller(event)}\n{lines}"


def _caller(event: HistoryEvent) -> str:
    """Who asked for it, as the server found out."""
    who = event.principal
    return f"  [{one_line(f'{who.type} {who.name}')}]" if event.HasField("principal") else ""


def event_name(event: HistoryEvent) -> str:
    """Name an event as Temporal's tools do: `ActivityTaskScheduled`."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    return "".join(word.capitalize() for word in name.split("_"))


def _attributes(event: HistoryEvent) -> Message | None:
    kind = event.WhichOneof("attributes")
    return None if kind is None else getattr(event, kind)


_SUBJECTS: Final[tuple[tuple[str, Callable[[Any], str]], ...]] = (
    ("workflow_type", lambda it: it.name),
    ("activity_type", lambda it: it.name),
    ("timer_id", lambda it: f"timer {it}"),
    ("signal_name", str),
    ("marker_name", str),
    ("failure", lambda it: it.message.splitlines()[0] if it.message else ""),
    ("input", lambda it: ", ".join(payload_text(payload) for payload in it.payloads)),
    ("result", lambda it: ", ".join(payload_text(payload) for payload in it.payloads)),
)
"""What a line says of an event: the first of these fields that it has, and the next ones."""
_SUBJECT_LENGTH: Final = 100


def _subject(event: HistoryEvent) -> str:
    attributes = _attributes(event)
    if attributes is None:
        return ""
    known = attributes.DESCRIPTOR.fields_by_name
    said = [say(getattr(attributes, name)) for name, say in _SUBJECTS if name in known]
    text = one_line("  ".join(it for it in said if it))
    return text if len(text) <= _SUBJECT_LENGTH else text[: _SUBJECT_LENGTH - 3] + "..."


def _status(run: WorkflowExecution) -> str:
    return "" if run.status is None else "".join(word.capitalize() for word in run.status.name.split("_"))
