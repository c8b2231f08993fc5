"""What a batch operation does to one run, by the field of the request that asks for it.

Each is the transition of the RPC that does it to a single run, without its wait for the disk: many share a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from temporalio.api.enums.v1 import BatchOperationType, EventType, ResetType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartBatchOperationRequest,
    UpdateActivityOptionsRequest,
    UpdateWorkflowExecutionOptionsRequest,
)

from tsuzuki.core import activity_control, activity_options, close, signal, workflow_options
from tsuzuki.core.activity import Activity
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import Limits, check_id
from tsuzuki.core.refusal import InvalidInput, NotFound
from tsuzuki.core.times import duration_ns

from ._deletion import delete_run
from ._engine import Engine
from ._history_pages import read_from
from ._reset import reset_run

_EARLIER_RUNS_MAX: Final = 100
"""Of a chain, in which the first work of a build is looked for."""
_TASK_COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

Asked = StartBatchOperationRequest


class Effect(NamedTuple):
    """A row of the table.

    Attributes:
        kind: How descriptions call it.
        do: Do it to a run. NotFound: there is nothing (any more) to do it to; another refusal: it failed.
        check: Refuses an operation that could be done to no run.
        runs_max: Of one commit; fewer of what takes long, as nothing else runs meanwhile.
        needs_run: A run that is named and gone is a failure, and not as good as done.
    """

    kind: BatchOperationType.ValueType
    do: Callable[[Engine, Execution, Asked], None]
    check: Callable[[Asked, Limits], None] = lambda asked, limits: None
    runs_max: int = 100
    needs_run: bool = False


# ---- the run itself ----------------------------------------------------------------------------------


def _terminate(engine: Engine, run: Execution, asked: Asked) -> None:
    operation = asked.termination_operation
    if not run.is_open:
        raise NotFound(signal.closed_message(run))
    details = operation.details if operation.HasField("details") else None
    with engine.changing(run):
        close.terminate(run, asked.reason, details, operation.identity, engine.moment(run.namespace))


def _cancel(engine: Engine, run: Execution, asked: Asked) -> None:
    request = RequestCancelWorkflowExecutionRequest(
        reason=asked.reason, identity=asked.cancellation_operation.identity, request_id=asked.job_id
    )
    with engine.changing(run):
        signal.request_cancel(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))


def _check_signal(asked: Asked, limits: Limits) -> None:
    check_id("the signal", asked.signal_operation.signal, limits)


def _signal(engine: Engine, run: Execution, asked: Asked) -> None:
    operation = asked.signal_operation
    request = SignalWorkflowExecutionRequest(
        signal_name=operation.signal,
        identity=operation.identity,
        input=operation.input if operation.HasField("input") else None,
        header=operation.header if operation.HasField("header") else None,
        request_id=asked.job_id,
    )
    with engine.changing(run):
        signal.signal(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))


def _delete(engine: Engine, run: Execution, asked: Asked) -> None:
    delete_run(engine, run)


def _update_options(engine: Engine, run: Execution, asked: Asked) -> None:
    operation = asked.update_workflow_options_operation
    request = UpdateWorkflowExecutionOptionsRequest(
        workflow_execution_options=operation.workflow_execution_options,
        update_mask=operation.update_mask,
        identity=operation.identity,
    )
    with engine.changing(run):
        workflow_options.update_options(run, request, engine.clock.now_ns(), engine.limits_of(run.namespace))


# ---- reset -------------------------------------------------------------------------------------------


def _target(asked: Asked) -> str:
    """The member of `options.target`; older callers say it by `reset_type`."""
    operation = asked.reset_operation
    old = {
        ResetType.RESET_TYPE_FIRST_WORKFLOW_TASK: "first_workflow_task",
        ResetType.RESET_TYPE_LAST_WORKFLOW_TASK: "last_workflow_task",
    }
    return operation.options.WhichOneof("target") or old.get(operation.reset_type, "")


def _check_reset(asked: Asked, limits: Limits) -> None:
    if not _target(asked):
        raise InvalidInput(
            "the reset operation does not say to where; set first_workflow_task, last_workflow_task, workflow_task_id "
            "or build_id of its options."
        )


def _reset(engine: Engine, run: Execution, asked: Asked) -> None:
    operation = asked.reset_operation
    options = operation.options if operation.HasField("options") else None
    base, event_id = _POINTS[_target(asked)](engine, run, asked)
    request = ResetWorkflowExecutionRequest(
        namespace=asked.namespace,
        reason=asked.reason,
        identity=operation.identity,
        request_id=f"{asked.job_id}/{run.run_id}",
        workflow_task_finish_event_id=event_id,
        reset_reapply_type=operation.reset_reapply_type if options is None else options.reset_reapply_type,
        reset_reapply_exclude_types=() if options is None else options.reset_reapply_exclude_types,
        post_reset_operations=operation.post_reset_operations,
    )
    request.workflow_execution.workflow_id, request.workflow_execution.run_id = base.workflow_id, base.run_id
    reset_run(engine, request)


def _completed_tasks(engine: Engine, run: Execution) -> Sequence[HistoryEvent]:
    events = History.FromString(read_from(engine.store, run, 1)).events
    return [event for event in events if event.event_type == _TASK_COMPLETED]


def _first(engine: Engine, run: Execution, asked: Asked) -> tuple[Execution, int]:
    return run, _one_of(run, _completed_tasks(engine, run))[0].event_id


def _last(engine: Engine, run: Execution, asked: Asked) -> tuple[Execution, int]:
    return run, _one_of(run, _completed_tasks(engine, run))[-1].event_id


def _one_of(run: Execution, tasks: Sequence[HistoryEvent]) -> Sequence[HistoryEvent]:
    if not tasks:
        raise InvalidInput(f"no workflow task of run {run.run_id} has completed yet: nothing to go back to.")
    return tasks


def _at_event(engine: Engine, run: Execution, asked: Asked) -> tuple[Execution, int]:
    return run, asked.reset_operation.options.workflow_task_id


def _of_build(engine: Engine, run: Execution, asked: Asked) -> tuple[Execution, int]:
    """Where a build first worked, which may be in an earlier run of the chain."""
    options = asked.reset_operation.options
    found: tuple[Execution, int] | None = None
    at: Execution | None = run
    for _ in range(_EARLIER_RUNS_MAX):
        if at is None:
            break
        tasks = _completed_tasks(engine, at)
        first = next((each.event_id for each in tasks if _build_id(each) == options.build_id), 0)
        if first:
            found = at, first
        if options.current_run_only or (found is not None and not first):
            break
        earlier = at.started.continued_execution_run_id
        at = engine.runs.find(at.namespace, at.workflow_id, earlier) if earlier else None
    if found is None:
        raise InvalidInput(f"build '{options.build_id}' has completed no workflow task of '{run.workflow_id}'.")
    return found


def _build_id(completed: HistoryEvent) -> str:
    """Workers say it as a checksum to a server that does not offer worker versioning."""
    attributes = completed.workflow_task_completed_event_attributes
    return attributes.worker_version.build_id or attributes.binary_checksum


_POINTS: Final[Mapping[str, Callable[[Engine, Execution, Asked], tuple[Execution, int]]]] = {
    "first_workflow_task": _first,
    "last_workflow_task": _last,
    "workflow_task_id": _at_event,
    "build_id": _of_build,
}


# ---- its activities ----------------------------------------------------------------------------------


def _check_activities(asked: Asked, limits: Limits) -> None:
    if _activities_operation(asked).WhichOneof("activity") is None:
        raise InvalidInput("activity filter must be set: a type, or match_all.")


def _check_activity_options(asked: Asked, limits: Limits) -> None:
    _check_activities(asked, limits)
    activity_options.check(_new_options(asked))


def _activities_operation(asked: Asked) -> Any:
    return getattr(asked, str(asked.WhichOneof("operation")))


def _chosen(run: Execution, asked: Asked) -> Sequence[Activity]:
    if not run.is_open:
        raise NotFound(signal.closed_message(run))
    operation = _activities_operation(asked)
    by = str(operation.WhichOneof("activity"))
    return activity_control.choose(run, by, getattr(operation, by))


def _unpause_activities(engine: Engine, run: Execution, asked: Asked) -> None:
    operation, now_ns = asked.unpause_activities_operation, engine.clock.now_ns()
    chosen = _chosen(run, asked)
    with engine.changing(run):
        activity_control.unpause(
            run,
            chosen,
            now_ns,
            reset_attempts=operation.reset_attempts,
            reset_heartbeat=operation.reset_heartbeat,
            jitter_ns=duration_ns(operation.jitter),
        )


def _reset_activities(engine: Engine, run: Execution, asked: Asked) -> None:
    operation, now_ns = asked.reset_activities_operation, engine.clock.now_ns()
    chosen = _chosen(run, asked)
    with engine.changing(run):
        activity_control.reset(
            run,
            chosen,
            now_ns,
            reset_heartbeat=operation.reset_heartbeat,
            keep_paused=operation.keep_paused,
            restore_options=operation.restore_original_options,
            jitter_ns=duration_ns(operation.jitter),
        )


def _update_activities(engine: Engine, run: Execution, asked: Asked) -> None:
    request, limits, now_ns = _new_options(asked), engine.limits_of(run.namespace), engine.clock.now_ns()
    original, given, paths = request.restore_original, request.activity_options, activity_options.named(request)
    changes = [
        (each, None if original else activity_options.merged(each, given, paths, limits))
        for each in _chosen(run, asked)
    ]
    with engine.changing(run):
        for activity, options in changes:
            activity_control.change_options(run, activity, options, now_ns)


def _new_options(asked: Asked) -> UpdateActivityOptionsRequest:
    operation = asked.update_activity_options_operation
    request = UpdateActivityOptionsRequest(
        update_mask=operation.update_mask, restore_original=operation.restore_original, identity=operation.identity
    )
    if operation.HasField("activity_options"):
        request.activity_options.CopyFrom(operation.activity_options)
    return request


EFFECTS: Final[Mapping[str, Effect]] = {
    "termination_operation": Effect(BatchOperationType.BATCH_OPERATION_TYPE_TERMINATE_WORKFLOW, _terminate),
    "cancellation_operation": Effect(BatchOperationType.BATCH_OPERATION_TYPE_CANCEL_WORKFLOW, _cancel),
    "signal_operation": Effect(BatchOperationType.BATCH_OPERATION_TYPE_SIGNAL_WORKFLOW, _signal, _check_signal),
    "deletion_operation": Effect(BatchOperationType.BATCH_OPERATION_TYPE_DELETE_WORKFLOW, _delete),
    "reset_operation": Effect(
        BatchOperationType.BATCH_OPERATION_TYPE_RESET_WORKFLOW, _reset, _check_reset, runs_max=10, needs_run=True
    ),
    "update_workflow_options_operation": Effect(
        BatchOperationType.BATCH_OPERATION_TYPE_UPDATE_WORKFLOW_EXECUTION_OPTIONS, _update_options
    ),
    "unpause_activities_operation": Effect(
        BatchOperationType.BATCH_OPERATION_TYPE_UNPAUSE_ACTIVITY, _unpause_activities, _check_activities
    ),
    "reset_activities_operation": Effect(
        BatchOperationType.BATCH_OPERATION_TYPE_RESET_ACTIVITY, _reset_activities, _check_activities
    ),
    "update_activity_options_operation": Effect(
        BatchOperationType.BATCH_OPERATION_TYPE_UPDATE_ACTIVITY_OPTIONS, _update_activities, _check_activity_options
    ),
}
"""By the member of the request's `operation`. Activities without a workflow are not offered, so neither are theirs."""
