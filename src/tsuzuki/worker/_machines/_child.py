"""Child workflows: initiated by the workflow, started by the engine, ended by one event.

    CREATED --Initiated--> INITIATED --Started--> STARTED --Completed, Failed, ...--> CLOSED
       |                    |     \\                 |
     cancel               cancel  StartFailed      cancel (a request of its own goes out)
       v                    v        v               v
    CLOSED            CANCEL_WANTED  CLOSED        STARTED
                            |
                         Started: the request goes out now

    with TRY_CANCEL and ABANDON, cancel leads from STARTED to ABANDONED, where events change nothing.

A child that is cancelled in the workflow task that initiated it leaves no trace in history. One cancelled
between the initiation and the start cannot be reached yet: the request follows the start.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import (
    EventType,
    RetryState,
    StartChildWorkflowExecutionFailedCause,
    TimeoutType,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.converter import PayloadDecodeError, PayloadEncodeError, write_headers
from tsuzuki.exceptions import WorkflowAlreadyStartedError
from tsuzuki.workflow import ChildWorkflowCancellationType, ChildWorkflowHandle, name_and_result_type

from .._commands import PendingCommand
from .._loop import WorkflowTask
from .._source import find_source, prefix
from ._child_options import start_command
from ._external_cancel import request_cancel
from ._moves import CANCEL, next_state
from ._operation import outcome_of

if TYPE_CHECKING:
    from .._workflow_run import WorkflowRun

INITIATED: Final = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
START_FAILED: Final = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED
STARTED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
COMPLETED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED
CANCELED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED
TIMED_OUT: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT
TERMINATED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED

_ALREADY_EXISTS: Final = (
    StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
)
_NOT_RETRYABLE: Final = RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
_GO_ON_AT_ONCE: Final = (ChildWorkflowCancellationType.ABANDON, ChildWorkflowCancellationType.TRY_CANCEL)


class ChildState(StrEnum):
    """Where a child stands, as its parent sees it."""

    CREATED = "created"
    INITIATED = "initiated"
    CANCEL_WANTED = "cancel wanted"
    STARTED = "started"
    CLOSED = "closed"
    ABANDONED = "abandoned"


_ENDS: Final = (COMPLETED, FAILED, CANCELED, TIMED_OUT, TERMINATED)

CHILD_MOVES: Final[Mapping[tuple[ChildState, int], ChildState]] = {
    (ChildState.CREATED, INITIATED): ChildState.INITIATED,
    (ChildState.CREATED, CANCEL): ChildState.CLOSED,
    (ChildState.INITIATED, STARTED): ChildState.STARTED,
    (ChildState.INITIATED, START_FAILED): ChildState.CLOSED,
    (ChildState.INITIATED, CANCEL): ChildState.CANCEL_WANTED,
    (ChildState.CANCEL_WANTED, STARTED): ChildState.STARTED,
    (ChildState.CANCEL_WANTED, START_FAILED): ChildState.CLOSED,
    (ChildState.CANCEL_WANTED, CANCEL): ChildState.CANCEL_WANTED,
    **{(ChildState.STARTED, end): ChildState.CLOSED for end in _ENDS},
    (ChildState.STARTED, CANCEL): ChildState.STARTED,
    (ChildState.CLOSED, CANCEL): ChildState.CLOSED,  # history was faster
    **{(ChildState.ABANDONED, end): ChildState.ABANDONED for end in _ENDS},
    (ChildState.ABANDONED, CANCEL): ChildState.ABANDONED,
}


class RunningChild(ChildWorkflowHandle[Any], WorkflowTask[Any]):
    """What `start_child_workflow` returns: a task that waits for the machine's result."""

    __slots__ = ("_machine",)

    def __init__(self, run: WorkflowRun, machine: ChildMachine) -> None:
        self._machine = machine
        WorkflowTask.__init__(self, machine.wait(run), run.loop, f"child: {machine.name}", contextvars.copy_context())
        run.loop.keep(self)

    @property
    def id(self) -> str:
        return self._machine.workflow_id

    @property
    def first_execution_run_id(self) -> str | None:
        return self._machine.run_id or None


