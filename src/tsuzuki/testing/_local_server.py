"""An engine under virtual time that a test drives by hand, in the words of the protocol.

No worker takes part: the test is the worker, so it decides what each workflow task asks for and how each activity
attempt ends, and asserts the history as text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, TaskQueueKind, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RequestCancelWorkflowExecutionRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tsuzuki.engine import EmbeddedService, Limits, open_embedded
from tsuzuki.store import SqliteStore, Store

from ._virtual_clock import VirtualClock

T = TypeVar("T")

NAMESPACE = "default"
QUEUE = "queue"


class LocalServer:
    """One engine over one store; a context manager.

    Args:
        store: Where it keeps its runs; by default a new store in memory.
        clock: Its time; hand the same one to the next server to let time go on across a restart.
        limits: Bounds on executions; Temporal's defaults.
        cached_runs_max: Runs kept in memory.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        clock: VirtualClock | None = None,
        limits: Limits | None = None,
        cached_runs_max: int = 10_000,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.store: Store = SqliteStore.open(None) if store is None else store
        self._loop = asyncio.new_event_loop()
        self._ids = 0
        self.service: EmbeddedService = self._loop.run_until_complete(
            open_embedded(
                None,
                store=self.store,
                clock=self.clock,
                new_id=self._new_id,
                limits=limits,
                cached_runs_max=cached_runs_max,
            )
        )
        self.call(self.clock.settle())

    def _new_id(self) -> str:
        self._ids += 1
        return f"run-{self.store.incarnation}-{self._ids}"

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self.call(self.service.close())
        finally:
            self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the service, and everything that follows from it, to the end."""

        async def run() -> T:
            result = await coroutine
            await self._settle()
            return result

        return self._loop.run_until_complete(run())

    async def _settle(self) -> None:
        """Let everything that is ready run, on the disk too."""
        await self.clock.settle()
        await self.service.drain()
        await self.clock.settle()

    async def _now_or_never(self, call: Coroutine[Any, Any, T]) -> T | None:
        """The answer if it comes without time passing."""
        waiting = asyncio.ensure_future(call)
        await self._settle()
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        await asyncio.wait({waiting})
        return None

    def advance(self, by: timedelta) -> None:
        self.call(self.clock.advance(by))

    # ---- as a client -------------------------------------------------------------------------------

    def start_workflow(self, workflow_id: str = "w", **fields: Any) -> str:
        """Start a run and return its run id; `fields` are those of the request."""
        self._ids += 1
        request = StartWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_id=workflow_id, request_id=f"request-{self._ids}", identity="client"
        )
        request.workflow_type.name = "Workflow"
        request.task_queue.name = QUEUE
        request.MergeFrom(StartWorkflowExecutionRequest(**fields))
        return self.call(self.service.start_workflow_execution(request)).run_id

    def signal(self, signal_name: str, workflow_id: str = "w", *, request_id: str = "") -> None:
        request = SignalWorkflowExecutionRequest(namespace=NAMESPACE, signal_name=signal_name, request_id=request_id)
        request.workflow_execution.workflow_id = workflow_id
        self.call(self.service.signal_workflow_execution(request))

    def cancel(self, workflow_id: str = "w") -> None:
        request = RequestCancelWorkflowExecutionRequest(namespace=NAMESPACE)
        request.workflow_execution.workflow_id = workflow_id
        self.call(self.service.request_cancel_workflow_execution(request))

    def terminate(self, workflow_id: str = "w", reason: str = "") -> None:
        request = TerminateWorkflowExecutionRequest(namespace=NAMESPACE, reason=reason)
        request.workflow_execution.workflow_id = workflow_id
        self.call(self.service.terminate_workflow_execution(request))

    def describe(self, workflow_id: str = "w", run_id: str = "") -> DescribeWorkflowExecutionResponse:
        request = DescribeWorkflowExecutionRequest(namespace=NAMESPACE)
        request.execution.workflow_id = workflow_id
        request.execution.run_id = run_id
        return self.call(self.service.describe_workflow_execution(request))

    def history(self, workflow_id: str = "w", run_id: str = "") -> list[HistoryEvent]:
        request = GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE)
        request.execution.workflow_id = workflow_id
        request.execution.run_id = run_id
        events: list[HistoryEvent] = []
        while True:
            page = self.call(self.service.get_workflow_execution_history(request))
            events.extend(page.history.events)
            if not page.next_page_token:
                return events
            request.next_page_token = page.next_page_token

    def notation(self, workflow_id: str = "w", run_id: str = "") -> str:
        """The history as text, one word or two an event; a workflow task that completed is `WFT`."""
        return notation(self.history(workflow_id, run_id))

    # ---- as a worker -------------------------------------------------------------------------------

    def poll_workflow_task(self, queue: str = QUEUE, *, sticky: bool = False) -> PollWorkflowTaskQueueResponse | None:
        """The next workflow task, or None when there is none now."""
        request = PollWorkflowTaskQueueRequest(namespace=NAMESPACE, identity="worker")
        request.task_queue.name = queue
        if sticky:
            request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
        return self.call(self._now_or_never(self.service.poll_workflow_task_queue(request)))

    def take_workflow_task(self, queue: str = QUEUE, *, sticky: bool = False) -> PollWorkflowTaskQueueResponse:
        task = self.poll_workflow_task(queue, sticky=sticky)
        assert task is not None, "there is no workflow task to take"
        return task

    def complete_workflow_task(self, *commands: Command, sticky_queue: str = "", queue: str = QUEUE) -> None:
        """Take the next workflow task and answer it with commands."""
        self.answer_workflow_task(self.take_workflow_task(queue), *commands, sticky_queue=sticky_queue)

    def answer_workflow_task(
        self, task: PollWorkflowTaskQueueResponse, *commands: Command, sticky_queue: str = ""
    ) -> None:
        request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token, identity="worker")
        request.commands.extend(commands)
        if sticky_queue:
            request.sticky_attributes.worker_task_queue.name = sticky_queue
            request.sticky_attributes.schedule_to_start_timeout.seconds = 5
        self.call(self.service.respond_workflow_task_completed(request))

    def fail_workflow_task(self, task: PollWorkflowTaskQueueResponse, message: str = "bug") -> None:
        request = RespondWorkflowTaskFailedRequest(
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
            failure=Failure(message=message),
        )
        self.call(self.service.respond_workflow_task_failed(request))

    def poll_activity(self, queue: str = QUEUE) -> PollActivityTaskQueueResponse | None:
        """The next activity attempt, or None when there is none now."""
        request = PollActivityTaskQueueRequest(namespace=NAMESPACE, identity="worker")
        request.task_queue.name = queue
        return self.call(self._now_or_never(self.service.poll_activity_task_queue(request)))

    def take_activity(self, queue: str = QUEUE) -> PollActivityTaskQueueResponse:
        task = self.poll_activity(queue)
        assert task is not None, "there is no activity attempt to take"
        return task

    def complete_activity(self, task: PollActivityTaskQueueResponse) -> None:
        request = RespondActivityTaskCompletedRequest(task_token=task.task_token, identity="worker")
        self.call(self.service.respond_activity_task_completed(request))

    def fail_activity(self, task: PollActivityTaskQueueResponse, failure: Failure) -> None:
        request = RespondActivityTaskFailedRequest(task_token=task.task_token, failure=failure)
        self.call(self.service.respond_activity_task_failed(request))

    def report_activity_cancelled(self, task: PollActivityTaskQueueResponse) -> None:
        self.call(
            self.service.respond_activity_task_canceled(RespondActivityTaskCanceledRequest(task_token=task.task_token))
        )

    def heartbeat(self, task: PollActivityTaskQueueResponse, details: bytes | None = None) -> bool:
        """True when the attempt should stop."""
        request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token)
        if details is not None:
            request.details.payloads.add().data = details
        return self.call(self.service.record_activity_task_heartbeat(request)).cancel_requested


# ---- commands ----------------------------------------------------------------------------------------


def schedule_activity(
    activity_id: str,
    *,
    start_to_close: timedelta | None = timedelta(seconds=10),
    schedule_to_close: timedelta | None = None,
    schedule_to_start: timedelta | None = None,
    heartbeat: timedelta | None = None,
    initial_interval: timedelta | None = None,
    maximum_attempts: int = 0,
    non_retryable: tuple[str, ...] = (),
    queue: str = QUEUE,
) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_id = activity_id
    attributes.activity_type.name = "Activity"
    attributes.task_queue.name = queue
    for duration, value in (
        (attributes.start_to_close_timeout, start_to_close),
        (attributes.schedule_to_close_timeout, schedule_to_close),
        (attributes.schedule_to_start_timeout, schedule_to_start),
        (attributes.heartbeat_timeout, heartbeat),
        (attributes.retry_policy.initial_interval, initial_interval),
    ):
        if value is not None:
            duration.FromTimedelta(value)
    attributes.retry_policy.maximum_attempts = maximum_attempts
    attributes.retry_policy.non_retryable_error_types.extend(non_retryable)
    return command


def request_cancel_activity(scheduled_event_id: int) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK)
    command.request_cancel_activity_task_command_attributes.scheduled_event_id = scheduled_event_id
    return command


def start_timer(timer_id: str, after: timedelta) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER)
    command.start_timer_command_attributes.timer_id = timer_id
    command.start_timer_command_attributes.start_to_fire_timeout.FromTimedelta(after)
    return command


def cancel_timer(timer_id: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER)
    command.cancel_timer_command_attributes.timer_id = timer_id
    return command


def complete_workflow() -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
    command.complete_workflow_execution_command_attributes.SetInParent()
    return command


def fail_workflow(message: str = "failed") -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION)
    command.fail_workflow_execution_command_attributes.failure.message = message
    command.fail_workflow_execution_command_attributes.failure.application_failure_info.type = "Error"
    return command


def cancel_workflow() -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION)
    command.cancel_workflow_execution_command_attributes.SetInParent()
    return command


# ---- history as text ---------------------------------------------------------------------------------


def notation(events: list[HistoryEvent]) -> str:
    """`Started | WFT | TimerStarted t1 | ...`: scheduled, started, completed of a workflow task in one word."""
    words: list[str] = []
    for event in events:
        words.append(_word(event))
        if words[-3:] == ["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"]:
            words[-3:] = ["WFT"]
    return " | ".join(words)


def _word(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").title().replace("_", "")
    if name == "WorkflowTaskFailed":
        cause = WorkflowTaskFailedCause.Name(event.workflow_task_failed_event_attributes.cause)
        return f"{name} {cause.removeprefix('WORKFLOW_TASK_FAILED_CAUSE_')}"
    if name == "WorkflowTaskTimedOut":
        kind = TimeoutType.Name(event.workflow_task_timed_out_event_attributes.timeout_type)
        return f"{name} {kind.removeprefix('TIMEOUT_TYPE_')}"
    name = name.removeprefix("WorkflowExecution").replace("ActivityTask", "Activity")
    match event.WhichOneof("attributes"):
        case "timer_started_event_attributes":
            return f"{name} {event.timer_started_event_attributes.timer_id}"
        case "timer_fired_event_attributes":
            return f"{name} {event.timer_fired_event_attributes.timer_id}"
        case "timer_canceled_event_attributes":
            return f"{name} {event.timer_canceled_event_attributes.timer_id}"
        case "activity_task_scheduled_event_attributes":
            return f"{name} {event.activity_task_scheduled_event_attributes.activity_id}"
        case "activity_task_started_event_attributes":
            return f"{name} #{event.activity_task_started_event_attributes.attempt}"
        case "activity_task_timed_out_event_attributes":
            failure = event.activity_task_timed_out_event_attributes.failure
            kind = TimeoutType.Name(failure.timeout_failure_info.timeout_type)
            return f"{name} {kind.removeprefix('TIMEOUT_TYPE_')}"
        case "workflow_execution_signaled_event_attributes":
            return f"{name} {event.workflow_execution_signaled_event_attributes.signal_name}"
        case _:
            return name
