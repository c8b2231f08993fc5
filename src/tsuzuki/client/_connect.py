"""Opening the service behind a target, and waiting for a server that is not up yet.

Waiting has two stages: once a second until the port answers (the server is being started), then back-off
that grows by a second up to 15 s until it speaks (it is initializing). Both end at the same deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from ..service import RemoteWorkflowService, ServiceError, TLSConfig, WorkflowService
from ._errors import RPCError, client_error
from ._target import EmbeddedTarget, RemoteTarget

PROBE_EVERY_S: Final = 1.0
BACKOFF_MAX_S: Final = 15.0


class OpenService(WorkflowService, Protocol):
    """A service that whoever opened it closes."""

    async def close(self) -> None:
        """End it."""
        ...


async def open_embedded_service(target: EmbeddedTarget, namespace: str) -> OpenService:
    """Start the engine in this process.

    Raises:
        StoreError: The database cannot be used; its class and message say why and what to do.
    """
    from ..engine import open_embedded  # only those who embed the engine load it

    return await open_embedded(target.path, namespaces=(namespace,))


async def open_remote_service(
    target: RemoteTarget,
    *,
    namespace: str,
    tls: bool | TLSConfig | None,
    api_key: str | None,
    rpc_metadata: Mapping[str, str] | None,
    identity: str,
    wait_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> OpenService:
    """Connect to a server, waiting up to `wait_s` for it to come up.

    Raises:
        ServiceUnavailableError: It did not answer in time.
    """
    deadline = clock() + wait_s
    host = f"[{target.host}]" if ":" in target.host else target.host
    while not await _port_answers(target) and clock() + PROBE_EVERY_S <= deadline:
        await sleep(PROBE_EVERY_S)
    attempt = 0
    while True:
        attempt += 1
        try:
            return await RemoteWorkflowService.connect(
                f"{host}:{target.port}",
                namespace=namespace,
                tls=tls,
                api_key=api_key,
                metadata=rpc_metadata,
                identity=identity,
            )
        except ServiceError as error:
            backoff = min(float(attempt), BACKOFF_MAX_S)
            if clock() + backoff > deadline:
                raise client_error(error, RPCError) from error
            await sleep(backoff)


async def _port_answers(target: RemoteTarget) -> bool:
    try:
        async with asyncio.timeout(PROBE_EVERY_S):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
