"""`tsuzuki task-queue`: what waits at a queue, and who takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Annotated, Any, Final

import typer
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._lazy import group
from ._output import Output, OutputOption, as_data, time_text, write_fields, write_json, write_table

task_queue = group("Task queues: what waits, who takes it.")

_TYPES: Final = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}


@dataclass(frozen=True)
class QueueLook:
    """One queue at one time, of one type of tasks.

    Attributes:
        type: `workflow` or `activity`.
        backlog: Number of tasks that wait, about.
        raw: The answer, with the pollers.
    """

    type: str
    backlog: int
    raw: DescribeTaskQueueResponse


async def look_at(client: Client, name: str) -> list[QueueLook]:
    """Ask for the tasks and the pollers of a queue; source: `DescribeTaskQueue`."""
    looks = []
    for type, number in _TYPES.items():
        request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue_type=number, report_stats=True)
        request.task_queue.name = name
        answer = await client.service.describe_task_queue(request)
        looks.append(QueueLook(type, answer.stats.approximate_backlog_count, answer))
    return looks


@task_queue.command()
@connected
def describe(
    connection: Connection,
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="The task queue.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Show how much waits at a task queue, and which workers have polled it in the last five minutes."""
    looks = connection.run(lambda client: look_at(client, task_queue))
    pollers = [(look.type, poller) for look in looks for poller in look.raw.pollers]
    if output is not Output.TEXT:
        write_json(
            {
                "taskQueue": task_queue,
                "stats": [{"taskQueueType": look.type, **as_data(look.raw.stats)} for look in looks],
                "pollers": [{"taskQueueType": type, **as_data(poller)} for type, poller in pollers],
            },
            output,
        )
        return
    write_fields("Task queue", [("Name", task_queue)])
    write_table(("Type", "Backlog", "Oldest"), ((look.type, look.backlog, _age(look.raw)) for look in looks))
    if not pollers:
        typer.echo("No worker polls it.")
        return
    write_table(
        ("Type", "Poller", "LastAccessTime"),
        ((type, it.identity, time_text(it.last_access_time.ToDatetime(UTC))) for type, it in pollers),
    )


def _age(answer: Any) -> str:
    age: timedelta = answer.stats.approximate_backlog_age.ToTimedelta()
    return f"{age.total_seconds():.0f}s" if answer.stats.approximate_backlog_count else ""
