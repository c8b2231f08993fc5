"""Resets leave the histories that they leave on the real server, event by event, in the old run and in the new one."""

from __future__ import annotations

import itertools
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import (
    CommandType,
    EventType,
    ParentClosePolicy,
    ResetReapplyExcludeType,
    ResetReapplyType,
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowIdConflictPolicy,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Request, Response
from temporalio.api.workflow.v1 import PostResetOperation
from temporalio.api.workflowservice.v1 import request_response_pb2 as rpc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from server._running import in_subprocess

WAIT_S: Final = 60
_COMPLETED: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
_numbers = itertools.count()


class Side:
    """One server, driven by hand; run ids are told by the order in which they came up."""

    def __init__(self, target: str) -> None:
        self._stub = WorkflowServiceStub(grpc.insecure_channel(target))
        self._prefix = f"{time.time_ns()}-{next(_numbers)}-"
        self._runs: list[str] = []
        self.said: list[str] = []

    def name(self, workflow_id: str) -> str:
        return self._prefix + workflow_id

    def run(self, run_id: str) -> str:
        if run_id and run_id not in self._runs:
            self._runs.append(run_id)
        return f"run {self._runs.index(run_id)}" if run_id else "none"

    def start(self, workflow_id: str = "w", **fields: Any) -> str:
        request = rpc.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=self.name(workflow_id), request_id=self.name("start"), identity="client"
        )
        request.workflow_type.name, request.task_queue.name = "Workflow", self.name(workflow_id)
        request.MergeFrom(rpc.StartWorkflowExecutionRequest(**fields))
        run_id: str = self._stub.StartWorkflowExecution(request).run_id
        self.run(run_id)
        return run_id

    def take(self, workflow_id: str = "w") -> Any:
        request = rpc.PollWorkflowTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = self.name(workflow_id)
        task = self._stub.PollWorkflowTaskQueue(request, timeout=WAIT_S)
        assert task.task_token
        return task

    def answer(self, task: Any, *commands: Command) -> None:
        self._stub.RespondWorkflowTaskCompleted(
            rpc.RespondWorkflowTaskCompletedRequest(
                namespace="default", task_token=task.task_token, commands=commands, identity="worker"
            )
        )

    def task(self, *commands: Command, of: str = "w") -> None:
        self.answer(self.take(of), *commands)

    def meet(self, request_id: str) -> None:
        """A start that goes on with the run that is open, and leaves its request id and a link there."""
        request = rpc.StartWorkflowExecutionRequest(
            namespace="default", workflow_id=self.name("w"), request_id=self.name(request_id), identity="client"
        )
        request.workflow_type.name, request.task_queue.name = "Workflow", self.name("w")
        request.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        request.on_conflict_options.attach_request_id = request.on_conflict_options.attach_links = True
        caller = request.links.add().workflow_event
        caller.namespace, caller.workflow_id, caller.run_id = "default", "caller", str(uuid.UUID(int=1))
        self._stub.StartWorkflowExecution(request)

    def set_priority(self, priority_key: int) -> None:
        request = rpc.UpdateWorkflowExecutionOptionsRequest(namespace="default", identity="operator")
        request.workflow_execution.workflow_id = self.name("w")
        request.workflow_execution_options.priority.priority_key = priority_key
        request.update_mask.paths.append("priority")
        self._stub.UpdateWorkflowExecutionOptions(request)

    def signal(self, signal_name: str, workflow_id: str = "w") -> None:
        request = rpc.SignalWorkflowExecutionRequest(namespace="default", signal_name=signal_name, identity="client")
        request.request_id = self.name(signal_name)
        request.workflow_execution.workflow_id = self.name(workflow_id)
        self._stub.SignalWorkflowExecution(request)

    def ask(self, update_id: str) -> Any:
        """Ask for an update, and do not wait for the answer; return when the server has it."""
        request = rpc.UpdateWorkflowExecutionRequest(namespace="default")
        request.workflow_execution.workflow_id = self.name("w")
        request.wait_policy.lifecycle_stage = _COMPLETED
        request.request.meta.update_id, request.request.input.name = update_id, "update"
        asked = self._stub.UpdateWorkflowExecution.future(request, timeout=WAIT_S)
        while not asked.done() and not self._has(update_id):
            time.sleep(0.01)
        return asked

    def _has(self, update_id: str) -> bool:
        request = rpc.PollWorkflowExecutionUpdateRequest(namespace="default")
        request.update_ref.workflow_execution.workflow_id = self.name("w")
        request.update_ref.update_id = update_id
        try:
            self._stub.PollWorkflowExecutionUpdate(request, timeout=WAIT_S)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False
        return True

    def accept(self, task: Any, *commands: Command, complete: bool = True) -> None:
        """Answer a task whose updates, in messages or in history, are accepted and done."""
        messages, asked = [], []
        for brought in (*task.messages, *_admitted(task)):
            request = Request()
            brought.body.Unpack(request)
            accepted = Acceptance(
                accepted_request_message_id=brought.id,
                accepted_request_sequencing_event_id=brought.event_id,
                accepted_request=request,
            )
            response = Response(meta=request.meta)
            response.outcome.success.SetInParent()
            for body in (accepted, response)[: 1 + complete]:
                message = Message(id=str(len(messages)), protocol_instance_id=brought.protocol_instance_id)
                message.body.Pack(body)
                messages.append(message)
                command = Command(command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE)
                command.protocol_message_command_attributes.message_id = message.id
                asked.append(command)
        self._stub.RespondWorkflowTaskCompleted(
            rpc.RespondWorkflowTaskCompletedRequest(
                namespace="default",
                task_token=task.task_token,
                commands=[*asked, *commands],
                messages=messages,
                identity="worker",
            )
        )

    def update(self, update_id: str, *commands: Command) -> None:
        answer = self.ask(update_id)
        self.accept(self.take(), *commands)
        self.hear(answer)

    def hear(self, answer: Any) -> None:
        told = answer.result()
        self.said.append(f"update {told.update_ref.update_id}: stage {told.stage}, {str(told.outcome).split()}")

    def cancel(self) -> None:
        request = rpc.RequestCancelWorkflowExecutionRequest(namespace="default", identity="client", reason="enough")
        request.workflow_execution.workflow_id = self.name("w")
        self._stub.RequestCancelWorkflowExecution(request)

    def terminate(self) -> None:
        request = rpc.TerminateWorkflowExecutionRequest(namespace="default", identity="client", reason="enough")
        request.workflow_execution.workflow_id = self.name("w")
        self._stub.TerminateWorkflowExecution(request)

    def activity(self) -> None:
        """Take the activity and complete it."""
        request = rpc.PollActivityTaskQueueRequest(namespace="default", identity="worker")
        request.task_queue.name = self.name("activities")
        task = self._stub.PollActivityTaskQueue(request, timeout=WAIT_S)
        self.said.append(f"activity {task.activity_id} attempt {task.attempt}")
        self._stub.RespondActivityTaskCompleted(
            rpc.RespondActivityTaskCompletedRequest(namespace="default", task_token=task.task_token)
        )

    def reset(self, event_id: int, run_id: str = "", *, of: str = "w", **fields: Any) -> str:
        request = rpc.ResetWorkflowExecutionRequest(
            namespace="default",
            reason="wrong way",
            workflow_task_finish_event_id=event_id,
            request_id=self.name(f"reset {event_id} {next(_numbers)}"),
            **fields,
        )
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = self.name(of), run_id
        try:
            new: str = self._stub.ResetWorkflowExecution(request).run_id
        except grpc.RpcError as error:
            self.said.append(f"reset to {event_id}: {error.code().name}")  # type: ignore[attr-defined]
            return ""
        self.said.append(f"reset to {event_id}: {self.run(new)}")
        return new

    def events(self, run_id: str = "", workflow_id: str = "w") -> list[HistoryEvent]:
        request = rpc.GetWorkflowExecutionHistoryRequest(namespace="default")
        request.execution.workflow_id, request.execution.run_id = self.name(workflow_id), run_id
        return list(self._stub.GetWorkflowExecutionHistory(request).history.events)

    def wait_for(self, kind: str, run_id: str = "", workflow_id: str = "w") -> None:
        """What other runs tell comes a little later on the real server."""
        until = time.monotonic() + WAIT_S
        while not any(_name(event) == kind for event in self.events(run_id, workflow_id)):
            assert time.monotonic() < until, f"{kind} did not come"
            time.sleep(0.05)

    def tell(self, *run_ids: str, of: str = "w") -> None:
        for run_id in run_ids:
            self.said += [f"-- {self.run(run_id)}", *(self._line(event) for event in self.events(run_id, of))]

    def _line(self, event: HistoryEvent) -> str:
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        facts = []
        for field, value in attributes.ListFields():
            if field.name.endswith("run_id"):
                facts.append(f"{field.name}={self.run(value)}")
            elif field.name in _TOLD or (field.name == "request_id" and event.event_type == _SIGNALED):
                facts.append(f"{field.name}={str(value).replace(self._prefix, '')}".strip())
        told = f"{event.event_id} {_name(event)} {' '.join(facts)} {'linked' if event.links else ''}".strip()
        return told.replace("identity=tsuzuki", "identity=history-service")


