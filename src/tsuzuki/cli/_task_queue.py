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
        raw: The answer, with the pollers.
    """

    type: str
    raw: DescribeTaskQueueResponse

    @property
    def backlog(self) -> int:
        """Number of tasks that wait, about."""
        return self.raw.stats.approximate_backlog_count

    @property
    def add_rate(self) -> float:
        """Tasks a second that came to the queue in the last half minute; source: the service."""
        return self.raw.stats.tasks_add_rate

    @property
    def dispatch_rate(self) -> float:
        """Tasks a second that workers took from the queue in the last half minute."""
        return self.raw.stats.tasks_dispatch_rate


async def look_at(client: Client, name: str) -> list[QueueLook]:
    """Ask for the tasks and the pollers of a queue; source: `DescribeTaskQueue`."""
    looks = []
    for type, number in _TYPES.items():
        request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue_type=number, report_stats=True)
        request.task_queue.name = name
        answer = await client.service.describe_task_queue(request)
        looks.append(QueueLook(type, answer))
    return looks


@task_queue.command()
@connected
def describe(
    connection: Connection,
    task_queue: Annotated[str, typer.Option("--task-queue", "-t", help="The task queue.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Show how much waits at a task queue, how fast tasks come and go, and who has polled it in five minutes.

    Rates are tasks a second over the last half minute; those that a worker gets with an answer (eager ones) or on its
    own queue (sticky ones) are not counted.
    """
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
    write_table(
        ("Type", "Backlog", "Oldest", "AddRate", "DispatchRate"),
        (
            (look.type, look.backlog, _age(look.raw), f"{look.add_rate:,.2f}/s", f"{look.dispatch_rate:,.2f}/s")
            for look in looks
        ),
    )
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