class ChildMachine:
    """One child."""

    __slots__ = (
        "cancel_reason",
        "cancellation_type",
        "command",
        "initiated_event_id",
        "name",
        "namespace",
        "result_hint",
        "result_known",
        "run_id",
        "start_known",
        "started_event_id",
        "state",
        "workflow_id",
    )

    def __init__(
        self,
        run: WorkflowRun,
        name: str,
        workflow_id: str,
        result_hint: Any,
        cancellation_type: ChildWorkflowCancellationType,
    ) -> None:
        self.namespace = run.namespace
        self.name = name
        self.workflow_id = workflow_id
        self.result_hint = result_hint
        self.cancellation_type = cancellation_type
        self.run_id = ""
        self.initiated_event_id = 0
        self.started_event_id = 0
        self.cancel_reason = ""
        self.state = ChildState.CREATED
        self.command: PendingCommand | None = None
        self.start_known: asyncio.Future[None] = run.loop.create_future()
        self.result_known: asyncio.Future[Any] = run.loop.create_future()

    def move(self, event_type: int) -> None:
        """Take an event or a cancellation."""
        self.state = next_state(CHILD_MOVES, self.state, event_type, f"child workflow {self.workflow_id!r}")

    def recorded(self, run: WorkflowRun, event: HistoryEvent) -> str | None:
        """Take StartChildWorkflowExecutionInitiated."""
        initiated = event.start_child_workflow_execution_initiated_event_attributes
        if initiated.workflow_id != self.workflow_id or initiated.workflow_type.name != self.name:
            return self.describe(event.event_type)
        self.move(event.event_type)
        self.initiated_event_id = event.event_id
        self.command = None
        run.by_event[event.event_id] = self
        return None

    def describe(self, event_type: int) -> str:
        """Return the command in words."""
        return f"StartChildWorkflowExecution {self.name!r} (workflow {self.workflow_id!r})"

    def forget(self) -> None:
        """Let go of the command."""
        self.command = None

    async def wait(self, run: WorkflowRun) -> Any:
        """The body of the handle: wait for the result."""
        return await outcome_of(run, self.result_known, lambda reason: self.request_cancel(run, reason))

    def request_cancel(self, run: WorkflowRun, reason: str) -> None:
        """Cancel the child; what that means depends on its `cancellation_type` and on where it stands."""
        before = self.state
        self.move(CANCEL)
        if before is ChildState.CREATED:
            assert self.command is not None
            run.commands.remove(self.command)
            self.command = None
            run.follow_up_jobs.append((self._end, run, self._cancelled_before_start(reason)))
        elif before is ChildState.INITIATED:
            self.cancel_reason = reason
        elif before is ChildState.STARTED:
            self._cancel_started(run, reason)

    def _cancel_started(self, run: WorkflowRun, reason: str) -> None:
        if self.cancellation_type is not ChildWorkflowCancellationType.ABANDON:
            request_cancel(run, self.workflow_id, self.run_id, reason, child=True, answered=None)
        if self.cancellation_type in _GO_ON_AT_ONCE:
            self.state = ChildState.ABANDONED
            run.follow_up_jobs.append((self._end, run, self.cancelled_failure()))

    # ---- outcomes --------------------------------------------------------------------------------------

    def start(self, run: WorkflowRun, cancel_wanted: bool) -> None:
        """Job: the child has been started."""
        if not self.start_known.done():
            self.start_known.set_result(None)
        if cancel_wanted:
            self._cancel_started(run, self.cancel_reason)

    def refuse_start(self, run: WorkflowRun, cause: int) -> None:
        """Job: the child could not be started."""
        if cause == _ALREADY_EXISTS:
            self._resolve(WorkflowAlreadyStartedError(self.workflow_id, self.name))
            return
        kind = StartChildWorkflowExecutionFailedCause.Name(cause)  # type: ignore[arg-type]
        why = Failure(message=kind.removeprefix("START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_"))
        why.server_failure_info.SetInParent()
        self._end(run, self.failure("Child Workflow could not be started", why, _NOT_RETRYABLE))

    def complete(self, run: WorkflowRun, result: Payloads) -> None:
        """Job: resolve with a result."""
        if self.state is ChildState.ABANDONED or self.result_known.done():
            return
        self.result_known.set_result(self._decode(run, result))

    def _decode(self, run: WorkflowRun, result: Payloads) -> Any:
        if not result.payloads:
            return None
        try:
            return run.payload_converter.from_payloads(result.payloads, (self.result_hint,))[0]
        except PayloadDecodeError as error:
            raise PayloadDecodeError(
                f"the result of child workflow {self.name!r} ({self.workflow_id!r}) "
                f"{str(error).removeprefix('value 0 ')}",
                position=0,
                type_hint=error.type_hint,
                encoding=error.encoding,
            ) from error

    def fail(self, run: WorkflowRun, failure: Failure) -> None:
        """Job: resolve with a `ChildWorkflowError`, unless the parent has gone on."""
        if self.state is not ChildState.ABANDONED:
            self._end(run, failure)

    def _end(self, run: WorkflowRun, failure: Failure) -> None:
        self._resolve(run.failure_converter.from_failure(failure, run.payload_converter))

    def _resolve(self, error: BaseException) -> None:
        if self.start_known.done():
            if not self.result_known.done():
                self.result_known.set_exception(error)
        else:
            self.start_known.set_exception(error)
            self.result_known.set_result(None)  # nobody has the handle

    def failure(self, message: str, cause: Failure | None, retry_state: int) -> Failure:
        """Build the failure that stands for this child's end."""
        failure = Failure(message=message, cause=cause)
        info = failure.child_workflow_execution_failure_info
        info.namespace = self.namespace
        info.workflow_type.name = self.name
        info.workflow_execution.workflow_id = self.workflow_id
        info.workflow_execution.run_id = self.run_id
        info.initiated_event_id = self.initiated_event_id
        info.started_event_id = self.started_event_id
        info.retry_state = retry_state  # type: ignore[assignment]
        return failure

    def cancelled_failure(self) -> Failure:
        """Build the failure that stands for this child's cancellation."""
        cause = Failure()
        cause.canceled_failure_info.SetInParent()
        return self.failure("Child Workflow execution cancelled", cause, _NOT_RETRYABLE)

    def _cancelled_before_start(self, reason: str) -> Failure:
        failure = self.cancelled_failure()
        failure.message = f"Child Workflow Execution cancelled before scheduled: {reason}"
        return failure


