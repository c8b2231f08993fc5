"""The end of a workflow task: its commands are carried out in order, in one transition.

Invariant: all of them or none. So all are checked first, against the state and against what the commands before
them will have done to it (the `Plan`); carrying out cannot fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import CommandType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure

from . import (  # noqa: F401  (they fill rows of the command table)
    activity_commands,
    child_workflow,
    continue_as_new,
    external_workflow,
    marker,
    properties,
    timer,
    update,
    workflow_options,
    workflow_pause,
)
from .close import end_run_for
from .commands import COMMANDS, Plan
from .refusal import BadCommand, WrongState
from .times import duration_ns
from .workflow_task import complete, fail, first_command_event_id, forget, is_heartbeat, original_ns, schedule_if_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio.api.command.v1 import Command
    from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

    from .execution import Execution
    from .moment import Moment


def complete_workflow_task(
    run: Execution, request: RespondWorkflowTaskCompletedRequest, moment: Moment
) -> BadCommand | None:
    """Carry out what the started workflow task asks for.

    Raises:
        WrongState: The run is paused, and the answer demands another task at once. Nothing was changed.

    Returns:
        None, or why the task failed instead. Either way the transition is done.
    """
    if run.pause is not None and request.force_create_new_workflow_task:
        raise WrongState(
            f"workflow '{run.workflow_id}' is paused and force create new workflow task is not allowed; answer the "
            "task without it, or let the task time out."
        )
    if is_heartbeat(request):
        return _keep_alive(run, request, moment)
    if not request.messages:
        return _complete(run, request, moment)
    run.messages = {message.id: message for message in request.messages}
    try:
        return _complete(run, request, moment)
    finally:
        run.messages = {}


def _complete(run: Execution, request: RespondWorkflowTaskCompletedRequest, moment: Moment) -> BadCommand | None:
    commands = list(request.commands)
    try:
        _check(run, commands, moment)
    except BadCommand as bad:
        _refuse(run, bad, request.identity, moment)
        return bad
    if run.workflow_task.speculative and update.may_be_forgotten(run, request):
        forget(run)
        update.reject_the_rest(run, run.messages)
        update.ask_for_task(run, moment.now_ns)
        return None
    completed_event_id = complete(run, request, moment.now_ns)
    _leave_or_keep_sticky(run, request)
    run.completing, run.has_news = True, False
    for command in commands:
        COMMANDS[command.command_type].carry_out(run, command, completed_event_id, moment)
    run.completing = False
    if run.updates:
        update.reject_the_rest(run, run.messages)
    if run.is_open and (run.flush_buffered() or run.has_news or request.force_create_new_workflow_task):
        schedule_if_needed(run, moment.now_ns)
    elif run.updates:
        update.ask_for_task(run, moment.now_ns)
    return None


def _keep_alive(run: Execution, request: RespondWorkflowTaskCompletedRequest, moment: Moment) -> BadCommand | None:
    """The next task goes on with the work of this one, and keeps its time."""
    since_ns = original_ns(run)
    bad = _complete(run, request, moment)
    run.workflow_task.original_ns = since_ns
    return bad


def _check(run: Execution, commands: Sequence[Command], moment: Moment) -> None:
    plan = Plan(next_event_id=first_command_event_id(run))
    for position, command in enumerate(commands):
        kind = COMMANDS.get(command.command_type)
        if kind is None:
            raise BadCommand(
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FEATURE_DISABLED,
                f"command {position + 1} is {_name(command)}, which this engine does not offer yet.",
            )
        if plan.closed_by is not None:
            raise BadCommand(
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED,
                f"command {position + 1} is {_name(command)}, after {_name(plan.closed_by)} which ends the run; "
                "nothing may follow it.",
            )
        kind.check(run, command, plan, moment)
        plan.next_event_id += 1
        if kind.closes:
            plan.closed_by = command
            if run.buffered:
                raise BadCommand(
                    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
                    f"{_name(command)} would end the run past {len(run.buffered)} events that it has not seen.",
                )
            if run.updates and update.has_unsent(run):
                raise BadCommand(
                    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
                    f"{_name(command)} would end the run past updates that it has not seen.",
                )


def _name(command: Command) -> str:
    kind: int = command.command_type
    return CommandType.Name(command.command_type) if kind in CommandType.values() else f"of the unknown type {kind}"


def _refuse(run: Execution, bad: BadCommand, identity: str, moment: Moment) -> None:
    failure = Failure(message=str(bad), source="Server")
    failure.server_failure_info.SetInParent()
    if bad.ends_run:
        end_run_for(run, bad, failure, identity, moment)
        return
    fail(run, moment.now_ns, cause=bad.cause, failure=failure, identity=identity, limits=moment.limits)


def _leave_or_keep_sticky(run: Execution, request: RespondWorkflowTaskCompletedRequest) -> None:
    sticky = request.sticky_attributes
    queue_name = sticky.worker_task_queue.name
    if queue_name:
        run.sticky_queue = queue_name
        run.sticky_timeout_ns = duration_ns(sticky.schedule_to_start_timeout)
    else:
        run.sticky_queue = None
