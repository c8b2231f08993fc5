"""The options of an open run that may be changed from outside: its priority; and starts that were attached to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import Priority
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, UpdateWorkflowExecutionOptionsRequest

from .apply import applies
from .caller import sign
from .limits import Limits, check_text
from .links import attach
from .priority import check_priority, is_given
from .refusal import InvalidInput, NotFound, NotOffered
from .signal import closed_message, make_room, note_request_id

if TYPE_CHECKING:
    from .execution import Execution

UPDATED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED
_NOT_OFFERED: Final[Mapping[str, str]] = {
    "versioning_override": "worker versioning",
    "time_skipping_config": "time skipping on a server (tsuzuki.testing has virtual time for tests)",
}
_PRIORITY: Final = "priority"


@applies(UPDATED)
def apply_updated(run: Execution, event: HistoryEvent) -> None:
    attributes = event.workflow_execution_options_updated_event_attributes
    if attributes.unset_versioning_override:  # else a start was attached to this run, and its options are as they were
        run.priority = attributes.priority if is_given(attributes.priority) else None
    if attributes.attached_request_id:
        run.attached.append(event)


def options_of(run: Execution) -> WorkflowExecutionOptions:
    options = WorkflowExecutionOptions()
    if run.priority is not None:
        options.priority.CopyFrom(run.priority)
    return options


def update_options(run: Execution, request: UpdateWorkflowExecutionOptionsRequest, now_ns: int, limits: Limits) -> None:
    """Make what the mask names as the request gives it; an event records it if anything changes. Tasks that wait keep
    the priority that they have waited with; those to come have the new one.

    Raises:
        InvalidInput: A path names no option, or the result would be no priority.
        NotFound: The run is closed.
        NotOffered: A path names an option of which nothing is offered here; the message names it.
    """
    if not request.HasField("workflow_execution_options"):
        raise InvalidInput("WorkflowExecutionOptions are not provided; give the new values of what update_mask names.")
    check_text("the identity", request.identity, limits)
    priority = _merged(run, request)
    check_priority(priority)
    if not run.is_open:
        raise NotFound(closed_message(run))
    if priority == options_of(run).priority:
        return
    make_room(run, now_ns, limits)
    event = run.event(UPDATED, now_ns)
    event.worker_may_ignore = True
    attributes = event.workflow_execution_options_updated_event_attributes
    if is_given(priority):
        attributes.priority.CopyFrom(priority)
    attributes.unset_versioning_override = True  # as the real server notes it where there is none
    attributes.identity = request.identity
    sign(event, run.caller)
    run.record_or_buffer(event)


def attach_start(run: Execution, request: StartWorkflowExecutionRequest, now_ns: int, limits: Limits) -> None:
    """Record in an open run that a start met it and goes on with it, with what the start says is to be attached."""
    make_room(run, now_ns, limits)
    wanted = request.on_conflict_options
    event = run.event(UPDATED, now_ns)
    event.worker_may_ignore = True
    attributes = event.workflow_execution_options_updated_event_attributes
    attributes.SetInParent()
    if wanted.attach_request_id:
        attributes.attached_request_id = request.request_id
        note_request_id(run, request.request_id)
    if wanted.attach_links:
        attach(event, request.links)
    sign(event, run.caller)
    run.record_or_buffer(event)


def _merged(run: Execution, request: UpdateWorkflowExecutionOptionsRequest) -> Priority:
    given, priority = request.workflow_execution_options, options_of(run).priority
    for path in request.update_mask.paths:
        name, _, member = path.partition(".")
        if path == _PRIORITY:
            priority = given.priority
        elif name == _PRIORITY and member in Priority.DESCRIPTOR.fields_by_name:
            setattr(priority, member, getattr(given.priority, member))
        elif name in _NOT_OFFERED:
            if member or given.HasField(name):  # type: ignore[arg-type]
                raise NotOffered(f"update_mask names {path}: {_NOT_OFFERED[name]} is not offered here.")
        else:
            raise InvalidInput(
                f"update_mask names '{path}', which is no option of a workflow execution; expected priority, or one "
                "of its fields as in priority.priority_key."
            )
    return priority