async def start_child(
    run: WorkflowRun,
    workflow: Any,
    args: Sequence[Any],
    result_type: Any,
    options: Mapping[str, Any],
    headers: Mapping[str, Payload] | None = None,
) -> RunningChild:
    """Produce StartChildWorkflowExecution and wait until the child has been started."""
    name, result_hint = name_and_result_type(workflow)
    workflow_id = options.get("id") or str(new_id(run))
    message: Command | None = start_command(name, workflow_id, run.task_queue, options, run.payload_converter)
    machine = ChildMachine(
        run,
        name,
        workflow_id,
        result_hint if result_type is None else result_type,
        options.get("cancellation_type", ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED),
    )
    source = find_source()
    if run.replaying:
        message = None
    else:
        assert message is not None
        attributes = message.start_child_workflow_execution_command_attributes
        attributes.namespace = run.namespace
        if headers:
            write_headers(headers, attributes.header)
        if args:
            try:
                attributes.input.payloads.extend(run.payload_converter.to_payloads(args))
            except PayloadEncodeError as error:
                raise PayloadEncodeError(
                    f"{prefix(source)}argument number {error.position + 1} of child workflow {name!r}: {error}",
                    position=error.position,
                    value_type=error.value_type,
                    path=error.path,
                ) from error
    machine.command = PendingCommand(INITIATED, machine, message, source)
    handle = RunningChild(run, machine)
    run.commands.append(machine.command)
    await outcome_of(
        run, machine.start_known, lambda reason: machine.request_cancel(run, reason), leave_with_workflow=True
    )
    return handle


def new_id(run: WorkflowRun) -> uuid.UUID:
    """Make up a workflow id, the same on every replay."""
    return uuid.UUID(bytes=run.random.getrandbits(128).to_bytes(16, "big"), version=4)


# ---- events ----------------------------------------------------------------------------------------------


def _machine_of(run: WorkflowRun, event: HistoryEvent, initiated_event_id: int, *, last: bool) -> ChildMachine:
    machine = (run.by_event.pop if last else run.by_event.get)(initiated_event_id, None)
    if not isinstance(machine, ChildMachine):
        run.refuse_event(event)
    return machine


def _on_started(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_started_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=False)
    cancel_wanted = machine.state is ChildState.CANCEL_WANTED
    machine.move(event.event_type)
    machine.started_event_id = event.event_id
    machine.run_id = attributes.workflow_execution.run_id
    run.jobs.append((machine.start, run, cancel_wanted))


def _on_start_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.start_child_workflow_execution_failed_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    run.jobs.append((machine.refuse_start, run, attributes.cause))


def _on_completed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_completed_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    run.jobs.append((machine.complete, run, attributes.result))


def _on_failed(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_failed_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    failure = machine.failure("Child Workflow execution failed", attributes.failure, attributes.retry_state)
    run.jobs.append((machine.fail, run, failure))


def _on_canceled(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_canceled_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    run.jobs.append((machine.fail, run, machine.cancelled_failure()))


def _on_timed_out(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_timed_out_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    cause = Failure(message="Timed out")
    cause.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    failure = machine.failure("Child Workflow execution timed out", cause, attributes.retry_state)
    run.jobs.append((machine.fail, run, failure))


def _on_terminated(run: WorkflowRun, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_terminated_event_attributes
    machine = _machine_of(run, event, attributes.initiated_event_id, last=True)
    machine.move(event.event_type)
    cause = Failure(message="Terminated")
    cause.terminated_failure_info.SetInParent()
    run.jobs.append((machine.fail, run, machine.failure("Child Workflow execution terminated", cause, _NOT_RETRYABLE)))


EVENTS: Final = {
    STARTED: _on_started,
    START_FAILED: _on_start_failed,
    COMPLETED: _on_completed,
    FAILED: _on_failed,
    CANCELED: _on_canceled,
    TIMED_OUT: _on_timed_out,
    TERMINATED: _on_terminated,
}
COMMAND_EVENTS: Final = frozenset((INITIATED,))


def _describe_initiated(event: HistoryEvent) -> str:
    attributes = event.start_child_workflow_execution_initiated_event_attributes
    name = attributes.workflow_type.name
    return f"StartChildWorkflowExecutionInitiated {name!r} (workflow {attributes.workflow_id!r})"


DESCRIPTIONS: Final = {INITIATED: _describe_initiated}
