"""Workers of this process: what their modules hold, and running them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated, NoReturn, TypeVar

import typer

from tsuzuki.client import Client

from ._connection import Connection
from ._endings import refuse

WorkerModules = Annotated[
    list[str] | None,
    typer.Option(
        "--worker",
        metavar="MODULE[:NAME]",
        help="Run the workflows and activities of this module here meanwhile; may be given again.",
    ),
]

Answer = TypeVar("Answer")


def with_worker(
    connection: Connection,
    modules: list[str] | None,
    task_queue: str,
    work: Callable[[Client], Awaitable[Answer]],
) -> Callable[[Client], Awaitable[Answer]]:
    """Make work that has a worker beside it, if modules are given; refuse to wait for one that cannot come."""
    if modules is None:
        if connection.embedded:
            refuse_to_wait(connection)
        return work
    if not task_queue:
        refuse("--worker needs --task-queue, the one that the workflow was started with")

    async def beside(client: Client) -> Answer:
        from tsuzuki.replay import load_definitions
        from tsuzuki.worker import Worker

        found = load_definitions(modules)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                Worker(
                    client,
                    task_queue=task_queue,
                    workflows=found.workflows,
                    activities=found.activities,
                    interceptors=connection.worker_interceptors,
                )
            )
            return await work(client)

    return beside


def refuse_to_wait(connection: Connection) -> NoReturn:
    """End the command: no worker can come while it waits."""
    refuse(
        f"only a process that has {connection.target} open can run its workflows, and while this command waits that is "
        "this one: name what to run with --worker MODULE, or go through a server (tsuzuki server start)"
    )
