"""`tsuzuki worker run`: a worker process for the workflows and activities of modules.

It waits for the server, and stops on SIGTERM and SIGINT: polling ends at once, what is running may end within the grace
period. Stopping is never needed for safety; a killed worker's work is tried again.
"""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tsuzuki.agents import PriorityQueues
from tsuzuki.client import Client
from tsuzuki.replay import Definitions, load_definitions
from tsuzuki.worker import ActivityLimit, ActivityLimits, Worker

from ._connection import Connection, connected, run_or_refuse
from ._endings import FAILED, refuse
from ._inputs import duration
from ._logs import LogFormat, LogLevel, RunLogLevel, log_to_stderr
from ._worker_health import WorkerHealth
from ._worker_life import WorkerLife

RELOAD: Final = "--reload"
GRACE: Final = timedelta(seconds=10)
WAIT: Final = timedelta(seconds=60)

Duration = timedelta | None


@connected
def run(
    connection: Connection,
    modules: Annotated[
        list[str],
        typer.Argument(
            metavar="MODULE[:NAME]...",
            help="A module or file: all workflows and activities in it and of its objects; or one name of it: a "
            "workflow, an activity, an object that has some, a list of them, or a function that makes a Worker for a "
            "client.",
        ),
    ],
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="Where to take tasks from.")] = "",
    max_concurrent_activities: Annotated[int, typer.Option(min=1, help="Activities at a time.")] = 100,
    max_concurrent_workflow_tasks: Annotated[int, typer.Option(min=2, help="Workflow tasks at a time.")] = 100,
    max_cached_workflows: Annotated[int, typer.Option(min=0, help="Runs kept in memory between their tasks.")] = 1000,
    activity_limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE=COUNT", help="So many of this activity type at a time in this process; may be given again."
        ),
    ] = None,
    activity_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE=RATE",
            help="So many of this activity type begin a second in this process; may be given again.",
        ),
    ] = None,
    priority_queues: Annotated[
        bool,
        typer.Option(
            "--priority-queues",
            help="Take from QUEUE-critical, QUEUE-high, QUEUE and QUEUE-low, with 12, 10, 8 and 4 activities and "
            "workflow tasks at a time, in place of the two numbers above.",
        ),
    ] = False,
    grace: Annotated[
        Duration,
        typer.Option(parser=duration, metavar="DURATION", help="For running activities when it stops; 10s."),
    ] = None,
    wait: Annotated[
        Duration, typer.Option(parser=duration, metavar="DURATION", help="For the server to come up; 60s.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Answer GET /livez (the process runs) and /readyz (it takes tasks) on this port of 127.0.0.1; "
            "0 for a free one.",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="How log lines look; console and json need tsuzuki[logs].")
    ] = LogFormat.PLAIN,
    log_level: Annotated[LogLevel, typer.Option(help="The least that is logged.")] = LogLevel.INFO,
    run_log_level: Annotated[
        RunLogLevel, typer.Option(help="The least that is kept in the logs of runs, for their pages.")
    ] = RunLogLevel.INFO,
    reload: Annotated[
        bool,
        typer.Option(RELOAD, help="Start anew when a Python file changes; for development. Needs tsuzuki[reload]."),
    ] = False,
) -> None:
    """Run workflows and activities until SIGTERM or SIGINT; a second one stops at once."""
    if reload:
        _run_again_on_changes(modules)
        return

    limits = _limits(activity_limit or (), activity_rate or ())

    async def work() -> None:
        found = load_definitions(modules)
        if (found.workflows or found.activities) and not task_queue:
            refuse("give --task-queue, the one that workflows are started with")
        async with AsyncExitStack() as stack:
            if health_port is not None:
                port = await stack.enter_async_context(health.served(health_port))
                typer.echo(f"health          http://127.0.0.1:{port}/livez, /readyz")
            client = await stack.enter_async_context(await connection.open(wait=WAIT if wait is None else wait))
            health.service = client.service
            workers = [await _made(factory, client) for factory in found.factories]
            if found.workflows or found.activities:
                options: dict[str, Any] = {
                    "task_queue": task_queue,
                    "workflows": found.workflows,
                    "activities": found.activities,
                    "max_cached_workflows": max_cached_workflows,
                    "interceptors": connection.worker_interceptors,
                    "graceful_shutdown_timeout": GRACE if grace is None else grace,
                    "activity_limits": limits,
                    "run_log_level": run_log_level.number,
                }
                if priority_queues:
                    workers += PriorityQueues(client, **options).workers
                else:
                    options["max_concurrent_activities"] = max_concurrent_activities
                    options["max_concurrent_workflow_tasks"] = max_concurrent_workflow_tasks
                    workers.append(Worker(client, **options))
            _greet(connection, workers, found)
            await WorkerLife(workers, health, GRACE if grace is None else grace).run()

    log_to_stderr(log_format, log_level)
    health = WorkerHealth()
    run_or_refuse(work)


def _limits(counts: Sequence[str], rates: Sequence[str]) -> ActivityLimits | None:
    """Read the limits of activity types; one object, for all workers of the process."""
    try:
        at_most = {name: int(count) for name, count in map(_pair, counts)}
        per_second = {name: float(rate) for name, rate in map(_pair, rates)}
        limits = {name: ActivityLimit(at_most.get(name), per_second.get(name)) for name in sorted(at_most | per_second)}
    except ValueError as error:
        refuse(f"--activity-limit, --activity-rate: {error}")
    return ActivityLimits(limits) if limits else None


def _pair(given: str) -> tuple[str, str]:
    name, separator, value = given.partition("=")
    if not separator or not name:
        raise ValueError(f"{given!r} is no TYPE=NUMBER, as in search=3")
    return name, value


async def _made(factory: Any, client: Client) -> Worker:
    made = factory(client)
    if inspect.isawaitable(made):
        made = await made
    if not isinstance(made, Worker):
        name = getattr(factory, "__qualname__", factory)
        refuse(f"{name}(client) gave a {type(made).__name__}; expected a function that makes a Worker for a client")
    return made


def _greet(connection: Connection, workers: Sequence[Worker], found: Definitions) -> None:
    for one in workers:
        typer.echo(f"task queue      {one.task_queue}")
    typer.echo(f"target          {connection.target}, namespace {connection.namespace}")
    for kind, types in (("workflows", found.workflow_types), ("activities", found.activity_types)):
        if types:
            typer.echo(f"{kind:<15} {', '.join(types)}")


def _run_again_on_changes(modules: Sequence[str]) -> None:
    try:
        import watchfiles
    except ModuleNotFoundError:
        refuse(f"{RELOAD} needs watchfiles: pip install 'tsuzuki[reload]'", FAILED)
    command = [sys.executable, *(argument for argument in sys.argv if argument != RELOAD)]
    folders = {Path.cwd(), *(Path(name.partition(":")[0]).resolve().parent for name in modules if ".py" in name)}
    watchfiles.run_process(
        *folders,
        target=shlex.join(command),
        target_type="command",
        watch_filter=watchfiles.PythonFilter(),
        callback=lambda changes: typer.echo(f"changed: {', '.join(sorted(path for _, path in changes))}", err=True),
        sigint_timeout=15,
    )
