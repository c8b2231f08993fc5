"""The RPC that looks at one run without changing it: describe."""

from __future__ import annotations

from temporalio.api.enums.v1 import (
    PendingActivityState,
    PendingWorkflowTaskState,
    TaskQueueKind,
)
from temporalio.api.workflow.v1 import PendingActivityInfo, WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)

from tsuzuki.core.activity import Activity, ActivityState
from tsuzuki.core.activity_options import in_force
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import check_id
from tsuzuki.core.priority import is_given
from tsuzuki.core.refusal import NotFound
from tsuzuki.core.start import times_out_ns
from tsuzuki.core.times import NEVER, duration_ns, set_duration, set_time
from tsuzuki.core.wake import WakeKind
from tsuzuki.core.workflow_task import WorkflowTaskState, original_ns

from ._description import fill_past
from ._engine import Engine
from ._lifecycle import not_found_message
from ._refusals import refusals_as_errors
from ._rows import pause_info


class Visibility:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def describe(self, request: DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse:
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        with refusals_as_errors():
            check_id("the workflow id", request.execution.workflow_id, engine.limits)
            run = engine.runs.find(request.namespace, request.execution.workflow_id, request.execution.run_id)
            if run is None:
                raise NotFound(not_found_message(request.execution))
        response = DescribeWorkflowExecutionResponse()
        config = response.execution_config
        config.task_queue.name = run.task_queue
        config.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        started = run.started
        if started.HasField("workflow_execution_timeout"):
            config.workflow_execution_timeout.CopyFrom(started.workflow_execution_timeout)
        if started.HasField("workflow_run_timeout"):
            config.workflow_run_timeout.CopyFrom(started.workflow_run_timeout)
        set_duration(config.default_workflow_task_timeout, run.workflow_task_timeout_ns)
        if run.user_metadata is not None:
            config.user_metadata.CopyFrom(run.user_metadata)
        _fill_info(response.workflow_execution_info, run)
        shown = engine.search_attributes.typed(run.namespace, run.search_attributes)
        response.workflow_execution_info.search_attributes.CopyFrom(shown)
        extended = response.workflow_extended_info
        extended.cancel_requested = run.cancel_requested
        set_time(extended.original_start_time, run.started_ns)
        if run.pause is not None:
            set_time(extended.pause_info.paused_time, run.pause.since_ns)
            extended.pause_info.identity = run.pause.identity
            extended.pause_info.reason = run.pause.reason
        if (due_ns := run.wakes.get((WakeKind.TIMEOUT, 0)) or times_out_ns(run)) < NEVER:
            set_time(extended.run_expiration_time, due_ns)
        if started.HasField("workflow_execution_expiration_time"):
            extended.execution_expiration_time.CopyFrom(started.workflow_execution_expiration_time)
        if run.parent_workflow_id:  # only ever of the same namespace
            response.workflow_execution_info.parent_namespace_id = engine.namespaces.find(run.namespace).namespace_id
        fill_past(response.workflow_execution_info, extended, engine, run)
        for activity in run.activities.values():
            response.pending_activities.append(_pending_activity(activity, engine.clock.now_ns()))
        for child in run.children.values():
            response.pending_children.add(
                workflow_id=child.asked.workflow_id,
                run_id=child.first_run_id,
                workflow_type_name=child.asked.workflow_type.name,
                initiated_id=child.initiated_event_id,
                parent_close_policy=child.asked.parent_close_policy,
            )
        task = run.workflow_task
        if task.state != WorkflowTaskState.NONE:
            pending = response.pending_workflow_task
            pending.attempt = task.attempt
            set_time(pending.scheduled_time, task.scheduled_ns)
            set_time(pending.original_scheduled_time, original_ns(run))
            pending.state = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
            if task.state == WorkflowTaskState.STARTED:
                set_time(pending.started_time, task.started_ns)
                pending.state = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
        return response


def _fill_info(info: WorkflowExecutionInfo, run: Execution) -> None:
    info.execution.workflow_id = run.workflow_id
    info.execution.run_id = run.run_id
    info.type.name = run.workflow_type
    set_time(info.start_time, run.started_ns)
    set_time(info.execution_time, run.execution_ns)
    if run.closed_ns is not None:
        set_time(info.close_time, run.closed_ns)
        set_duration(info.execution_duration, run.closed_ns - run.execution_ns)
    info.status = run.status
    info.history_length = run.next_event_id - 1
    info.history_size_bytes = run.history_bytes
    info.task_queue = run.task_queue
    info.first_run_id = run.started.first_execution_run_id
    info.memo.CopyFrom(run.memo)
    root = run.started.root_workflow_execution
    info.root_execution.workflow_id = root.workflow_id or run.workflow_id
    info.root_execution.run_id = root.run_id or run.run_id
    if run.priority is not None:
        info.priority.CopyFrom(run.priority)
    if run.parent_workflow_id:
        info.parent_execution.workflow_id = run.parent_workflow_id
        info.parent_execution.run_id = run.parent_run_id


def _pending_activity(activity: Activity, now_ns: int) -> PendingActivityInfo:
    info = PendingActivityInfo(
        activity_id=activity.asked.activity_id,
        attempt=activity.attempt,
        maximum_attempts=activity.retry_policy.maximum_attempts,
        last_worker_identity=activity.identity,
    )
    info.activity_type.name = activity.asked.activity_type.name
    info.state = _pending_state(activity)
    if activity.pause is not None:
        info.paused = True
        info.pause_info.CopyFrom(pause_info(activity.pause))
    options = info.activity_options
    options.CopyFrom(in_force(activity))
    options.task_queue.ClearField("kind")
    options.task_queue.normal_name = options.task_queue.name
    set_time(info.scheduled_time, activity.attempt_scheduled_ns)
    if activity.expiration_ns is not None:
        set_time(info.expiration_time, activity.expiration_ns)
    if activity.started_ns is not None:
        set_time(info.last_started_time, activity.started_ns)
    if activity.heartbeat_ns is not None:
        set_time(info.last_heartbeat_time, activity.heartbeat_ns)
    if activity.heartbeat_details is not None:
        info.heartbeat_details.CopyFrom(activity.heartbeat_details)
    if activity.last_failure is not None:
        info.last_failure.CopyFrom(activity.last_failure)
    if activity.last_ended_ns is not None:
        set_time(info.last_attempt_complete_time, activity.last_ended_ns)
    waits = activity.state == ActivityState.SCHEDULED and activity.pause is None
    if waits and activity.attempt_scheduled_ns > now_ns:
        set_time(info.next_attempt_schedule_time, activity.attempt_scheduled_ns)
        if activity.last_ended_ns is not None:
            set_duration(info.current_retry_interval, activity.attempt_scheduled_ns - activity.last_ended_ns)
    if is_given(activity.priority):
        info.priority.CopyFrom(activity.priority)
    assert duration_ns(activity.retry_policy.initial_interval) > 0, "policies are normalized when they are given"
    return info


def _pending_state(activity: Activity) -> PendingActivityState.ValueType:
    if activity.cancel_requested_event_id:
        return PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    if activity.state == ActivityState.STARTED:
        if activity.pause is not None:
            return PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
        return PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    if activity.pause is not None:
        return PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED
    return PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
