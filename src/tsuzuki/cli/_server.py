"""`tsuzuki server`: the engine behind gRPC, for official SDKs, the official command line, and workers elsewhere;
and behind HTTP, for browsers and everything else."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..store import StoreError
from ._api_key import api_key
from ._endings import FAILED, refuse
from ._lazy import group
from ._output import Output, OutputOption, write_json, write_table

if TYPE_CHECKING:
    from ..server import HttpOptions, Server, ServerOptions, Settings

HTTP_PORT = 8088
Authentication: TypeAlias = Literal["api key", "client certificate"] | None

server = group("Serve workflows to workers and clients in other processes and languages.")
server.add_typer(api_key, name="api-key")


Config = Annotated[Path | None, typer.Option(help="TOML file with settings; flags go before it. See `settings`.")]


@server.command()
def start(
    config: Config = None,
    db: Annotated[
        str | None, typer.Option(help="Database file, created if missing. Without it everything is in memory.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port for gRPC; 0 takes a free one.  [default: 7233]")
    ] = None,
    http: Annotated[
        bool | None, typer.Option("--http/--no-http", help="Serve HTTP, JSON and the web page.  [default: http]")
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port for HTTP.  [default: 8088, or a free one if that is taken]"),
    ] = None,
    http_allow_host: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Other names under which browsers ask, with commas between.")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="Namespace to make if it is missing; again for more.  [default: default]")
    ] = None,
    tls_cert: Annotated[str | None, typer.Option(help="TLS: the server's certificate, PEM, with its chain.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="TLS: its private key, PEM.")] = None,
    tls_client_ca: Annotated[
        str | None, typer.Option(help="mTLS: who signs client certificates, PEM; clients without one are refused.")
    ] = None,
    agent_executions: Annotated[
        str | None, typer.Option(metavar="FILE", help="The workers' log of agent executions, to be shown over HTTP.")
    ] = None,
    agent_ledger: Annotated[
        str | None, typer.Option(metavar="FILE", help="The workers' ledger of budgets, to be shown over HTTP.")
    ] = None,
    require_api_key: Annotated[
        bool | None, typer.Option("--require-api-key", help="Refuse callers without a key, also before there is one.")
    ] = None,
    insecure_no_auth: Annotated[
        bool | None, typer.Option("--insecure-no-auth", help="Let anyone who can connect do anything.")
    ] = None,
    uvloop: Annotated[
        bool | None,
        typer.Option("--uvloop/--no-uvloop", help="Run on the event loop of the package uvloop.  [default: no-uvloop]"),
    ] = None,
) -> None:
    """Serve Temporal's gRPC API, its HTTP API and the web page until SIGTERM or SIGINT.

    Any official SDK, and the `temporal` command, connects to the printed address. Stopping is never needed for
    safety: after a kill the next start goes on with everything that was acknowledged.

    Callers need an API key once the database has had one (`tsuzuki server api-key create`), and always where other
    machines reach the address, unless they show a client certificate instead.
    """
    flags = {name: value for name, value in locals().items() if name != "config"}
    flags["namespace"] = ",".join(namespace) if namespace else None
    with _refused():
        from ..server import Settings

        settings = Settings.read(config, flags)
        loop_factory = _uvloop() if settings["server.uvloop"] else None
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_serve(_options(settings)))


@server.command()
def settings(config: Config = None, output: OutputOption = Output.TEXT) -> None:
    """List every setting and limit: what it is, its default, what it means, where it was set."""
    with _refused():
        from ..server import FIXED, Settings

        if output is not Output.TEXT:
            write_json(
                [
                    *(
                        {
                            "setting": setting.key,
                            "value": value.value,
                            "default": setting.default,
                            "source": value.source,
                            "meaning": setting.meaning,
                        }
                        for setting, value in Settings.read(config, {}).items()
                    ),
                    *(
                        {"setting": name, "value": number, "default": number, "source": "fixed", "meaning": meaning}
                        for name, (number, meaning) in FIXED.items()
                    ),
                ],
                output,
            )
            return
        rows = [
            (setting.key, _shown(value.value), _shown(setting.default), value.source, setting.meaning)
            for setting, value in Settings.read(config, {}).items()
        ]
        fixed = [(name, number, number, "fixed", meaning) for name, (number, meaning) in FIXED.items()]
    write_table(("setting", "value", "default", "set by", "meaning"), [*rows, *fixed])


def _shown(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _refused() -> Iterator[None]:
    """End the command with one line if the server, or what it was told, is no good."""
    try:
        from ..server import AccessFileError, PortTakenError, SettingsError, TlsFileError
    except ModuleNotFoundError as missing:
        refuse(f"the server needs {missing.name}: pip install 'tsuzuki[server]'", FAILED)
    try:
        yield
    except SettingsError as error:
        refuse(str(error))
    except (AccessFileError, PortTakenError, StoreError, TlsFileError) as error:
        refuse(str(error), FAILED)


def _options(settings: Settings) -> ServerOptions:
    from ..server import ServerOptions, TlsFiles

    cert, key, client_ca = (settings[f"server.tls_{name}"] for name in ("cert", "key", "client_ca"))
    if (cert is None) != (key is None) or (client_ca and not cert):
        refuse("TLS needs both --tls-cert and --tls-key")
    by_key, anyone = settings["server.require_api_key"], settings["server.insecure_no_auth"]
    if by_key and anyone:
        refuse("--insecure-no-auth and --require-api-key contradict each other")
    host, db = settings["server.host"], settings["server.db"]
    authentication = None if anyone else _authentication(db and Path(db), host, by_key, certificates=bool(client_ca))
    return ServerOptions(
        db=db,
        host=host,
        port=settings["server.port"],
        namespaces=_names(settings["server.namespace"]),
        limits=settings.limits,
        namespace_limits=settings.namespace_limits,
        tls=TlsFiles(cert, key, client_ca) if cert else None,
        authentication=authentication,
        http=_http_options(settings) if settings["server.http"] else None,
    )


def _http_options(settings: Settings) -> HttpOptions:
    from ..server import HttpOptions

    host, port = settings["server.host"], settings["server.http_port"]
    return HttpOptions(
        host=host,
        port=_usual_or_free_port(host) if port is None else port,
        namespace=_names(settings["server.namespace"])[0],
        allowed_hosts=_names(settings["server.http_allow_host"]),
        insecure_no_auth=settings["server.insecure_no_auth"],
        agent_executions=settings["server.agent_executions"],
        agent_ledger=settings["server.agent_ledger"],
    )


def _names(listed: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (listed or "").split(",") if name.strip())


def _usual_or_free_port(host: str) -> int:
    """8088, or 0 for a free one where another server has that: a second server is started without a word more."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, HTTP_PORT))
        except OSError:
            return 0
    return HTTP_PORT


def _authentication(db: Path | None, host: str, by_key: bool, *, certificates: bool) -> Authentication:
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


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        from uvloop import new_event_loop
    except ModuleNotFoundError:
        refuse("--uvloop needs uvloop: pip install 'tsuzuki[uvloop]'", FAILED)
    return new_event_loop


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
    if running.http is not None:
        typer.echo(f"web page, HTTP  {running.http.url}")
    typer.echo(f"database        {options.db or 'in memory: everything is gone when this process ends (see --db)'}")
    typer.echo(f"callers         {callers}")
    if options.authentication == "api key" and not options.tls and not _is_loopback(running.host):
        typer.echo(
            "warning         API keys cross the network in plain text; see --tls-cert, or put a TLS proxy before it"
        )
    typer.echo(f"namespaces      {', '.join(options.namespaces)}")
