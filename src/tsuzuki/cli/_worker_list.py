"""`tsuzuki worker list`: which workers there are."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, Final

import typer
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.workflowservice.v1 import ListWorkersRequest

from tsuzuki.client import Client

from ._connection import Connection, connected
from ._ids import Filter
from ._output import Output, OutputOption, as_data, time_text, write_json, write_table

_PAGE: Final = 100


@connected
def list_workers(
    connection: Connection,
    query: Filter = "",
    limit: Annotated[int, typer.Option(min=0, help="Most to list; 0 for all.")] = _PAGE,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the workers of a namespace that tell the server of themselves. Who polls a queue, also without that:
    `task-queue describe`."""

    async def work(client: Client) -> list[Any]:
        found: list[Any] = []
        request = ListWorkersRequest(namespace=client.namespace, page_size=_PAGE, query=query)
        while True:
            page = await client.service.list_workers(request)
            found += [each.worker_heartbeat for each in page.workers_info]
            if not page.next_page_token or (limit and len(found) >= limit):
                return found[: limit or None]
            request.next_page_token = page.next_page_token

    found = connection.run(work, "Listing")
    if output is not Output.TEXT:
        write_json([as_data(each) for each in found], output)
        return
    if not found:
        typer.echo("No worker tells of itself. `tsuzuki task-queue describe` shows who polls a queue.")
        return
    write_table(
        ("Status", "Identity", "TaskQueue", "Host", "Process", "Sdk", "StartTime", "LastHeartbeat"),
        (
            (
                WorkerStatus.Name(it.status).removeprefix("WORKER_STATUS_").capitalize(),
                it.worker_identity,
                it.task_queue,
                it.host_info.host_name,
                it.host_info.process_id,
                f"{it.sdk_name} {it.sdk_version}".strip(),
                time_text(it.start_time.ToDatetime(UTC)),
                time_text(it.heartbeat_time.ToDatetime(UTC)),
            )
            for it in found
        ),
    )
