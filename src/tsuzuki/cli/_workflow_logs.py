"""`tsuzuki workflow logs`: what a run's code and its activities have logged."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Final

import typer

from tsuzuki.client import Client, LogLine

from ._connection import Connection, connected
from ._ids import RunId, WorkflowId
from ._output import Output, OutputOption, exact_time_text, time_text
from ._terminal import one_line, printable

_LEVELS: Final = {name.lower(): number for name, number in logging.getLevelNamesMapping().items() if number}


def _level(text: str) -> int:
    if text.lower() not in _LEVELS:
        raise typer.BadParameter(f"'{text}' is no level; expected debug, info, warning, error or critical")
    return _LEVELS[text.lower()]


@connected
def logs(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the workflow closes.")] = False,
    last: Annotated[int | None, typer.Option(min=0, help="Begin with that many of the newest lines.")] = None,
    level: Annotated[int, typer.Option(parser=_level, metavar="LEVEL", help="The least to show.")] = "debug",  # type: ignore[assignment]
    after: Annotated[str, typer.Option(metavar="ID", help="Go on behind this line.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a run's code and its activities have logged. With `--output json`, one a line, with its id."""

    async def work(client: Client) -> None:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        async for line in handle.read_logs(after=after, last=last, wait=follow, follow_runs=not run_id):
            if line.level >= level:
                typer.echo(_text(line) if output is Output.TEXT else _json(line))

    connection.run(work, "" if follow else "Reading the log")


def _json(line: LogLine) -> str:
    facts = {"id": line.id, "time": exact_time_text(line.at), "level": line.level, "logger": line.logger}
    more = {
        "fields": line.fields,
        "exception": line.exception,
        "activityId": line.activity_id,
        "activityType": line.activity_type,
        "attempt": line.attempt,
    }
    said = {name: value for name, value in more.items() if value}
    return json.dumps({**facts, "message": line.message, **said}, ensure_ascii=False)


def _text(line: LogLine) -> str:
    attempt = f", attempt {line.attempt}" if line.attempt > 1 else ""
    who = f"{line.activity_type} {line.activity_id}{attempt}" if line.activity_type else "workflow"
    message, exception = printable(line.message), printable(line.exception.rstrip())
    fields = "".join(f"  {name}={json.dumps(value, ensure_ascii=False)}" for name, value in line.fields.items())
    text = f"{time_text(line.at)} {logging.getLevelName(line.level):<8} [{one_line(who)}] {message}{one_line(fields)}"
    return f"{text}\n{exception}" if exception else text
