"""Updates in the engine: in memory until accepted, durable from there, once an id; and the tasks that bring them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from engine_requests import SECOND, Refused, payloads_of
from engine_site import Site
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.errordetails.v1 import MultiOperationExecutionFailure
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Outcome, Rejection, Request, Response
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationRequest,
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowTaskQueueResponse,
    ResetWorkflowExecutionRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    UpdateWorkflowExecutionRequest,
)

from tsuzuki.core.update import UPDATE_MOVES, UpdateInput, UpdateState
from tsuzuki.engine import Limits
from tsuzuki.service import StatusCode
from tsuzuki.testing import LocalServer
from tsuzuki.testing._local_server import (
    NAMESPACE,
    QUEUE,
    complete_workflow,
    notation,
    request_cancel_activity,
    schedule_activity,
    start_timer,
)

Stage = UpdateWorkflowExecutionLifecycleStage
ADMITTED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED
ACCEPTED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
COMPLETED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


class Sent:
    """An update, or a wait for one, on its way."""

    def __init__(
        self,
        server: LocalServer,
        update_id: str = "u",
        *,
        stage: Stage.ValueType = COMPLETED,
        poll: bool = False,
        size: int = 1000,
    ) -> None:
        call: Any
        if poll:
            asked = PollWorkflowExecutionUpdateRequest(namespace=NAMESPACE)
            asked.update_ref.workflow_execution.workflow_id = "w"
            asked.update_ref.update_id = update_id
            asked.wait_policy.lifecycle_stage = stage
            call = server.service.poll_workflow_execution_update(asked)
        else:
            request = UpdateWorkflowExecutionRequest(namespace=NAMESPACE)
            request.workflow_execution.workflow_id = "w"
            request.wait_policy.lifecycle_stage = stage
            request.request.meta.update_id = update_id
            request.request.input.name = "change"
            request.request.input.args.CopyFrom(payloads_of(size))
            call = server.service.update_workflow_execution(request)
        self._future = asyncio.ensure_future(call, loop=server._loop)
        server.call(server.clock.settle())

    @property
    def waits(self) -> bool:
        return not self._future.done()

    @property
    def response(self) -> Any:
        return self._future.result()

    @property
    def stage(self) -> Stage.ValueType:
        stage: Stage.ValueType = self.response.stage
        return stage

    @property
    def outcome(self) -> Outcome:
        outcome: Outcome = self.response.outcome
        return outcome


def _message(update_id: str, word: str, body: Any) -> Message:
    message = Message(id=f"{update_id}/{word}", protocol_instance_id=update_id)
    message.body.Pack(body)
    return message


def accept(update_id: str = "u") -> Message:
    return _message(update_id, "accept", Acceptance(accepted_request_message_id=f"{update_id}/request"))


def complete(update_id: str = "u", data: bytes = b"result") -> Message:
    response = Response()
    response.outcome.success.payloads.add().data = data
    return _message(update_id, "complete", response)


def reject(update_id: str = "u") -> Message:
    rejection = Rejection()
    rejection.failure.message = "no"
    return _message(update_id, "reject", rejection)


def respond(
    server: LocalServer,
    task: PollWorkflowTaskQueueResponse,
    messages: Sequence[Message] = (),
    *commands: Command,
    discards: bool = True,
) -> RespondWorkflowTaskCompletedResponse:
    """Complete a workflow task: a command for each message but rejections, then others."""
    request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token, messages=messages)
    request.capabilities.discard_speculative_workflow_task_with_events = discards
    for message in messages:
        if not message.body.Is(Rejection.DESCRIPTOR):
            command = Command(command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE)
            command.protocol_message_command_attributes.message_id = message.id
            request.commands.append(command)
    request.commands.extend(commands)
    return server.call(server.service.respond_workflow_task_completed(request))


def idle(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task()


def words(server: LocalServer) -> str:
    return server.notation().replace("UpdateAccepted", "Accepted").replace("UpdateCompleted", "Updated")


def test_every_move_is_legal_or_has_no_row() -> None:
    for state, what in itertools.product(UpdateState, UpdateInput):
        assert ((state, what) in UPDATE_MOVES) == (
            what
            in {
                UpdateState.ADMITTED: {UpdateInput.SEND, UpdateInput.GIVE_UP},
                UpdateState.SENT: {UpdateInput.LOSE, UpdateInput.ACCEPT, UpdateInput.REJECT},
                UpdateState.ACCEPTED: {UpdateInput.COMPLETE},
                UpdateState.REJECTED: {UpdateInput.ACCEPT},
            }.get(state, set())
        )


def test_an_idle_run_is_asked_by_a_task_that_history_shows_once_it_accepted(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    assert words(server) == "Started | WFT"
    task = server.take_workflow_task()
    assert words(server) == "Started | WFT"
    assert notation(list(task.history.events)) == "Started | WFT | WorkflowTaskScheduled | WorkflowTaskStarted"
    [message] = task.messages
    request = Request()
    assert message.body.Unpack(request)
    assert (message.id, message.protocol_instance_id, message.event_id) == ("u/request", "u", 5)
    assert request.input.name == "change"
    assert sent.waits
    response = respond(server, task, [accept(), complete()])
    assert response.reset_history_event_id == 0
    assert sent.stage == COMPLETED
    assert sent.outcome.success.payloads[0].data == b"result"
    assert words(server) == "Started | WFT | WFT | Accepted | Updated"
    accepted = server.history()[7].workflow_execution_update_accepted_event_attributes
    assert accepted.accepted_request_sequencing_event_id == 5
    assert accepted.accepted_request == request


def test_a_rejected_update_leaves_no_event(server: LocalServer) -> None:
    """Invariant 25."""
    idle(server)
    for _ in range(2):
        sent = Sent(server)
        response = respond(server, server.take_workflow_task(), [reject()])
        assert response.reset_history_event_id == 3
        assert sent.outcome.failure.message == "no"
        assert words(server) == "Started | WFT"
    with Refused(StatusCode.NOT_FOUND, "knows no update 'u'"):
        _ = Sent(server, poll=True).response


def test_a_worker_that_cannot_go_back_over_events_has_its_rejection_recorded(server: LocalServer) -> None:
    server.start_workflow()
    server.complete_workflow_task(start_timer("t", timedelta(hours=1)))
    sent = Sent(server)
    response = respond(server, server.take_workflow_task(), [reject()], discards=False)
    assert response.reset_history_event_id == 0
    assert sent.outcome.failure.message == "no"
    assert words(server) == "Started | WFT | TimerStarted t | WFT"


@pytest.mark.parametrize(("timers", "recorded"), [(10, False), (11, True)])
def test_a_rejection_after_many_events_is_recorded(server: LocalServer, timers: int, recorded: bool) -> None:
    server.start_workflow()
    server.complete_workflow_task(*(start_timer(f"t{number}", timedelta(hours=1)) for number in range(timers)))
    Sent(server)
    respond(server, server.take_workflow_task(), [reject()])
    assert words(server).count("WFT") == 1 + recorded


def test_an_update_rides_with_the_workflow_task_that_is_due(server: LocalServer) -> None:
    server.start_workflow()
    sent = Sent(server)
    task = server.take_workflow_task()
    assert len(task.messages) == 1
    respond(server, task, [reject()])
    assert sent.outcome.failure.message == "no"
    assert words(server) == "Started | WFT"


def test_an_update_during_a_workflow_task_gets_one_of_its_own(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    sent = Sent(server)
    respond(server, task)
    following = server.take_workflow_task()
    respond(server, following, [accept(), complete()])
    assert sent.stage == COMPLETED
    assert words(server) == "Started | WFT | WFT | Accepted | Updated"


def test_what_happens_meanwhile_makes_history_show_the_task(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    server.signal("s")
    assert words(server) == "Started | WFT | WorkflowTaskScheduled | Signaled s"
    respond(server, server.take_workflow_task(), [reject()])
    assert sent.outcome.failure.message == "no"
    assert server.poll_workflow_task() is None


def test_a_signal_during_the_task_of_an_update_follows_it(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    task = server.take_workflow_task()
    server.signal("s")
    respond(server, task, [reject()])
    assert sent.outcome.failure.message == "no"
    assert words(server) == "Started | WFT | WFT | Signaled s | WorkflowTaskScheduled"


def test_a_failed_task_sends_the_update_again(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    server.fail_workflow_task(server.take_workflow_task())
    assert words(server).startswith("Started | WFT | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskFailed")
    task = server.take_workflow_task()
    assert len(task.messages) == 1
    respond(server, task, [accept(), complete()])
    assert sent.stage == COMPLETED


def test_a_task_that_times_out_sends_the_update_again(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    server.take_workflow_task()
    server.advance(10 * SECOND)
    task = server.take_workflow_task()
    respond(server, task, [accept(), complete()])
    assert sent.stage == COMPLETED


def test_a_client_waits_for_a_bounded_time_and_may_ask_again(server: LocalServer) -> None:
    idle(server)
    sent = Sent(server)
    server.advance(20 * SECOND)
    assert (sent.stage, sent.response.HasField("outcome")) == (ADMITTED, False)
    again = Sent(server, stage=ACCEPTED)
    task = server.take_workflow_task()
    assert len(task.messages) == 1
    respond(server, task, [accept()])
    assert again.stage == ACCEPTED
    waiting = Sent(server, poll=True)
    server.advance(20 * SECOND)
    assert (waiting.stage, waiting.response.HasField("outcome")) == (ACCEPTED, False)
    waiting = Sent(server, poll=True)
    server.signal("s")
    respond(server, server.take_workflow_task(), [complete()])
    assert waiting.outcome.success.payloads[0].data == b"result"


def test_the_same_id_gives_the_same_outcome_also_after_a_restart_and_the_end(site: Site) -> None:
    """Invariant 25."""
    server = site.server
    idle(server)
    first, second = Sent(server), Sent(server)
    task = server.take_workflow_task()
    assert len(task.messages) == 1
    respond(server, task, [accept(), complete()])
    assert first.outcome == second.outcome
    server = site.restart()
    assert Sent(server).outcome == first.outcome
    assert Sent(server, poll=True).outcome == first.outcome
    assert server.poll_workflow_task() is None
    server.signal("s")
    server.complete_workflow_task(complete_workflow())
    assert Sent(server).outcome == first.outcome
    assert Sent(server, poll=True).outcome == first.outcome
    server = site.restart()
    assert Sent(server, poll=True).outcome == first.outcome
    with Refused(StatusCode.NOT_FOUND, "is closed"):
        _ = Sent(server, "another").response


def test_an_accepted_update_survives_and_an_unaccepted_one_does_not(site: Site) -> None:
    server = site.server
    idle(server)
    accepted = Sent(server, "accepted", stage=ACCEPTED)
    respond(server, server.take_workflow_task(), [accept("accepted")])
    assert accepted.stage == ACCEPTED
    Sent(server, "unaccepted", stage=ADMITTED)
    server = site.restart()
    assert server.poll_workflow_task() is None
    waiting = Sent(server, "accepted", poll=True)
    with Refused(StatusCode.NOT_FOUND, "knows no update 'unaccepted'"):
        _ = Sent(server, "unaccepted", poll=True).response
    server.signal("s")
    respond(server, server.take_workflow_task(), [complete("accepted")])
    assert waiting.outcome.success.payloads[0].data == b"result"


def test_a_run_does_not_close_past_an_update_that_it_has_not_seen(server: LocalServer) -> None:
    server.start_workflow()
    task = server.take_workflow_task()
    sent = Sent(server)
    with Refused(StatusCode.INVALID_ARGUMENT, "UNHANDLED_COMMAND"):
        respond(server, task, [], complete_workflow())
    respond(server, server.take_workflow_task(), [accept(), complete()], complete_workflow())
    assert sent.stage == COMPLETED
    assert words(server).endswith("| WFT | Accepted | Updated | Completed")


def test_what_becomes_of_updates_when_the_run_closes(server: LocalServer) -> None:
    idle(server)
    accepted = Sent(server, "accepted", stage=ACCEPTED)
    respond(server, server.take_workflow_task(), [accept("accepted")])
    assert accepted.stage == ACCEPTED
    waiting = Sent(server, "accepted")
    unseen = Sent(server, "unseen")
    server.terminate()
    assert waiting.outcome.failure.application_failure_info.type == "AcceptedUpdateCompletedWorkflow"
    assert Sent(server, "accepted", poll=True).outcome == waiting.outcome
    with Refused(StatusCode.NOT_FOUND, "is closed"):
        _ = unseen.response


def test_an_update_that_the_worker_says_nothing_about_is_rejected(server: LocalServer) -> None:
    server.start_workflow()
    sent = Sent(server)
    respond(server, server.take_workflow_task())
    assert sent.outcome.failure.application_failure_info.type == "UnprocessedUpdate"


# ---- brought along by a reset; histories are compared in `differential` --------------------------------


def reset_past_an_update(server: LocalServer) -> None:
    """The run is reset to its first workflow task; an update was accepted and answered after that."""
    idle(server)
    Sent(server)
    respond(server, server.take_workflow_task(), [accept(), complete()])
    request = ResetWorkflowExecutionRequest(namespace=NAMESPACE, workflow_task_finish_event_id=4, request_id="reset")
    request.workflow_execution.workflow_id = "w"
    server.call(server.service.reset_workflow_execution(request))


def test_an_admitted_update_is_in_history_and_not_in_a_message(site: Site) -> None:
    """Before and after a restart; the client that asks for it again waits for its new outcome."""
    reset_past_an_update(site.server)
    assert not site.server.take_workflow_task().messages
    server = site.restart()
    asked = Sent(server)
    assert asked.waits
    task = server.take_workflow_task()
    assert not task.messages
    respond(server, task, [accept(), complete(data=b"new")])
    assert asked.outcome.success.payloads[0].data == b"new"
    assert words(server).endswith(
        "| UpdateAdmitted | WorkflowTaskScheduled | WorkflowTaskStarted | WorkflowTaskTimedOut "
        "START_TO_CLOSE | WFT | Accepted | Updated"
    )


@pytest.mark.parametrize("messages", [[reject()], []], ids=["rejected", "ignored"])
def test_a_rejected_admitted_update_may_be_accepted_by_a_replay(server: LocalServer, messages: list[Message]) -> None:
    """History goes on showing it, so a worker that replays the run meets it again."""
    reset_past_an_update(server)
    respond(server, server.take_workflow_task(), messages)
    assert Sent(server).outcome.HasField("failure")
    assert server.poll_workflow_task() is None
    server.signal("s")
    respond(server, server.take_workflow_task(), [accept(), complete(data=b"after all")], complete_workflow())
    assert Sent(server).outcome.success.payloads[0].data == b"after all"


def test_an_admitted_update_that_was_ignored_before_a_restart_is_asked_about_again(site: Site) -> None:
    reset_past_an_update(site.server)
    respond(site.server, site.server.take_workflow_task())
    server = site.restart()
    assert server.poll_workflow_task() is None
    asked = Sent(server)
    respond(server, server.take_workflow_task())
    assert asked.outcome.failure.application_failure_info.type == "UnprocessedUpdate"


def test_limits(server: LocalServer) -> None:
    """Invariant 41."""
    idle(server)
    for number in range(10):
        Sent(server, f"u{number}")
    with Refused(StatusCode.RESOURCE_EXHAUSTED, "has 10 updates in flight"):
        _ = Sent(server, "one more").response
    respond(server, server.take_workflow_task(), [accept("u0"), complete("u0")])
    assert Sent(server, "one more", stage=ADMITTED).stage == ADMITTED


def test_a_run_takes_so_many_updates(site: Site) -> None:
    """Invariant 41."""
    server = site.restart(limits=Limits(updates_max=2))
    idle(server)
    for update_id in ("a", "b"):
        sent = Sent(server, update_id)
        respond(server, server.take_workflow_task(), [accept(update_id), complete(update_id)])
        assert sent.stage == COMPLETED
    with Refused(StatusCode.FAILED_PRECONDITION, "has had 2 updates, which is the limit; continue as new"):
        _ = Sent(server, "c").response
    assert Sent(server, "a").stage == COMPLETED


def suggestions(server: LocalServer) -> list[tuple[int, list[int]]]:
    """Started event id and reasons of each workflow task at which it was suggested to continue as new."""
    started = [event for event in server.history() if event.HasField("workflow_task_started_event_attributes")]
    return [
        (event.event_id, list(event.workflow_task_started_event_attributes.suggest_continue_as_new_reasons))
        for event in started
        if event.workflow_task_started_event_attributes.suggest_continue_as_new
    ]


def test_many_updates_suggest_to_continue_as_new(site: Site) -> None:
    """As on the real server, whose bound is nine tenths of what a run may have: the one that is asked for counts."""
    server = site.restart(limits=Limits(updates_max=4, updates_suggest=3))
    idle(server)
    for update_id in "abc":
        Sent(server, update_id)
        respond(server, server.take_workflow_task(), [accept(update_id), complete(update_id)])

    assert suggestions(server) == [(16, [3])]


def test_a_long_history_suggests_to_continue_as_new(site: Site) -> None:
    """The bound itself counts, as on the real server."""
    server = site.restart(limits=Limits(history_events_suggest=7))
    idle(server)
    for _ in range(2):
        server.signal("s")
        server.complete_workflow_task()

    assert suggestions(server) == [(7, [2]), (11, [2])]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([complete()], "is to COMPLETE update 'u', which is SENT"),
        ([accept(), accept()], "is to ACCEPT update 'u', which is ACCEPTED"),
        ([accept("other")], "which is not known"),
        ([_message("u", "strange", Request())], "expected a part of an update"),
    ],
)
def test_messages_that_make_no_sense_fail_the_task(server: LocalServer, messages: list[Message], text: str) -> None:
    idle(server)
    sent = Sent(server)
    with Refused(StatusCode.INVALID_ARGUMENT, f"BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE: .*{text}"):
        respond(server, server.take_workflow_task(), messages)
    respond(server, server.take_workflow_task(), [accept(), complete()])
    assert sent.stage == COMPLETED


def test_what_is_too_large_or_nowhere(server: LocalServer) -> None:
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'w'"):
        _ = Sent(server).response
    idle(server)
    with Refused(StatusCode.INVALID_ARGUMENT, r"the input of update 'change' has 3,000,\d+ bytes"):
        _ = Sent(server, size=3_000_000).response
    with Refused(StatusCode.INVALID_ARGUMENT, "the update id is empty"):
        _ = Sent(server, "").response


def _with_start(conflict: int, update_id: str = "u", workflow_id: str = "w", request_id: str = "") -> Any:
    request = ExecuteMultiOperationRequest(namespace=NAMESPACE)
    start = request.operations.add().start_workflow
    start.workflow_id = "w"
    start.workflow_type.name = "Workflow"
    start.task_queue.name = QUEUE
    start.request_id = request_id
    start.namespace = NAMESPACE
    start.workflow_id_conflict_policy = conflict  # type: ignore[assignment]
    wanted = request.operations.add().update_workflow
    wanted.workflow_execution.workflow_id = workflow_id
    wanted.request.meta.update_id = update_id
    wanted.request.input.name = "change"
    wanted.wait_policy.lifecycle_stage = ACCEPTED
    return request


def _execute(server: LocalServer, request: ExecuteMultiOperationRequest) -> asyncio.Future[Any]:
    future = asyncio.ensure_future(server.service.execute_multi_operation(request), loop=server._loop)
    server.call(server.clock.settle())
    return future


USE_EXISTING = 2
FAIL = 1


def test_update_with_start_begins_a_run_whose_first_task_brings_the_update(server: LocalServer) -> None:
    future = _execute(server, _with_start(FAIL, request_id="r"))
    assert server.notation() == "Started | WorkflowTaskScheduled"
    task = server.take_workflow_task()
    assert len(task.messages) == 1
    respond(server, task, [accept()])
    began, updated = future.result().responses
    assert began.start_workflow.started
    assert updated.update_workflow.stage == ACCEPTED
    again = _execute(server, _with_start(FAIL, request_id="r")).result()
    assert again.responses[0].start_workflow.run_id == began.start_workflow.run_id
    assert again.responses[1].update_workflow.stage == ACCEPTED
    assert words(server) == "Started | WFT | Accepted"


def test_update_with_start_updates_the_open_run(server: LocalServer) -> None:
    idle(server)
    future = _execute(server, _with_start(USE_EXISTING))
    respond(server, server.take_workflow_task(), [accept(), complete()])
    began, updated = future.result().responses
    assert not began.start_workflow.started
    assert updated.update_workflow.outcome.success.payloads[0].data == b"result"
    assert words(server) == "Started | WFT | WFT | Accepted | Updated"


def test_update_with_start_is_refused_as_a_whole(server: LocalServer) -> None:
    with Refused(StatusCode.INVALID_ARGUMENT, "the update id is empty"):
        _execute(server, _with_start(FAIL, "")).result()
    with Refused(StatusCode.INVALID_ARGUMENT, "they must be the same"):
        _execute(server, _with_start(FAIL, workflow_id="other")).result()
    backwards = _with_start(FAIL)
    backwards.operations.reverse()
    with Refused(StatusCode.INVALID_ARGUMENT, "expected exactly a start and then an update"):
        _execute(server, backwards).result()
    with Refused(StatusCode.NOT_FOUND, "there is no workflow 'w'"):
        server.history()
    idle(server)
    with Refused(StatusCode.ALREADY_EXISTS, "is already running") as refused:
        _execute(server, _with_start(FAIL)).result()
    detail = refused.value.detail
    assert isinstance(detail, MultiOperationExecutionFailure)
    assert [status.code for status in detail.statuses] == [StatusCode.ALREADY_EXISTS, StatusCode.ABORTED]
    assert words(server) == "Started | WFT"


def test_a_rejection_takes_no_event_id(server: LocalServer) -> None:
    """What a command later names by the id of an event of the same workflow task is found past rejections."""
    server.start_workflow()
    server.complete_workflow_task()
    server.signal("go")
    Sent(server)
    named = Command(command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE)
    named.protocol_message_command_attributes.message_id = "u/reject"
    task = server.take_workflow_task()
    respond(server, task, [reject()], named, schedule_activity("a"), request_cancel_activity(9))
    assert server.notation().endswith(
        "WFT | ActivityScheduled a | ActivityCancelRequested | ActivityCanceled | WorkflowTaskScheduled"
    )
