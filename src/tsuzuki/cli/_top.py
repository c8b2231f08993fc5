"""`tsuzuki top`: what runs, live.

Of a database it reads the file beside its owner, so it works while a worker has it open; a server is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tsuzuki.client import Client, WorkflowExecutionStatus
from tsuzuki.store import store_info

from ._connection import Connection, connected, run_or_refuse
from ._endings import INTERRUPTED
from ._inputs import duration
from ._output import Output, OutputOption, write_json
from ._store import database_path

OPEN_RUNS_MAX: Final = 1000
"""Open runs of a server that are looked at, newest first."""
QUEUES_MAX: Final = 20

_RUNNING: Final = WorkflowExecutionStatus.RUNNING.name


@dataclass(frozen=True)
class Look:
    """What runs at one time.

    Attributes:
        seconds: When, on a monotonic clock.
        runs: Number of runs, by status.
        open_runs: Open runs by task queue and type, most first; of a server, among the newest 1000.
        commits: Of a database: transactions so far; None of a server.
        owner: Of a database: who has it open.
    """

    seconds: float
    runs: dict[str, int]
    open_runs: list[tuple[str, str, int]]
    commits: int | None = None
    owner: str = ""


@dataclass(frozen=True)
class Rates:
    """What happened between two looks, per second."""

    started: float
    closed: float
    commits: float | None


@connected
def top(
    connection: Connection,
    interval: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="Between two looks; 1s.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, print it, leave.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Watch what runs: runs by status, task queues, rates. Ctrl-C leaves. `--output json` looks once."""
    every_s = 1.0 if interval is None else interval.total_seconds()

    async def watch(look: Callable[[], Awaitable[Look]]) -> None:
        first = before = await look()
        if output is not Output.TEXT:
            write_json(asdict(first), output)
            return
        if once:
            Console().print(_picture(first, None))
            return
        with Live(_picture(first, None), console=Console(), screen=Console().is_terminal, auto_refresh=False) as live:
            while True:
                live.refresh()
                await asyncio.sleep(every_s)
                now = await look()
                live.update(_picture(now, rates(before, now)))
                before = now

    try:
        if connection.embedded:
            path = database_path(connection.target)

            async def read() -> Look:
                return _of_file(path)

            run_or_refuse(lambda: watch(read))
        else:
            connection.run(lambda client: watch(lambda: _of_server(client)), "")
    except typer.Exit as ended:
        if ended.exit_code != INTERRUPTED:  # that is how one leaves
            raise


def rates(before: Look, now: Look) -> Rates:
    """What happened between two looks, per second."""
    seconds = max(now.seconds - before.seconds, 1e-9)
    started = sum(now.runs.values()) - sum(before.runs.values())
    opened = now.runs.get(_RUNNING, 0) - before.runs.get(_RUNNING, 0)
    commits = None if now.commits is None or before.commits is None else (now.commits - before.commits) / seconds
    return Rates(started / seconds, (started - opened) / seconds, commits)


def _of_file(path: str) -> Look:
    found = store_info(path)
    return Look(
        time.monotonic(),
        {WorkflowExecutionStatus(status).name: count for status, count in found.runs.items()},
        [(queue, kind, count) for (queue, kind), count in found.open_runs.items()],
        found.commits,
        f"process {found.owner_pid}" if found.owner_pid else "nobody",
    )


async def _of_server(client: Client) -> Look:
    counted = await client.count_workflows("GROUP BY ExecutionStatus")
    open_runs: Counter[tuple[str, str]] = Counter()
    async for run in client.list_workflows(f"ExecutionStatus = '{_RUNNING.title()}'", limit=OPEN_RUNS_MAX):
        open_runs[run.task_queue, run.workflow_type] += 1
    runs = {_status_name(str(group.group_values[0])): group.count for group in counted.groups}
    return Look(time.monotonic(), runs, [(*key, count) for key, count in open_runs.most_common()])


def _status_name(shown: str) -> str:
    """`ContinuedAsNew` as `CONTINUED_AS_NEW`."""
    return "".join(f"_{letter}" if letter.isupper() and at else letter for at, letter in enumerate(shown)).upper()


def _picture(look: Look, since: Rates | None) -> RenderableType:
    counts = "   ".join(f"{name.lower().replace('_', ' ')} {count:,}" for name, count in look.runs.items())
    lines: list[RenderableType] = [Text(f"runs   {counts or 'none'}", style="bold")]
    if since is not None:
        text = f"rates  {since.started:,.1f} started/s   {since.closed:,.1f} closed/s"
        lines.append(Text(text + (f"   {since.commits:,.1f} commits/s" if since.commits is not None else "")))
    if look.owner:
        lines.append(Text(f"open   in {look.owner}", style="dim"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("task queue", "type", "open runs"):
        table.add_column(name, justify="right" if name == "open runs" else "left")
    for queue, kind, count in look.open_runs[:QUEUES_MAX]:
        table.add_row(Text(queue), Text(kind), f"{count:,}")
    lines.append(table)
    if len(look.open_runs) > QUEUES_MAX:
        lines.append(Text(f"and {len(look.open_runs) - QUEUES_MAX:,} more", style="dim"))
    return Group(*lines)
