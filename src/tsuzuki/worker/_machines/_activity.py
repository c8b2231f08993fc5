"""Activities: scheduled by the workflow, run by some worker, ended by one event.

    CREATED --Scheduled--> SCHEDULED --Started--> STARTED --Completed, Failed, TimedOut--> CLOSED
       |                       |  \\                 |
     cancel                    |   TimedOut        cancel
       v                     cancel                  |
    CLOSED                     v                     v
                             CANCELLING --CancelRequested--> CANCEL_REQUESTED --any end--> CLOSED

    with ABANDON, cancel leads from SCHEDULED and STARTED to ABANDONED, where events change nothing.

An activity that is cancelled in the workflow task that scheduled it leaves no trace in history. With
TRY_CANCEL and ABANDON the workflow goes on at once, in the same workflow task; whatever happens to the
activity afterwards is recorded and ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType, EventType, RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.activity import definition_of, name_and_result_type
from tsuzuki.converter import PayloadDecodeError, PayloadEncodeError, write_headers
from tsuzuki.workflow import ActivityCancellationType

from .._commands import PendingCommand
from .._source import find_source, prefix
from ._activity_handle import RunningActivity
from ._activity_options import schedule_template
from ._moves import CANCEL, next_state

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

SCHEDULED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
STARTED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
COMPLETED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
TIMED_OUT: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
CANCELED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
CANCEL_REQUESTED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED


_CALLER_OF_RUNTIME: Final = 3
"""Behind `start_activity` here, and that of the runtime or of the interceptors: as a rule the public function."""


class ActivityState(StrEnum):
    """Where an activity stands, as the workflow sees it."""

    CREATED = "created"
    SCHEDULED = "scheduled"
    STARTED = "started"
    CANCELLING = "cancelling"
    CANCEL_REQUESTED = "cancel requested"
    CLOSED = "closed"
    ABANDONED = "abandoned"


ACTIVITY_MOVES: Final[Mapping[tuple[ActivityState, int], ActivityState]] = {
    (ActivityState.CREATED, SCHEDULED): ActivityState.SCHEDULED,
    (ActivityState.CREATED, CANCEL): ActivityState.CLOSED,
    (ActivityState.SCHEDULED, STARTED): ActivityState.STARTED,
    (ActivityState.SCHEDULED, TIMED_OUT): ActivityState.CLOSED,
    (ActivityState.SCHEDULED, CANCEL): ActivityState.CANCELLING,
    (ActivityState.STARTED, COMPLETED): ActivityState.CLOSED,
    (ActivityState.STARTED, FAILED): ActivityState.CLOSED,
    (ActivityState.STARTED, TIMED_OUT): ActivityState.CLOSED,
    (ActivityState.STARTED, CANCEL): ActivityState.CANCELLING,
    (ActivityState.CANCELLING, CANCEL_REQUESTED): ActivityState.CANCEL_REQUESTED,
    (ActivityState.CANCELLING, CANCEL): ActivityState.CANCELLING,
    (ActivityState.CANCEL_REQUESTED, STARTED): ActivityState.CANCEL_REQUESTED,
    (ActivityState.CANCEL_REQUESTED, COMPLETED): ActivityState.CLOSED,
    (ActivityState.CANCEL_REQUESTED, FAILED): ActivityState.CLOSED,
    (ActivityState.CANCEL_REQUESTED, TIMED_OUT): ActivityState.CLOSED,
    (ActivityState.CANCEL_REQUESTED, CANCELED): ActivityState.CLOSED,
    (ActivityState.CANCEL_REQUESTED, CANCEL): ActivityState.CANCEL_REQUESTED,
    (ActivityState.CLOSED, CANCEL): ActivityState.CLOSED,  # history was faster
    (ActivityState.ABANDONED, STARTED): ActivityState.ABANDONED,
    (ActivityState.ABANDONED, COMPLETED): ActivityState.ABANDONED,
    (ActivityState.ABANDONED, FAILED): ActivityState.ABANDONED,
    (ActivityState.ABANDONED, TIMED_OUT): ActivityState.ABANDONED,
    (ActivityState.ABANDONED, CANCELED): ActivityState.ABANDONED,
    (ActivityState.ABANDONED, CANCEL): ActivityState.ABANDONED,
}


class ActivityMachine:
    """One activity."""

    __slots__ = (
        "activity_id",
        "cancellation_type",
        "command",
        "handle",
        "name",
        "result_hint",
        "scheduled_event_id",
        "started_event_id",
        "state",
    )

    def __init__(
        self, activity_id: str, name: str, result_hint: Any, cancellation_type: ActivityCancellationType
    ) -> None:
        self.activity_id = activity_id
        self.name = name
        self.result_hint = result_hint
        self.cancellation_type = cancellation_type
        self.state = ActivityState.CREATED
        self.scheduled_event_id = 0
        self.started_event_id = 0
        self.command: PendingCommand | None = None
        self.handle: RunningActivity | None = None

    def move(self, event_type: int) -> None:
        """Take an event or a cancellation."""
        self.state = next_state(ACTIVITY_MOVES, self.state, event_type, f"activity {self.activity_id}")

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take ActivityTaskScheduled or ActivityTaskCancelRequested."""
        event_type = event.event_type
        if event_type == SCHEDULED:
            attributes = event.activity_task_scheduled_event_attributes
            if attributes.activity_id != self.activity_id or attributes.activity_type.name != self.name:
                return self.describe(event_type)
            self.scheduled_event_id = event.event_id
            run.by_event[event.event_id] = self
            self.command = None
        else:
            cancel_requested = event.activity_task_cancel_requested_event_attributes
            if cancel_requested.scheduled_event_id != self.scheduled_event_id:
                return self.describe(event_type)
        self.state = ACTIVITY_MOVES.get((self.state, event_type)) or self._refuse(event_type)
        return None

    def _refuse(self, event_type: int) -> ActivityState:
        return next_state(ACTIVITY_MOVES, self.state, event_type, f"activity {self.activity_id}")

    def forget(self) -> None:
        """Let go of the handle and the command."""
        if self.handle is not None:
            self.handle.let_go()
        self.handle = self.command = None

    def describe(self, event_type: int) -> str:
        """Return the command that leads to this type of event, in words."""
        if event_type == CANCEL_REQUESTED:
            return f"RequestCancelActivityTask {self.name!r} (activity {self.activity_id})"
        return f"ScheduleActivityTask {self.name!r} (activity {self.activity_id})"

    def request_cancel(self, run: WorkflowRun) -> None:
        """Cancel the activity; what that means depends on its `cancellation_type` and on where it stands."""
        before = self.state
        abandon = self.cancellation_type is ActivityCancellationType.ABANDON
        if abandon and before in (ActivityState.SCHEDULED, ActivityState.STARTED):
            self.state = ActivityState.ABANDONED
            run.follow_up_jobs.append((self._resolve_cancelled, run))
            return
        self.move(CANCEL)
        if before is ActivityState.CREATED:
            assert self.command is not None
            run.commands.remove(self.command)
            self.command = None
            run.follow_up_jobs.append((self._resolve_cancelled, run))
        elif before in (ActivityState.SCHEDULED, ActivityState.STARTED):
            run.commands.append(PendingCommand(CANCEL_REQUESTED, self, self._cancel_message(run), find_source()))
            if self.cancellation_type is ActivityCancellationType.TRY_CANCEL:
                run.follow_up_jobs.append((self._resolve_cancelled, run))

    def _cancel_message(self, run: WorkflowRun) -> Command | None:
        if run.replaying:
            return None
        message = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK)
        message.request_cancel_activity_task_command_attributes.scheduled_event_id = self.scheduled_event_id
        return message

    # ---- outcomes --------------------------------------------------------------------------------------

    def complete(self, run: WorkflowRun, result: Payloads) -> None:
        """Resolve with a result."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.resolve(decode_result(run, result, self.result_hint, self.name, self.activity_id), None)

    def fail(self, run: WorkflowRun, failure: Failure) -> None:
        """Resolve with an `ActivityError`."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.resolve(None, run.failure_converter.from_failure(failure, run.payload_converter))

    def failure(self, message: str, cause: Failure, retry_state: int, identity: str = "") -> Failure:
        """Build the failure that stands for this activity's end."""
        failure = Failure(message=message, cause=cause)
        info = failure.activity_failure_info
        info.scheduled_event_id = self.scheduled_event_id
        info.started_event_id = self.started_event_id
        info.identity = identity
        info.activity_type.name = self.name
        info.activity_id = self.activity_id
        info.retry_state = retry_state  # type: ignore[assignment]
        return failure

    def cancelled_failure(self, details: Sequence[Payload] = (), identity: str = "") -> Failure:
        """Build the failure that stands for this activity's cancellation."""
        cause = Failure()
        cause.canceled_failure_info.SetInParent()
        if details:
            cause.canceled_failure_info.details.payloads.extend(details)
        state = RetryState.RETRY_STATE_CANCEL_REQUESTED
        return self.failure("Activity cancelled", cause, state, identity)

    def _resolve_cancelled(self, run: WorkflowRun) -> None:
        failure = self.cancelled_failure()
        # No event stands behind this one, and the official SDK names none.
        failure.activity_failure_info.scheduled_event_id = 0
        failure.activity_failure_info.started_event_id = 0
        self.fail(run, failure)


