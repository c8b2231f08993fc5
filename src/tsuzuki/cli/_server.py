"""`tsuzuki server`: the engine behind gRPC, for official SDKs, the official command line, and workers elsewhere."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..store import StoreError

if TYPE_CHECKING:
    from ..server import Server, ServerOptions

server = typer.Typer(
    help="Serve workflows to workers and clients in other processes and languages.", no_args_is_help=True
)


@server.command()
def start(
    db: Annotated[
        Path | None, typer.Option(help="Database file, created if missing. Without it everything is in memory.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port for gRPC; 0 takes a free one.")] = 7233,
    namespace: Annotated[str, typer.Option(help="Namespace to serve.")] = "default",
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Listen beyond this machine although anyone may then connect.")
    ] = False,
) -> None:
    """Serve Temporal's gRPC API until SIGTERM or SIGINT.

    Any official SDK, and the `temporal` command, connects to the printed address. Stopping is never needed for
    safety: after a kill the next start goes on with everything that was acknowledged.
    """
    try:
        from ..server import PortTakenError, ServerOptions
    except ModuleNotFoundError as missing:
        typer.echo(f"the server needs {missing.name}: pip install 'tsuzuki[server]'", err=True)
        raise typer.Exit(1) from None
    if not (insecure_no_auth or _is_loopback(host)):
        typer.echo(
            f"{host} is reachable from other machines, and whoever connects may do anything. Listen on 127.0.0.1, or "
            "pass --insecure-no-auth if the network keeps strangers out.",
            err=True,
        )
        raise typer.Exit(2)
    options = ServerOptions(db=db, host=host, port=port, namespace=namespace)
    try:
        asyncio.run(_serve(options))
    except (PortTakenError, StoreError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(options: ServerOptions) -> None:
    from ..server import Server

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await Server.start(options)
    _greet(running, options)
    await stopped.wait()
    typer.echo("stopping")
    await running.stop()


def _greet(running: Server, options: ServerOptions) -> None:
    typer.echo(f"Temporal gRPC   {running.target}")
    typer.echo(f"database        {options.db or 'in memory: everything is gone when this process ends (see --db)'}")
    typer.echo(f"namespace       {options.namespace}")
