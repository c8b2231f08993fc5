"""One attempt of an activity while it runs here: its context, and how it is told to stop.

Owns the moment of stopping: the first reason counts and stays. It does not know how the code is run; whoever
runs it gives the means of interrupting it. Everything but the context's own methods is called on the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueResponse

from tsuzuki.activity import ActivityCancellationDetails, ActivityContext, Info
from tsuzuki.common import MetricMeter
from tsuzuki.converter import DataConverter, PayloadConverter
from tsuzuki.service import ServiceError, WorkflowService

from ._activity_info import info_from, proper_details
from ._heartbeat import Heartbeats, throttle_s
from ._pace import Pace
from ._run_logs import RunLogs, of_activity
from ._server_kind import ServerKind
from ._stream_sender import StreamSender

Result = TypeVar("Result")

CANCEL_REQUESTED: Final = ActivityCancellationDetails(cancel_requested=True)
WORKER_SHUTDOWN: Final = ActivityCancellationDetails(worker_shutdown=True)


class WorkerShutdown:
    """The worker's shutdown, as its activities see it: set once, from the loop."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.thread_event = threading.Event()

    def set(self) -> None:
        """Tell every activity that looks."""
        self.event.set()
        self.thread_event.set()


@dataclass(frozen=True)
class ActivityHost:
    """What every attempt on one worker shares.

    Attributes:
        service: Where tasks came from and outcomes go.
        server_kind: Of that service.
        namespace: Namespace polled.
        task_queue: Task queue polled.
        identity: Name of the worker in histories.
        converter: Of payloads and failures.
        pace: Time and chance.
        shutdown: The worker's shutdown.
        default_heartbeat_throttle: Least time between heartbeats without a heartbeat timeout.
        max_heartbeat_throttle: Upper bound of that time in every case.
        metric_meter: For activity code; None without one.
        worker_key: Names the worker in its polls; empty in this process.
        logs: Takes what activities log; None to leave it at `logging`.
    """

    service: WorkflowService
    server_kind: ServerKind
    namespace: str
    task_queue: str
    identity: str
    converter: DataConverter
    pace: Pace
    shutdown: WorkerShutdown
    default_heartbeat_throttle: timedelta = timedelta(seconds=30)
    max_heartbeat_throttle: timedelta = timedelta(seconds=60)
    metric_meter: MetricMeter | None = None
    worker_key: str = ""
    logs: RunLogs | None = None


