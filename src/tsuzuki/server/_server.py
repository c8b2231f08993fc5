"""The server: a gRPC port in front of one engine.

Crash-only, like the engine: stopping it well only spares its clients a retry.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection

from tsuzuki.engine import EmbeddedService, Limits, open_embedded

from ._about import About
from ._calls import Calls
from ._rpcs import OPERATOR_SERVICE, WORKFLOW_SERVICE

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
STOP_GRACE_S: Final = 2.0

_SERVICES: Final = (WORKFLOW_SERVICE.full_name, OPERATOR_SERVICE.full_name)
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # two servers on one port would share its calls
    # Clients ping idle connections, every 30 s or so, also while no call is open.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A client that is gone without a word is noticed, and its polls end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class PortTakenError(Exception):
    """The address cannot be listened on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server is started with.

    Attributes:
        db: The SQLite file, created if missing; None keeps everything in memory.
        host: The address to listen on.
        port: The TCP port; 0 takes a free one.
        namespace: The namespace that is served.
        limits: Bounds on executions; None for Temporal's defaults.
    """

    db: str | os.PathLike[str] | None = None
    host: str = "127.0.0.1"
    port: int = 7233
    namespace: str = "default"
    limits: Limits | None = None


class Server:
    """A running server. Made by `Server.start`."""

    def __init__(self, engine: EmbeddedService, grpc_server: grpc.aio.Server, host: str, port: int) -> None:
        self._engine = engine
        self._grpc_server = grpc_server
        self.host = host
        self.port = port

    @property
    def target(self) -> str:
        """`host:port`, as clients want it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    async def start(cls, options: ServerOptions) -> Server:
        """Open the store and serve it on the current event loop.

        Raises:
            PortTakenError: The address cannot be listened on.
            StoreError: The store cannot be used; the class and message say why and what to do.
        """
        engine = await open_embedded(options.db, namespace=options.namespace, limits=options.limits, local=False)
        about = About(engine, cluster_id=str(uuid.uuid4()), persistence="sqlite")
        grpc_server = grpc.aio.server(options=_OPTIONS)
        grpc_server.add_generic_rpc_handlers((Calls(engine, about, engine.take_back_task),))
        await _add_health(grpc_server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), grpc_server)
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            port = grpc_server.add_insecure_port(f"{host}:{options.port}")
        except RuntimeError as error:
            await engine.close()
            raise PortTakenError(
                f"{host}:{options.port} cannot be listened on: {error}. Is another server running there? "
                "Choose another port with --port."
            ) from None
        await grpc_server.start()
        return cls(engine, grpc_server, options.host, port)

    async def stop(self) -> None:
        """End all polls and calls, and close the store. Killing the process instead loses nothing."""
        await self._grpc_server.stop(STOP_GRACE_S)
        await self._engine.close()


async def _add_health(grpc_server: grpc.aio.Server) -> None:
    from grpc_health.v1 import health_pb2_grpc

    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, grpc_server)
    for name in ("", *_SERVICES):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
