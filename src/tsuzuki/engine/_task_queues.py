"""The RPCs that look at task queues: who polls them, and how much waits."""

from __future__ import annotations

from itertools import islice
from typing import Final

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
from tsuzuki.core.times import SECOND, set_duration, set_time
from tsuzuki.core.workflow_task import WorkflowTaskState

from ._engine import Engine
from ._matching import TaskQueue
from ._refusals import refusals_as_errors

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
        stats = TaskQueueStats(approximate_backlog_count=0 if queue is None else len(queue.backlog))
        stats.approximate_backlog_age.SetInParent()
        if queue is not None:
            set_duration(stats.approximate_backlog_age, self._age_ns(queue))
        return stats

    def _age_ns(self, queue: TaskQueue) -> int:
        """How long the oldest of the next tasks has waited; an entry of the backlog may be of a task that is gone."""
        now_ns = self._engine.clock.now_ns()
        ages = [0]
        for run_key, subject in islice(queue.backlog, LOOKED_AT_MAX):
            run = self._engine.run(run_key)
            if run is None or subject < 0:
                continue
            if not subject:
                if run.workflow_task.state == WorkflowTaskState.SCHEDULED:
                    ages.append(now_ns - run.workflow_task.scheduled_ns)
            elif (activity := run.activities.get(subject)) and activity.state == ActivityState.SCHEDULED:
                ages.append(now_ns - activity.attempt_scheduled_ns)
        return max(ages)

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
