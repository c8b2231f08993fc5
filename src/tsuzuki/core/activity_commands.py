"""What a workflow task may ask about activities: schedule one, request the cancellation of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.api.command.v1 import Command, ScheduleActivityTaskCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads, RetryPolicy
from temporalio.api.enums.v1 import CommandType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes

from . import retry
from .activity import (
    CANCEL_REQUESTED,
    ENDS,
    SCHEDULED,
    ActivityState,
    cancel_waiting,
    outcome_of,
    watch_deadline,
)
from .commands import Plan, carries_out
from .limits import check_id, too_large
from .refusal import BadCommand, InvalidInput
from .times import duration_ns, in_words, set_duration
from .workflow_task import NORMAL

if TYPE_CHECKING:
    from .execution import Execution
    from .moment import Moment

_BAD_SCHEDULE: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES
_BAD_CANCEL: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES
_NOT_STARTED: Final = Payloads(
    payloads=[Payload(metadata={"encoding": b"json/plain"}, data=b'"ACTIVITY_ID_NOT_STARTED"')]
)
"""The details of a cancelled activity that no worker had, as the real server gives them."""
_DEFAULT_POLICY: Final = RetryPolicy()
retry.normalize(RetryPolicy(), _DEFAULT_POLICY)


def _check_schedule(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    asked, limits = command.schedule_activity_task_command_attributes, moment.limits
    activity_id = asked.activity_id
    try:
        check_id("the activity id", activity_id, limits)
        check_id("the activity type", asked.activity_type.name, limits)
    except InvalidInput as error:
        raise BadCommand(_BAD_SCHEDULE, str(error)) from None
    size = asked.input.ByteSize()
    if size > limits.payload_bytes_max:
        raise BadCommand(
            _BAD_SCHEDULE, too_large(f"the input of {_name(asked)}", size, limits.payload_bytes_max), ends_run=True
        )
    is_pending = activity_id in run.activity_ids and activity_id not in plan.activity_ids_freed
    if is_pending or activity_id in plan.activity_ids:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID,
            f"{_name(asked)}: an activity of that id is already pending in this run; use another id.",
        )
    pending = len(run.activities) - len(plan.activity_ids_freed) + len(plan.activity_ids)
    if pending >= limits.pending_activities_max:
        raise BadCommand(
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED,
            f"{_name(asked)} would be pending activity {pending + 1} of this run, the limit is "
            f"{limits.pending_activities_max}. Wait for some to finish before scheduling more, or spread the work "
            "over child workflows.",
        )
    timeouts = _timeouts_ns(asked)
    for name, value in zip(_TIMEOUTS, timeouts, strict=True):
        if value < 0:
            raise BadCommand(_BAD_SCHEDULE, f"{_name(asked)}: {name} is {in_words(value)}; expected 0 or more.")
    whole_ns, _, attempt_ns, _ = timeouts
    if not whole_ns and not attempt_ns:
        raise BadCommand(
            _BAD_SCHEDULE,
            f"{_name(asked)} has neither start_to_close_timeout nor schedule_to_close_timeout; set at least one, so "
            "that a lost attempt is noticed.",
        )
    if asked.HasField("retry_policy"):
        try:
            retry.normalize(asked.retry_policy, RetryPolicy())
        except InvalidInput as error:
            raise BadCommand(_BAD_SCHEDULE, f"{_name(asked)}: {error}") from None
    plan.activity_ids[activity_id] = plan.next_event_id


def _name(asked: ScheduleActivityTaskCommandAttributes) -> str:
    return f"activity '{asked.activity_type.name}' (id '{asked.activity_id}')"


_TIMEOUTS: Final = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)


def _timeouts_ns(asked: ScheduleActivityTaskCommandAttributes) -> tuple[int, int, int, int]:
    """Those of `_TIMEOUTS`, 0 for what was left out: to ask for it first costs less than to read an absent one."""
    return (
        duration_ns(asked.schedule_to_close_timeout) if asked.HasField("schedule_to_close_timeout") else 0,
        duration_ns(asked.schedule_to_start_timeout) if asked.HasField("schedule_to_start_timeout") else 0,
        duration_ns(asked.start_to_close_timeout) if asked.HasField("start_to_close_timeout") else 0,
        duration_ns(asked.heartbeat_timeout) if asked.HasField("heartbeat_timeout") else 0,
    )


@carries_out(CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, _check_schedule)
def schedule_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    asked = command.schedule_activity_task_command_attributes
    event = run.event(SCHEDULED, moment.now_ns)
    attributes = event.activity_task_scheduled_event_attributes
    attributes.activity_id = asked.activity_id
    attributes.activity_type.name = asked.activity_type.name
    queue = attributes.task_queue
    queue.name = asked.task_queue.name or run.task_queue
    queue.kind = NORMAL
    attributes.workflow_task_completed_event_id = completed_event_id
    if asked.HasField("input"):
        attributes.input.CopyFrom(asked.input)
    if asked.HasField("header") and asked.header.fields:
        attributes.header.CopyFrom(asked.header)
    if asked.HasField("priority"):
        attributes.priority.CopyFrom(asked.priority)
    if asked.use_workflow_build_id:
        attributes.use_workflow_build_id = True
    _set_timeouts(run, asked, attributes)
    if asked.HasField("retry_policy"):
        retry.normalize(asked.retry_policy, attributes.retry_policy)
    else:
        attributes.retry_policy.CopyFrom(_DEFAULT_POLICY)
    if command.HasField("user_metadata"):
        event.user_metadata.CopyFrom(command.user_metadata)
    event_id = run.record(event)
    watch_deadline(run, run.activities[event_id])
    run.ready_activities.append(event_id)
    if asked.request_eager_execution:
        run.eager_activities.append(event_id)


def _set_timeouts(
    run: Execution,
    asked: ScheduleActivityTaskCommandAttributes,
    attributes: ActivityTaskScheduledEventAttributes,
) -> None:
    """Fill in what was left out and bound each timeout by those around it, as the real server does."""
    run_ns = run.run_timeout_ns
    whole_ns, wait_ns, attempt_ns, heartbeat_ns = _timeouts_ns(asked)
    if whole_ns:
        wait_ns = min(wait_ns or whole_ns, whole_ns)
        attempt_ns = min(attempt_ns or whole_ns, whole_ns)
    else:
        whole_ns = run_ns
        wait_ns = wait_ns or run_ns
    if run_ns:
        whole_ns, wait_ns, attempt_ns = min(whole_ns, run_ns), min(wait_ns, run_ns), min(attempt_ns, run_ns)
    set_duration(attributes.start_to_close_timeout, attempt_ns)
    set_duration(attributes.schedule_to_close_timeout, whole_ns)
    set_duration(attributes.schedule_to_start_timeout, wait_ns)
    set_duration(attributes.heartbeat_timeout, min(heartbeat_ns, attempt_ns))


def _check_cancel(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    scheduled_event_id = command.request_cancel_activity_task_command_attributes.scheduled_event_id
    if scheduled_event_id in plan.activities_over:
        return
    for activity_id, planned_event_id in plan.activity_ids.items():
        if planned_event_id == scheduled_event_id:
            del plan.activity_ids[activity_id]
            plan.activities_over.add(scheduled_event_id)
            return
    activity = run.activities.get(scheduled_event_id)
    asked_before = activity is not None and activity.cancel_requested_event_id
    if asked_before or scheduled_event_id in plan.activities_cancelled:
        raise BadCommand(
            _BAD_CANCEL, f"RequestCancelActivityTask: activity {scheduled_event_id} was asked to cancel before."
        )
    if activity is None and not any(
        outcome_of(event) == scheduled_event_id for event in run.buffered if event.event_type in ENDS
    ):
        raise BadCommand(
            _BAD_CANCEL,
            f"RequestCancelActivityTask names scheduled event {scheduled_event_id}, which is no activity that is "
            "pending in this run.",
        )
    if activity is None or activity.state == ActivityState.STARTED:
        plan.activities_cancelled.add(scheduled_event_id)
        return
    plan.activities_over.add(scheduled_event_id)
    plan.activity_ids_freed.add(activity.asked.activity_id)


@carries_out(CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, _check_cancel)
def request_cancel_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    """An attempt that has not started is cancelled at once."""
    scheduled_event_id = command.request_cancel_activity_task_command_attributes.scheduled_event_id
    activity = run.activities.get(scheduled_event_id)
    event = run.event(CANCEL_REQUESTED, moment.now_ns)
    attributes = event.activity_task_cancel_requested_event_attributes
    attributes.scheduled_event_id = scheduled_event_id
    attributes.workflow_task_completed_event_id = completed_event_id
    run.record(event)
    if activity is None:  # it finished while the task ran; its outcome waits behind this task
        return
    if activity.state == ActivityState.STARTED:
        run.cancelled_activities.append((scheduled_event_id, activity.attempt))
    else:
        cancel_waiting(run, activity, _NOT_STARTED, moment.now_ns)
