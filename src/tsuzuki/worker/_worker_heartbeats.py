"""Telling the service once a minute how a worker is, where its namespace says that it listens.

What is told is news for people: nothing is decided by it, so one that does not arrive is not sent again. An engine in
this process is told nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RecordWorkerHeartbeatRequest

from tsuzuki.service import ServiceError, WorkflowService

from ._workflow_tasks import SDK_NAME, SDK_VERSION

EVERY_S: Final = 60.0
"""As the official workers."""
LAST_S_MAX: Final = 1.0
"""How long a worker that stops waits for its last one to arrive."""

_logger = logging.getLogger("tsuzuki.worker")


class WorkerHeartbeats:
    """The heartbeats of one worker.

    Args:
        service: Who is told.
        namespace: Of the worker.
        identity: Of the worker.
        task_queue: That it polls.
        worker_key: Its name in its polls.
        fill: Adds what the worker has in use, and what it has done.
    """

    def __init__(
        self,
        service: WorkflowService,
        *,
        namespace: str,
        identity: str,
        task_queue: str,
        worker_key: str,
        fill: Callable[[WorkerHeartbeat], None],
    ) -> None:
        self._service = service
        self._namespace = namespace
        self._fill = fill
        self._known = WorkerHeartbeat(
            worker_instance_key=worker_key,
            worker_identity=identity,
            task_queue=task_queue,
            sdk_name=SDK_NAME,
            sdk_version=SDK_VERSION,
        )
        self._known.host_info.host_name = socket.gethostname()
        self._known.host_info.process_id = str(os.getpid())
        self._sent: Timestamp | None = None
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless the service is in this process."""
        self._known.start_time.GetCurrentTime()
        if not self._service.local:
            self._beating = asyncio.create_task(self._beat(), name="worker heartbeats")

    async def stop(self) -> None:
        """Tell that the worker has stopped, if the service was told of it."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.wait((self._beating,))
        if self._sent is not None:
            try:
                async with asyncio.timeout(LAST_S_MAX):
                    await self._tell(WorkerStatus.WORKER_STATUS_SHUTDOWN)
            except (ServiceError, TimeoutError) as error:
                _logger.debug("The service does not hear that the worker has stopped: %s", error)

    async def _beat(self) -> None:
        listens = False
        while True:
            try:
                listens = listens or await self._is_heard()
                if not listens:
                    return
                await self._tell(WorkerStatus.WORKER_STATUS_RUNNING)
            except ServiceError as error:
                _logger.debug("A heartbeat of the worker does not arrive: %s", error)
            await asyncio.sleep(EVERY_S)

    async def _is_heard(self) -> bool:
        described = await self._service.describe_namespace(DescribeNamespaceRequest(namespace=self._namespace))
        return described.namespace_info.capabilities.worker_heartbeats

    async def _tell(self, status: WorkerStatus.ValueType) -> None:
        heartbeat = WorkerHeartbeat(status=status)
        heartbeat.MergeFrom(self._known)
        self._fill(heartbeat)
        heartbeat.heartbeat_time.GetCurrentTime()
        if self._sent is not None:
            since_ns = heartbeat.heartbeat_time.ToNanoseconds() - self._sent.ToNanoseconds()
            heartbeat.elapsed_since_last_heartbeat.FromNanoseconds(max(0, since_ns))
        await self._service.record_worker_heartbeat(
            RecordWorkerHeartbeatRequest(
                namespace=self._namespace,
                identity=heartbeat.worker_identity,
                worker_heartbeat=[heartbeat],
            )
        )
        self._sent = heartbeat.heartbeat_time
