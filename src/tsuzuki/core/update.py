"""Updates: requests that a run's code accepts or rejects, and answers.

Until it is accepted an update is in memory only; acceptance and outcome are events. A rejected one leaves nothing.
Only those that a reset brings into its new run are events from their admission on: workers read them there, and get no
message. Invariant: within a run an update id has one outcome, also after a restart, for both events name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Principal
from temporalio.api.enums.v1 import CommandType, EventType, UpdateAdmittedEventOrigin, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from . import workflow_task
from .apply import applies
from .caller import caller_of, sign
from .commands import Plan, carries_out
from .limits import check_id, too_large
from .refusal import BadCommand, Exhausted, InvalidInput, NotFound, TooMuch, WrongState
from .signal import closed_message

if TYPE_CHECKING:
    from .execution import Execution
    from .limits import Limits
    from .moment import Moment

ADMITTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED
ACCEPTED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
COMPLETED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED

_BAD: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE


PAUSED_MESSAGE: Final = "Workflow is paused. Cannot update the workflow. Unpause it first, or send a signal."

FORGOTTEN_EVENTS_MAX: Final = 10
"""After more events than this since the last one in history, a workflow task is recorded though it only rejects: as on
the real server, so that not all of these events are sent again with each rejected update."""


class UpdateState(IntEnum):
    ADMITTED = 1
    SENT = 2
    """Handed out with the workflow task that is started."""
    ACCEPTED = 3
    COMPLETED = 4
    REJECTED = 5
    GIVEN_UP = 6
    """The run was paused before any worker had seen it."""


class UpdateInput(IntEnum):
    SEND = 1
    LOSE = 2
    """The workflow task that it was sent with came to nothing."""
    ACCEPT = 3
    REJECT = 4
    COMPLETE = 5
    GIVE_UP = 6


UPDATE_MOVES: Final[Mapping[tuple[UpdateState, UpdateInput], UpdateState]] = {
    (UpdateState.ADMITTED, UpdateInput.SEND): UpdateState.SENT,
    (UpdateState.ADMITTED, UpdateInput.GIVE_UP): UpdateState.GIVEN_UP,
    (UpdateState.SENT, UpdateInput.LOSE): UpdateState.ADMITTED,
    (UpdateState.SENT, UpdateInput.ACCEPT): UpdateState.ACCEPTED,
    (UpdateState.SENT, UpdateInput.REJECT): UpdateState.REJECTED,
    (UpdateState.ACCEPTED, UpdateInput.COMPLETE): UpdateState.COMPLETED,
    (UpdateState.REJECTED, UpdateInput.ACCEPT): UpdateState.ACCEPTED,  # history shows it, and code was replayed anew
}


@dataclass(slots=True)
class Update:
    """One update of a run.

    Attributes:
        request: What was asked; None once accepted, when history has it.
        sent_after: The event before the start of the workflow task that it was sent with; of one that history shows as
            admitted, that event.
        admitted_event_id: Where it was admitted, if history shows that.
        accepted_event_id: Where it was accepted.
        completed_event_id: Where its outcome is.
        rejection: Why it was rejected.
        caller: Who asked, where that is known; read until it is accepted.
    """

    update_id: str
    state: UpdateState
    request: Request | None = None
    sent_after: int = 0
    admitted_event_id: int = 0
    accepted_event_id: int = 0
    completed_event_id: int = 0
    rejection: Failure | None = None
    caller: Principal | None = None

    def move(self, what: UpdateInput) -> None:
        self.state = UPDATE_MOVES[self.state, what]


# ---- what history implies ----------------------------------------------------------------------------


@applies(ADMITTED)
def apply_admitted(run: Execution, event: HistoryEvent) -> None:
    request = event.workflow_execution_update_admitted_event_attributes.request
    update_id = request.meta.update_id
    run.updates[update_id] = Update(
        update_id,
        UpdateState.ADMITTED,
        request,
        sent_after=event.event_id,
        admitted_event_id=event.event_id,
        caller=caller_of(event),
    )


@applies(ACCEPTED)
def apply_accepted(run: Execution, event: HistoryEvent) -> None:
    update_id = event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
    update = run.updates.get(update_id)
    if update is None:  # a run that is being loaded
        update = run.updates[update_id] = Update(update_id, UpdateState.ACCEPTED)
    else:
        if update.state == UpdateState.ADMITTED:  # a run that is being loaded, or made from another one
            update.move(UpdateInput.SEND)
        update.move(UpdateInput.ACCEPT)
        update.request = update.rejection = None
    update.accepted_event_id = event.event_id
    run.updates_accepted += 1


@applies(COMPLETED)
def apply_completed(run: Execution, event: HistoryEvent) -> None:
    update = run.updates[event.workflow_execution_update_completed_event_attributes.meta.update_id]
    update.move(UpdateInput.COMPLETE)
    update.completed_event_id = event.event_id


# ---- asked -------------------------------------------------------------------------------------------


def check_update(request: Request, limits: Limits) -> None:
    """Refuse an update that no state would accept."""
    check_id("the update id", request.meta.update_id, limits)
    check_id("the update name", request.input.name, limits)
    size = request.input.ByteSize()
    if size > limits.payload_bytes_max:
        raise InvalidInput(too_large(f"the input of update '{request.input.name}'", size, limits.payload_bytes_max))


def admit(run: Execution, request: Request, now_ns: int, limits: Limits) -> Update:
    """Take an update in; a workflow task that is due brings it, or one of its own, which history need not show."""
    if not run.is_open:
        raise NotFound(closed_message(run))
    if run.pause is not None:
        raise WrongState(PAUSED_MESSAGE)
    update_id = request.meta.update_id
    in_flight = sum(update.state < UpdateState.COMPLETED for update in run.updates.values())
    if in_flight >= limits.updates_in_flight_max:
        raise TooMuch(
            f"workflow '{run.workflow_id}' has {in_flight} updates in flight, which is the limit; send it again when "
            "one of them is done."
        )
    if run.updates_taken() >= limits.updates_max:
        raise Exhausted(
            f"run {run.run_id} of workflow '{run.workflow_id}' has had {run.updates_accepted} updates, which is the "
            "limit; continue as new to take more."
        )
    update = run.updates[update_id] = Update(update_id, UpdateState.ADMITTED, request, caller=run.caller)
    ask_for_task(run, now_ns)
    return update


def admit_again(run: Execution, request: Request, now_ns: int, caller: Principal | None) -> None:
    """Let history show an update that another run had accepted; the caller schedules the workflow task for it."""
    event = run.event(ADMITTED, now_ns)
    attributes = event.workflow_execution_update_admitted_event_attributes
    attributes.request.CopyFrom(request)
    attributes.origin = UpdateAdmittedEventOrigin.UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY
    sign(event, caller)
    run.record(event)


def give_up_waiting(run: Execution) -> None:
    """The run is being paused: updates that no worker has are refused, as new ones will be. Those in history wait."""
    waiting = [each for each in run.updates.values() if each.state == UpdateState.ADMITTED]
    for update in waiting:
        if not update.admitted_event_id:
            update.move(UpdateInput.GIVE_UP)
            del run.updates[update.update_id]


def ask_for_task(run: Execution, now_ns: int) -> None:
    """Where nothing else brings the admitted updates to the code, schedule a task that history need not show."""
    task = run.workflow_task
    if (
        run.is_open
        and task.state == workflow_task.WorkflowTaskState.NONE
        and not run.first_workflow_task_pending
        and run.pause is None
        and any(update.state == UpdateState.ADMITTED for update in run.updates.values())
    ):
        workflow_task.schedule_speculative(run, now_ns)


# ---- with a workflow task ----------------------------------------------------------------------------


def send(run: Execution) -> list[Message]:
    """The messages to hand out with the workflow task that has just started."""
    if not run.updates:
        return []
    messages = []
    sent_after = run.workflow_task.started_event_id - 1
    for update in run.updates.values():
        if update.state == UpdateState.SENT:  # with an attempt before this one, which came to nothing
            update.move(UpdateInput.LOSE)
        if update.state != UpdateState.ADMITTED:
            continue
        assert update.request is not None
        update.move(UpdateInput.SEND)
        if update.admitted_event_id:  # history brings it
            continue
        update.sent_after = sent_after
        message = Message(id=f"{update.update_id}/request", protocol_instance_id=update.update_id, event_id=sent_after)
        message.body.Pack(update.request)
        messages.append(message)
    return messages


def has_unsent(run: Execution) -> bool:
    return any(update.state == UpdateState.ADMITTED for update in run.updates.values())


def may_be_forgotten(run: Execution, request: RespondWorkflowTaskCompletedRequest) -> bool:
    """Whether a workflow task that history need not show did nothing but reject.

    The worker has to be able to go back: any can to the workflow task before, some also to events after it.
    """
    task = run.workflow_task
    events = task.transient_at - run.previous_started_event_id - 2
    return (
        task.speculative
        and events <= FORGOTTEN_EVENTS_MAX
        and (events == 0 or request.capabilities.discard_speculative_workflow_task_with_events)
        and not request.commands
        and not request.force_create_new_workflow_task
        and all(message.body.Is(Rejection.DESCRIPTOR) for message in request.messages)
    )


def reject_the_rest(run: Execution, messages: Mapping[str, Message]) -> None:
    """At the end of a workflow task: the rejected, and those that the worker said nothing about."""
    rejected: dict[str, Failure] = {}
    for message in messages.values():
        if message.body.Is(Rejection.DESCRIPTOR):
            rejection = Rejection()
            message.body.Unpack(rejection)
            rejected[message.protocol_instance_id] = rejection.failure
    for update in [update for update in run.updates.values() if update.state == UpdateState.SENT]:
        failure = rejected.get(update.update_id)
        if failure is None:
            failure = Failure(
                message="Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update "
                "is not supported by the worker.",
                source="Server",
            )
            failure.application_failure_info.type = "UnprocessedUpdate"
            failure.application_failure_info.non_retryable = True
        update.move(UpdateInput.REJECT)
        update.rejection = failure
        if not update.admitted_event_id:
            del run.updates[update.update_id]


# ---- the command -------------------------------------------------------------------------------------


def _check(run: Execution, command: Command, plan: Plan, moment: Moment) -> None:
    message_id = command.protocol_message_command_attributes.message_id
    message = run.messages.get(message_id)
    if message is None:
        raise BadCommand(_BAD, f"a command names the message '{message_id}', which did not come with it.")
    update_id = message.protocol_instance_id
    update = run.updates.get(update_id)
    state = None if update is None else plan.updates.get(update_id, update.state)
    what, body = _read(message)
    if what is UpdateInput.REJECT:
        plan.next_event_id -= 1  # it leaves no event
        return
    if state is None or (state, what) not in UPDATE_MOVES:
        found = "is not known" if state is None else f"is {state.name}"
        raise BadCommand(_BAD, f"the message '{message_id}' is to {what.name} update '{update_id}', which {found}.")
    plan.updates[update_id] = UPDATE_MOVES[state, what]
    size = body.ByteSize()
    if what is UpdateInput.COMPLETE and size > moment.limits.payload_bytes_max:
        what_is_it = f"the outcome of update '{update_id}'"
        raise BadCommand(_BAD, too_large(what_is_it, size, moment.limits.payload_bytes_max), ends_run=True)


def _read(message: Message) -> tuple[UpdateInput, Acceptance | Response | Rejection]:
    body: Acceptance | Response | Rejection
    for what, body in (
        (UpdateInput.ACCEPT, Acceptance()),
        (UpdateInput.COMPLETE, Response()),
        (UpdateInput.REJECT, Rejection()),
    ):
        if message.body.Is(body.DESCRIPTOR):
            try:
                message.body.Unpack(body)
            except DecodeError:
                break
            return what, body
    raise BadCommand(_BAD, f"the message '{message.id}' is a {message.body.TypeName()}; expected a part of an update.")


@carries_out(CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE, _check)
def protocol_message_command(run: Execution, command: Command, completed_event_id: int, moment: Moment) -> None:
    message = run.messages[command.protocol_message_command_attributes.message_id]
    _, body = _read(message)
    update = run.updates.get(message.protocol_instance_id)
    if isinstance(body, Acceptance):
        assert update is not None
        assert update.request is not None
        event = run.event(ACCEPTED, moment.now_ns)
        accepted = event.workflow_execution_update_accepted_event_attributes
        accepted.protocol_instance_id = update.update_id
        accepted.accepted_request_message_id = f"{update.update_id}/request"
        accepted.accepted_request_sequencing_event_id = update.sent_after
        if not update.admitted_event_id:
            accepted.accepted_request.CopyFrom(update.request)
        sign(event, update.caller)
        run.record(event)
    elif isinstance(body, Response):
        assert update is not None
        event = run.event(COMPLETED, moment.now_ns)
        completed = event.workflow_execution_update_completed_event_attributes
        completed.meta.CopyFrom(body.meta)
        completed.meta.update_id = update.update_id
        completed.accepted_event_id = update.accepted_event_id
        completed.outcome.CopyFrom(body.outcome)
        run.record(event)


# ---- at the end of the run ---------------------------------------------------------------------------


def outcome_of_unfinished() -> Failure:
    """What the client of an accepted update gets whose run closed before its outcome."""
    failure = Failure(
        message="Workflow Update failed because the Workflow completed before the Update completed.", source="Server"
    )
    failure.application_failure_info.type = "AcceptedUpdateCompletedWorkflow"
    failure.application_failure_info.non_retryable = True
    return failure