class Attempt(ActivityContext):
    """A running attempt. What it may not need (info, events, heartbeats) is made when first used."""

    __slots__ = (
        "_cancelled",
        "_details",
        "_heartbeats",
        "_info",
        "_loop",
        "_loop_thread",
        "_stream",
        "_thread_cancelled",
        "done",
        "error",
        "host",
        "interrupt",
        "shield",
        "started_s",
        "task",
    )

    is_local: ClassVar[bool] = False

    def __init__(
        self,
        host: ActivityHost,
        task: PollActivityTaskQueueResponse,
        loop: asyncio.AbstractEventLoop,
        loop_thread: int,
    ) -> None:
        self.host = host
        self.task = task
        self.started_s = host.pace.now()
        self.done = False
        self.error: BaseException | None = None
        """What to report instead of the cancellation, if stopping had a reason of our own."""
        self.interrupt: Callable[[], object] | None = None
        """Interrupts the user's code; called on the loop, at most once, and only while the code runs."""
        self.shield: Callable[[], AbstractContextManager[None]] | None = None
        self._loop = loop
        self._loop_thread = loop_thread
        self._details: ActivityCancellationDetails | None = None
        self._info: Info | None = None
        self._heartbeats: Heartbeats | None = None
        self._stream: StreamSender | None = None
        self._cancelled: asyncio.Event | None = None
        self._thread_cancelled: threading.Event | None = None

    # ---- stopping ---------------------------------------------------------------------------------

    def stop(self, details: ActivityCancellationDetails, error: BaseException | None = None) -> None:
        """Tell the attempt to stop; only the first call has an effect."""
        if self.done or self._details is not None:
            return
        self.error = error
        self._details = details
        # The interruption comes before the events: a thread that one of them wakes must already find it
        # waiting at the end of its shield.
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None:
            interrupt()
        if self._cancelled is not None:
            self._cancelled.set()
        if self._thread_cancelled is not None:
            self._thread_cancelled.set()

    def watch(self) -> Callable[[], None]:
        """Let a service in this process push a cancellation; call the result to end that."""
        return self.host.service.watch_activity(self.task.task_token, self.on_cancel_pushed)

    def on_cancel_pushed(self) -> None:
        """Stop because a service in this process says so."""
        self.stop(CANCEL_REQUESTED)

    def finish(self) -> Payloads | None:
        """Mark the user's code as over; return heartbeat details that the service may not have."""
        self.done = True
        self.interrupt = None
        return None if self._heartbeats is None else self._heartbeats.close()

    # ---- heartbeats -------------------------------------------------------------------------------

    def heartbeat(self, details: tuple[object, ...]) -> None:
        payloads = Payloads(payloads=self.payload_converter.to_payloads(details)) if details else Payloads()
        if threading.get_ident() == self._loop_thread:
            self.record_heartbeat(payloads)
        else:
            self._loop.call_soon_threadsafe(self.record_heartbeat, payloads)

    def record_heartbeat(self, details: Payloads) -> None:
        """Take encoded details; a heartbeat that comes after the end is dropped."""
        if self.done:
            return
        self._beating().record(details)

    def log(self, level: int, logger: str, message: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        logs = self.host.logs
        if logs is None or not logs.takes(level):
            return
        run = self.task.workflow_execution
        logs.add((run.workflow_id, run.run_id), level, logger, message, args, kwargs, of_activity(self.task))

    async def keeps_streams(self) -> bool:
        if threading.get_ident() != self._loop_thread:
            raise RuntimeError("activity.open_stream() in a thread is used with `with`, and publish_sync")
        return await self.host.server_kind.is_ours()

    def run_on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        if threading.get_ident() == self._loop_thread:
            work.close()
            raise RuntimeError("activity.open_stream() in an async activity is used with `async with`, and publish")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def publish(self, kinds: str, values: Sequence[object]) -> bool:
        if self._stream is None:
            keeps = await self.host.server_kind.is_ours()
            self._stream = StreamSender(self._beating(), self.payload_converter, self.task.attempt, keeps=keeps)
        return await self._stream.send(kinds, values)

    def _beating(self) -> Heartbeats:
        if self._heartbeats is None:
            host = self.host
            self._heartbeats = Heartbeats(
                host.service,
                task_token=self.task.task_token,
                namespace=host.namespace,
                identity=host.identity,
                interval_s=throttle_s(self.task, host.default_heartbeat_throttle, host.max_heartbeat_throttle),
                pace=host.pace,
                on_stop=self.stop,
                on_error=self._on_heartbeat_refused,
                proper=proper_details(self.task.heartbeat_details),
            )
        return self._heartbeats

    def _on_heartbeat_refused(self, error: ServiceError) -> None:
        self.stop(ActivityCancellationDetails(), error)

    # ---- context ----------------------------------------------------------------------------------

    @property
    def info(self) -> Info:
        if self._info is None:
            self._info = info_from(
                self.task,
                namespace=self.host.namespace,
                task_queue=self.host.task_queue,
                converter=self.payload_converter,
                is_local=self.is_local,
            )
        return self._info

    @property
    def metric_meter(self) -> MetricMeter:
        host = self.host
        if host.metric_meter is None:
            return MetricMeter.noop
        activity_type = self.task.activity_type.name
        return host.metric_meter.with_additional_attributes(
            {"namespace": host.namespace, "task_queue": host.task_queue, "activity_type": activity_type}
        )

    @property
    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._details

    @property
    def payload_converter(self) -> PayloadConverter:
        return self.host.converter.payload_converter

    @property
    def is_worker_shutdown(self) -> bool:
        return self.host.shutdown.thread_event.is_set()

    async def wait_for_cancelled(self) -> None:
        self._require_loop("wait_for_cancelled")
        if self._cancelled is None:
            self._cancelled = asyncio.Event()
        if self._details is not None:
            self._cancelled.set()
        await self._cancelled.wait()

    def wait_for_cancelled_sync(self, timeout_s: float | None) -> None:
        if self._thread_cancelled is None:
            self._thread_cancelled = threading.Event()
        if self._details is not None:  # looked at after the event is in place, so one of the two is seen
            self._thread_cancelled.set()
        self._thread_cancelled.wait(timeout_s)

    async def wait_for_worker_shutdown(self) -> None:
        self._require_loop("wait_for_worker_shutdown")
        await self.host.shutdown.event.wait()

    def wait_for_worker_shutdown_sync(self, timeout_s: float | None) -> None:
        self.host.shutdown.thread_event.wait(timeout_s)

    def shield_thread_cancel_exception(self) -> AbstractContextManager[None]:
        return nullcontext() if self.shield is None else self.shield()

    def _require_loop(self, name: str) -> None:
        if threading.get_ident() != self._loop_thread:
            raise RuntimeError(f"activity.{name} is for async activities; call activity.{name}_sync here")
