"""The activity half of a worker: its slots, its executor, and its way to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.worker.v1 import WorkerSlotsInfo
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, PollActivityTaskQueueResponse

from tsuzuki.activity import ActivityDefinition

from ._activity_attempt import WORKER_SHUTDOWN, ActivityHost
from ._activity_executor import ThreadActivities
from ._activity_limits import ActivityLimits, LimitingInterceptor
from ._activity_process import ProcessActivities
from ._activity_runner import ActivityRunner, SyncExecutor
from ._eager_activities import EagerActivities
from ._interceptor import Interceptor
from ._local_activities import LocalActivities
from ._metrics import WorkerMetrics
from ._pollers import Slots, TaskSource, tell_slots

REMOTE_POLLS: Final = 5
"""Polls at a time over the network."""


class ActivityWorker:
    """Polls for activities and runs them.

    Args:
        host: What all attempts share.
        definitions: Activities by name; the dynamic one under None.
        executor: For synchronous activities; None for threads of its own.
        slots: Activities that run at a time.
        local_slots: Local activities that run at a time.
        tasks_per_second: Rate for the whole task queue; None for no bound.
        eager: Take activities with the answers to workflow tasks too, where that spares a round trip; not with a rate.
        on_fatal: Told of an error after which polling makes no sense.
        interceptors: Around every attempt, the first outermost.
        metrics: Measures; None not to.
        limits: Of single activity types; None for none.
    """

    def __init__(
        self,
        host: ActivityHost,
        definitions: Mapping[str | None, ActivityDefinition],
        *,
        executor: Executor | None,
        slots: int,
        local_slots: int,
        tasks_per_second: float | None,
        eager: bool,
        on_fatal: Callable[[BaseException], None],
        interceptors: Sequence[Interceptor] = (),
        metrics: WorkerMetrics | None = None,
        limits: ActivityLimits | None = None,
    ) -> None:
        self._host = host
        self._slot_count = slots
        self._own_executor: Executor | None = None
        self._overdue: asyncio.Future[None] | None = None
        has_sync = any(not definition.is_async for definition in definitions.values())
        if has_sync and executor is None:
            executor = self._own_executor = ThreadPoolExecutor(
                slots + local_slots, thread_name_prefix="tsuzuki-activity"
            )
        self._sync = _sync_executor(executor, host) if has_sync and executor is not None else None
        gates = () if limits is None else (LimitingInterceptor(limits, lambda: self._slots.step_aside()),)
        interceptors = (*gates, *interceptors)  # outermost: what others measure or bill begins after the wait
        self._runner = ActivityRunner(host, definitions, self._sync, on_fatal, interceptors)
        self.local = LocalActivities(
            host,
            definitions,
            self._sync,
            slots=local_slots,
            on_fatal=on_fatal,
            interceptors=interceptors,
            metrics=metrics,
        )
        """Those that workflow tasks of the same worker ask for."""
        metadata = None
        if tasks_per_second is not None:
            metadata = TaskQueueMetadata()
            metadata.max_tasks_per_second.value = tasks_per_second
        source: TaskSource[PollActivityTaskQueueRequest, PollActivityTaskQueueResponse] = TaskSource(
            host.service.poll_activity_task_queue,
            PollActivityTaskQueueRequest(
                namespace=host.namespace,
                task_queue=TaskQueue(name=host.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
                identity=host.identity,
                worker_instance_key=host.worker_key,
                task_queue_metadata=metadata,
            ),
            polls_max=None if host.service.local else REMOTE_POLLS,
            on_fatal=on_fatal,
            pace=host.pace,
            what=f"Polling task queue {host.task_queue!r} for activities",
        )
        run = self._runner.run if metrics is None else metrics.activities(self._runner.run)
        self._slots = Slots(source, run, renew=True, on_fatal=on_fatal)
        self.eager: EagerActivities | None = None
        """Those that workflow tasks of the same worker may have started at once."""
        if eager and source.turns is not None and tasks_per_second is None:
            self.eager = EagerActivities(source.turns, host.task_queue, definitions)

    def start(self) -> None:
        """Begin to poll."""
        self._slots.open(self._slot_count)
        self._overdue = asyncio.ensure_future(self._runner.watch_overdue())

    def fill(self, info: WorkerSlotsInfo) -> None:
        """Say how many slots are in use, and what was done."""
        tell_slots(info, self._slots, self._slot_count)

    def finish(self) -> None:
        """Begin no further poll; those that are open go on."""
        self._slots.finish()

    async def polls_ended(self) -> None:
        """Wait until no poll is open."""
        await self._slots.polls_ended()

    async def stop(self, grace: timedelta) -> None:
        """Stop polling, give running activities `grace`, cancel those left, and wait for all.

        A synchronous activity that ignores its cancellation is waited for without bound: its thread cannot
        be ended from outside.
        """
        self._host.shutdown.set()
        if self._sync is not None:
            self._sync.worker_shutdown()
        local = asyncio.ensure_future(self.local.stop(grace))
        closing = asyncio.ensure_future(self._slots.close())
        await self._wait_at_most(closing, grace.total_seconds())
        if not closing.done():
            self._runner.stop_all(WORKER_SHUTDOWN)
        await closing
        await local
        if self._overdue is not None:
            self._overdue.cancel()
            await asyncio.wait((self._overdue,))
        if self._sync is not None:
            await self._sync.close()
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=False)

    async def _wait_at_most(self, closing: asyncio.Future[None], grace_s: float) -> None:
        patience = asyncio.ensure_future(self._host.pace.sleep(grace_s))
        await asyncio.wait((closing, patience), return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()
        await asyncio.wait((patience,))


def _sync_executor(executor: Executor, host: ActivityHost) -> SyncExecutor:
    if isinstance(executor, ThreadPoolExecutor):
        return ThreadActivities(executor)
    return ProcessActivities(executor, host)