def _admitted(task: Any) -> Iterator[Message]:
    """What SDKs make of the updates that history shows as admitted."""
    for event in task.history.events:
        if event.HasField("workflow_execution_update_admitted_event_attributes"):
            request = event.workflow_execution_update_admitted_event_attributes.request
            update_id = request.meta.update_id
            message = Message(id=f"{update_id}/request", protocol_instance_id=update_id, event_id=event.event_id)
            message.body.Pack(request)
            yield message


_TOLD: Final = frozenset(
    (
        *("request", "origin", "protocol_instance_id", "accepted_request", "accepted_event_id", "outcome"),
        *("accepted_request_message_id", "accepted_request_sequencing_event_id"),
        *("attached_request_id", "priority", "unset_versioning_override"),
        *("attempt", "cause", "failure", "identity", "reason", "signal_name", "scheduled_event_id"),
        *("started_event_id", "initiated_event_id", "timer_id", "activity_id", "workflow_task_completed_event_id"),
    )
)


_SIGNALED: Final = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED


def _name(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


# ---- commands ----------------------------------------------------------------------------------------


def done() -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION)
    command.complete_workflow_execution_command_attributes.SetInParent()
    return command


def timer(timer_id: str, seconds: int = 1000) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_TIMER)
    command.start_timer_command_attributes.timer_id = timer_id
    command.start_timer_command_attributes.start_to_fire_timeout.seconds = seconds
    return command


