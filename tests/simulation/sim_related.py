"""A simulated world in which runs have to do with each other, and with more than one kind of input.

Children, signals and requests to cancel from run to run, updates, continue-as-new, resets, a schedule, batch
operations, tasks that come with an answer, and callers who hang up before theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from relations import Relations, check_relations
from sim_facts import runs_of
from sim_world import NAMESPACE, QUEUE, World
from temporalio.api.batch.v1 import BatchOperationSignal
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import (
    BatchOperationState,
    CommandType,
    EventType,
    ParentClosePolicy,
    ScheduleOverlapPolicy,
    UpdateWorkflowExecutionLifecycleStage,
)
from temporalio.api.protocol.v1 import Message
from temporalio.api.schedule.v1 import IntervalSpec, Schedule
from temporalio.api.update.v1 import Acceptance, Rejection, Response
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeBatchOperationRequest,
    PollWorkflowTaskQueueResponse,
    ResetWorkflowExecutionRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    SignalWithStartWorkflowExecutionRequest,
    StartBatchOperationRequest,
    UpdateWorkflowExecutionRequest,
)

from tsuzuki.service import StatusCode
from tsuzuki.testing._local_server import complete_workflow

CHILDREN = ("child-1", "child-2")
UPDATES = ("u1", "u2", "u3", "u4")
INTERVAL_S = 20
_POLICIES = (
    ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE,
    ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON,
    ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
)
_OVERLAPS = (
    ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP,
    ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
    ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
    ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER,
    ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
)
_STARTED, _COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_ADMITTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED
_ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED


class RelatedWorld(World):
    def __init__(self, seed: int, path: Path | None = None, *, operated: bool = False) -> None:
        super().__init__(seed, path, operated=operated)
        self.relations = Relations()
        self._resets: list[ResetWorkflowExecutionRequest] = []
        self._to_accept: dict[str, list[str]] = {}
        """Run id -> updates of which its worker knows."""
        self._to_complete: dict[str, list[str]] = {}
        self._schedules = 0
        self._winds_up = False
        self._resets_runs = self.chance.random() < 0.5

    def _actions(self) -> list[tuple[Callable[[], Any], int]]:
        actions = [each for each in super()._actions() if each[0] != self.step_clock]
        return [
            *actions,
            (self.update, 14),
            (self.reset, 6 if self._resets_runs else 0),
            (self.signal_with_start, 4),
            (self.hang_up, 5),
            (self.signal_all, 2),
            (self.create_schedule, 2),
        ]

    async def _lose_all_answers(self) -> None:
        for task in asyncio.all_tasks():  # what the engine does by itself dies with it, too
            if task.get_name().startswith("batch operation"):
                task.cancel()
        await super()._lose_all_answers()

    # ---- clients -----------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """A caller goes away before the answer; a worker that does not know how its task went forgets the run."""
        if self._requests:
            self._remembered.clear()
            self.chance.choice(list(self._requests)).cancel()

    def signal_with_start(self) -> None:
        workflow_id = self.chance.choice((*CHILDREN, "a"))
        name = self._new(workflow_id[0])
        request = SignalWithStartWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_id=workflow_id, request_id=name, signal_name=name
        )
        request.workflow_type.name, request.task_queue.name = "Workflow", QUEUE
        self.facts.asked_signals.add(name)
        self.facts.sent_with_start.add(name)

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.signalled.add(name)
                self.relations.signalled_run[name] = answer.run_id

        self._send(self.service.signal_with_start_workflow_execution, request, told)

    def update(self) -> None:
        if (target := self._open_run()) is None:
            return
        stages = UpdateWorkflowExecutionLifecycleStage
        request = UpdateWorkflowExecutionRequest(namespace=NAMESPACE)
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = target
        update_id = self.chance.choice(UPDATES) if self.chance.random() < 0.6 else self._new("update")
        request.request.meta.update_id, request.request.input.name = update_id, "change"
        request.wait_policy.lifecycle_stage = self.chance.choice(
            (
                stages.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED,
                stages.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
            )
        )
        relations = self.relations
        relations.asked_updates[target[1], update_id] += 1

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                relations.told_of_update(answer, self.facts)

        self._send(self.service.update_workflow_execution, request, told)

    def reset(self) -> None:
        runs = [(stored, events[:shown]) for stored, events, shown in runs_of(self.disk.store) if shown > 2]
        if self._resets and self.chance.random() < 0.2:
            request = self.chance.choice(self._resets)
        elif runs:
            stored, events = self.chance.choice(runs)
            points = [event.event_id for event in events if event.event_type in (_STARTED, _COMPLETED)]
            if not points:
                return
            request = ResetWorkflowExecutionRequest(namespace=NAMESPACE, request_id=self._new("reset"), reason="again")
            request.workflow_execution.workflow_id = stored.new.workflow_id
            request.workflow_execution.run_id = stored.new.run_id
            request.workflow_task_finish_event_id = self.chance.choice(points)
            self._resets.append(request)
        else:
            return

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.started[answer.run_id] = request.workflow_execution.workflow_id
                self.relations.reset_from[answer.run_id] = request.workflow_execution.run_id

        self._send(self.service.reset_workflow_execution, request, told)

    def signal_all(self) -> None:
        """A batch operation."""
        job_id = self._new("batch")
        request = StartBatchOperationRequest(
            namespace=NAMESPACE,
            job_id=job_id,
            visibility_query="ExecutionStatus = 'Running'",
            reason="all",
            signal_operation=BatchOperationSignal(signal=job_id),
        )
        self.facts.asked_signals.add(job_id)

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.relations.batches.add(job_id)

        self._send(self.service.start_batch_operation, request, told)

    def create_schedule(self) -> None:
        if self._schedules == 2:
            return
        self._schedules += 1
        schedule_id = f"schedule-{self._schedules}"
        overlap = self.chance.choice(_OVERLAPS)
        schedule = Schedule()
        schedule.spec.interval.append(IntervalSpec())
        schedule.spec.interval[0].interval.FromTimedelta(timedelta(seconds=INTERVAL_S))
        schedule.policies.overlap_policy = overlap
        action = schedule.action.start_workflow
        action.workflow_id, action.workflow_type.name, action.task_queue.name = schedule_id, "Workflow", QUEUE
        request = CreateScheduleRequest(
            namespace=NAMESPACE, schedule_id=schedule_id, schedule=schedule, request_id=schedule_id
        )

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                allows_all = overlap == ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
                self.relations.schedules[schedule_id] = (self.clock.now_ns(), allows_all)

        self._send(self.service.create_schedule, request, told)

    # ---- workers -----------------------------------------------------------------------------------

    def _got_workflow_task(self, task: PollWorkflowTaskQueueResponse) -> None:
        super()._got_workflow_task(task)
        run_id = task.workflow_execution.run_id
        to_accept = self._to_accept[run_id] = [message.protocol_instance_id for message in task.messages]
        accepted = [
            event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
            for event in task.history.events
            if event.event_type == _ACCEPTED
        ]
        admitted = (
            event.workflow_execution_update_admitted_event_attributes.request.meta.update_id
            for event in task.history.events
            if event.event_type == _ADMITTED
        )
        to_accept += [update_id for update_id in admitted if update_id not in accepted]  # else it is a replay
        if task.history.events[0].event_id == 1:
            self._to_complete[run_id] = []
        self._to_complete.setdefault(run_id, []).extend(accepted)

    def _dress(self, request: RespondWorkflowTaskCompletedRequest, task: PollWorkflowTaskQueueResponse) -> None:
        chance, run_id = self.chance, task.workflow_execution.run_id
        for command in request.commands:
            if command.command_type == CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
                command.schedule_activity_task_command_attributes.request_eager_execution = chance.random() < 0.4
        request.return_new_workflow_task = chance.random() < 0.5
        request.force_create_new_workflow_task = chance.random() < 0.1
        request.capabilities.discard_speculative_workflow_task_with_events = chance.random() < 0.5
        messages: list[tuple[str, str, Any]] = []
        for update_id in self._to_accept.get(run_id, ()):
            what = chance.choice(("accept", "accept", "accept and complete", "reject", "nothing"))
            if what == "reject":
                rejection = Rejection()
                rejection.failure.message = "no"
                messages.append((update_id, "reject", rejection))
            elif what != "nothing":
                accepted = Acceptance(accepted_request_message_id=f"{update_id}/request")
                messages.append((update_id, "accept", accepted))
                if what == "accept and complete":
                    messages.append((update_id, "complete", self._outcome(request.identity, update_id)))
        known = self._to_complete.get(run_id)
        if (
            known and not self._winds_up and chance.random() < 0.6
        ):  # now and then a second time, or one that was rolled back
            update_id = chance.choice(known)
            if chance.random() < 0.95:
                known.remove(update_id)
            messages.append((update_id, "complete", self._outcome(request.identity, update_id)))
        commands = [self._say_of_update(request, *message) for message in messages]
        rest = list(request.commands)
        del request.commands[:]
        request.commands.extend([*commands, *rest])

    def _outcome(self, identity: str, update_id: str) -> Response:
        response = Response()
        response.outcome.success.payloads.add().data = f"{identity}/{update_id}".encode()
        return response

    @staticmethod
    def _say_of_update(request: RespondWorkflowTaskCompletedRequest, update_id: str, word: str, body: Any) -> Command:
        message = Message(id=f"{update_id}/{word}", protocol_instance_id=update_id)
        message.body.Pack(body)
        request.messages.append(message)
        command = Command(command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE)
        command.protocol_message_command_attributes.message_id = message.id
        return command

    def _answered_workflow_task(
        self,
        request: RespondWorkflowTaskCompletedRequest,
        task: PollWorkflowTaskQueueResponse,
        answer: RespondWorkflowTaskCompletedResponse,
    ) -> None:
        run_id = task.workflow_execution.run_id
        if answer.reset_history_event_id and run_id in self._remembered:
            del self._remembered[run_id][answer.reset_history_event_id :]
        if answer.reset_history_event_id:  # it only rejected, and history shows no trace of it
            self.facts.tasks[request.identity] = (run_id, False, [])
        for attempt in answer.activity_tasks:
            self._got_attempt(attempt)
        if answer.HasField("workflow_task"):
            self._got_workflow_task(answer.workflow_task)

    def _random_commands(self, task: PollWorkflowTaskQueueResponse) -> list[Command]:
        chance, commands = self.chance, super()._random_commands(task)
        ends = bool(commands) and commands[-1].command_type in (4, 5, 7)
        more = []
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            match chance.choice(("child", "child", "signal", "cancel")):
                case "child":
                    more.append(self._start_child())
                case "signal":
                    more.append(self._signal_other())
                case "cancel":
                    command = Command(command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION)
                    attributes = command.request_cancel_external_workflow_execution_command_attributes
                    attributes.workflow_id = chance.choice((*CHILDREN, "a"))
                    attributes.child_workflow_only = chance.random() < 0.5
                    more.append(command)
        if not ends and chance.random() < 0.1:
            command = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
            command.continue_as_new_workflow_execution_command_attributes.SetInParent()
            return [*more, *commands, command]
        return [*more, *commands]

    def _start_child(self) -> Command:
        command = Command(command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION)
        attributes = command.start_child_workflow_execution_command_attributes
        attributes.workflow_id = self.chance.choice(CHILDREN)
        attributes.workflow_type.name, attributes.task_queue.name = "Workflow", QUEUE
        attributes.parent_close_policy = self.chance.choice(_POLICIES)
        if self.chance.random() < 0.3:
            attributes.retry_policy.initial_interval.seconds = 1
            attributes.retry_policy.maximum_attempts = 2
        if self.chance.random() < 0.2:
            attributes.workflow_run_timeout.seconds = self.chance.randint(1, 60)
        return command

    def _signal_other(self) -> Command:
        command = Command(command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION)
        attributes = command.signal_external_workflow_execution_command_attributes
        attributes.execution.workflow_id = self.chance.choice((*CHILDREN, "b"))
        attributes.signal_name = self._new("told")
        self.facts.asked_signals.add(attributes.signal_name)
        return command

    # ---- the end -----------------------------------------------------------------------------------

    async def _wind_up(self) -> None:
        self._winds_up = True
        for schedule_id in ("schedule-1", "schedule-2"):
            request = DeleteScheduleRequest(namespace=NAMESPACE, schedule_id=schedule_id)
            asked_ns = self.clock.now_ns()

            def told(answer: Any, status: StatusCode | None, gone: str = schedule_id, asked_ns: int = asked_ns) -> None:
                self.relations.schedules_gone[gone] = (asked_ns, self.clock.now_ns())

            self._send(self.service.delete_schedule, request, told)
        await self.settle()
        await super()._wind_up()

    async def _end_runs(self) -> list[str]:
        """Children first, so that parents hear of their end."""
        for _ in range(10):
            self._stop_polling()
            for _ in range(6):
                self.poll_workflow_task()
            await self.settle()
            while self._tasks:
                task = self._tasks.pop()
                is_child = task.workflow_execution.workflow_id in CHILDREN
                self.complete_workflow_task(task, [complete_workflow()] if is_child else [])
            await self.settle(timedelta(seconds=5))
        return await super()._end_runs()

    async def _last_words(self) -> list[str]:
        found = []
        await self.settle(timedelta(seconds=60))
        for job_id in sorted(self.relations.batches):
            request = DescribeBatchOperationRequest(namespace=NAMESPACE, job_id=job_id)
            described = await self.service.describe_batch_operation(request)
            if described.state != BatchOperationState.BATCH_OPERATION_STATE_COMPLETED:
                found.append(f"batch operation {job_id} is in state {described.state}")
        self._stop_polling()
        await self.turn(3)
        if self._requests:
            found.append(f"{len(self._requests)} requests got no answer")
        return found + list(check_relations(self.relations, self.facts, self.disk.store))
