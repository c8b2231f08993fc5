"""`tsuzuki workflow stream`: what a run's activities say while they run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from tsuzuki.client import Client, StreamEvent, StreamEventKind

from ._connection import Connection, connected
from ._ids import RunId, WorkflowId
from ._output import Output, OutputOption, exact_time_text
from ._terminal import one_line, printable


@connected
def stream(
    connection: Connection,
    workflow_id: WorkflowId,
    run_id: RunId = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the workflow closes.")] = False,
    after: Annotated[str, typer.Option(metavar="ID", help="Go on behind this event.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the event stream of a run: tokens of models, progress. With `--output json`, one a line, with its id."""
    written = _Text()

    async def work(client: Client) -> None:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id or None)
        async for event in handle.read_stream(after=after, wait=follow, follow_runs=follow and not run_id):
            typer.echo(_line(event)) if output is Output.JSON else written.add(event)

    try:
        connection.run(work, "" if follow else "Reading the stream")
    finally:
        written.end()


def _line(event: StreamEvent) -> str:
    facts = {
        "id": event.id,
        "kind": event.kind.value,
        "activityId": event.activity_id,
        "activityType": event.activity_type,
        "attempt": event.attempt,
        "seq": event.seq,
        "time": exact_time_text(event.at),
    }
    said = {"value": event.value} if event.kind is StreamEventKind.DATA else {}
    return json.dumps({**facts, **said}, ensure_ascii=False, default=str)


class _Text:
    """Events as text: pieces of text as they come, everything else on lines of its own."""

    def __init__(self) -> None:
        self._at_start = True

    def add(self, event: StreamEvent) -> None:
        say = _SAY.get(event.kind)
        if say is not None:
            self._write(say(event))
        elif isinstance(event.value, str):
            typer.echo(printable(event.value), nl=False)
            self._at_start = event.value.endswith("\n") or (self._at_start and not event.value)
        else:
            self._write(json.dumps(event.value, ensure_ascii=False, default=str))

    def end(self) -> None:
        if not self._at_start:
            typer.echo()
        self._at_start = True

    def _write(self, line: str) -> None:
        self.end()
        typer.echo(one_line(line))


_SAY: Final[Mapping[StreamEventKind, Callable[[StreamEvent], Any]]] = {
    StreamEventKind.BEGIN: lambda it: f"--- {it.activity_type} {it.activity_id}, attempt {it.attempt}",
    StreamEventKind.END: lambda it: f"--- end of {it.activity_type} {it.activity_id}",
    StreamEventKind.FULL: lambda it: "--- the stream is full; nothing more is kept",
    StreamEventKind.GAP: lambda it: "--- some events were missed here",
}
