"""Child workflows, as their parent sees them: initiated, started, closed.

Invariant: the start and the end of a child are told to its parent exactly once; a parent that is gone does not
affect the child beyond its parent close policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import (
    CommandType,
    EventType,
    ParentClosePolicy,
    StartChildWorkflowExecutionFailedCause,
    WorkflowIdReusePolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.history.v1 import HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes

from . import cron, retry
from .apply import applies
from .commands import Plan, carries_out
from .limits import check_id, too_large
from .outgoing import CloseChild, StartChild
from .properties import check_in_command
from .refusal import BadCommand, InvalidInput
from .times import duration_ns, set_duration
from .workflow_task import NORMAL, schedule_if_needed

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

INITIATED: Final = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
START_FAILED: Final = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED
STARTED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
COMPLETED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED
FAILED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED
CANCELED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED
TIMED_OUT: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT
TERMINATED: Final = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED
ENDS: Final = frozenset((COMPLETED, FAILED, CANCELED, TIMED_OUT, TERMINATED))

_BAD: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES


class ChildState(IntEnum):
    INITIATED = 1
    STARTED = 2
    CLOSED = 3


CHILD_MOVES: Final[Mapping[tuple[ChildState, int], ChildState]] = {
    (ChildState.INITIATED, START_FAILED): ChildState.CLOSED,
    (ChildState.INITIATED, STARTED): ChildState.STARTED,
    (ChildState.STARTED, COMPLETED): ChildState.CLOSED,
    (ChildState.STARTED, FAILED): ChildState.CLOSED,
    (ChildState.STARTED, CANCELED): ChildState.CLOSED,
    (ChildState.STARTED, TIMED_OUT): ChildState.CLOSED,
    (ChildState.STARTED, TERMINATED): ChildState.CLOSED,
}


@dataclass(slots=True)
class Child:
    """A pending child; one that closed is gone."""

    initiated_event_id: int
    asked: StartChildWorkflowExecutionInitiatedEventAttributes
    state: ChildState = ChildState.INITIATED
    started_event_id: int = 0
    first_run_id: str = ""

    def move(self, event_type: int) -> None:
        self.state = CHILD_MOVES[self.state, event_type]


# ---- what history implies ----------------------------------------------------------------------------


@applies(INITIATED)
def apply_initiated(run: Execution, event: HistoryEvent) -> None:
    asked = event.start_child_workflow_execution_initiated_event_attributes
    run.children[event.event_id] = Child(event.event_id, asked)


@applies(START_FAILED)
def apply_start_failed(run: Execution, event: HistoryEvent) -> None:
    attributes = event.start_child_workflow_execution_failed_event_attributes
    run.children.pop(attributes.initiated_event_id).move(START_FAILED)


@applies(STARTED)
def apply_started(run: Execution, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_started_event_attributes
    child = run.children[attributes.initiated_event_id]
    child.move(STARTED)
    child.started_event_id = event.event_id
    child.first_run_id = attributes.workflow_execution.run_id


_CLOSE_ATTRIBUTES: Final[Mapping[int, str]] = {
    COMPLETED: "child_workflow_execution_completed_event_attributes",
    FAILED: "child_workflow_execution_failed_event_attributes",
    CANCELED: "child_workflow_execution_canceled_event_attributes",
    TIMED_OUT: "child_workflow_execution_timed_out_event_attributes",
    TERMINATED: "child_workflow_execution_terminated_event_attributes",
}


REPORTS: Final = frozenset((START_FAILED, STARTED, *_CLOSE_ATTRIBUTES))
"""What a parent is told of its children."""


def _apply_closed(run: Execution, event: HistoryEvent) -> None:
    attributes = getattr(event, _CLOSE_ATTRIBUTES[event.event_type])
    run.children.pop(attributes.initiated_event_id).move(event.event_type)


for _event_type in _CLOSE_ATTRIBUTES:
    applies(_event_type)(_apply_closed)


# ---- the command -------------------------------------------------------------------------------------


def _check(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked, limits = command.start_child_workflow_execution_command_attributes, moment.limits
    try:
        check_id("the child's workflow id", asked.workflow_id, limits)
        check_id("the child's workflow type", asked.workflow_type.name, limits)
        if asked.HasField("retry_policy"):
            retry.normalize(asked.retry_policy, RetryPolicy())
        cron.check(asked.cron_schedule, moment.now_ns)
    except InvalidInput as error:
        raise BadCommand(_BAD, str(error)) from None
    if asked.namespace and asked.namespace != run.namespace:
        raise BadCommand(_BAD, f"child '{asked.workflow_id}' is in namespace '{asked.namespace}', not in this run's.")
    for name, value in (("the input", asked.input), ("the memo", asked.memo)):
        size = value.ByteSize()
        if size > limits.payload_bytes_max:
            what = f"{name} of child '{asked.workflow_id}'"
            raise BadCommand(_BAD, too_large(what, size, limits.payload_bytes_max), ends_run=True)
    for name in ("workflow_execution_timeout", "workflow_run_timeout", "workflow_task_timeout"):
        if duration_ns(getattr(asked, name)) < 0:
            raise BadCommand(_BAD, f"child '{asked.workflow_id}': {name} is negative; expected 0 or more.")
    check_in_command(asked.search_attributes, run.namespace, moment)
    plan.children.append(asked.workflow_id)
    pending = len(run.children) + len(plan.children)
    if pending > limits.pending_children_max:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
            f"child '{asked.workflow_id}' would be pending child {pending} of this run, the limit is "
            f"{limits.pending_children_max}. Wait for some to finish before starting more.",
        )


@carries_out(CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, _check)
def start_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.start_child_workflow_execution_command_attributes
    event = run.event(INITIATED, moment.now_ns)
    attributes = event.start_child_workflow_execution_initiated_event_attributes
    attributes.namespace = run.namespace
    attributes.workflow_id = asked.workflow_id
    attributes.workflow_type.name = asked.workflow_type.name
    attributes.task_queue.name = asked.task_queue.name or run.task_queue
    attributes.task_queue.kind = NORMAL
    attributes.workflow_task_completed_event_id = completed_event_id
    attributes.parent_close_policy = asked.parent_close_policy or ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
    attributes.workflow_id_reuse_policy = (
        asked.workflow_id_reuse_policy or WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    )
    attributes.control = asked.control
    attributes.cron_schedule = asked.cron_schedule
    attributes.inherit_build_id = asked.inherit_build_id
    _set_timeouts(run, asked, attributes)
    for name in ("input", "header", "memo", "search_attributes", "priority"):
        if asked.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(asked, name))
    if asked.HasField("retry_policy"):
        retry.normalize(asked.retry_policy, attributes.retry_policy)
    if command.HasField("user_metadata"):
        event.user_metadata.CopyFrom(command.user_metadata)
    event_id = run.record(event)
    metadata = event.user_metadata if event.HasField("user_metadata") else None
    run.outgoing.append(StartChild(event_id, attributes, metadata))


def _set_timeouts(run: Execution, asked: Any, attributes: StartChildWorkflowExecutionInitiatedEventAttributes) -> None:
    execution_ns = duration_ns(asked.workflow_execution_timeout)
    run_ns = duration_ns(asked.workflow_run_timeout)
    if execution_ns and run_ns:
        run_ns = min(run_ns, execution_ns)
    if execution_ns:
        set_duration(attributes.workflow_execution_timeout, execution_ns)
    run_ns = run_ns or execution_ns
    set_duration(attributes.workflow_run_timeout, run_ns)
    task_ns = duration_ns(asked.workflow_task_timeout) or run.workflow_task_timeout_ns
    set_duration(attributes.workflow_task_timeout, min(task_ns, run_ns or task_ns))


# ---- what the shell tells the parent -----------------------------------------------------------------


def child_started(run: Execution, asked: StartChild, child_run_id: str, now_ns: int) -> None:
    event = run.event(STARTED, now_ns)
    attributes = event.child_workflow_execution_started_event_attributes
    attributes.namespace = run.namespace
    attributes.initiated_event_id = asked.initiated_event_id
    attributes.workflow_execution.workflow_id = asked.asked.workflow_id
    attributes.workflow_execution.run_id = child_run_id
    attributes.workflow_type.name = asked.asked.workflow_type.name
    if asked.asked.HasField("header"):
        attributes.header.CopyFrom(asked.asked.header)
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def child_start_failed(run: Execution, asked: StartChild, now_ns: int) -> None:
    """The workflow id is taken, and the reuse policy does not allow another run."""
    event = run.event(START_FAILED, now_ns)
    attributes = event.start_child_workflow_execution_failed_event_attributes
    attributes.namespace = run.namespace
    attributes.workflow_id = asked.asked.workflow_id
    attributes.workflow_type.name = asked.asked.workflow_type.name
    attributes.cause = (
        StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
    )
    attributes.control = asked.asked.control
    attributes.initiated_event_id = asked.initiated_event_id
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


_TOLD_AS: Final[Mapping[int, tuple[EventType.ValueType, str, tuple[str, ...]]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: (
        COMPLETED,
        "workflow_execution_completed_event_attributes",
        ("result",),
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: (
        FAILED,
        "workflow_execution_failed_event_attributes",
        ("failure", "retry_state"),
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: (
        CANCELED,
        "workflow_execution_canceled_event_attributes",
        ("details",),
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: (
        TIMED_OUT,
        "workflow_execution_timed_out_event_attributes",
        ("retry_state",),
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: (
        TERMINATED,
        "workflow_execution_terminated_event_attributes",
        (),
    ),
}
"""Close event of the child -> event of the parent, where the facts are, and which of them are told."""


def child_closed(run: Execution, child: Execution, closed: HistoryEvent, now_ns: int) -> None:
    """The child's last run has closed; nothing happens if this parent does not wait for it (any more)."""
    pending = run.children.get(child.started.parent_initiated_event_id)
    if not run.is_open or pending is None or pending.first_run_id != child.started.first_execution_run_id:
        return
    event_type, source_name, told = _TOLD_AS[closed.event_type]
    source = getattr(closed, source_name)
    event = run.event(event_type, now_ns)
    attributes = getattr(event, _CLOSE_ATTRIBUTES[event_type])
    attributes.namespace = child.namespace
    attributes.workflow_execution.workflow_id = child.workflow_id
    attributes.workflow_execution.run_id = child.run_id
    attributes.workflow_type.name = child.workflow_type
    attributes.initiated_event_id = pending.initiated_event_id
    attributes.started_event_id = pending.started_event_id
    for name in told:
        if name == "retry_state":
            attributes.retry_state = source.retry_state
        elif source.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(source, name))
    run.record_or_buffer(event)
    schedule_if_needed(run, now_ns)


def close_children(run: Execution) -> None:
    """The run closes: its pending children get what their parent close policy says."""
    for child in run.children.values():
        policy = child.asked.parent_close_policy
        if child.state == ChildState.STARTED and policy != ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON:
            terminate = policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
            run.outgoing.append(CloseChild(child.asked.workflow_id, child.first_run_id, terminate))
    run.children.clear()
