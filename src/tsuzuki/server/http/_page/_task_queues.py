"""The task queues of a namespace: what waits in each, who takes it, and how fast it comes and goes.

No RPC lists task queues. An engine of this package knows those that it has; in front of another service they are those
of the workers that were heard of and of the newest runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueStats, TaskQueueTypeInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    ListWorkersRequest,
    ListWorkersResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
)

from tsuzuki.service import ServiceError, StatusCode

from .._answers import Caller
from ._moments import span

QUEUES_MAX: Final = 200
RUNS_LOOKED_AT: Final = 200
WORKERS_LOOKED_AT: Final = 1000
_ENHANCED: Final = DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED
_WORKFLOW: Final = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
_ACTIVITY: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True)
class Waiting:
    """What waits on one side of a queue.

    Attributes:
        tasks: How many; about, where the service says so.
        oldest: How long the oldest has waited; empty if that is not known or nothing waits.
        added: Tasks a second that came lately; 0 if that is not known.
        taken: Tasks a second that were taken lately; 0 if that is not known.
    """

    tasks: int
    oldest: str
    added: float
    taken: float


@dataclass
class Poller:
    """A worker that asks for tasks."""

    identity: str
    last: Timestamp
    takes: list[str]


@dataclass(frozen=True)
class ShownQueue:
    """A line of the list."""

    name: str
    workflow: Waiting
    activity: Waiting
    pollers: Sequence[Poller]

    @property
    def unserved(self) -> Sequence[str]:
        """Of which kinds something waits that nobody asks for."""
        kinds = {"workflow": self.workflow, "activity": self.activity}
        taken = {kind for poller in self.pollers for kind in poller.takes}
        return [kind for kind, waiting in kinds.items() if waiting.tasks and kind not in taken]


async def task_queues(caller: Caller, namespace: str) -> list[ShownQueue]:
    """All that are known, at most `QUEUES_MAX`; first those in which something waits for nobody."""
    names = await _names(caller, namespace)
    shown = [await _describe(caller, namespace, name) for name in sorted(names)[:QUEUES_MAX]]
    return sorted(shown, key=lambda queue: not queue.unserved)


async def _names(caller: Caller, namespace: str) -> set[str]:
    heard = await _worker_queues(caller, namespace)  # asked first: it refuses a namespace that is not there
    known = caller.task_queue_names(namespace)
    if known is not None:
        return set(known)
    newest = await caller.ask(
        ListWorkflowExecutionsRequest(namespace=namespace, page_size=RUNS_LOOKED_AT), ListWorkflowExecutionsResponse
    )
    return {info.task_queue for info in newest.executions} | heard


async def _worker_queues(caller: Caller, namespace: str) -> set[str]:
    asked = ListWorkersRequest(namespace=namespace, page_size=WORKERS_LOOKED_AT)
    try:
        heard = await caller.ask(asked, ListWorkersResponse)
    except ServiceError as error:
        if error.status is not StatusCode.UNIMPLEMENTED:
            raise
        return set()  # a service that hears no heartbeats
    return {info.worker_heartbeat.task_queue for info in heard.workers_info}


async def _describe(caller: Caller, namespace: str, name: str) -> ShownQueue:
    asked = DescribeTaskQueueRequest(
        namespace=namespace,
        task_queue=TaskQueue(name=name),
        api_mode=_ENHANCED,
        task_queue_types=[_WORKFLOW, _ACTIVITY],
        report_stats=True,
        report_pollers=True,
    )
    described = await caller.ask(asked, DescribeTaskQueueResponse)
    versions = [version.types_info for version in described.versions_info.values()]
    return ShownQueue(
        name=name,
        workflow=_waiting(types[_WORKFLOW].stats for types in versions if _WORKFLOW in types),
        activity=_waiting(types[_ACTIVITY].stats for types in versions if _ACTIVITY in types),
        pollers=_pollers(versions),
    )


def _waiting(stats: Iterable[TaskQueueStats]) -> Waiting:
    """One side of a queue, all versions of its workers together."""
    each = list(stats)
    oldest = max((one.approximate_backlog_age for one in each), key=lambda age: age.ToNanoseconds(), default=None)
    return Waiting(
        tasks=sum(one.approximate_backlog_count for one in each),
        oldest=span(oldest) if oldest is not None and oldest.ToNanoseconds() > 0 else "",
        added=sum(one.tasks_add_rate for one in each),
        taken=sum(one.tasks_dispatch_rate for one in each),
    )


def _pollers(versions: Iterable[Mapping[int, TaskQueueTypeInfo]]) -> list[Poller]:
    """Each worker once, with what it takes; the one that asked last first."""
    found: dict[str, Poller] = {}
    for types in versions:
        for kind, name in ((_WORKFLOW, "workflow"), (_ACTIVITY, "activity")):
            for info in types[kind].pollers if kind in types else ():
                poller = found.setdefault(info.identity, Poller(info.identity, info.last_access_time, []))
                if name not in poller.takes:
                    poller.takes.append(name)
                if info.last_access_time.ToNanoseconds() > poller.last.ToNanoseconds():
                    poller.last = info.last_access_time
    return sorted(found.values(), key=lambda poller: -poller.last.ToNanoseconds())
