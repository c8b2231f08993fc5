"""What commands that talk to an engine have in common: the target, and one line for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import typer

from tsuzuki.client import Client, InvalidArgumentError, RPCError
from tsuzuki.exceptions import TsuzukiError
from tsuzuki.replay import ModuleLoadError
from tsuzuki.store import StoreError

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130

Target = Annotated[
    str,
    typer.Option(
        envvar="TSUZUKI_TARGET",
        help="A database (sqlite:///research.db) or a server (localhost:7233).",
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", envvar="TSUZUKI_NAMESPACE", help="The namespace.")]
Modules = Annotated[
    list[str],
    typer.Option("--workflows", metavar="MODULE", help="Module or file with the workflows; may be given again."),
]

DEFAULT_TARGET = "localhost:7233"
DEFAULT_NAMESPACE = "default"

Answer = TypeVar("Answer")


def run_with_client(target: str, namespace: str, work: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """Connect, do the work, and end the command with one line and an exit code if that fails."""

    async def connected() -> Answer:
        async with await Client.connect(target, namespace=namespace) as client:
            return await work(client)

    return run_or_refuse(connected)


def run_or_refuse(work: Callable[[], Awaitable[Answer]]) -> Answer:
    """Do the work, and end the command with one line and an exit code if it fails."""

    async def run() -> Answer:
        return await work()

    try:
        return asyncio.run(run())
    except (InvalidArgumentError, ModuleLoadError, StoreError, OSError) as error:
        refuse(str(error))
    except (RPCError, TsuzukiError) as error:
        refuse(str(error), FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def refuse(why: str, code: int = BAD_INPUT) -> NoReturn:
    """Say in one line why nothing came of it, and end the command."""
    typer.echo(f"tsuzuki: {' '.join(why.split())}", err=True)
    raise typer.Exit(code)
