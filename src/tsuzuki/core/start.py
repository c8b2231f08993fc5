"""The start of a run: by a client, or as the successor of a run that retries or continues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest

from . import cron, retry
from .apply import applies
from .caller import sign
from .limits import check_id, too_large
from .links import attach, check_links
from .priority import inherited, is_given
from .refusal import InvalidInput
from .search_attributes import Kinds, check_search_attributes
from .signal import signal
from .times import NEVER, duration_ns, in_words, set_duration, set_time, time_ns
from .wake import WakeKind
from .workflow_task import NORMAL, end_delay, schedule

if TYPE_CHECKING:
    from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

    from .execution import Execution
    from .limits import Limits
    from .outgoing import StartChild

STARTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED


@applies(STARTED)
def apply_started(run: Execution, event: HistoryEvent) -> None:
    attributes = event.workflow_execution_started_event_attributes
    run.started = attributes
    if event.HasField("user_metadata"):
        run.user_metadata = event.user_metadata
    run.started_ns = time_ns(event.event_time)
    run.workflow_type = attributes.workflow_type.name
    run.task_queue = attributes.task_queue.name
    if attributes.HasField("parent_workflow_execution"):
        run.parent_workflow_id = attributes.parent_workflow_execution.workflow_id
        run.parent_run_id = attributes.parent_workflow_execution.run_id
    run.workflow_task_timeout_ns = duration_ns(attributes.workflow_task_timeout)
    if attributes.HasField("priority") and is_given(attributes.priority):
        run.priority = attributes.priority
    if attributes.HasField("memo"):
        run.memo = attributes.memo
    if attributes.HasField("search_attributes"):  # else there is nothing to index
        run.search_attributes = attributes.search_attributes
    backoff_ns = duration_ns(attributes.first_workflow_task_backoff)
    run.execution_ns = run.started_ns + backoff_ns
    if backoff_ns:
        run.first_workflow_task_pending = True
        run.wake_at(WakeKind.FIRST_WORKFLOW_TASK, run.execution_ns)
    run.run_timeout_ns = duration_ns(attributes.workflow_run_timeout)
    if (timeout_ns := times_out_ns(run)) < NEVER:
        run.wake_at(WakeKind.TIMEOUT, timeout_ns)


def times_out_ns(run: Execution) -> int:
    """When the run times out, or NEVER; if it was reset, when it would have."""
    timeout_ns = run.execution_ns + run.run_timeout_ns if run.run_timeout_ns else NEVER
    if run.started.HasField("workflow_execution_expiration_time"):
        timeout_ns = min(timeout_ns, time_ns(run.started.workflow_execution_expiration_time))
    return timeout_ns


def check_request(request: StartWorkflowExecutionRequest, limits: Limits, now_ns: int, kinds: Kinds) -> None:
    """Refuse a start that no state would accept.

    Raises:
        InvalidInput: It names the field, the value and what was expected.
    """
    check_id("the workflow id", request.workflow_id, limits)
    check_id("the workflow type", request.workflow_type.name, limits)
    check_id("the task queue", request.task_queue.name, limits)
    if len(request.request_id) > limits.id_characters_max:
        check_id("the request id", request.request_id, limits)
    size = request.input.ByteSize()
    if size > limits.payload_bytes_max:
        what = f"the input of workflow '{request.workflow_id}'"
        raise InvalidInput(too_large(what, size, limits.payload_bytes_max))
    if request.HasField("memo") and (size := request.memo.ByteSize()) > limits.memo_bytes_max:
        raise InvalidInput(too_large(f"the memo of workflow '{request.workflow_id}'", size, limits.memo_bytes_max))
    if request.HasField("search_attributes"):
        check_search_attributes(request.search_attributes, kinds, limits)
    check_links(request.links)
    if request.completion_callbacks:
        raise InvalidInput("completion_callbacks are not offered here; leave them out, and wait for the result.")
    if request.HasField("on_conflict_options"):
        attached = request.on_conflict_options
        if attached.attach_completion_callbacks and not attached.attach_request_id:
            raise InvalidInput(
                "attaching request ID is required for attaching completion callbacks; set attach_request_id"
            )
    for name, value in zip(_DURATIONS, _durations_ns(request), strict=True):
        if value < 0:
            raise InvalidInput(f"{name} is {in_words(value)}; expected more than 0, or nothing.")
    if request.HasField("retry_policy"):
        retry.normalize(request.retry_policy, RetryPolicy())
    if request.cron_schedule:
        if duration_ns(request.workflow_start_delay):
            raise InvalidInput("cron_schedule and workflow_start_delay are both given; a schedule says itself when.")
        cron.check(request.cron_schedule, now_ns)


_DURATIONS: Final = (
    "workflow_execution_timeout",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "workflow_start_delay",
)


def _durations_ns(request: StartWorkflowExecutionRequest) -> list[int]:
    """Those of `_DURATIONS`, 0 for what was left out: to ask for it first costs less than to read an absent one."""
    return [duration_ns(getattr(request, name)) if request.HasField(name) else 0 for name in _DURATIONS]


def start(
    run: Execution,
    request: StartWorkflowExecutionRequest,
    now_ns: int,
    limits: Limits,
    signalled: SignalWorkflowExecutionRequest | None = None,
    *,
    eager: bool = False,
) -> None:
    """Record the start that a client asked for, and the signal that came with it; `check_request` has passed.

    `eager` if the caller may have the first workflow task with the answer, so that nobody else is offered it; history
    says whether there is one now.
    """
    event = run.event(STARTED, now_ns)
    attributes = event.workflow_execution_started_event_attributes
    attributes.workflow_type.name = request.workflow_type.name
    queue = attributes.task_queue
    queue.name = request.task_queue.name
    queue.kind = NORMAL
    if request.HasField("input"):
        attributes.input.CopyFrom(request.input)
    execution_ns, run_ns, task_ns, delay_ns = _durations_ns(request)
    if request.HasField("workflow_execution_timeout"):  # what a client says is recorded, zero too
        set_duration(attributes.workflow_execution_timeout, execution_ns)
    if execution_ns:
        set_time(attributes.workflow_execution_expiration_time, now_ns + execution_ns)  # a start delay counts too
        run_ns = min(run_ns or execution_ns, execution_ns)
    if run_ns or request.HasField("workflow_run_timeout"):
        set_duration(attributes.workflow_run_timeout, run_ns)
    task_ns = min(
        task_ns or limits.workflow_task_timeout_default_ns, limits.workflow_task_timeout_max_ns, run_ns or NEVER
    )
    set_duration(attributes.workflow_task_timeout, task_ns)
    attributes.original_execution_run_id = run.run_id
    attributes.first_execution_run_id = run.run_id
    attributes.identity = request.identity
    attributes.attempt = 1
    attributes.workflow_id = run.workflow_id
    if request.HasField("retry_policy"):
        retry.normalize(request.retry_policy, attributes.retry_policy)
    if request.cron_schedule:
        delay_ns = _put_on_schedule(attributes, request.cron_schedule, now_ns)
    set_duration(attributes.first_workflow_task_backoff, delay_ns)
    if eager and not delay_ns:
        attributes.eager_execution_accepted = True
    if request.HasField("memo") and request.memo.fields:
        attributes.memo.CopyFrom(request.memo)
    if request.HasField("last_completion_result"):
        attributes.last_completion_result.CopyFrom(request.last_completion_result)
    if request.HasField("continued_failure"):
        attributes.continued_failure.CopyFrom(request.continued_failure)
    if request.HasField("search_attributes") and request.search_attributes.indexed_fields:
        attributes.search_attributes.CopyFrom(request.search_attributes)
    if request.HasField("header"):
        attributes.header.CopyFrom(request.header)
    if request.HasField("priority"):
        attributes.priority.CopyFrom(request.priority)
    if request.HasField("user_metadata"):
        event.user_metadata.CopyFrom(request.user_metadata)
    attach(event, request.links)
    sign(event, run.caller)
    run.record(event)
    if signalled is not None:
        signal(run, signalled, now_ns, limits)
    elif not delay_ns:
        schedule(run, now_ns)
        if eager:
            run.ready_workflow_task = False


def _put_on_schedule(attributes: WorkflowExecutionStartedEventAttributes, schedule: str, now_ns: int) -> int:
    """The start belongs to a cron schedule; gives its back-off."""
    attributes.cron_schedule = schedule
    attributes.initiator = ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    return cron.backoff_ns(schedule, now_ns, now_ns) or 0


def start_child(child: Execution, parent: Execution, outgoing: StartChild, now_ns: int, limits: Limits) -> None:
    """Record the start that a parent asked for; its command was checked."""
    asked = outgoing.asked
    event = child.event(STARTED, now_ns)
    attributes = event.workflow_execution_started_event_attributes
    attributes.workflow_type.name = asked.workflow_type.name
    attributes.parent_workflow_namespace = parent.namespace
    attributes.parent_workflow_execution.workflow_id = parent.workflow_id
    attributes.parent_workflow_execution.run_id = parent.run_id
    attributes.parent_initiated_event_id = outgoing.initiated_event_id
    root = parent.started.root_workflow_execution
    attributes.root_workflow_execution.workflow_id = root.workflow_id or parent.workflow_id
    attributes.root_workflow_execution.run_id = root.run_id or parent.run_id
    attributes.task_queue.name = asked.task_queue.name
    attributes.task_queue.kind = NORMAL
    for name in ("input", "header", "memo", "search_attributes", "retry_policy"):
        if asked.HasField(name):
            getattr(attributes, name).CopyFrom(getattr(asked, name))
    priority = inherited(asked.priority, parent.priority)
    if is_given(priority):
        attributes.priority.CopyFrom(priority)
    execution_ns = duration_ns(asked.workflow_execution_timeout)
    if execution_ns:
        set_duration(attributes.workflow_execution_timeout, execution_ns)
        set_time(attributes.workflow_execution_expiration_time, now_ns + execution_ns)
    attributes.workflow_run_timeout.CopyFrom(asked.workflow_run_timeout)
    delay_ns = _put_on_schedule(attributes, asked.cron_schedule, now_ns) if asked.cron_schedule else 0
    set_duration(attributes.first_workflow_task_backoff, delay_ns)
    task_ns = duration_ns(asked.workflow_task_timeout) or limits.workflow_task_timeout_default_ns
    set_duration(attributes.workflow_task_timeout, min(task_ns, limits.workflow_task_timeout_max_ns))
    attributes.original_execution_run_id = child.run_id
    attributes.first_execution_run_id = child.run_id
    attributes.attempt = 1
    attributes.workflow_id = child.workflow_id
    if outgoing.metadata is not None:
        event.user_metadata.CopyFrom(outgoing.metadata)
    child.record(event)
    if not delay_ns:
        schedule(child, now_ns)


def succeed(successor: Execution, attributes: WorkflowExecutionStartedEventAttributes, now_ns: int) -> None:
    """Record the start of a run that continues another one."""
    event = successor.event(STARTED, now_ns)
    event.workflow_execution_started_event_attributes.CopyFrom(attributes)
    successor.record(event)
    if not duration_ns(attributes.first_workflow_task_backoff):
        schedule(successor, now_ns)


def first_workflow_task_due(run: Execution, now_ns: int) -> None:
    """The start delay or back-off is over."""
    end_delay(run, now_ns)
