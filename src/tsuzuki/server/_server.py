"""The server: a gRPC port in front of one engine, and an HTTP port beside it.

Crash-only, like the engine: stopping it well only spares its clients a retry.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, Literal

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection

from tsuzuki.engine import EmbeddedService, Limits, open_embedded
from tsuzuki.service import WorkflowService

from ._about import About
from ._access_file import AccessFile, AccessFileError, KeyRing
from ._authentication import Authentication
from ._calls import Calls
from ._port import PortTakenError
from ._rpcs import OPERATOR_SERVICE, WORKFLOW_SERVICE
from ._signed_tokens import TokenSeal
from ._tls import TlsFileError, TlsFiles
from .http import HttpOptions, HttpServer
from .http._answers import Access

RECEIVE_BYTES_MAX: Final = 16 * 1024 * 1024
"""What gRPC reads at all, before anybody knows whose it is. What is over `MESSAGE_BYTES_MAX` is refused by `_calls`, in
words that SDKs know: they then end the workflow whose answer it was, which they would otherwise work out and send again
and again."""
PENDING_CALLS_MAX: Final = 20_000
STOP_GRACE_S: Final = 2.0
_END_POLLS_EVERY_S: Final = 0.02

_SERVICES: Final = (WORKFLOW_SERVICE.full_name, OPERATOR_SERVICE.full_name)
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", -1),
    # Calls that have arrived and wait for this process, such as the polls of all workers after a restart. From its
    # default of 1,000 on gRPC ends some at random.
    ("grpc.server.max_pending_requests", PENDING_CALLS_MAX),
    ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS_MAX),
    ("grpc.so_reuseport", 0),  # two servers on one port would share its calls
    # Clients ping idle connections, every 30 s or so, also while no call is open.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A client that is gone without a word is noticed, and its polls end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server is started with.

    Attributes:
        db: The SQLite file, created if missing; None keeps everything in memory.
        host: The address to listen on.
        port: The TCP port; 0 takes a free one.
        namespaces: Those that are made if the database has not got them; all that it has are served.
        limits: Bounds on executions; None for Temporal's defaults.
        namespace_limits: Those of certain namespaces, by name; they count there instead.
        tls: The files of TLS; None serves plain text.
        authentication: Who is let in: callers with an API key of this database, those whose certificate TLS has
            verified (see `TlsFiles.client_ca`), or, None, everybody.
        clock_s: The time, in seconds since 1970, by which keys expire.
        http: The port for HTTP, JSON and the web page; None for none.
    """

    db: str | os.PathLike[str] | None = None
    host: str = "127.0.0.1"
    port: int = 7233
    namespaces: tuple[str, ...] = ("default",)
    limits: Limits | None = None
    namespace_limits: Mapping[str, Limits] | None = None
    tls: TlsFiles | None = None
    authentication: Literal["api key", "client certificate"] | None = None
    clock_s: Callable[[], float] = time.time
    http: HttpOptions | None = None


class Server:
    """A running server. Made by `Server.start`.

    Attributes:
        service: What answers behind it, for callers in this process.
        host: The address that it listens on.
        port: The port that it listens on.
        http: The port for HTTP, JSON and the web page, if there is one.
    """

    def __init__(
        self, service: WorkflowService, host: str, port: int, http: HttpServer | None, closing: AsyncExitStack
    ) -> None:
        self.service = service
        self.http = http
        self.host = host
        self.port = port
        self._closing = closing

    @property
    def target(self) -> str:
        """`host:port`, as clients want it."""
        return f"{_in_url(self.host)}:{self.port}"

    @classmethod
    async def start(cls, options: ServerOptions) -> Server:
        """Open the store and serve it on the current event loop.

        Raises:
            PortTakenError: An address cannot be listened on.
            OpenAddressError: As of `HttpServer.start`.
            StoreError: The store cannot be used; the class and message say why and what to do.
            AccessFileError: The file with the API keys cannot be used.
            TlsFileError: A certificate or its key cannot be used.
        """
        credentials = options.tls.credentials() if options.tls else None
        if options.authentication == "client certificate" and (options.tls is None or options.tls.client_ca is None):
            raise TlsFileError("without a client_ca no certificate is asked for, and anyone would be let in.")
        async with AsyncExitStack() as opened:
            engine = await open_embedded(
                options.db,
                namespaces=options.namespaces,
                limits=options.limits,
                namespace_limits=options.namespace_limits,
                local=False,
            )
            opened.push_async_callback(engine.close)
            seal, authentication = _access(options, opened)
            about = About(engine, cluster_id=str(uuid.uuid4()), persistence="sqlite")
            calls = Calls(engine, about, engine.take_back_task, seal=seal, authentication=authentication)
            grpc_server = grpc.aio.server(options=_OPTIONS)
            grpc_server.add_generic_rpc_handlers((calls,))
            await _add_health(grpc_server)
            reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), grpc_server)
            port = _listen(grpc_server, f"{_in_url(options.host)}:{options.port}", credentials)
            await grpc_server.start()
            opened.push_async_callback(_stop, grpc_server, engine)
            http = None
            if options.http is not None:
                access = Access(seal, authentication, options.tls)
                http = await HttpServer.start(engine, options.http, about=about, access=access)
                opened.push_async_callback(http.stop)
            return cls(engine, options.host, port, http, opened.pop_all())
        raise AssertionError("the stack above swallows no exception")

    async def stop(self) -> None:
        """End all polls and calls, and close the store. Killing the process instead loses nothing."""
        await self._closing.aclose()


async def _stop(grpc_server: grpc.aio.Server, engine: EmbeddedService) -> None:
    stopping = asyncio.ensure_future(grpc_server.stop(STOP_GRACE_S))
    while not stopping.done():
        await asyncio.wait({stopping}, timeout=_END_POLLS_EVERY_S)  # no new call is taken, but some were a moment ago
        engine.end_polls()
    await stopping


def _access(options: ServerOptions, opened: AsyncExitStack) -> tuple[TokenSeal, Authentication | None]:
    """What signs tokens, and what tells who calls."""
    by_key = options.authentication == "api key"
    if options.db is None:
        if by_key:
            raise AccessFileError("API keys are kept beside the database, and this server has none; give it a file.")
        seal = TokenSeal(secrets.token_bytes(32))
        return seal, Authentication(None) if options.authentication else None
    file = opened.enter_context(AccessFile.of_database(options.db))
    key_ring = KeyRing(file, options.clock_s) if by_key else None
    return TokenSeal(file.secret), Authentication(key_ring) if options.authentication else None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(grpc_server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return grpc_server.add_insecure_port(address)
        return grpc_server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise PortTakenError(
            f"{address} cannot be listened on: {error}. Is another server running there? "
            "Choose another port with --port."
        ) from None


async def _add_health(grpc_server: grpc.aio.Server) -> None:
    from grpc_health.v1 import health_pb2_grpc

    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, grpc_server)
    for name in ("", *_SERVICES):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