def activity(side: Side, activity_id: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    asked = command.schedule_activity_task_command_attributes
    asked.activity_id, asked.activity_type.name, asked.task_queue.name = activity_id, "A", side.name("activities")
    asked.start_to_close_timeout.seconds = 100
    return command


def child(side: Side, workflow_id: str) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
    asked = command.start_child_workflow_execution_command_attributes
    asked.workflow_id, asked.workflow_type.name = side.name(workflow_id), "Child"
    asked.task_queue.name = side.name(workflow_id)
    asked.parent_close_policy = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
    return command


def continue_as_new(side: Side) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    asked = command.continue_as_new_workflow_execution_command_attributes
    asked.workflow_type.name, asked.task_queue.name = "Workflow", side.name("w")
    return command


# ---- scenarios ---------------------------------------------------------------------------------------


def _two_tasks(side: Side) -> str:
    run = side.start()
    side.task(timer("t"))
    side.signal("s")
    return run


def closed_to_its_first_task(side: Side) -> None:
    run = _two_tasks(side)
    side.task(done())
    new = side.reset(4, run)
    side.tell(run, new)
    side.task(done())
    side.tell(new)


def a_signal_that_is_sent_again_after_the_reset(side: Side) -> None:
    """A request id counts within a run: the new one takes again what was copied or told again."""
    run = _two_tasks(side)
    side.task()
    side.signal("later")
    side.task()
    new = side.reset(9, run)
    side.signal("s")
    side.signal("later")
    side.signal("newest")
    side.task()
    side.tell(new)


def _with_options(side: Side) -> str:
    run = _two_tasks(side)
    side.meet("second start")
    side.set_priority(2)
    side.task()
    return run


def with_new_options(side: Side) -> None:
    """They are set again; the start that met the run is known to have done so."""
    run = _with_options(side)
    new = side.reset(4, run)
    side.meet("second start")
    side.meet("third start")
    side.tell(run, new)


def with_new_options_that_wait(side: Side) -> None:
    run = _two_tasks(side)
    side.take()
    side.meet("second start")
    side.set_priority(2)
    side.tell(side.reset(4, run))


def past_new_options(side: Side) -> None:
    run = _with_options(side)
    side.signal("later")
    side.task()
    new = side.reset(12, run)
    side.meet("second start")
    side.tell(new)


def with_new_options_but_nothing_else(side: Side) -> None:
    run = _with_options(side)
    side.tell(side.reset(4, run, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE))


def with_new_options_and_signals(side: Side) -> None:
    run = _with_options(side)
    side.tell(side.reset(4, run, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL))


def with_new_options_without_signals(side: Side) -> None:
    run = _with_options(side)
    excluded = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL
    side.tell(side.reset(4, run, reset_reapply_exclude_types=[excluded]))


def without_anything(side: Side) -> None:
    run = _with_options(side)
    side.tell(side.reset(4, run, reset_reapply_exclude_types=[1, 2, 3, 4]))


def closed_to_its_last_task(side: Side) -> None:
    run = _two_tasks(side)
    side.task(done())
    side.tell(side.reset(9, run), run)


def to_the_start_of_a_task(side: Side) -> None:
    run = _two_tasks(side)
    side.task(done())
    side.tell(side.reset(3, run), side.reset(8, run))


def open_with_input_that_waits(side: Side) -> None:
    run = _two_tasks(side)
    side.take()
    side.signal("waits")
    new = side.reset(4)
    side.tell(run, new)


def open_without_a_task(side: Side) -> None:
    run = _two_tasks(side)
    side.task()
    side.tell(side.reset(9), run)


def again_from_the_same_run(side: Side) -> None:
    run = _two_tasks(side)
    side.task()
    first = side.reset(4, run)
    second = side.reset(4, run)
    side.tell(first, second, run)


def a_reset_is_reset(side: Side) -> None:
    _two_tasks(side)
    first = side.reset(4)
    side.task(timer("u"))
    side.tell(side.reset(6, first), first)


def nothing_applied_again(side: Side) -> None:
    run = _two_tasks(side)
    side.tell(side.reset(4, run, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE))


def signals_excluded(side: Side) -> None:
    run = _two_tasks(side)
    side.cancel()
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL]
    side.tell(side.reset(4, run, reset_reapply_exclude_types=excluded))


