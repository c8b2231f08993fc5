"""The RPCs by which workers say how they are, and that they go.

What they say is kept in memory, for a bounded number of workers: it is news, and nothing is decided by it. A worker
that goes has its polls ended here, so that none of them takes a task that nobody would run, and what waits for it alone
is given to all workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerInfo, WorkerListInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerRequest,
    DescribeWorkerResponse,
    ListWorkersRequest,
    ListWorkersResponse,
    RecordWorkerHeartbeatRequest,
    RecordWorkerHeartbeatResponse,
    ShutdownWorkerRequest,
    ShutdownWorkerResponse,
)

from tsuzuki.core.limits import KIB, MIB, check_text
from tsuzuki.core.refusal import InvalidInput, NotFound
from tsuzuki.core.times import SECOND

from ._engine import Engine
from ._refusals import refusals_as_errors

WORKERS_MAX: Final = 10_000
HEARTBEAT_BYTES_MAX: Final = 64 * KIB
HEARTBEATS_BYTES_MAX: Final = 64 * MIB
"""Of all workers together; the one heard of longest ago is forgotten first."""
SEEN_NS_MAX: Final = 3600 * SECOND
"""A worker that was not heard of for so long is forgotten."""
_PAGE_MAX: Final = 1000
_PAGE_BYTES_MAX: Final = MIB
"""Clients take answers of 4 MiB, if not told otherwise."""
_AND: Final = re.compile(r"\sand\s", re.IGNORECASE)  # one space: any number of them would be sought again from each
_CONDITION: Final = re.compile(r"""\s*(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)")\s*""")
_FIELDS: Final = {
    "WorkerInstanceKey": "worker_instance_key",
    "WorkerIdentity": "worker_identity",
    "TaskQueue": "task_queue",
    "SdkName": "sdk_name",
    "SdkVersion": "sdk_version",
}


class Workers:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: dict[tuple[str, str], tuple[int, WorkerHeartbeat]] = {}
        """(namespace, worker key) -> when, what; the one heard of longest ago first."""
        self._bytes = 0

    async def record_heartbeat(self, request: RecordWorkerHeartbeatRequest) -> RecordWorkerHeartbeatResponse:
        self._engine.check_open()
        self._engine.check_namespace(request.namespace)
        with refusals_as_errors():
            for heartbeat in request.worker_heartbeat:
                self._check(heartbeat)
        for heartbeat in request.worker_heartbeat:
            self._note(request.namespace, heartbeat)
        return RecordWorkerHeartbeatResponse()

    def _check(self, heartbeat: WorkerHeartbeat) -> None:
        check_text("the worker's instance key", heartbeat.worker_instance_key, self._engine.limits)
        if heartbeat.ByteSize() > HEARTBEAT_BYTES_MAX:
            what = f"the heartbeat of worker '{heartbeat.worker_instance_key}'"
            raise InvalidInput(f"{what} has {heartbeat.ByteSize():,} bytes, the limit is {HEARTBEAT_BYTES_MAX:,}.")

    def _note(self, namespace: str, heartbeat: WorkerHeartbeat) -> None:
        now_ns = self._engine.clock.now_ns()
        key = (namespace, heartbeat.worker_instance_key)
        if key in self._heard:
            self._forget(key)
        self._heard[key] = (now_ns, heartbeat)
        self._bytes += heartbeat.ByteSize()
        while True:
            oldest = next(iter(self._heard))
            is_old = self._heard[oldest][0] < now_ns - SEEN_NS_MAX
            if not is_old and len(self._heard) <= WORKERS_MAX and self._bytes <= HEARTBEATS_BYTES_MAX:
                return
            self._forget(oldest)

    def _forget(self, key: tuple[str, str]) -> None:
        _, heartbeat = self._heard.pop(key)
        self._bytes -= heartbeat.ByteSize()

    async def list(self, request: ListWorkersRequest) -> ListWorkersResponse:
        self._engine.check_open()
        self._engine.check_namespace(request.namespace)
        with refusals_as_errors():
            wanted = _parse(request.query)
        after = request.next_page_token.decode("utf-8", "replace")
        found = sorted(
            (
                each
                for each in self._of(request.namespace)
                if each.worker_instance_key > after and all(getattr(each, name) == value for name, value in wanted)
            ),
            key=lambda each: each.worker_instance_key,
        )
        size = min(request.page_size, _PAGE_MAX) if request.page_size > 0 else _PAGE_MAX
        response = ListWorkersResponse()
        room = _PAGE_BYTES_MAX
        for heartbeat in found[:size]:
            room -= heartbeat.ByteSize()
            if room < 0 and response.workers:
                break
            response.workers_info.add().worker_heartbeat.CopyFrom(heartbeat)
            response.workers.append(_listed(heartbeat))
        if len(found) > len(response.workers):
            response.next_page_token = response.workers[-1].worker_instance_key.encode()
        return response

    def _of(self, namespace: str) -> Iterator[WorkerHeartbeat]:
        since_ns = self._engine.clock.now_ns() - SEEN_NS_MAX
        return (
            heartbeat
            for (of_namespace, _), (heard_ns, heartbeat) in self._heard.items()
            if of_namespace == namespace and heard_ns >= since_ns
        )

    async def describe(self, request: DescribeWorkerRequest) -> DescribeWorkerResponse:
        self._engine.check_open()
        self._engine.check_namespace(request.namespace)
        with refusals_as_errors():
            heard = self._heard.get((request.namespace, request.worker_instance_key))
            if heard is None:
                raise NotFound(f"worker {request.worker_instance_key} was not heard of, or not for an hour.")
        return DescribeWorkerResponse(worker_info=WorkerInfo(worker_heartbeat=heard[1]))

    async def shut_down(self, request: ShutdownWorkerRequest) -> ShutdownWorkerResponse:
        """End the polls of the worker that is named by its key, and those of its sticky queue."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_text("the worker's instance key", request.worker_instance_key, engine.limits)
            self._check(request.worker_heartbeat)
        if request.HasField("worker_heartbeat"):
            self._note(request.namespace, request.worker_heartbeat)
        if request.sticky_task_queue:
            engine.ready_tasks.leave_sticky_queue(request.namespace, request.sticky_task_queue)
        if request.worker_instance_key:
            engine.matching.shut_down(request.namespace, request.worker_instance_key)
        return ShutdownWorkerResponse()


def _listed(heartbeat: WorkerHeartbeat) -> WorkerListInfo:
    listed = WorkerListInfo(
        worker_instance_key=heartbeat.worker_instance_key,
        worker_identity=heartbeat.worker_identity,
        task_queue=heartbeat.task_queue,
        sdk_name=heartbeat.sdk_name,
        sdk_version=heartbeat.sdk_version,
        status=heartbeat.status,
        host_name=heartbeat.host_info.host_name,
        process_id=heartbeat.host_info.process_id,
    )
    if heartbeat.HasField("start_time"):
        listed.start_time.CopyFrom(heartbeat.start_time)
    return listed


def _parse(query: str) -> list[tuple[str, str]]:
    """`Field = 'value'`, joined by AND, over the fields of `_FIELDS`."""
    wanted = []
    for part in _AND.split(query) if query.strip() else ():
        condition = _CONDITION.fullmatch(part)
        if condition is None or condition[1] not in _FIELDS:
            raise InvalidInput(
                f"the query {query!r} is not understood at {part.strip()!r}; expected conditions such as "
                f"TaskQueue = 'q' AND WorkerIdentity = 'w', over {', '.join(_FIELDS)}."
            )
        wanted.append((_FIELDS[condition[1]], condition[2] if condition[2] is not None else condition[3]))
    return wanted
