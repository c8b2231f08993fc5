"""What a worker measures of itself, under the names of Temporal's SDKs; only where the client has a meter.

It stands at the worker's two doors: before the slots that run tasks, and before the service that tasks come from and
answers go to. Nothing between them knows of it, so that a worker without a meter runs the same code as before.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar, cast

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import CommandType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.common import MetricAttributes, MetricMeter
from tsuzuki.service import WorkflowService

from ._activity_attempt import Attempt
from ._activity_outcome import Outcome
from ._levels import Levels
from ._pace import Pace

Task = TypeVar("Task", PollWorkflowTaskQueueResponse, PollActivityTaskQueueResponse)

_STARTS_MAX: Final = 10_000
"""Runs whose start is remembered, for their latency from end to end."""

_CLOSINGS: Final = {
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: "temporal_workflow_completed",
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: "temporal_workflow_failed",
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: "temporal_workflow_canceled",
    CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: "temporal_workflow_continue_as_new",
}
_NONDETERMINISM: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR


class _Running:
    """The task that a slot runs.

    Attributes:
        began_s: When it was taken.
        attributes: Its types.
        run_id: The workflow's run.
        partial: It came without the beginning of its history.
        fetched: History was fetched for it.
        task: As it was polled.
    """

    __slots__ = ("attributes", "began_s", "fetched", "partial", "run_id", "task")

    def __init__(self, began_s: float, attributes: MetricAttributes, run_id: str, partial: bool, task: Any) -> None:
        self.began_s = began_s
        self.attributes = attributes
        self.run_id = run_id
        self.partial = partial
        self.fetched = False
        self.task = task


_running: Final[ContextVar[_Running | None]] = ContextVar("tsuzuki_measured_task", default=None)


class Cache(Protocol):
    """What is asked of the cache of runs."""

    @property
    def cached(self) -> int: ...
    @property
    def evictions(self) -> int: ...


class WorkerMetrics:
    """The instruments of one worker, and the wrappers that feed them.

    Args:
        meter: The client's.
        namespace: Of the worker.
        task_queue: Of the worker.
        workflow_slots: Workflow tasks in work at a time.
        activity_slots: Activities that run at a time.
        pace: Time.
    """

    def __init__(
        self,
        meter: MetricMeter,
        *,
        namespace: str,
        task_queue: str,
        workflow_slots: int,
        activity_slots: int,
        pace: Pace,
    ) -> None:
        meter = meter.with_additional_attributes({"namespace": namespace, "task_queue": task_queue})
        self.pace = pace
        self.cache: Cache | None = None
        self.levels = Levels(pace)
        self._evictions = 0
        self.starts: OrderedDict[str, Timestamp] = OrderedDict()
        self._slots = {"WorkflowWorker": workflow_slots, "ActivityWorker": activity_slots}
        self._used: Counter[str] = Counter()
        self._polling: Counter[str] = Counter()
        counter, latency, gauge = meter.create_counter, meter.create_histogram_timedelta, meter.create_gauge
        self.worker_start = counter("temporal_worker_start", "Workers started")
        self.pollers = gauge("temporal_num_pollers", "Polls that are open")
        self.slots_available = gauge("temporal_worker_task_slots_available", "Slots that are free")
        self.slots_used = gauge("temporal_worker_task_slots_used", "Slots that run a task")
        self.workflow_polls = counter("temporal_workflow_task_queue_poll_succeed", "Polls that gave a workflow task")
        self.empty_workflow_polls = counter("temporal_workflow_task_queue_poll_empty", "Polls that gave none")
        self.workflow_waits = latency(
            "temporal_workflow_task_schedule_to_start_latency", "How long workflow tasks waited for a worker"
        )
        self.workflow_task_latency = latency(
            "temporal_workflow_task_execution_latency", "How long workflow tasks took here"
        )
        self.workflow_task_failures = counter("temporal_workflow_task_execution_failed", "Workflow tasks that failed")
        self.closings = {command: counter(name, "Workflows that ended so") for command, name in _CLOSINGS.items()}
        self.workflow_latency = latency("temporal_workflow_endtoend_latency", "How long workflows took")
        self.cache_hits = counter("temporal_sticky_cache_hit", "Workflow tasks of runs in the cache")
        self.cache_misses = counter("temporal_sticky_cache_miss", "Workflow tasks of runs that should have been there")
        self.cache_size = gauge("temporal_sticky_cache_size", "Runs in the cache")
        self.cache_evictions = counter("temporal_sticky_cache_total_forced_eviction", "Runs that went for want of room")
        self.received = counter("temporal_activity_task_received", "Polls that gave an activity task")
        self.empty_activity_polls = counter("temporal_activity_poll_no_task", "Polls that gave none")
        self.activity_waits = latency(
            "temporal_activity_schedule_to_start_latency", "How long activity tasks waited for a worker"
        )
        self.activity_latency = latency("temporal_activity_execution_latency", "How long attempts took here")
        self.activity_total_latency = latency(
            "temporal_activity_succeed_endtoend_latency", "How long activities took that succeeded, with all attempts"
        )
        self.activity_failures = counter("temporal_activity_execution_failed", "Attempts that failed")
        self.local_total = counter("temporal_local_activity_total", "Attempts of local activities")
        self.local_failures = counter("temporal_local_activity_execution_failed", "Those that failed")
        self.local_latency = latency("temporal_local_activity_execution_latency", "How long they took")
        self.local_total_latency = latency(
            "temporal_local_activity_succeed_endtoend_latency", "How long local activities took that succeeded"
        )

    def start(self) -> None:
        """The worker starts."""
        self.worker_start.add(1)
        for worker_type in self._slots:
            self._show_slots(worker_type)
        self.show_cache()

    def service(self, service: WorkflowService) -> WorkflowService:
        """Return the worker's service, measured."""
        return cast("WorkflowService", _MeasuredService(service, self))

    def workflow_tasks(
        self, execute: Callable[[PollWorkflowTaskQueueResponse], Awaitable[None]]
    ) -> Callable[[PollWorkflowTaskQueueResponse], Awaitable[None]]:
        """Return what runs workflow tasks, measured."""
        return self._measured("WorkflowWorker", execute, self._workflow_task)

    def activities(
        self, execute: Callable[[PollActivityTaskQueueResponse], Awaitable[None]]
    ) -> Callable[[PollActivityTaskQueueResponse], Awaitable[None]]:
        """Return what runs activity tasks, measured."""
        return self._measured("ActivityWorker", execute, self._activity_task)

    def local_activities(
        self, execute: Callable[[Attempt], Awaitable[Outcome]], slots: int
    ) -> Callable[[Attempt], Awaitable[Outcome]]:
        """Return what runs attempts of local activities, measured; so many run at a time."""
        worker_type = "LocalActivityWorker"
        self._slots[worker_type] = slots

        async def measured(attempt: Attempt) -> Outcome:
            attributes, began_s = _types(attempt.task), self.pace.now()
            self._used[worker_type] += 1
            self._show_slots(worker_type)
            self.local_total.add(1, attributes)
            try:
                outcome = await execute(attempt)
            finally:
                self._used[worker_type] -= 1
                self._show_slots(worker_type)
            took = timedelta(seconds=max(0.0, self.pace.now() - began_s))
            self.local_latency.record(took, attributes)
            if isinstance(outcome, RespondActivityTaskCompletedRequest):
                waited = _between(attempt.task.scheduled_time, attempt.task.started_time)
                self.local_total_latency.record(waited + took, attributes)
            elif isinstance(outcome, RespondActivityTaskFailedRequest):
                self.local_failures.add(1, {**attributes, "failure_reason": "ActivityError"})
            return outcome

        return measured

    def polling(self, poller_type: str, change: int) -> None:
        """A poll begins or ends."""
        self._polling[poller_type] += change
        self.levels.set(self.pollers, self._polling[poller_type], poller_type, {"poller_type": poller_type})

    def activity_received(self, task: PollActivityTaskQueueResponse, *, eager: bool) -> None:
        """An activity has come: with the answer to a poll, or (eager) with that to a workflow task."""
        self.received.add(1, {**_types(task), "eager": eager})
        self.activity_waits.record(_between(task.current_attempt_scheduled_time, task.started_time))

    def begin(self, task: PollWorkflowTaskQueueResponse) -> None:
        """A slot goes on with another workflow task."""
        _running.set(self._workflow_task(task))

    def _measured(
        self, worker_type: str, execute: Callable[[Task], Awaitable[None]], running: Callable[[Task], _Running]
    ) -> Callable[[Task], Awaitable[None]]:
        async def measured(task: Task) -> None:
            _running.set(running(task))
            self._used[worker_type] += 1
            self._show_slots(worker_type)
            try:
                await execute(task)
            finally:
                _running.set(None)
                self._used[worker_type] -= 1
                self._show_slots(worker_type)

        return measured

    def show_cache(self) -> None:
        """Say how many runs are in the cache, and how many had to go since the last time."""
        if self.cache is not None:
            self.levels.set(self.cache_size, self.cache.cached)
            if evicted := self.cache.evictions - self._evictions:
                self._evictions += evicted
                self.cache_evictions.add(evicted)

    def _show_slots(self, worker_type: str) -> None:
        attributes, used = {"worker_type": worker_type}, self._used[worker_type]
        self.levels.set(self.slots_used, used, worker_type, attributes)
        self.levels.set(self.slots_available, max(0, self._slots[worker_type] - used), worker_type, attributes)

    def _workflow_task(self, task: PollWorkflowTaskQueueResponse) -> _Running:
        events, run_id = task.history.events, task.workflow_execution.run_id
        if events and events[0].event_id == 1:
            self.starts[run_id] = events[0].event_time
            if len(self.starts) > _STARTS_MAX:
                self.starts.popitem(last=False)
        partial = task.previous_started_event_id > 0 and not (events and events[0].event_id == 1)
        return _Running(self.pace.now(), {"workflow_type": task.workflow_type.name}, run_id, partial, task)

    def _activity_task(self, task: PollActivityTaskQueueResponse) -> _Running:
        return _Running(self.pace.now(), _types(task), task.workflow_execution.run_id, False, task)


