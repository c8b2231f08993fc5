"""How a worker takes leave of a service: so that no task is on its way to it any more, and none waits for it.

A poll that is cancelled over the network may cross with its answer, and the task in that answer is lost until it times
out. A service that offers to ends the polls of a worker itself, and then nothing is on its way. In this process a poll
that is cancelled has no answer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import Final, Protocol

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, ShutdownWorkerRequest

from tsuzuki.service import ServiceError, WorkflowService

LEAVING_S_MAX: Final = 2.0
"""How long the service may take for each of its two parts."""

_logger = logging.getLogger("tsuzuki.worker")


class Polling(Protocol):
    """A half of a worker."""

    def finish(self) -> None:
        """Begin no further poll; those that are open go on."""
        ...

    async def polls_ended(self) -> None:
        """Wait until no poll is open."""
        ...


class Leaving:
    """The leave of one worker.

    Args:
        service: Which is left.
        namespace: The worker's.
        identity: The worker's.
        sticky_queue: The worker's own queue; None if it has none.
    """

    def __init__(self, service: WorkflowService, *, namespace: str, identity: str, sticky_queue: str | None) -> None:
        self._service = service
        self._namespace = namespace
        self._identity = identity
        self._sticky_queue = sticky_queue
        self.worker_key: Final = "" if service.local else uuid.uuid4().hex
        """Names this worker in its polls, so that the service can end them."""

    async def end_polls(self, halves: Sequence[Polling]) -> None:
        """Have the service end the polls, where it offers to; those that are left are to be cancelled."""
        if self._service.local:
            return
        try:
            async with asyncio.timeout(LEAVING_S_MAX):
                described = await self._service.describe_namespace(DescribeNamespaceRequest(namespace=self._namespace))
                if described.namespace_info.capabilities.worker_poll_complete_on_shutdown:
                    for half in halves:
                        half.finish()
                    await self._tell()
                    await asyncio.gather(*(half.polls_ended() for half in halves))
        except (ServiceError, TimeoutError) as error:
            _logger.debug("The service has not ended the polls: %s", error)

    async def leave_queue(self) -> None:
        """Say that nobody takes from the worker's own queue any more; else its runs would wait for it first."""
        if self._sticky_queue is None:
            return
        try:
            async with asyncio.timeout(LEAVING_S_MAX):
                await self._tell()
        except (ServiceError, TimeoutError) as error:
            _logger.debug("The service was not told that %r is left: %s", self._sticky_queue, error)

    async def _tell(self) -> None:
        await self._service.shutdown_worker(
            ShutdownWorkerRequest(
                namespace=self._namespace,
                sticky_task_queue=self._sticky_queue or "",
                worker_instance_key=self.worker_key,
                identity=self._identity,
                reason="graceful shutdown",
            )
        )
