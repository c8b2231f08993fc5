"""One run of a workflow without any service: a history that the test writes, and the real processor.

`ScriptedRun` does what the engine does with a run's workflow tasks, and nothing else: it hands out history,
turns commands into events, and buffers nothing because nothing happens meanwhile. Time is the test's.
`cached=True` sends only new events, as to a worker with the run in its cache; `cached=False` sends the whole
history each time, so that every workflow task is a full replay. A test body runs under both.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType, RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryResponse,
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.common import MetricMeter
from tsuzuki.converter import DataConverter
from tsuzuki.worker import WorkflowInboundInterceptor
from tsuzuki.worker._workflow_tasks import WorkflowTaskProcessor
from tsuzuki.workflow import definition_of

CONVERTER: Final = DataConverter.default.payload_converter
RUN_ID: Final = "5f2b8c1e-0000-4000-8000-000000000001"
EPOCH_S: Final = 1_700_000_000

_WORDS: Final = {
    "WorkflowExecutionStarted": "Started",
    "WorkflowTaskScheduled": "",
    "WorkflowTaskStarted": "",
    "WorkflowTaskCompleted": "WFT",
    "WorkflowTaskFailed": "WFTFailed",
    "WorkflowTaskTimedOut": "WFTTimedOut",
    "WorkflowExecutionCompleted": "Completed",
    "WorkflowExecutionFailed": "Failed",
    "WorkflowExecutionCanceled": "Canceled",
    "WorkflowExecutionCancelRequested": "CancelRequested",
    "WorkflowExecutionSignaled": "Signaled",
    "WorkflowExecutionContinuedAsNew": "ContinuedAsNew",
    "UpsertWorkflowSearchAttributes": "Upserted",
    "WorkflowPropertiesModified": "MemoModified",
}


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that must not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("it waited")


def query_of(name: str, *args: Any) -> WorkflowQuery:
    """Return a query as the service hands it out."""
    query = WorkflowQuery(query_type=name)
    if args:
        query.query_args.payloads.extend(CONVERTER.to_payloads(args))
    return query


class WorkflowTaskFailedError(Exception):
    """The worker failed a workflow task that the test expected to succeed."""

    def __init__(self, response: RespondWorkflowTaskFailedRequest) -> None:
        super().__init__(f"{response.failure.application_failure_info.type}: {response.failure.message}")
        self.response = response


class HistoryOnly:
    """The one RPC that a processor calls."""

    def __init__(self, run: ScriptedRun) -> None:
        self._run = run
        self.fetches = 0

    async def get_workflow_execution_history(
        self, request: GetWorkflowExecutionHistoryRequest
    ) -> GetWorkflowExecutionHistoryResponse:
        self.fetches += 1
        return self._run.history_page(request.next_page_token)


class ScriptedRun:
    """One run; `start` makes its first workflow task."""

    def __init__(
        self,
        workflow: Any,
        *args: Any,
        cached: bool,
        registered: Sequence[Any] | None = None,
        failure_exception_types: Sequence[type[BaseException]] = (),
        workflow_type: str | None = None,
        page_size: int = 0,
        interceptors: Sequence[type[WorkflowInboundInterceptor]] = (),
        metric_meter: MetricMeter | None = None,
    ) -> None:
        self.events: list[HistoryEvent] = []
        self.now_ns = EPOCH_S * 1_000_000_000
        self.cached = cached
        self.page_size = page_size
        self.service = HistoryOnly(self)
        self.workflow_type = workflow_type or definition_of(workflow).name or ""
        self.responses: list[RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest] = []
        self._failure_exception_types = failure_exception_types
        self._interceptors = interceptors
        self._metric_meter = metric_meter
        self.processor = self.new_processor(registered if registered is not None else [workflow])
        self._seen = 0  # last event handed out and answered
        self._timers: dict[str, tuple[int, int]] = {}  # id -> started event, due time
        self._activities: dict[str, int] = {}  # id -> scheduled event
        self._schedules: dict[int, str] = {}
        self._updates: dict[str, Request] = {}
        self._messages: dict[str, Message] = {}
        self.outcomes: dict[str, Any] = {}  # of updates: the result, or message and type of the failure
        self.rejections: dict[str, tuple[str, str]] = {}  # of updates: message and type
        started = self.add("WORKFLOW_EXECUTION_STARTED")
        started.workflow_type.name = self.workflow_type
        started.original_execution_run_id = started.first_execution_run_id = RUN_ID
        started.task_queue.name = "queue"
        started.attempt = 1
        if args:
            started.input.payloads.extend(CONVERTER.to_payloads(args))

    def new_processor(self, workflows: Sequence[Any], *, size: int | None = None) -> WorkflowTaskProcessor:
        """Make a processor, as after a restart of the worker."""
        return WorkflowTaskProcessor(
            self.service,  # type: ignore[arg-type]
            namespace="default",
            task_queue="queue",
            workflows=workflows,
            identity="worker",
            sticky_queue="sticky",
            max_cached_workflows=(100 if self.cached else 0) if size is None else size,
            failure_exception_types=self._failure_exception_types,
            interceptors=self._interceptors,
            metric_meter=self._metric_meter,
        )

    # ---- writing history -------------------------------------------------------------------------------

    def add(self, event_type: str) -> Any:
        """Append an event and return its attributes to fill in."""
        event = HistoryEvent(event_id=len(self.events) + 1, event_type=EventType.Value(f"EVENT_TYPE_{event_type}"))
        event.event_time.FromNanoseconds(self.now_ns)
        self.events.append(event)
        attributes = getattr(event, f"{event_type.lower()}_event_attributes")
        attributes.SetInParent()
        return attributes

    def complete_activity(self, activity_id: str, result: Any = None) -> None:
        """An attempt of the activity succeeded."""
        ended = self._end_activity(activity_id, "COMPLETED")
        ended.result.payloads.extend(CONVERTER.to_payloads([result]))

    def fail_activity(self, activity_id: str, message: str, error_type: str = "Error") -> None:
        """The activity failed for good."""
        ended = self._end_activity(activity_id, "FAILED")
        ended.failure.message = message
        ended.failure.application_failure_info.type = error_type
        ended.retry_state = RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
        ended.identity = "activity worker"

    def time_out_activity(self, activity_id: str) -> None:
        """The activity ran out of its start-to-close timeout for good."""
        ended = self._end_activity(activity_id, "TIMED_OUT")
        ended.failure.message = "activity StartToClose timeout"
        ended.failure.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE

    def cancel_activity(self, activity_id: str, *details: Any) -> None:
        """The activity ended as cancelled."""
        ended = self._end_activity(activity_id, "CANCELED")
        if details:
            ended.details.payloads.extend(CONVERTER.to_payloads(details))

    def _end_activity(self, activity_id: str, how: str) -> Any:
        scheduled = self._activities.pop(activity_id)
        started = self.add("ACTIVITY_TASK_STARTED")
        started.scheduled_event_id = scheduled
        ended = self.add(f"ACTIVITY_TASK_{how}")
        ended.scheduled_event_id = scheduled
        ended.started_event_id = len(self.events) - 1
        return ended

    def fire_timer(self, timer_id: str) -> None:
        """Let time pass until the timer is due, and fire it."""
        started, due_ns = self._timers.pop(timer_id)
        self.now_ns = max(self.now_ns, due_ns)
        fired = self.add("TIMER_FIRED")
        fired.timer_id = timer_id
        fired.started_event_id = started

    def request_cancel(self, reason: str = "") -> None:
        """Somebody asks for the workflow's cancellation."""
        self.add("WORKFLOW_EXECUTION_CANCEL_REQUESTED").cause = reason

    def signal(self, name: str, *args: Any) -> None:
        """Somebody sends a signal."""
        signaled = self.add("WORKFLOW_EXECUTION_SIGNALED")
        signaled.signal_name = name
        if args:
            signaled.input.payloads.extend(CONVERTER.to_payloads(args))

    def update(self, update_id: str, name: str, *args: Any) -> None:
        """Somebody sends an update; the next workflow task brings it."""
        request = Request()
        request.meta.update_id = update_id
        request.input.name = name
        if args:
            request.input.args.payloads.extend(CONVERTER.to_payloads(args))
        self._updates[update_id] = request

    def waiting_update(self, update_id: str) -> Request:
        """An update that the next workflow task brings, to be changed."""
        return self._updates[update_id]

    def advance(self, duration: timedelta) -> None:
        """Let time pass."""
        self.now_ns += int(duration.total_seconds() * 1e9)

    def pending_activities(self) -> list[str]:
        """Ids of the activities that have not ended."""
        return list(self._activities)

    def activity_type(self, activity_id: str) -> str:
        """Type of an activity that has not ended."""
        scheduled = self.events[self._activities[activity_id] - 1]
        return scheduled.activity_task_scheduled_event_attributes.activity_type.name

    def next_timer(self) -> str:
        """Id of the timer that is due first."""
        return min(self._timers, key=lambda timer_id: self._timers[timer_id][1])

    def pending_timers(self) -> list[str]:
        """Ids of the timers that have not fired."""
        return list(self._timers)

    # ---- workflow tasks --------------------------------------------------------------------------------

    def workflow_task(
        self, queries: Mapping[str, WorkflowQuery] = MappingProxyType({})
    ) -> RespondWorkflowTaskCompletedRequest:
        """Have the worker do a workflow task, with the queries that ride with it; record its commands.

        Raises:
            WorkflowTaskFailedError: It failed the task.
        """
        task = self.start_workflow_task()
        for number, query in queries.items():
            task.queries[number].CopyFrom(query)
        response = self.process(task)
        if isinstance(response, RespondWorkflowTaskFailedRequest):
            self.fail_workflow_task(response)
            raise WorkflowTaskFailedError(response)
        self.complete_workflow_task(response)
        return response

    def start_workflow_task(self) -> PollWorkflowTaskQueueResponse:
        """Record the start of a workflow task and return what the worker polls."""
        self.now_ns += 1_000_000
        self.add("WORKFLOW_TASK_SCHEDULED")
        started = self.add("WORKFLOW_TASK_STARTED")
        started.scheduled_event_id = len(self.events) - 1
        return self.poll_response()

    def ask(self, name: str, *args: Any, whole_history: bool = True) -> RespondQueryTaskCompletedRequest:
        """Give the worker a query as a task of its own: with the whole history, or as to a sticky worker with none."""
        task = self.poll_response()
        task.started_event_id = 0 if not whole_history else len(self.events)
        task.history.CopyFrom(History(events=self.events if whole_history else []))
        task.query.CopyFrom(query_of(name, *args))
        response = drive(self.processor.process(task))
        assert isinstance(response, RespondQueryTaskCompletedRequest)
        return response

    def poll_response(self) -> PollWorkflowTaskQueueResponse:
        """Return the current workflow task as the worker polls it."""
        task = PollWorkflowTaskQueueResponse(
            task_token=b"token", started_event_id=len(self.events), previous_started_event_id=self._seen
        )
        task.workflow_execution.workflow_id = "workflow-id"
        task.workflow_execution.run_id = RUN_ID
        task.workflow_type.name = self.workflow_type
        for update_id, request in self._updates.items():
            message = task.messages.add(
                id=f"{update_id}/request", protocol_instance_id=update_id, event_id=len(self.events) - 1
            )
            message.body.Pack(request)
        first = self._seen if self.cached else 0
        page = self.events[first:]
        if self.page_size and not first:
            page, rest = page[: self.page_size], page[self.page_size :]
            task.next_page_token = str(self.page_size).encode() if rest else b""
        task.history.CopyFrom(History(events=page))
        return task

    def history_page(self, token: bytes) -> GetWorkflowExecutionHistoryResponse:
        """Answer a request for history."""
        first = int(token or b"0")
        size = self.page_size or len(self.events)
        response = GetWorkflowExecutionHistoryResponse(history=History(events=self.events[first : first + size]))
        if first + size < len(self.events):
            response.next_page_token = str(first + size).encode()
        return response

    def process(
        self, task: PollWorkflowTaskQueueResponse
    ) -> RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest:
        """Give the worker a workflow task."""
        response = drive(self.processor.process(task))
        assert not isinstance(response, RespondQueryTaskCompletedRequest)
        self.responses.append(response)
        return response

    def complete_workflow_task(self, response: RespondWorkflowTaskCompletedRequest) -> None:
        """Record a completion and its commands."""
        self._seen = len(self.events)
        completed = self.add("WORKFLOW_TASK_COMPLETED")
        completed.scheduled_event_id = len(self.events) - 2
        completed.started_event_id = len(self.events) - 1
        completed.sdk_metadata.CopyFrom(response.sdk_metadata)
        self._messages = {message.id: message for message in response.messages}
        self._note_rejections(response)
        for command in response.commands:
            self._RECORD[command.command_type](self, command)

    def _note_rejections(self, response: RespondWorkflowTaskCompletedRequest) -> None:
        for message in response.messages:
            rejection = Rejection()
            if message.body.Unpack(rejection):
                failure = rejection.failure
                self.rejections[message.protocol_instance_id] = (failure.message, failure.application_failure_info.type)
                del self._updates[message.protocol_instance_id]

    def forgotten_workflow_task(self) -> None:
        """Have the worker do a workflow task that only rejects, and drop its events as the service does."""
        task = self.start_workflow_task()
        response = self.process(task)
        assert isinstance(response, RespondWorkflowTaskCompletedRequest)
        assert not response.commands
        self._note_rejections(response)
        del self.events[-2:]
        self.processor.rewind(task)

    def fail_workflow_task(self, response: RespondWorkflowTaskFailedRequest) -> None:
        """Record a failed workflow task; the next one gets the whole history."""
        failed = self.add("WORKFLOW_TASK_FAILED")
        failed.scheduled_event_id = len(self.events) - 2
        failed.started_event_id = len(self.events) - 1
        failed.cause = response.cause
        failed.failure.CopyFrom(response.failure)
        self._seen = 0

    def lose_workflow_task(self) -> None:
        """A workflow task is started and times out; the next one gets the whole history."""
        self.start_workflow_task()
        timed_out = self.add("WORKFLOW_TASK_TIMED_OUT")
        timed_out.scheduled_event_id = len(self.events) - 2
        timed_out.started_event_id = len(self.events) - 1
        self.forget()

    def forget(self) -> None:
        """What the engine does when the sticky worker is lost: the next task comes with the whole history."""
        self._seen = 0

    def run_to_end(self, activities: Mapping[str, Callable[..., Any]] | None = None, *, tasks_max: int = 100) -> None:
        """Do workflow tasks until the run closes; end activities and timers in order, one at a time."""
        for _ in range(tasks_max):
            if self._activities or self._timers:
                self.end_next(activities or {})
            self.workflow_task()
            if self.closed:
                return
        raise AssertionError(f"not closed after {tasks_max} workflow tasks: {self.notation()}")

    def end_next(self, activities: Mapping[str, Callable[..., Any]]) -> None:
        """End the oldest activity or, when there is none, the timer that is due first."""
        if self._activities:
            activity_id = next(iter(self._activities))
            scheduled = self.events[self._activities[activity_id] - 1].activity_task_scheduled_event_attributes
            function = activities[self.activity_type(activity_id)]
            self.complete_activity(activity_id, function(*CONVERTER.from_payloads(scheduled.input.payloads)))
        else:
            assert self._timers, f"the workflow waits for nothing: {self.notation()}"
            self.fire_timer(self.next_timer())

    # ---- commands into events --------------------------------------------------------------------------

    def _schedule_activity(self, command: Command) -> None:
        attributes = command.schedule_activity_task_command_attributes
        scheduled = self.add("ACTIVITY_TASK_SCHEDULED")
        scheduled.activity_id = attributes.activity_id
        scheduled.activity_type.CopyFrom(attributes.activity_type)
        scheduled.input.CopyFrom(attributes.input)
        self._activities[attributes.activity_id] = len(self.events)
        self._schedules[len(self.events)] = attributes.activity_id

    def _request_cancel_activity(self, command: Command) -> None:
        scheduled_id = command.request_cancel_activity_task_command_attributes.scheduled_event_id
        self.add("ACTIVITY_TASK_CANCEL_REQUESTED").scheduled_event_id = scheduled_id

    def _start_timer(self, command: Command) -> None:
        attributes = command.start_timer_command_attributes
        started = self.add("TIMER_STARTED")
        started.timer_id = attributes.timer_id
        started.start_to_fire_timeout.CopyFrom(attributes.start_to_fire_timeout)
        due_ns = self.now_ns + attributes.start_to_fire_timeout.ToNanoseconds()
        self._timers[attributes.timer_id] = (len(self.events), due_ns)

    def _cancel_timer(self, command: Command) -> None:
        timer_id = command.cancel_timer_command_attributes.timer_id
        canceled = self.add("TIMER_CANCELED")
        canceled.timer_id = timer_id
        canceled.started_event_id = self._timers.pop(timer_id)[0]

    def _complete(self, command: Command) -> None:
        completed = self.add("WORKFLOW_EXECUTION_COMPLETED")
        completed.result.CopyFrom(command.complete_workflow_execution_command_attributes.result)

    def _fail(self, command: Command) -> None:
        failed = self.add("WORKFLOW_EXECUTION_FAILED")
        failed.failure.CopyFrom(command.fail_workflow_execution_command_attributes.failure)

    def _cancel(self, command: Command) -> None:
        self.add("WORKFLOW_EXECUTION_CANCELED")

    def _continue_as_new(self, command: Command) -> None:
        asked = command.continue_as_new_workflow_execution_command_attributes
        continued = self.add("WORKFLOW_EXECUTION_CONTINUED_AS_NEW")
        continued.workflow_type.CopyFrom(asked.workflow_type)
        continued.input.CopyFrom(asked.input)

    def _start_child(self, command: Command) -> None:
        asked = command.start_child_workflow_execution_command_attributes
        initiated = self.add("START_CHILD_WORKFLOW_EXECUTION_INITIATED")
        initiated.workflow_id = asked.workflow_id
        initiated.workflow_type.CopyFrom(asked.workflow_type)

    def _signal_other(self, command: Command) -> None:
        asked = command.signal_external_workflow_execution_command_attributes
        initiated = self.add("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED")
        initiated.workflow_execution.CopyFrom(asked.execution)
        initiated.signal_name = asked.signal_name

    def _cancel_other(self, command: Command) -> None:
        asked = command.request_cancel_external_workflow_execution_command_attributes
        initiated = self.add("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED")
        initiated.workflow_execution.workflow_id = asked.workflow_id

    def _record_marker(self, command: Command) -> None:
        asked = command.record_marker_command_attributes
        recorded = self.add("MARKER_RECORDED")
        recorded.marker_name = asked.marker_name
        for key, payloads in asked.details.items():
            recorded.details[key].CopyFrom(payloads)
        if asked.HasField("failure"):
            recorded.failure.CopyFrom(asked.failure)

    def _upsert(self, command: Command) -> None:
        asked = command.upsert_workflow_search_attributes_command_attributes
        self.add("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES").search_attributes.CopyFrom(asked.search_attributes)

    def _modify(self, command: Command) -> None:
        asked = command.modify_workflow_properties_command_attributes
        self.add("WORKFLOW_PROPERTIES_MODIFIED").upserted_memo.CopyFrom(asked.upserted_memo)

    def _message(self, command: Command) -> None:
        message = self._messages[command.protocol_message_command_attributes.message_id]
        acceptance, response = Acceptance(), Response()
        update_id = message.protocol_instance_id
        if message.body.Unpack(acceptance):
            accepted = self.add("WORKFLOW_EXECUTION_UPDATE_ACCEPTED")
            accepted.protocol_instance_id = update_id
            accepted.accepted_request.CopyFrom(self._updates.pop(update_id))
            accepted.accepted_request_message_id = acceptance.accepted_request_message_id
            accepted.accepted_request_sequencing_event_id = acceptance.accepted_request_sequencing_event_id
        elif message.body.Unpack(response):
            completed = self.add("WORKFLOW_EXECUTION_UPDATE_COMPLETED")
            completed.meta.CopyFrom(response.meta)
            completed.outcome.CopyFrom(response.outcome)
            failure = response.outcome.failure
            self.outcomes[update_id] = (
                (failure.message, failure.application_failure_info.type)
                if response.outcome.HasField("failure")
                else CONVERTER.from_payloads(response.outcome.success.payloads)[0]
            )

    _RECORD: Final = {
        CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE: _message,
        CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: _schedule_activity,
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: _request_cancel_activity,
        CommandType.COMMAND_TYPE_START_TIMER: _start_timer,
        CommandType.COMMAND_TYPE_CANCEL_TIMER: _cancel_timer,
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: _complete,
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: _fail,
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: _cancel,
        CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: _continue_as_new,
        CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: _start_child,
        CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: _signal_other,
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: _cancel_other,
        CommandType.COMMAND_TYPE_RECORD_MARKER: _record_marker,
        CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _upsert,
        CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: _modify,
    }

    # ---- looking ---------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the run has closed."""
        last = EventType.Name(self.events[-1].event_type)
        return last.startswith("EVENT_TYPE_WORKFLOW_EXECUTION_") and not last.endswith(("STARTED", "REQUESTED"))

    @property
    def result(self) -> Any:
        """The run's result."""
        last = self.events[-1]
        assert last.HasField("workflow_execution_completed_event_attributes"), self.notation()
        return CONVERTER.from_payloads(last.workflow_execution_completed_event_attributes.result.payloads)[0]

    @property
    def failure(self) -> Failure:
        """The run's failure."""
        last = self.events[-1]
        assert last.HasField("workflow_execution_failed_event_attributes"), self.notation()
        return last.workflow_execution_failed_event_attributes.failure

    def notation(self, first: int = 1) -> str:
        """History as text, one word and the id for each event; a workflow task is `WFT`."""
        words = (self._word(event) for event in self.events[first - 1 :])
        return " | ".join(word for word in words if word)

    def _word(self, event: HistoryEvent) -> str:
        parts = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_")
        name = "".join(part.capitalize() for part in parts)
        word = _WORDS.get(name, name)
        if name.startswith("Timer"):
            attributes: Any = getattr(event, str(event.WhichOneof("attributes")))
            return f"{word} {attributes.timer_id}"
        if name == "WorkflowExecutionUpdateAccepted":
            return f"UpdateAccepted {event.workflow_execution_update_accepted_event_attributes.protocol_instance_id}"
        if name == "WorkflowExecutionUpdateCompleted":
            return f"UpdateCompleted {event.workflow_execution_update_completed_event_attributes.meta.update_id}"
        if name == "ActivityTaskScheduled":
            scheduled = event.activity_task_scheduled_event_attributes
            return f"ActivityScheduled {scheduled.activity_type.name} {scheduled.activity_id}"
        if name == "MarkerRecorded":
            return f"Marker {event.marker_recorded_event_attributes.marker_name}"
        if name.startswith("ActivityTask"):
            attributes = getattr(event, str(event.WhichOneof("attributes")))
            verb = name.removeprefix("ActivityTask")
            return "" if verb == "Started" else f"Activity{verb} {self._schedules[attributes.scheduled_event_id]}"
        return word
