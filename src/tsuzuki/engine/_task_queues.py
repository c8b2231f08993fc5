"""The RPCs that look at task queues: who polls them, and how much waits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import BuildIdTaskReachability, DescribeTaskQueueMode, TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueuePartitionMetadata, TaskQueueStats
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    ListTaskQueuePartitionsRequest,
    ListTaskQueuePartitionsResponse,
)

from tsuzuki.core.activity import ActivityState
from tsuzuki.core.limits import check_id
from tsuzuki.core.priority import LEVEL_DEFAULT, level_of, of_task
from tsuzuki.core.times import SECOND, set_duration, set_time
from tsuzuki.core.workflow_task import WorkflowTaskState

from ._engine import Engine
from ._matching import TaskQueue
from ._refusals import refusals_as_errors
from ._task_rates import Flow

POLLERS_NS: Final = 300 * SECOND
"""Who has not polled for so long is not shown any more."""
LOOKED_AT_MAX: Final = 10
"""Tasks of a backlog whose age is looked at."""
_WORKFLOW: Final = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
_ACTIVITY: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_REACHABLE: Final = BuildIdTaskReachability.BUILD_ID_TASK_REACHABILITY_REACHABLE


class TaskQueues:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def describe(self, request: DescribeTaskQueueRequest) -> DescribeTaskQueueResponse:
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_id("the task queue", request.task_queue.name, engine.limits)
        if request.api_mode == DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED:
            return self._enhanced(request)
        response = DescribeTaskQueueResponse()
        queue = self._queue(request, request.task_queue_type or _WORKFLOW)
        response.pollers.extend(self._pollers(queue))
        response.versioning_info.current_version = "__unversioned__"
        if request.report_stats:
            response.stats.CopyFrom(self._stats(queue))
            for level, stats in self._stats_by_level(queue).items():
                response.stats_by_priority_key[level].CopyFrom(stats)
        if request.include_task_queue_status:
            response.task_queue_status.backlog_count_hint = 0 if queue is None else len(queue.backlog)
        return response

    def _enhanced(self, request: DescribeTaskQueueRequest) -> DescribeTaskQueueResponse:
        response = DescribeTaskQueueResponse()
        unversioned = response.versions_info[""]
        for kind in request.task_queue_types or (_WORKFLOW, _ACTIVITY):
            queue = self._queue(request, kind)
            shown = unversioned.types_info[kind]
            if request.report_pollers:
                shown.pollers.extend(self._pollers(queue))
            if request.report_stats:
                shown.stats.CopyFrom(self._stats(queue))
        if request.report_task_reachability:
            unversioned.task_reachability = _REACHABLE
        return response

    def _queue(self, request: DescribeTaskQueueRequest, kind: int) -> TaskQueue | None:
        return self._engine.matching.known((request.namespace, request.task_queue.name, kind == _ACTIVITY))

    def _pollers(self, queue: TaskQueue | None) -> list[PollerInfo]:
        shown = []
        for identity, polled_ns in reversed(queue.pollers.items() if queue is not None else ()):
            if self._engine.clock.now_ns() - polled_ns > POLLERS_NS:
                break
            info = PollerInfo(identity=identity, rate_per_second=100_000)
            set_time(info.last_access_time, polled_ns)
            shown.append(info)
        return shown

    def _stats(self, queue: TaskQueue | None) -> TaskQueueStats:
        """All priorities together."""
        by_level = self._stats_by_level(queue).values()
        stats = TaskQueueStats(
            approximate_backlog_count=sum(one.approximate_backlog_count for one in by_level),
            tasks_add_rate=sum(one.tasks_add_rate for one in by_level),
            tasks_dispatch_rate=sum(one.tasks_dispatch_rate for one in by_level),
        )
        oldest = max((one.approximate_backlog_age for one in by_level), key=Duration.ToNanoseconds)
        stats.approximate_backlog_age.CopyFrom(oldest)
        return stats

    def _stats_by_level(self, queue: TaskQueue | None) -> dict[int, TaskQueueStats]:
        """The default level, and each other one that was used lately."""
        now_ns = self._engine.clock.now_ns()
        flows: Mapping[int, Flow] = {} if queue is None else queue.flows
        waiting: Mapping[int, int] = {} if queue is None else queue.waiting_by_level()
        ages_ns = {} if queue is None else self._ages_ns(queue, now_ns)
        found = {}
        for level in sorted({LEVEL_DEFAULT, *flows, *waiting}):
            stats = found[level] = TaskQueueStats(approximate_backlog_count=waiting.get(level, 0))
            set_duration(stats.approximate_backlog_age, ages_ns.get(level, 0))
            if (flow := flows.get(level)) is not None:
                stats.tasks_add_rate = flow.added.per_second(now_ns)
                stats.tasks_dispatch_rate = flow.dispatched.per_second(now_ns)
        return found

    def _ages_ns(self, queue: TaskQueue, now_ns: int) -> dict[int, int]:
        """By priority level, how long the oldest of the next tasks has waited; an entry of the backlog may be of a task
        that is gone."""
        oldest: dict[int, int] = {}
        for run_key, subject in islice(queue.backlog, LOOKED_AT_MAX):
            run = self._engine.runs.get(run_key)
            if run is None or subject < 0:
                continue
            since_ns = now_ns
            if not subject:
                if run.workflow_task.state == WorkflowTaskState.SCHEDULED:
                    since_ns = run.workflow_task.scheduled_ns
            elif (activity := run.activities.get(subject)) and activity.state == ActivityState.SCHEDULED:
                since_ns = activity.attempt_scheduled_ns
            level = level_of(of_task(run, subject))
            oldest[level] = max(oldest.get(level, 0), now_ns - since_ns)
        return oldest

    def names(self, namespace: str) -> list[str]:
        """Those that have had a task or a poll since this engine was opened, in order; not those of single workers."""
        return sorted(self._engine.matching.names(namespace))

    async def list_partitions(self, request: ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse:
        """A queue is one partition here."""
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        with refusals_as_errors():
            check_id("the task queue", request.task_queue.name, engine.limits)
        whole = TaskQueuePartitionMetadata(key=request.task_queue.name)
        return ListTaskQueuePartitionsResponse(
            activity_task_queue_partitions=[whole], workflow_task_queue_partitions=[whole]
        )
