"""The workers of a namespace: those that tell how they are, and those that are only seen to ask for tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerSlotsInfo
from temporalio.api.workflowservice.v1 import ListWorkersRequest, ListWorkersResponse

from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from ._task_queues import task_queues

WORKERS_MAX: Final = 1000
_STATUSES: Final = {
    WorkerStatus.WORKER_STATUS_RUNNING: ("Running", "running"),
    WorkerStatus.WORKER_STATUS_SHUTTING_DOWN: ("Shutting down", "canceled"),
    WorkerStatus.WORKER_STATUS_SHUTDOWN: ("Shut down", "other"),
}
_POLLS: Final = ("Polls", "running")
_UNKNOWN: Final = ("Unknown", "other")


@dataclass(frozen=True)
class Slots:
    """How many tasks of a kind a worker runs, and how many it could; what it has done so far."""

    used: int
    total: int
    processed: int
    failed: int


@dataclass(frozen=True)
class ShownWorker:
    """A line of the list.

    Attributes:
        identity: Its name.
        task_queue: From which it takes.
        status: In words, and the name of its colour.
        heard: When it last told how it is, or asked for a task; None if it did not say.
        tells: True if it told how it is: what follows is known.
        started: When it began.
        sdk: Name and version of its library.
        place: Host and process.
        workflow: Its workflow tasks.
        activity: Its activities.
        cached: Runs that it has in memory.
    """

    identity: str
    task_queue: str
    status: tuple[str, str]
    heard: Timestamp | None
    tells: bool = False
    started: Timestamp | None = None
    sdk: str = ""
    place: str = ""
    workflow: Slots | None = None
    activity: Slots | None = None
    cached: int = 0


async def workers(caller: Caller, namespace: str) -> list[ShownWorker]:
    """All that were heard of or that poll, at most `WORKERS_MAX` of each; in order of queue and name."""
    told = [_told(heartbeat) for heartbeat in await _heartbeats(caller, namespace)]
    known = {(worker.task_queue, worker.identity) for worker in told}
    seen = [
        ShownWorker(poller.identity, queue.name, _POLLS, poller.last)
        for queue in await task_queues(caller, namespace)
        for poller in queue.pollers
        if (queue.name, poller.identity) not in known
    ]
    return sorted([*told, *seen[:WORKERS_MAX]], key=lambda worker: (worker.task_queue, worker.identity))


async def _heartbeats(caller: Caller, namespace: str) -> list[WorkerHeartbeat]:
    asked = ListWorkersRequest(namespace=namespace, page_size=WORKERS_MAX)
    try:
        listed = await caller.ask(asked, ListWorkersResponse)
    except ServiceError as error:
        if error.status is not StatusCode.UNIMPLEMENTED:
            raise
        return []
    return [info.worker_heartbeat for info in listed.workers_info]


def _told(heartbeat: WorkerHeartbeat) -> ShownWorker:
    host = heartbeat.host_info
    return ShownWorker(
        identity=heartbeat.worker_identity,
        task_queue=heartbeat.task_queue,
        status=_STATUSES.get(heartbeat.status, _UNKNOWN),
        heard=heartbeat.heartbeat_time if heartbeat.HasField("heartbeat_time") else None,
        tells=True,
        started=heartbeat.start_time if heartbeat.HasField("start_time") else None,
        sdk=f"{heartbeat.sdk_name} {heartbeat.sdk_version}".strip(),
        place=f"{host.host_name} {host.process_id}".strip(),
        workflow=_slots(heartbeat.workflow_task_slots_info),
        activity=_slots(heartbeat.activity_task_slots_info),
        cached=heartbeat.current_sticky_cache_size,
    )


def _slots(info: WorkerSlotsInfo) -> Slots:
    used = info.current_used_slots
    return Slots(used, used + info.current_available_slots, info.total_processed_tasks, info.total_failed_tasks)
