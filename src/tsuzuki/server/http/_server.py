"""The HTTP port: a server on the event loop of its caller, in front of any `WorkflowService`."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from .._about import About
from .._port import PortTakenError
from .._tls import TlsFiles
from ._agent_records import AgentRecords
from ._answers import Access, Answers
from ._application import application
from ._ending import Ending
from ._guard import LOOPBACK_NAMES

HTTP_PORT: Final = 8088
_STOP_GRACE_S: Final = 1
_KEEP_ALIVE_S: Final = 65
CONNECTIONS_MAX: Final = 2000
"""Streams and idle clients among them; who comes on top is told that there is no room (503)."""
_OPEN: Final = Access()


class OpenAddressError(Exception):
    """Other machines would reach the address, and nothing asks who calls; the message says what to do."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What an HTTP port is opened with.

    Attributes:
        host: The address to listen on.
        port: The TCP port; 0 takes a free one.
        namespace: The namespace of the short form, and the one that the page begins with.
        allowed_hosts: Further names under which browsers and clients may ask for this server, without ports.
        insecure_no_auth: Listen beyond this machine although whoever connects may do anything.
        agent_executions: The file of the workers' `tsuzuki.agents.ExecutionLog`; None for none.
        agent_ledger: The file of their `tsuzuki.agents.Ledger`; None for none.
    """

    host: str = "127.0.0.1"
    port: int = HTTP_PORT
    namespace: str = "default"
    allowed_hosts: tuple[str, ...] = ()
    insecure_no_auth: bool = False
    agent_executions: str | None = None
    agent_ledger: str | None = None


class HttpServer:
    """A running HTTP port. Made by `HttpServer.start`."""

    def __init__(
        self,
        server: _Uvicorn,
        serving: asyncio.Task[None],
        ending: Ending,
        host: str,
        port: int,
        *,
        secure: bool,
    ) -> None:
        self._server = server
        self._serving = serving
        self._ending = ending
        self.host = host
        self.port = port
        self._scheme = "https" if secure else "http"

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"{self._scheme}://{_bracketed(self.host)}:{self.port}"

    @classmethod
    async def start(
        cls,
        service: object,
        options: HttpOptions | None = None,
        *,
        about: About | None = None,
        access: Access = _OPEN,
    ) -> HttpServer:
        """Listen, and answer on the current event loop.

        Args:
            service: A `WorkflowService`: `client.service` of a client with an engine in this process, for one.
            options: Where and how; by default on 127.0.0.1, port 8088.
            about: What the server says of itself; made if there is none yet.
            access: How callers are told apart; by default not at all.

        Raises:
            OpenAddressError: The address is open to other machines and `insecure_no_auth` is not set.
            PortTakenError: The address cannot be listened on.
        """
        options = options or HttpOptions()
        if not (options.insecure_no_auth or access.authentication or is_loopback(options.host)):
            raise OpenAddressError(
                f"{options.host} is reachable from other machines, and whoever connects may do anything. Listen on "
                "127.0.0.1, or pass --insecure-no-auth if the network keeps strangers out."
            )
        listening = _listen(options.host, options.port)
        port: int = listening.getsockname()[1]
        answers = Answers(service, about or About(service, cluster_id="", persistence=""), access)
        hosts = {*LOOPBACK_NAMES, _bracketed(options.host), *options.allowed_hosts}
        records = AgentRecords(options.agent_executions, options.agent_ledger)
        ending = Ending(application(answers, namespace=options.namespace, hosts=hosts, records=records))
        config = uvicorn.Config(
            ending,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            limit_concurrency=_connections_max(),
            timeout_graceful_shutdown=_STOP_GRACE_S,
            **_tls(access.tls),
        )
        server = _Uvicorn(config)
        serving = asyncio.create_task(server.serve([listening]), name="tsuzuki http")
        return cls(server, serving, ending, options.host, port, secure=access.tls is not None)

    async def stop(self) -> None:
        """Close the port; streams that are still open end."""
        self._server.should_exit = True
        self._ending.end()
        await self._serving


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program, not to one of its ports."""
        yield


def _connections_max() -> int:
    """At most half of the files that this process may have open: the rest is for the store, and for gRPC."""
    if sys.platform == "win32":  # pragma: no cover
        return CONNECTIONS_MAX  # sockets are no files there
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS_MAX if files == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, files // 2)


def _tls(files: TlsFiles | None) -> dict[str, Any]:
    if files is None:
        return {}
    settings: dict[str, Any] = {"ssl_certfile": files.cert, "ssl_keyfile": files.key}
    if files.client_ca is not None:
        settings |= {"ssl_ca_certs": files.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return settings


def is_loopback(host: str) -> bool:
    """True for an address of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: only then does asyncio turn Nagle's algorithm off, which would hold a body back for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise PortTakenError(
            f"{_bracketed(host)}:{port} cannot be listened on: {error.strerror}. Is another server running there? "
            "Choose another port with --http-port."
        ) from None
    return listening