class _MeasuredService:
    """The service as the worker sees it; what is not measured is the service's own."""

    def __init__(self, service: WorkflowService, metrics: WorkerMetrics) -> None:
        self._service = service
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    async def poll_workflow_task_queue(self, request: Any) -> Any:
        sticky = request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
        metrics, poller = self._metrics, "sticky_workflow_task" if sticky else "workflow_task"
        metrics.polling(poller, 1)
        try:
            task = await self._service.poll_workflow_task_queue(request)
        finally:
            metrics.polling(poller, -1)
        if task is not None and task.task_token:
            metrics.workflow_polls.add(1)
            metrics.workflow_waits.record(_between(task.scheduled_time, task.started_time))
        else:
            metrics.empty_workflow_polls.add(1)
        return task

    async def poll_activity_task_queue(self, request: Any) -> Any:
        metrics = self._metrics
        metrics.polling("activity_task", 1)
        try:
            task = await self._service.poll_activity_task_queue(request)
        finally:
            metrics.polling("activity_task", -1)
        if task is not None and task.task_token:
            metrics.activity_received(task, eager=False)
        else:
            metrics.empty_activity_polls.add(1)
        return task

    async def get_workflow_execution_history(self, request: Any) -> Any:
        running = _running.get()
        if running is not None:
            running.fetched = True
        return await self._service.get_workflow_execution_history(request)

    async def respond_workflow_task_completed(self, request: Any) -> Any:
        answer = await self._service.respond_workflow_task_completed(request)
        metrics, running = self._metrics, _running.get()
        if running is not None:
            self._workflow_task_done(running)
            for command in request.commands:
                if (closing := metrics.closings.get(command.command_type)) is not None:
                    closing.add(1, running.attributes)
                    self._workflow_done(running)
        for task in answer.activity_tasks:
            metrics.activity_received(task, eager=True)
        if answer.HasField("workflow_task") and answer.workflow_task.task_token:
            metrics.begin(answer.workflow_task)
        return answer

    async def respond_workflow_task_failed(self, request: Any) -> Any:
        answer = await self._service.respond_workflow_task_failed(request)
        running = _running.get()
        if running is not None:
            reason = "NonDeterminismError" if request.cause == _NONDETERMINISM else "WorkflowError"
            self._metrics.workflow_task_failures.add(1, {**running.attributes, "failure_reason": reason})
            self._workflow_task_done(running)
        return answer

    async def respond_activity_task_completed(self, request: Any) -> Any:
        answer = await self._service.respond_activity_task_completed(request)
        running = _running.get()
        if running is not None:
            took = self._activity_done(running)
            waited = _between(running.task.scheduled_time, running.task.started_time)
            self._metrics.activity_total_latency.record(waited + took, running.attributes)
        return answer

    async def respond_activity_task_failed(self, request: Any) -> Any:
        answer = await self._service.respond_activity_task_failed(request)
        running = _running.get()
        if running is not None:
            self._metrics.activity_failures.add(1, {**running.attributes, "failure_reason": "ActivityError"})
            self._activity_done(running)
        return answer

    async def respond_activity_task_canceled(self, request: Any) -> Any:
        answer = await self._service.respond_activity_task_canceled(request)
        running = _running.get()
        if running is not None:
            self._activity_done(running)
        return answer

    def _workflow_task_done(self, running: _Running) -> None:
        metrics = self._metrics
        metrics.workflow_task_latency.record(self._since(running), running.attributes)
        if running.fetched:
            metrics.cache_misses.add(1)
        elif running.partial:
            metrics.cache_hits.add(1, running.attributes)
        metrics.show_cache()

    def _workflow_done(self, running: _Running) -> None:
        started = self._metrics.starts.pop(running.run_id, None)
        if started is not None:
            took = _between(started, running.task.started_time) + self._since(running)
            self._metrics.workflow_latency.record(took, running.attributes)

    def _activity_done(self, running: _Running) -> timedelta:
        took = self._since(running)
        self._metrics.activity_latency.record(took, running.attributes)
        return took

    def _since(self, running: _Running) -> timedelta:
        return timedelta(seconds=max(0.0, self._metrics.pace.now() - running.began_s))


def _types(task: PollActivityTaskQueueResponse) -> dict[str, str]:
    return {"activity_type": task.activity_type.name, "workflow_type": task.workflow_type.name}


def _between(first: Timestamp, second: Timestamp) -> timedelta:
    return max(timedelta(0), second.ToDatetime() - first.ToDatetime())
