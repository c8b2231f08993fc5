"""The worker: takes tasks from one task queue, runs workflow and activity code, tells how it ended.

Owns start, shutdown and what to do about a fatal error. It knows the service only through `WorkflowService`
and takes from a client nothing but its four public facts.

Invariant: once `run` returns no task is being polled for, no activity of this worker is running, and every
task that was handed over has been answered (or its engine could not be reached until its timeout).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Protocol, Self

from temporalio.api.worker.v1 import WorkerHeartbeat

from tsuzuki.common import MetricMeter
from tsuzuki.converter import DataConverter
from tsuzuki.service import WorkflowService, behind_codec

from ._activity_attempt import ActivityHost, WorkerShutdown
from ._activity_limits import ActivityLimit, ActivityLimits
from ._activity_worker import ActivityWorker
from ._definitions import activity_definitions, check_executor
from ._interceptor import Interceptor, workflow_interceptors
from ._leaving import Leaving
from ._metrics import WorkerMetrics
from ._pace import Pace
from ._run_logs import RunLogs
from ._server_kind import ServerKind
from ._watchdog import Watch, watchdog
from ._worker_heartbeats import WorkerHeartbeats
from ._workflow_poller import WorkflowTaskHandler
from ._workflow_tasks import WorkflowTaskProcessor
from ._workflow_worker import WorkflowWorker, sticky_queue_name

_logger = logging.getLogger("tsuzuki.worker")


class WorkerClient(Protocol):
    """What a worker takes from a client."""

    @property
    def service(self) -> WorkflowService: ...
    @property
    def namespace(self) -> str: ...
    @property
    def data_converter(self) -> DataConverter: ...
    @property
    def identity(self) -> str: ...
    @property
    def interceptors(self) -> Sequence[Any]: ...
    @property
    def metric_meter(self) -> MetricMeter | None: ...


class Worker:
    """Runs workflows and activities of one task queue.

    Args:
        client: Gives service, namespace, data converter and identity.
        task_queue: Queue to take tasks from, 1 to 1000 characters.
        activities: Functions, bound methods or objects marked with `@activity.defn`.
        workflows: Classes or functions marked with `@workflow.defn`.
        activity_executor: Runs synchronous activities. The default is a thread pool of this worker with
            a thread for each of them, local ones included; a process pool needs activities that can be pickled.
        max_concurrent_activities: Activities that run at a time; 1 or more.
        max_concurrent_local_activities: Local activities that run at a time, besides; 1 or more.
        max_concurrent_workflow_tasks: Workflow tasks in work at a time; 2 or more.
        max_cached_workflows: Runs kept in memory between their tasks; 0 replays each task from history.
        max_task_queue_activities_per_second: Rate for the whole task queue, kept by the service; the
            default is no bound. With several workers the last poll wins.
        activity_limits: Limits of single activity types in this process, besides; an `ActivityLimits` object that is
            given to several workers holds for all of them together. Their attempts wait beside the slots, and those
            that run after a wait do so too: in all up to `max_concurrent_activities` and the sum of the `at_most`.
        disable_eager_activity_execution: Do not take activities with the answers to workflow tasks, which spares a
            server in another process a round trip for each. Activities that come so skip the task queue, with its
            order and its rate; with a rate they are not taken anyway.
        nonsticky_to_sticky_poll_ratio: Share of the workflow slots that poll for new runs.
        sticky_queue_schedule_to_start_timeout: How long a run waits for this worker before another may
            take its next task.
        max_heartbeat_throttle_interval: Longest time between two heartbeats that are sent.
        default_heartbeat_throttle_interval: That time for activities without a heartbeat timeout.
        graceful_shutdown_timeout: How long running activities have after `shutdown` before they are
            cancelled.
        identity: Name in histories; the default is the client's.
        workflow_failure_exception_types: Exceptions that fail the workflow rather than the task; with
            `workflow.NondeterminismError` a run whose code no longer fits its history ends, in place of waiting
            for code that does.
        determinism_guard: Raise `workflow.DeterminismError` in workflow code that asks for the time, chance,
            files, ... in ways that a replay could not repeat.
        deadlock_timeout: How long workflow code may run without yielding before its workflow task fails with
            `workflow.DeadlockError`; None for no bound. A debugger may hold code for as long as it likes.
        debug_mode: True for no bound either.
        run_log_level: What `workflow.logger` and `activity.logger` are given from this level on is kept in the log of
            the run too, for its page, whether or not `logging` shows it, and so is why its tasks fail; None keeps
            nothing. It is best effort, and only where the engine is one of this package. Fields (`extra`) with names
            of secrets are masked.
        on_fatal_error: Awaited with the error that ends the worker, before it shuts down.
        interceptors: Stand around activities and workflows, the first outermost; before them stand those of the
            client's that are interceptors of workers too. Without any there is no chain and no cost.

    Raises:
        TypeError: Something given is not an activity or workflow, or cannot run in the executor.
        ValueError: Nothing to run, a name used twice, or a number out of its bounds.
    """

    def __init__(
        self,
        client: WorkerClient,
        *,
        task_queue: str,
        activities: Sequence[Callable[..., Any]] = (),
        workflows: Sequence[Any] = (),
        activity_executor: Executor | None = None,
        max_concurrent_activities: int = 100,
        max_concurrent_local_activities: int = 100,
        max_concurrent_workflow_tasks: int = 100,
        max_cached_workflows: int = 1000,
        max_task_queue_activities_per_second: float | None = None,
        activity_limits: ActivityLimits | Mapping[str, ActivityLimit] | None = None,
        disable_eager_activity_execution: bool = False,
        nonsticky_to_sticky_poll_ratio: float = 0.2,
        sticky_queue_schedule_to_start_timeout: timedelta = timedelta(seconds=10),
        max_heartbeat_throttle_interval: timedelta = timedelta(seconds=60),
        default_heartbeat_throttle_interval: timedelta = timedelta(seconds=30),
        graceful_shutdown_timeout: timedelta = timedelta(0),
        identity: str | None = None,
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        determinism_guard: bool = True,
        deadlock_timeout: timedelta | None = timedelta(seconds=2),
        debug_mode: bool = False,
        run_log_level: int | None = logging.INFO,
        on_fatal_error: Callable[[BaseException], Awaitable[None]] | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        if not activities and not workflows:
            raise ValueError("a worker needs at least one activity or workflow to run")
        if not task_queue:
            raise ValueError("task_queue is empty; give the name that workflows are started with")
        _require_at_least(1, "max_concurrent_activities", max_concurrent_activities)
        _require_at_least(1, "max_concurrent_local_activities", max_concurrent_local_activities)
        _require_at_least(2, "max_concurrent_workflow_tasks", max_concurrent_workflow_tasks)
        _require_at_least(0, "max_cached_workflows", max_cached_workflows)
        if not 0 < nonsticky_to_sticky_poll_ratio < 1:
            raise ValueError(
                f"nonsticky_to_sticky_poll_ratio is {nonsticky_to_sticky_poll_ratio}; it must lie between 0 and 1"
            )
        if deadlock_timeout is not None and deadlock_timeout <= timedelta(0):
            raise ValueError(f"deadlock_timeout is {deadlock_timeout}; it must be more than 0, or None for no bound")
        self._client: Final = client
        self._service = behind_codec(client.service, client.data_converter.payload_codec, worker=True)
        self._task_queue: Final = task_queue
        self._identity: Final = identity or client.identity
        self._definitions = activity_definitions(activities)
        self._workflows = tuple(workflows)
        self._activity_executor = activity_executor
        self._sync_definitions = [it for it in self._definitions.values() if not it.is_async]
        if activity_executor is not None and self._sync_definitions:
            check_executor(self._sync_definitions, activity_executor, max_concurrent_activities, client.data_converter)
        self._max_concurrent_activities = max_concurrent_activities
        self._max_concurrent_local_activities = max_concurrent_local_activities
        self._max_concurrent_workflow_tasks = max_concurrent_workflow_tasks
        self._max_cached_workflows = max_cached_workflows
        self._max_task_queue_activities_per_second = max_task_queue_activities_per_second
        if activity_limits is not None and not isinstance(activity_limits, ActivityLimits):
            activity_limits = ActivityLimits(activity_limits)
        self._activity_limits = activity_limits
        self._eager = not disable_eager_activity_execution
        self._nonsticky_ratio = nonsticky_to_sticky_poll_ratio
        self._sticky_timeout = sticky_queue_schedule_to_start_timeout
        self._max_heartbeat_throttle = max_heartbeat_throttle_interval
        self._default_heartbeat_throttle = default_heartbeat_throttle_interval
        self._graceful_shutdown_timeout = graceful_shutdown_timeout
        self._workflow_failure_exception_types = tuple(workflow_failure_exception_types)
        self._determinism_guard = determinism_guard
        self._sticky_queue = sticky_queue_name(self._identity) if max_cached_workflows else None
        self._watch = None
        if workflows and deadlock_timeout is not None and not debug_mode:
            self._watch = Watch(deadlock_timeout.total_seconds())
        self._on_fatal_error = on_fatal_error
        self._interceptors = (*(it for it in client.interceptors if isinstance(it, Interceptor)), *interceptors)
        self._workflow_interceptors = workflow_interceptors(self._interceptors)
        self._pace = Pace()
        self._metrics = None if client.metric_meter is None else self._worker_metrics(client.metric_meter)
        if self._metrics is not None:
            self._service = self._metrics.service(self._service)
        self._server_kind = ServerKind(self._service)
        self._run_log_level = run_log_level
        self._logs: RunLogs | None = None
        self._processor: WorkflowTaskProcessor | None = None
        self._leaving = Leaving(
            self._service, namespace=client.namespace, identity=self._identity, sticky_queue=self._sticky_queue
        )
        self._stop = asyncio.Event()
        self._finished = asyncio.Event()
        self._started = False
        self._fatal: BaseException | None = None
        self._block: asyncio.Task[Any] | None = None
        self._run_task: asyncio.Task[None] | None = None

    @property
    def task_queue(self) -> str:
        """The task queue that this worker takes tasks from."""
        return self._task_queue

    @property
    def is_running(self) -> bool:
        """True between the start of `run` and its return."""
        return self._started and not self._finished.is_set()

    @property
    def is_shutdown(self) -> bool:
        """True once `run` has returned."""
        return self._finished.is_set()

    async def run(self) -> None:
        """Take and run tasks until `shutdown`, a fatal error, or the cancellation of this call.

        Returns once every task in work has ended. Cancelling the call shuts the worker down first.

        Raises:
            ServiceError: The service refuses to hand out tasks: no permission, no such namespace.
            concurrent.futures.BrokenExecutor: The executor of synchronous activities died.
            RuntimeError: It was run before; a worker runs once.
        """
        if self._started:
            raise RuntimeError("this worker was run before; make a new Worker to run again")
        self._started = True
        try:
            await self._run()
        finally:
            self._finished.set()
        if self._fatal is not None:
            raise self._fatal

    async def shutdown(self) -> None:
        """Ask the worker to stop, and wait until it has; harmless when it has already.

        Polling ends at once. Activities have `graceful_shutdown_timeout` before they are cancelled; a workflow that
        then still waits for a local activity is handed to another worker, which runs that again.
        """
        self._stop.set()
        if self._started:
            await self._finished.wait()

    async def _run(self) -> None:
        if self._run_log_level is not None:
            self._logs = self._run_logs(self._run_log_level)
        activities = self._activity_worker() if self._definitions else None
        workflows = self._workflow_worker(activities) if self._workflows else None
        heartbeats = self._heartbeats(activities, workflows)
        cancelled: asyncio.CancelledError | None = None
        if self._watch is not None:
            watchdog.add(self._watch)
        if self._metrics is not None:
            self._metrics.start()
        try:
            if workflows is not None:
                workflows.start()
            if activities is not None:
                activities.start()
            heartbeats.start()
            if self._logs is not None:
                self._logs.start()
            await self._stop.wait()
        except asyncio.CancelledError as error:
            cancelled = error
        if self._fatal is not None and self._on_fatal_error is not None:
            try:
                await self._on_fatal_error(self._fatal)
            except Exception:
                _logger.exception("on_fatal_error failed")
        if self._metrics is not None:
            self._metrics.levels.write()
        await self._leaving.end_polls([half for half in (workflows, activities) if half is not None])
        stopping = [heartbeats.stop()]
        if workflows is not None:
            stopping.append(self._stop_workflows(workflows))
        if activities is not None:
            stopping.append(activities.stop(self._graceful_shutdown_timeout))
        try:
            await asyncio.gather(*stopping)
        finally:
            if self._logs is not None:
                await self._logs.stop()  # after those who log
            if self._watch is not None:
                watchdog.remove(self._watch)
            if self._metrics is not None:
                self._metrics.show_cache()
                await self._metrics.levels.close()
        if cancelled is not None:
            raise cancelled

    async def _stop_workflows(self, workflows: WorkflowWorker) -> None:
        await workflows.stop()
        await self._leaving.leave_queue()  # after its last poll, or that one would open the queue again

    def _on_fatal(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
            _logger.error("Worker on task queue %r cannot go on: %s", self._task_queue, error)
            self._stop.set()

    def _heartbeats(self, activities: ActivityWorker | None, workflows: WorkflowWorker | None) -> WorkerHeartbeats:
        def fill(heartbeat: WorkerHeartbeat) -> None:
            if workflows is not None:
                workflows.fill(heartbeat.workflow_task_slots_info)
            if self._processor is not None:
                heartbeat.current_sticky_cache_size = self._processor.cached
            if activities is not None:
                activities.fill(heartbeat.activity_task_slots_info)

        return WorkerHeartbeats(
            self._service,
            namespace=self._client.namespace,
            identity=self._identity,
            task_queue=self._task_queue,
            worker_key=self._leaving.worker_key,
            fill=fill,
        )

    def _worker_metrics(self, meter: MetricMeter) -> WorkerMetrics:
        return WorkerMetrics(
            meter,
            namespace=self._client.namespace,
            task_queue=self._task_queue,
            workflow_slots=self._max_concurrent_workflow_tasks,
            activity_slots=self._max_concurrent_activities,
            pace=self._pace,
        )

    def _run_logs(self, level: int) -> RunLogs:
        return RunLogs(
            self._service,
            self._server_kind,
            namespace=self._client.namespace,
            identity=self._identity,
            payload_converter=self._client.data_converter.payload_converter,
            level=level,
            pace=self._pace,
        )

    def _activity_worker(self) -> ActivityWorker:
        return ActivityWorker(
            ActivityHost(
                service=self._service,
                server_kind=self._server_kind,
                namespace=self._client.namespace,
                task_queue=self._task_queue,
                identity=self._identity,
                converter=self._client.data_converter,
                pace=self._pace,
                shutdown=WorkerShutdown(),
                default_heartbeat_throttle=self._default_heartbeat_throttle,
                max_heartbeat_throttle=self._max_heartbeat_throttle,
                metric_meter=self._client.metric_meter,
                worker_key=self._leaving.worker_key,
                logs=self._logs,
            ),
            self._definitions,
            executor=self._activity_executor,
            slots=self._max_concurrent_activities,
            local_slots=self._max_concurrent_local_activities,
            tasks_per_second=self._max_task_queue_activities_per_second,
            eager=self._eager,
            on_fatal=self._on_fatal,
            interceptors=self._interceptors,
            metrics=self._metrics,
            limits=self._activity_limits,
        )

    def _workflow_worker(self, activities: ActivityWorker | None) -> WorkflowWorker:
        client = self._client
        processor = WorkflowTaskProcessor(
            self._service,
            namespace=client.namespace,
            task_queue=self._task_queue,
            workflows=self._workflows,
            data_converter=client.data_converter,
            identity=self._identity,
            sticky_queue=self._sticky_queue,
            sticky_schedule_to_start_timeout=self._sticky_timeout,
            max_cached_workflows=self._max_cached_workflows,
            failure_exception_types=self._workflow_failure_exception_types,
            determinism_guard=self._determinism_guard,
            watch=self._watch,
            interceptors=self._workflow_interceptors,
            local_activities=None if activities is None else activities.local,
            metric_meter=client.metric_meter,
            logs=self._logs,
        )
        self._processor = processor
        if self._metrics is not None:
            self._metrics.cache = processor
        return WorkflowWorker(
            self._service,
            WorkflowTaskHandler(
                self._service,
                processor,
                namespace=client.namespace,
                identity=self._identity,
                converter=client.data_converter,
                pace=self._pace,
                eager=None if activities is None else activities.eager,
            ),
            namespace=client.namespace,
            task_queue=self._task_queue,
            sticky_queue=self._sticky_queue,
            identity=self._identity,
            worker_key=self._leaving.worker_key,
            slots=self._max_concurrent_workflow_tasks,
            shared_share=self._nonsticky_ratio,
            pace=self._pace,
            on_fatal=self._on_fatal,
            metrics=self._metrics,
        )

    async def __aenter__(self) -> Self:
        """Run in the background for the length of the block.

        A fatal error cancels the block, and is then raised in place of that cancellation.
        """
        self._block = asyncio.current_task()
        assert self._block is not None, "async with runs inside an asyncio task"
        self._run_task = asyncio.create_task(self.run(), name=f"worker on {self._task_queue}")
        self._run_task.add_done_callback(self._end_block)
        # So that `is_running` holds inside the block and a second start is refused at once.
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        """Shut down and wait.

        Raises:
            ServiceError: The fatal error that ended the worker; see `run`.
        """
        block, self._block = self._block, None
        assert self._run_task is not None
        await self.shutdown()
        await asyncio.wait((self._run_task,))
        if self._run_task.cancelled() or (fatal := self._run_task.exception()) is None:
            return
        if kind is None:
            raise fatal
        if kind is asyncio.CancelledError and block is not None:
            block.uncancel()
            raise fatal

    def _end_block(self, run_task: asyncio.Task[None]) -> None:
        if self._block is not None and (run_task.cancelled() or run_task.exception() is not None):
            self._block.cancel()


def _require_at_least(least: int, name: str, value: int) -> None:
    if value < least:
        raise ValueError(f"{name} is {value}; it must be {least} or more")