def decode_result(run: WorkflowRun, result: Payloads, result_hint: Any, name: str, activity_id: str) -> Any:
    """Decode what an activity returned, as the type that its caller expects.

    Raises:
        PayloadDecodeError: It is of another type.
    """
    if not result.payloads:
        return None
    try:
        return run.payload_converter.from_payloads(result.payloads, (result_hint,))[0]
    except PayloadDecodeError as error:
        raise PayloadDecodeError(
            f"the result of activity {name!r} (activity {activity_id}) {_after_position(error)}",
            position=0,
            type_hint=error.type_hint,
            encoding=error.encoding,
        ) from error


def _after_position(error: Exception) -> str:
    """What a converter's error says, without its "value 0"."""
    return str(error).removeprefix("value 0 ")


def start_activity(
    run: WorkflowRun,
    activity: Any,
    args: Sequence[Any],
    result_type: Any,
    options: Mapping[str, Any],
    headers: Mapping[str, Payload] | None = None,
) -> RunningActivity:
    """Produce ScheduleActivityTask and return its handle."""
    name, result_hint = name_and_result_type(activity)
    template = schedule_template(name, run.task_queue, options)
    run.activity_count = count = run.activity_count + 1
    machine = ActivityMachine(
        options.get("activity_id") or str(count),
        name,
        result_hint if result_type is None else result_type,
        options.get("cancellation_type", ActivityCancellationType.TRY_CANCEL),
    )
    source = find_source(_CALLER_OF_RUNTIME)
    message: Command | None = None
    if not run.replaying:
        message = Command()
        message.CopyFrom(template)
        attributes = message.schedule_activity_task_command_attributes
        attributes.activity_id = machine.activity_id
        if headers:
            write_headers(headers, attributes.header)
        if args:
            try:
                run.payload_converter.write_payloads(args, attributes.input)
            except PayloadEncodeError as error:
                raise argument_error(activity, name, error, source) from error
        summary = options.get("summary")
        if summary:
            message.user_metadata.summary.CopyFrom(run.payload_converter.to_payload(summary))
    machine.command = PendingCommand(SCHEDULED, machine, message, source)
    run.commands.append(machine.command)
    machine.handle = handle = RunningActivity(run, machine)
    return handle