def cancel_requests(side: Side) -> None:
    run = _two_tasks(side)
    side.cancel()
    side.tell(side.reset(4, run))
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST]
    side.tell(side.reset(4, run, reset_reapply_exclude_types=excluded))


def a_pending_activity_runs_again(side: Side) -> None:
    run = side.start()
    side.task(activity(side, "a"))
    side.signal("s")
    side.task()
    new = side.reset(8, run)
    side.activity()
    side.task(done())
    side.tell(new, run)


def a_pending_timer_fires(side: Side) -> None:
    run = side.start()
    side.task(timer("t", 1))
    side.signal("s")
    side.task()
    new = side.reset(8, run)
    side.task()
    side.wait_for("TIMER_FIRED", new)
    side.tell(new)


def a_child_reports_to_the_new_run(side: Side) -> None:
    run = side.start()
    side.task(child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    side.task()
    new = side.reset(8, run)
    side.task(done(), of="c")
    side.wait_for("CHILD_WORKFLOW_EXECUTION_COMPLETED", new)
    side.tell(new, run)


def a_child_is_reset(side: Side) -> None:
    side.start()
    side.task(child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    side.task()
    side.task(timer("t"), of="c")
    new = side.reset(4, of="c")
    side.task(done(), of="c")
    side.wait_for("WORKFLOW_EXECUTION_COMPLETED", new, "c")
    side.wait_for("CHILD_WORKFLOW_EXECUTION_COMPLETED")
    side.tell(new, of="c")
    side.tell("")


def a_childs_result_is_told_again(side: Side) -> None:
    run = side.start()
    side.task(child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    side.task()
    side.task(done(), of="c")
    side.wait_for("CHILD_WORKFLOW_EXECUTION_COMPLETED")
    side.task(done())
    side.tell(side.reset(8, run, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE))


def a_childs_start_is_told_again(side: Side) -> None:
    run = side.start()
    task = side.take()
    side.signal("early")
    side.answer(task, child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    side.task()
    new = side.reset(8, run)
    side.task(done(), of="c")
    side.wait_for("CHILD_WORKFLOW_EXECUTION_COMPLETED", new)
    side.tell(new)


def a_child_from_after_it_is_left_alone(side: Side) -> None:
    run = _two_tasks(side)
    side.task(child(side, "c"))
    side.wait_for("CHILD_WORKFLOW_EXECUTION_STARTED")
    new = side.reset(4, run)
    side.task(child(side, "c"))
    side.wait_for("START_CHILD_WORKFLOW_EXECUTION_FAILED", new)
    side.tell(new)


def updates_are_admitted_again(side: Side) -> None:
    run = side.start()
    side.task(timer("t"))
    side.update("u")
    side.signal("s")
    side.update("v")
    new = side.reset(4, run)
    side.accept(side.take())
    side.hear(side.ask("u"))
    side.tell(new, run)


def an_admitted_update_is_reset(side: Side) -> None:
    run = side.start()
    side.task(timer("t"))
    side.update("u")
    first = side.reset(4, run)
    second = side.reset(4, first)
    side.accept(side.take())
    third = side.reset(8, second)
    side.accept(side.take(), timer("v"), complete=False)
    side.signal("s")
    side.task()
    side.tell(first, second, third, side.reset(len(side.events(third)), third))


def updates_excluded(side: Side) -> None:
    run = side.start()
    side.task(timer("t"))
    side.update("u")
    side.signal("s")
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE]
    side.tell(side.reset(4, run, reset_reapply_exclude_types=excluded))
    side.tell(side.reset(4, run, reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL))


def updates_of_the_runs_after_it(side: Side) -> None:
    run = side.start()
    side.task(timer("t"))
    side.update("u", continue_as_new(side))
    side.update("v")
    side.tell(side.reset(4, run))


def the_runs_after_it_count(side: Side) -> None:
    run = side.start()
    side.signal("one")
    side.task(continue_as_new(side))
    side.signal("two")
    side.tell(side.reset(5, run))


def a_signal_that_two_runs_had(side: Side) -> None:
    """The new one has what came to both."""
    run = side.start()
    side.task()
    side.signal("past")
    side.task()
    side.signal("one")
    side.task(continue_as_new(side))
    side.signal("past")
    side.signal("one")
    new = side.reset(8, run)
    side.signal("one")
    side.tell(new)


def a_terminated_run(side: Side) -> None:
    run = _two_tasks(side)
    side.terminate()
    side.tell(side.reset(4, run), run)


def a_signal_after_it_is_refused(side: Side) -> None:
    run = _two_tasks(side)
    operation = PostResetOperation()
    operation.signal_workflow.signal_name = "after"
    side.reset(4, run, post_reset_operations=[operation])


def places_that_are_none(side: Side) -> None:
    run = _two_tasks(side)
    side.task(done())
    for event_id in (0, 1, 2, 5, 6, 7, 10, 11, 99):
        side.reset(event_id, run)
    side.reset(4, "00000000-0000-4000-8000-000000000000")
    side.reset(4, of="nobody")


SCENARIOS: Final[tuple[Callable[[Side], None], ...]] = (
    closed_to_its_first_task,
    with_new_options,
    with_new_options_that_wait,
    past_new_options,
    with_new_options_but_nothing_else,
    with_new_options_and_signals,
    with_new_options_without_signals,
    without_anything,
    closed_to_its_last_task,
    to_the_start_of_a_task,
    open_with_input_that_waits,
    open_without_a_task,
    again_from_the_same_run,
    a_reset_is_reset,
    a_signal_that_is_sent_again_after_the_reset,
    nothing_applied_again,
    signals_excluded,
    cancel_requests,
    a_pending_activity_runs_again,
    a_pending_timer_fires,
    a_child_reports_to_the_new_run,
    a_child_is_reset,
    a_childs_result_is_told_again,
    a_childs_start_is_told_again,
    a_child_from_after_it_is_left_alone,
    updates_are_admitted_again,
    an_admitted_update_is_reset,
    updates_excluded,
    updates_of_the_runs_after_it,
    the_runs_after_it_count,
    a_signal_that_two_runs_had,
    a_terminated_run,
    a_signal_after_it_is_refused,
    places_that_are_none,
)


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with in_subprocess() as server:
        yield server.target


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_reset(real_server: str, ours: str, scenario: Callable[[Side], None]) -> None:
    sides = Side(real_server), Side(ours)
    for side in sides:
        scenario(side)
    assert sides[1].said == sides[0].said
