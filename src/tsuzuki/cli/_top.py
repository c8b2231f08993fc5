"""`tsuzuki top`: what runs and what waits, live.

Of a database it reads the file beside its owner, so it works while a worker has it open; a server is asked, and knows
besides what waits at the task queues and who polls them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
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
from ._task_queue import look_at
from ._terminal import one_line

OPEN_RUNS_MAX: Final = 1000
"""Open runs of a server that are looked at, newest first."""
QUEUES_MAX: Final = 20
"""Task queues that are shown, those with most open runs."""

_UNKNOWN: Final = "what waits in them and who polls is not in the file: a server knows (tsuzuki server start)"
_OPEN: Final = (WorkflowExecutionStatus.RUNNING.name, WorkflowExecutionStatus.PAUSED.name)


@dataclass(frozen=True)
class Queue:
    """A task queue of a server at one time.

    Attributes:
        name: Its name.
        workflow_tasks: Workflow tasks that wait, about.
        activity_tasks: Activity tasks that wait, about.
        workflow_pollers: Workers that have polled for workflow tasks in the last five minutes.
        activity_pollers: Workers that have polled for activity tasks.
        add_rate: Tasks of both kinds that came, a second, over the last half minute.
        dispatch_rate: Tasks of both kinds that workers took.
    """

    name: str
    workflow_tasks: int
    activity_tasks: int
    workflow_pollers: int
    activity_pollers: int
    add_rate: float
    dispatch_rate: float


@dataclass(frozen=True)
class Look:
    """What runs at one time.

    Attributes:
        seconds: When, on a monotonic clock.
        runs: Number of runs, by status.
        open_runs: Open runs by task queue and type, most first; of a server, among the newest 1000.
        commits: Of a database: transactions so far; None of a server.
        owner: Of a database: who has it open.
        queues: Of a server: the task queues of these runs.
    """

    seconds: float
    runs: dict[str, int]
    open_runs: list[tuple[str, str, int]]
    commits: int | None = None
    owner: str = ""
    queues: list[Queue] = field(default_factory=list)


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
    """Watch what runs and waits: runs by status and task queue, rates; of a server also the backlog of each task queue
    and who polls it. Ctrl-C leaves.

    `--output json` looks once; `--output jsonl` writes a line for each look.
    """
    every_s = 1.0 if interval is None else interval.total_seconds()

    async def watch(look: Callable[[], Awaitable[Look]]) -> None:
        first = before = await look()
        if output is not Output.TEXT:
            write_json(asdict(first), output)
            while output is Output.JSONL and not once:
                await asyncio.sleep(every_s)
                write_json(asdict(await look()), output)
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
    opened = sum(now.runs.get(status, 0) - before.runs.get(status, 0) for status in _OPEN)
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
    async for run in client.list_workflows("CloseTime IS NULL", limit=OPEN_RUNS_MAX):
        open_runs[run.task_queue, run.workflow_type] += 1
    runs = {_status_name(str(group.group_values[0])): group.count for group in counted.groups}
    by_queue: Counter[str] = Counter()
    for (queue, _), count in open_runs.items():
        by_queue[queue] += count
    queues = await asyncio.gather(*(_queue(client, name) for name, _ in by_queue.most_common(QUEUES_MAX)))
    rows = [(*key, count) for key, count in open_runs.most_common()]
    return Look(time.monotonic(), runs, rows, queues=list(queues))


async def _queue(client: Client, name: str) -> Queue:
    workflow, activity = await look_at(client, name)
    return Queue(
        name,
        workflow.backlog,
        activity.backlog,
        len(workflow.raw.pollers),
        len(activity.raw.pollers),
        workflow.add_rate + activity.add_rate,
        workflow.dispatch_rate + activity.dispatch_rate,
    )


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
        lines.append(Text(f"queues {_UNKNOWN}", style="dim"))
    if look.queues:
        lines.append(_queue_table(look.queues))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("task queue", "type", "open runs"):
        table.add_column(name, justify="right" if name == "open runs" else "left")
    for queue, kind, count in look.open_runs[:QUEUES_MAX]:
        table.add_row(Text(one_line(queue)), Text(one_line(kind)), f"{count:,}")
    lines.append(table)
    if len(look.open_runs) > QUEUES_MAX:
        lines.append(Text(f"and {len(look.open_runs) - QUEUES_MAX:,} more", style="dim"))
    return Group(*lines)


def _queue_table(queues: list[Queue]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("task queue")
    for name in ("workflow tasks wait", "activity tasks wait", "workflow pollers", "activity pollers", "in/s", "out/s"):
        table.add_column(name, justify="right")
    for queue in queues:
        waiting = [queue.workflow_tasks, queue.activity_tasks]
        pollers = [queue.workflow_pollers, queue.activity_pollers]
        stuck = [bool(tasks) and not polling for tasks, polling in zip(waiting, pollers, strict=True)]
        cells = [
            Text(f"{number:,}", style="bold red" if bad else "") for number, bad in zip(waiting, stuck, strict=True)
        ]
        rates = [f"{rate:,.1f}" for rate in (queue.add_rate, queue.dispatch_rate)]
        table.add_row(Text(one_line(queue.name)), *cells, *(f"{number:,}" for number in pollers), *rates)
    return table
