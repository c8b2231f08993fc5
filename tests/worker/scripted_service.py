"""A small `WorkflowService` that a test scripts, and time that a test owns."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedResponse,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedResponse,
    ShutdownWorkerRequest,
    ShutdownWorkerResponse,
)

from tsuzuki.converter import DataConverter
from tsuzuki.service import ServiceError
from tsuzuki.worker import Interceptor
from tsuzuki.worker._activity_attempt import ActivityHost, WorkerShutdown
from tsuzuki.worker._activity_runner import OVERDUE_CHECK_S
from tsuzuki.worker._activity_worker import ActivityWorker
from tsuzuki.worker._definitions import activity_definitions
from tsuzuki.worker._pace import Pace
from tsuzuki.worker._server_kind import ServerKind

CONVERTER = DataConverter.default.payload_converter
LOST_AFTER_S = 60.0  # real seconds after which a test that waits for something is a failed test


class VirtualPace:
    """Seconds that pass only when the test says so; chance is always zero."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, int, bool, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._changed = asyncio.Event()

    @property
    def pace(self) -> Pace:
        return Pace(now=lambda: self.now_s, sleep=self.sleep, chance=lambda: 1.0)

    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watch = seconds == OVERDUE_CHECK_S  # always there, and never what a test waits for
        if not watch:
            self.slept.append(seconds)
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._numbers), watch, waiter))
        self._changed.set()
        await waiter

    async def sleepers(self, count: int = 1) -> None:
        """Wait until that many sleep."""
        async with asyncio.timeout(LOST_AFTER_S):
            while sum(not (watch or waiter.done()) for *_, watch, waiter in self._sleepers) < count:
                self._changed.clear()
                await self._changed.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass; those whose time has come run before this returns."""
        self.now_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now_s:
            waiter = heapq.heappop(self._sleepers)[-1]
            if not waiter.done():
                waiter.set_result(None)
        await settle()


async def settle() -> None:
    """Let everything run that can run without time or answers from outside."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class ScriptedService:
    """Hands out what the test gives, and shows what it was sent.

    Attributes:
        local: As the protocol says.
        refusals: What the next responses or heartbeats are refused with, by RPC name.
        heartbeat_answers: Answers to the next heartbeats; then empty ones.
        sent: Every response and heartbeat in order of arrival.
        polls_open: Polls that wait for an activity.
    """

    local: bool = True
    refusals: dict[str, deque[ServiceError]] = field(default_factory=dict)
    heartbeat_answers: deque[RecordActivityTaskHeartbeatResponse] = field(default_factory=deque)
    sent: list[Message] = field(default_factory=list)
    polls_open: int = 0
    poll_requests: list[Message] = field(default_factory=list)
    watching: dict[bytes, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._activities: asyncio.Queue[PollActivityTaskQueueResponse | ServiceError] = asyncio.Queue()
        self._workflow_tasks: dict[int, asyncio.Queue[Any]] = {1: asyncio.Queue(), 2: asyncio.Queue()}
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()

    async def describe_namespace(self, request: DescribeNamespaceRequest) -> DescribeNamespaceResponse:
        """One that does not listen to workers' heartbeats."""
        return DescribeNamespaceResponse()

    async def get_system_info(self, request: GetSystemInfoRequest) -> GetSystemInfoResponse:
        """One that keeps no streams."""
        return GetSystemInfoResponse(server_version="1.30.0")

    async def shutdown_worker(self, request: ShutdownWorkerRequest) -> ShutdownWorkerResponse:
        """A worker leaves its queue."""
        return ShutdownWorkerResponse()

    # ---- the test's side ----------------------------------------------------------------------------

    def give(self, *answers: PollActivityTaskQueueResponse | ServiceError) -> None:
        """Answer the next polls for activities."""
        for answer in answers:
            self._activities.put_nowait(answer)

    def give_workflow_task(self, task: PollWorkflowTaskQueueResponse | ServiceError, kind: int = 1) -> None:
        """Answer the next poll of the normal (1) or the sticky (2) queue."""
        self._workflow_tasks[kind].put_nowait(task)

    def refuse(self, rpc: str, *errors: ServiceError) -> None:
        """Refuse the next calls of an RPC."""
        self.refusals.setdefault(rpc, deque()).extend(errors)

    async def received(self) -> Any:
        """The next response or heartbeat."""
        return await asyncio.wait_for(self._arrived.get(), LOST_AFTER_S)

    def nothing_received(self) -> bool:
        return self._arrived.empty()

    def push_cancel(self, task: PollActivityTaskQueueResponse) -> None:
        """Tell whoever watches an attempt that it should stop."""
        self.watching[task.task_token]()

    # ---- the worker's side --------------------------------------------------------------------------

    def watch_activity(self, task_token: bytes, on_cancel: Callable[[], None]) -> Callable[[], None]:
        self.watching[task_token] = on_cancel
        return lambda: self.watching.pop(task_token, None) and None

    async def poll_activity_task_queue(self, request: PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse:
        self.poll_requests.append(request)
        self.polls_open += 1
        try:
            answer = await self._activities.get()
        finally:
            self.polls_open -= 1
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    async def poll_workflow_task_queue(self, request: PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse:
        self.poll_requests.append(request)
        answer = await self._workflow_tasks[request.task_queue.kind].get()
        if isinstance(answer, ServiceError):
            raise answer
        task: PollWorkflowTaskQueueResponse = answer
        return task

    def _take(self, rpc: str, request: Message) -> None:
        self.sent.append(request)
        self._arrived.put_nowait(request)
        if self.refusals.get(rpc):
            raise self.refusals[rpc].popleft()

    async def record_activity_task_heartbeat(
        self, request: RecordActivityTaskHeartbeatRequest
    ) -> RecordActivityTaskHeartbeatResponse:
        self._take("heartbeat", request)
        return self.heartbeat_answers.popleft() if self.heartbeat_answers else RecordActivityTaskHeartbeatResponse()

    async def respond_activity_task_completed(self, request: Message) -> Message:
        self._take("completed", request)
        return RespondActivityTaskCompletedResponse()

    async def respond_activity_task_failed(self, request: Message) -> Message:
        self._take("failed", request)
        return RespondActivityTaskFailedResponse()

    async def respond_activity_task_canceled(self, request: Message) -> Message:
        self._take("canceled", request)
        return RespondActivityTaskCanceledResponse()

    async def respond_workflow_task_completed(self, request: Message) -> RespondWorkflowTaskCompletedResponse:
        self._take("workflow completed", request)
        return RespondWorkflowTaskCompletedResponse()

    async def respond_workflow_task_failed(self, request: Message) -> RespondWorkflowTaskFailedResponse:
        self._take("workflow failed", request)
        return RespondWorkflowTaskFailedResponse()


@dataclass
class ScriptedClient:
    """The five facts that a worker takes from a client."""

    service: ScriptedService
    namespace: str = "default"
    data_converter: DataConverter = DataConverter.default
    identity: str = "1@test"
    interceptors: Sequence[Any] = ()
    metric_meter: Any = None


_tokens = itertools.count(1)


def activity_task(
    activity_type: str,
    *args: Any,
    attempt: int = 1,
    start_to_close_s: float = 60,
    heartbeat_s: float = 0,
    heartbeat_details: tuple[Any, ...] = (),
) -> PollActivityTaskQueueResponse:
    """An activity task as a service hands it out."""
    number = next(_tokens)
    task = PollActivityTaskQueueResponse(
        task_token=b"token %d" % number,
        workflow_namespace="default",
        activity_id=str(number),
        attempt=attempt,
        input=Payloads(payloads=CONVERTER.to_payloads(args)),
    )
    task.activity_type.name = activity_type
    task.workflow_type.name = "Research"
    task.workflow_execution.workflow_id = "workflow"
    task.workflow_execution.run_id = "run"
    task.scheduled_time.FromSeconds(1_000)
    task.current_attempt_scheduled_time.FromSeconds(1_001)
    task.started_time.FromSeconds(1_002)
    task.start_to_close_timeout.FromTimedelta(timedelta(seconds=start_to_close_s))
    task.heartbeat_timeout.FromTimedelta(timedelta(seconds=heartbeat_s))
    if heartbeat_details:
        task.heartbeat_details.payloads.extend(CONVERTER.to_payloads(heartbeat_details))
    return task


def values(payloads: Payloads) -> list[Any]:
    """Decode what a request carries."""
    return CONVERTER.from_payloads_wrapper(payloads)


@dataclass
class Setting:
    """A running activity worker on a scripted service."""

    service: ScriptedService
    time: VirtualPace
    worker: ActivityWorker
    fatal: list[BaseException]

    async def run(self, task: PollActivityTaskQueueResponse) -> Any:
        """Hand out a task and return the first thing it sends."""
        self.service.give(task)
        return await self.service.received()


@asynccontextmanager
async def activities_running(
    *fns: Callable[..., Any],
    slots: int = 4,
    local: bool = True,
    executor: Any = None,
    grace: timedelta = timedelta(0),
    converter: DataConverter = DataConverter.default,
    interceptors: Sequence[Interceptor] = (),
) -> Iterator[Setting]:  # type: ignore[misc]
    """Run activities against a scripted service, in virtual time."""
    service, time, fatal = ScriptedService(local=local), VirtualPace(), []
    host = ActivityHost(
        service=service,  # type: ignore[arg-type]
        server_kind=ServerKind(service),  # type: ignore[arg-type]
        namespace="default",
        task_queue="queue",
        identity="1@test",
        converter=converter,
        pace=time.pace,
        shutdown=WorkerShutdown(),
    )
    worker = ActivityWorker(
        host,
        activity_definitions(fns),
        executor=executor,
        slots=slots,
        local_slots=1,
        tasks_per_second=None,
        eager=True,
        on_fatal=fatal.append,
        interceptors=interceptors,
    )
    worker.start()
    setting = Setting(service, time, worker, fatal)
    try:
        yield setting
    finally:
        stopping = asyncio.ensure_future(worker.stop(grace))
        await settle()
        await time.advance(grace.total_seconds())
        await asyncio.wait_for(stopping, LOST_AFTER_S)