def argument_error(activity: Any, name: str, error: PayloadEncodeError, source: object) -> PayloadEncodeError:
    """Say which argument of an activity cannot be encoded."""
    position = error.position
    parameters = () if isinstance(activity, str) else definition_of(activity).signature.parameters
    argument = repr(parameters[position]) if position < len(parameters) else f"number {position + 1}"
    return PayloadEncodeError(
        f"{prefix(source)}argument {argument} of activity {name!r}: {error}",
        position=position,
        value_type=error.value_type,
        path=error.path,
    )


# ---- events ----------------------------------------------------------------------------------------------


def _machine_of(run: WorkflowRun, event: HistoryEvent, scheduled_event_id: int, *, last: bool) -> ActivityMachine:
    machine = (run.by_event.pop if last else run.by_event.get)(scheduled_event_id, None)
    if not isinstance(machine, ActivityMachine):
        run.refuse_event(event)
    machine.move(event.event_type)
    return machine


def _on_started(run: WorkflowRun, event: HistoryEvent) -> None:
    scheduled = event.activity_task_started_event_attributes.scheduled_event_id
    _machine_of(run, event, scheduled, last=False).started_event_id = event.event_id


def _on_completed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.activity_task_completed_event_attributes
    machine = _machine_of(run, event, attributes.scheduled_event_id, last=True)
    run.jobs.append((machine.complete, run, attributes.result))


def _on_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.activity_task_failed_event_attributes
    machine = _machine_of(run, event, attributes.scheduled_event_id, last=True)
    failure = machine.failure("Activity task failed", attributes.failure, attributes.retry_state, attributes.identity)
    run.jobs.append((machine.fail, run, failure))


def _on_timed_out(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.activity_task_timed_out_event_attributes
    machine = _machine_of(run, event, attributes.scheduled_event_id, last=True)
    failure = machine.failure("Activity task timed out", attributes.failure, attributes.retry_state)
    run.jobs.append((machine.fail, run, failure))


def _on_canceled(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.activity_task_canceled_event_attributes
    machine = _machine_of(run, event, attributes.scheduled_event_id, last=True)
    failure = machine.cancelled_failure(attributes.details.payloads, attributes.identity)
    run.jobs.append((machine.fail, run, failure))


EVENTS: Final = {
    STARTED: _on_started,
    COMPLETED: _on_completed,
    FAILED: _on_failed,
    TIMED_OUT: _on_timed_out,
    CANCELED: _on_canceled,
}
COMMAND_EVENTS: Final = frozenset((SCHEDULED, CANCEL_REQUESTED))


def _describe_scheduled(event: HistoryEvent) -> str:
    attributes = event.activity_task_scheduled_event_attributes
    return f"ActivityTaskScheduled {attributes.activity_type.name!r} (activity {attributes.activity_id})"


def _describe_cancel_requested(event: HistoryEvent) -> str:
    attributes = event.activity_task_cancel_requested_event_attributes
    return f"ActivityTaskCancelRequested (scheduled by event {attributes.scheduled_event_id})"


DESCRIPTIONS: Final = {SCHEDULED: _describe_scheduled, CANCEL_REQUESTED: _describe_cancel_requested}
