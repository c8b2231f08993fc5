"""Opening the service behind a target, and waiting for a server that is not up yet.

Waiting has two stages: once a second until the port answers (the server is being started), then back-off
that grows by a second up to 15 s until it speaks and knows the namespace (it is initializing). Both end at the same
deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from ..service import RemoteWorkflowService, ServiceError, StatusCode, TLSConfig, WorkflowService
from ._errors import RPCError, client_error
from ._target import EmbeddedTarget, RemoteTarget

PROBE_EVERY_S: Final = 1.0
BACKOFF_MAX_S: Final = 15.0
UNKNOWN_NAMESPACE_S_MAX: Final = 15.0
"""How long a server that answers may not know the namespace, before it is taken for a misspelt one."""

_logger = logging.getLogger("tsuzuki.client")


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
    address = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    deadline = clock() + wait_s
    waits = False
    while not await _port_answers(target) and clock() + PROBE_EVERY_S <= deadline:
        if not waits:
            _logger.info("nothing listens at %s yet; waiting for it, at most %g s", address, wait_s)
            waits = True
        await sleep(PROBE_EVERY_S)
    unknown_until = min(clock() + UNKNOWN_NAMESPACE_S_MAX, deadline)
    attempt = 0
    while True:
        attempt += 1
        service = None
        try:
            service = await RemoteWorkflowService.connect(
                address,
                namespace=namespace,
                tls=tls,
                api_key=api_key,
                metadata=rpc_metadata,
                identity=identity,
            )
            if wait_s > 0:
                await _find_namespace(service, namespace)
        except ServiceError as error:
            if service is not None:
                await service.close()
            backoff = min(float(attempt), BACKOFF_MAX_S)
            if clock() + backoff > (unknown_until if error.status is StatusCode.NOT_FOUND else deadline):
                raise client_error(error, RPCError) from error
            _logger.info("%s does not serve yet (%s); trying again in %g s", address, error.message, backoff)
            waits = True
            await sleep(backoff)
        else:
            if waits:
                _logger.info("%s serves", address)
            return service


async def _find_namespace(service: WorkflowService, namespace: str) -> None:
    """Ask for the namespace: a server may answer before it has made those that it makes when it starts.

    Raises:
        ServiceError: NOT_FOUND, or UNAVAILABLE. Others (a caller who may not ask, ...) say that the server is up.
    """
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except ServiceError as error:
        if error.status in (StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE):
            raise


async def _port_answers(target: RemoteTarget) -> bool:
    try:
        async with asyncio.timeout(PROBE_EVERY_S):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
