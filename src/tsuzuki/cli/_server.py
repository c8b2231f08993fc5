"""`tsuzuki server`: the engine behind gRPC, for official SDKs, the official command line, and workers elsewhere."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..store import StoreError
from ._api_key import api_key
from ._connection import refuse

if TYPE_CHECKING:
    from ..server import Server, ServerOptions

Authentication: TypeAlias = Literal["api key", "client certificate"] | None

server = typer.Typer(
    help="Serve workflows to workers and clients in other processes and languages.", no_args_is_help=True
)
server.add_typer(api_key, name="api-key")


@server.command()
def start(
    db: Annotated[
        Path | None, typer.Option(help="Database file, created if missing. Without it everything is in memory.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port for gRPC; 0 takes a free one.")] = 7233,
    namespace: Annotated[str, typer.Option(help="Namespace to serve.")] = "default",
    tls_cert: Annotated[Path | None, typer.Option(help="TLS: the server's certificate, PEM, with its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="TLS: its private key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="mTLS: who signs client certificates, PEM; clients without one are refused.")
    ] = None,
    require_api_key: Annotated[
        bool, typer.Option("--require-api-key", help="Refuse callers without a key, also before the first is made.")
    ] = False,
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Let anyone who can connect do anything.")
    ] = False,
) -> None:
    """Serve Temporal's gRPC API until SIGTERM or SIGINT.

    Any official SDK, and the `temporal` command, connects to the printed address. Stopping is never needed for
    safety: after a kill the next start goes on with everything that was acknowledged.

    Callers need an API key once the database has had one (`tsuzuki server api-key create`), and always where other
    machines reach the address, unless they show a client certificate instead.
    """
    try:
        from ..server import AccessFileError, PortTakenError, ServerOptions, TlsFileError, TlsFiles
    except ModuleNotFoundError as missing:
        refuse(f"the server needs {missing.name}: pip install 'tsuzuki[server]'", 1)
    if (tls_cert is None) != (tls_key is None) or (tls_client_ca and not tls_cert):
        refuse("TLS needs both --tls-cert and --tls-key")
    if insecure_no_auth and require_api_key:
        refuse("--insecure-no-auth and --require-api-key contradict each other")
    tls = TlsFiles(tls_cert, tls_key, tls_client_ca) if tls_cert and tls_key else None
    try:
        authentication: Authentication = None
        if not insecure_no_auth:
            authentication = _authentication(db, host, by_key=require_api_key, certificates=tls_client_ca is not None)
        options = ServerOptions(db, host, port, namespace, tls=tls, authentication=authentication)
        asyncio.run(_serve(options))
    except (AccessFileError, PortTakenError, StoreError, TlsFileError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _authentication(db: Path | None, host: str, *, by_key: bool, certificates: bool) -> Authentication:
    """Who is let in; the address beyond this machine is never open without a word."""
    if by_key or _has_keys(db):
        return "api key"
    if certificates:
        return "client certificate"
    if not _is_loopback(host):
        refuse(
            f"{host} is reachable from other machines, and whoever connects could do anything. Make a key (tsuzuki "
            "server api-key create --db FILE ...), or ask for client certificates (--tls-client-ca), or listen on "
            "127.0.0.1, or pass --insecure-no-auth if the network keeps strangers out."
        )
    return None


def _has_keys(db: Path | None) -> bool:
    """True if the database ever had a key: revoking the last one must not open the door."""
    from ..server import AccessFile

    if db is None or not db.with_name(f"{db.name}-access").exists():
        return False
    with AccessFile.of_database(db) as file:
        return bool(file.keys())


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
    callers = f"with a valid {options.authentication}" if options.authentication else "anyone who can connect"
    typer.echo(f"Temporal gRPC   {running.target}{' (TLS)' if options.tls else ''}")
    typer.echo(f"database        {options.db or 'in memory: everything is gone when this process ends (see --db)'}")
    typer.echo(f"callers         {callers}")
    if options.authentication == "api key" and not options.tls and not _is_loopback(running.host):
        typer.echo(
            "warning         API keys cross the network in plain text; see --tls-cert, or put a TLS proxy before it"
        )
    typer.echo(f"namespace       {options.namespace}")
