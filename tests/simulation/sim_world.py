"""One simulated world: an engine, its disk, its clients and workers, and all that goes wrong between them.

Everything that happens is drawn from one seed. Requests are sent without waiting for their answers, the event loop
is turned a random number of times between them, and every answer becomes a fact.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim_facts import Facts, check_facts, runs_of
from sim_store import Disk, Generation, SlowCommitter
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import (
    TaskQueueKind,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetActivityRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UnpauseWorkflowExecutionRequest,
    UpdateActivityOptionsRequest,
)

from tsuzuki.common.stream_frames import write_frame
from tsuzuki.engine import EmbeddedService, Limits, open_embedded
from tsuzuki.engine._history_pages import read_from
from tsuzuki.engine._tokens import parse_workflow_token
from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.store import check_store
from tsuzuki.testing import Fault, Moment, Point, VirtualClock
from tsuzuki.testing._local_server import (
    cancel_timer,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    request_cancel_activity,
    schedule_activity,
    start_timer,
)

NAMESPACE, QUEUE = "default", "queue"
WORKFLOWS = ("a", "b", "c")
POLLS_MAX = 12
REFUSED = frozenset(
    {StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT, StatusCode.ALREADY_EXISTS, StatusCode.RESOURCE_EXHAUSTED}
    | {StatusCode.FAILED_PRECONDITION}
)
OPEN = (1, 8)
"""RUNNING and PAUSED."""
REUSE, CONFLICT = WorkflowIdReusePolicy, WorkflowIdConflictPolicy
UNHANDLED_FAILURE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE


Answered = Callable[[StatusCode | None], None]


@dataclass
class Speech:
    """What an attempt says into the stream.

    Attributes:
        said: How many events were acknowledged.
        values: Of the batch that is not.
        under_way: The service that it was sent to, until an answer comes.
    """

    said: int = 0
    values: list[int] = field(default_factory=list)
    under_way: EmbeddedService | None = None


class World:
    """`operated`: people pause and reset activities and runs and change options; attempts speak into streams. Without
    that a seed means what it always did."""

    def __init__(self, seed: int, path: Path | None = None, *, operated: bool = False) -> None:
        self._operated = operated
        self._counted_anew: set[tuple[str, str]] = set()
        """(run id, activity id) whose attempts need not be numbered 1, 2, 3, ..., nor wait for their back-off."""
        self.chance = random.Random(seed)
        self.facts = Facts()
        self.disk = Disk(path)
        self.clock = VirtualClock()
        self.service: EmbeddedService
        self.store: Generation
        self.committer: SlowCommitter | None = None
        self._slow_disk = path is not None
        self._remote_workers = self.chance.random() < 0.3
        self._cached_runs_max = self.chance.choice((1, 2, 10_000, 10_000))
        self._limits = Limits(buffered_events_max=self.chance.choice((3, 100)))
        self._ids = 0
        self._requests: dict[asyncio.Task[None], None] = {}  # in order: the same seed, the same life
        self._polls: list[asyncio.Task[Any]] = []
        self._tasks: list[PollWorkflowTaskQueueResponse] = []
        self._attempts: list[PollActivityTaskQueueResponse] = []
        self._newest_token: dict[str, bytes] = {}
        """Run id -> token of the newest workflow task that a worker got."""
        self._remembered: dict[str, list[bytes]] = {}
        """Run id -> the events that its worker has in memory."""
        self._newest_attempt: dict[tuple[str, str], bytes] = {}
        """Its token."""
        self._speeches: dict[bytes, Speech] = {}
        self._asked_options: dict[tuple[str, str], int] = {}
        self._scheduled: dict[str, list[int]] = {}
        self._signals: list[str] = []
        self._starts: list[StartWorkflowExecutionRequest] = []
        self._sticky = "sticky"
        self._set_back = timedelta()
        """How much the clock has yet to catch up; until then timeouts wait longer."""
        self.story: list[str] = []

    # ---- the process -------------------------------------------------------------------------------

    async def open(self) -> None:
        self.store = self.disk.open()
        if not self._remote_workers:  # a new process, a new worker, a queue of its own
            self._sticky = f"sticky {self.store.incarnation}"
        self.service = await open_embedded(
            None,
            store=self.store,
            clock=self.clock,
            new_id=lambda: self._new("run"),
            limits=self._limits,
            cached_runs_max=self._cached_runs_max,
        )
        if self._slow_disk:
            journal = self.service._engine.journal
            journal.close()  # the thread that would commit
            self.committer = SlowCommitter(self.store)
            journal._committer = self.committer  # type: ignore[assignment]
        if self._remote_workers:
            for poll in (self.service.poll_workflow_task_queue, self.service.poll_activity_task_queue):
                poll.__self__._local = False  # type: ignore[attr-defined]

    async def kill(self) -> None:
        """The process dies: no more answers, nothing more is written; workers elsewhere keep what they have."""
        self.story.append("kill")
        self.store.dead = True
        await self._lose_all_answers()
        self.service._engine.closed = True
        self.clock = VirtualClock(self.clock.now_ns())
        await self.open()

    async def _lose_all_answers(self) -> None:
        under_way = [*self._requests, *self._polls]
        self._requests.clear()
        self._polls.clear()
        for call in under_way:
            call.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self.turn(3)

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    def _new(self, what: str) -> str:
        self._ids += 1
        return f"{what}-{self._ids}"

    # ---- requests ----------------------------------------------------------------------------------

    def _send(
        self,
        rpc: Callable[[Any], Coroutine[Any, Any, Any]],
        request: Any,
        told: Callable[[Any, StatusCode | None], None] | None = None,
    ) -> None:
        """`told(answer, None)` or `told(None, status)`; never called when the answer is lost."""

        async def sending() -> None:
            try:
                answer = await rpc(request)
            except ServiceError as error:
                if error.status not in REFUSED and error.status is not StatusCode.UNAVAILABLE:
                    self.facts.broken.append(f"an error that tells nothing: {error!r}")
                if told is not None:
                    told(None, error.status)
            else:
                if told is not None:
                    told(answer, None)

        under_way = asyncio.ensure_future(sending())
        self._requests[under_way] = None
        under_way.add_done_callback(self._request_done)

    def _request_done(self, request: asyncio.Task[None]) -> None:
        self._requests.pop(request, None)
        if not request.cancelled() and request.exception() is not None:
            self.facts.broken.append(f"a request ended with {request.exception()!r}")

    # ---- clients -----------------------------------------------------------------------------------

    def start(self) -> None:
        chance = self.chance
        if self._starts and chance.random() < 0.3:
            request = chance.choice(self._starts)  # sent again: its answer may have been lost
        else:
            request = StartWorkflowExecutionRequest(
                namespace=NAMESPACE,
                workflow_id=chance.choice(WORKFLOWS),
                request_id=self._new("request"),
                workflow_id_reuse_policy=chance.choice(
                    (
                        REUSE.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED,
                        REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
                        REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
                    )
                ),
                workflow_id_conflict_policy=chance.choice(
                    (
                        CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED,
                        CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
                        CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
                        CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
                    )
                ),
            )
            request.workflow_type.name = "Workflow"
            request.task_queue.name = QUEUE
            if chance.random() < 0.2:
                request.workflow_start_delay.FromTimedelta(timedelta(seconds=chance.randint(1, 60)))
            if chance.random() < 0.3:
                request.workflow_run_timeout.FromTimedelta(timedelta(seconds=chance.randint(1, 300)))
            if chance.random() < 0.3:
                request.retry_policy.initial_interval.FromTimedelta(timedelta(seconds=chance.randint(1, 30)))
                request.retry_policy.maximum_attempts = 3
            self._starts.append(request)

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.started[answer.run_id] = request.workflow_id

        self._send(self.service.start_workflow_execution, request, told)

    def signal(self) -> None:
        if self._signals and self.chance.random() < 0.3:
            name = self.chance.choice(self._signals)
        else:
            name = self._new(self.chance.choice(WORKFLOWS))
            self._signals.append(name)
        request = SignalWorkflowExecutionRequest(namespace=NAMESPACE, signal_name=name, request_id=name)
        request.workflow_execution.workflow_id = name[0]
        self.facts.asked_signals.add(name)

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.signalled.add(name)

        self._send(self.service.signal_workflow_execution, request, told)

    def _open_run(self) -> tuple[str, str] | None:
        runs = [
            (stored.new.workflow_id, stored.new.run_id)
            for stored, _, _ in runs_of(self.disk.store)
            if stored.update.status in OPEN
        ]
        return self.chance.choice(runs) if runs else None

    def cancel(self) -> None:
        if (target := self._open_run()) is None:
            return
        request = RequestCancelWorkflowExecutionRequest(namespace=NAMESPACE, request_id=self._new("cancel"))
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = target
        service, effective = self.service, False

        async def sending(request: RequestCancelWorkflowExecutionRequest) -> Any:
            nonlocal effective
            run = service._engine.runs.find(NAMESPACE, *target)
            effective = run is not None and run.is_open  # a closed run takes it without an effect
            return await service.request_cancel_workflow_execution(request)

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None and effective:
                self.facts.cancelled.add(target[1])

        self._send(sending, request, told)

    def terminate(self) -> None:
        if (target := self._open_run()) is None:
            return
        request = TerminateWorkflowExecutionRequest(namespace=NAMESPACE, reason="simulated")
        request.workflow_execution.workflow_id, request.workflow_execution.run_id = target

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.terminated.add(target[1])

        self._send(self.service.terminate_workflow_execution, request, told)

    # ---- people ------------------------------------------------------------------------------------

    def pause_run(self) -> None:
        if (target := self._open_run()) is None:
            return
        self._ids += 1
        number = self._ids
        request = PauseWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_id=target[0], run_id=target[1], request_id=f"pause-{number}"
        )

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None and self.facts.let_go_on.get(target[1], 0) < number:
                self.facts.paused[target[1]] = self.clock.now_ns()

        self._send(self.service.pause_workflow_execution, request, told)

    def unpause_run(self) -> None:
        if (target := self._open_run()) is not None:
            self._unpause_run(*target)

    def _unpause_run(self, workflow_id: str, run_id: str) -> None:
        self._ids += 1
        self.facts.let_go_on[run_id] = self._ids
        self.facts.paused.pop(run_id, None)
        request = UnpauseWorkflowExecutionRequest(namespace=NAMESPACE, workflow_id=workflow_id, run_id=run_id)
        self._send(self.service.unpause_workflow_execution, request)

    def _an_activity(self) -> tuple[dict[str, Any], tuple[str, str]] | None:
        if not self._attempts:
            return None
        task = self.chance.choice(self._attempts)
        execution = task.workflow_execution
        about = {"namespace": NAMESPACE, "execution": execution, "id": task.activity_id}
        return about, (execution.run_id, task.activity_id)

    def pause_activity(self) -> None:
        if (found := self._an_activity()) is None:
            return
        about, key = found
        self._counted_anew.add(key)  # its last attempt may be followed by another
        self._ids += 1
        number = self._ids

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None and self.facts.released.get(key, 0) < number:
                self.facts.held[key] = self.clock.now_ns()

        self._send(self.service.pause_activity, PauseActivityRequest(**about), told)

    def unpause_activity(self) -> None:
        self._release(UnpauseActivityRequest, self.service.unpause_activity, reset_attempts=self.chance.random() < 0.3)

    def reset_activity(self) -> None:
        self._release(ResetActivityRequest, self.service.reset_activity)

    def _release(self, kind: Any, rpc: Callable[[Any], Coroutine[Any, Any, Any]], **fields: Any) -> None:
        if (found := self._an_activity()) is None:
            return
        about, key = found
        self._counted_anew.add(key)
        self._ids += 1
        self.facts.released[key] = self._ids
        self.facts.held.pop(key, None)
        self._send(rpc, kind(**about, **fields))

    def change_options(self) -> None:
        if (found := self._an_activity()) is None:
            return
        about, key = found
        self._counted_anew.add(key)
        self._ids += 1
        self._asked_options[key] = most = 1000 + self._ids
        self.facts.options.pop(key, None)
        request = UpdateActivityOptionsRequest(**about)
        request.activity_options.retry_policy.maximum_attempts = most
        request.update_mask.paths.append("retry_policy.maximum_attempts")

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None and self._asked_options[key] == most:
                self.facts.options[key] = most, self.clock.now_ns()

        self._send(self.service.update_activity_options, request, told)

    async def _let_all_go_on(self) -> None:
        """At the end: nothing stays paused, and what was paused until now is still so."""
        found = []
        for stored, _, _ in runs_of(self.disk.store):
            run_id = stored.new.run_id
            if run_id in self.facts.paused and stored.update.status == 1:
                found.append(f"run {run_id} was acknowledged as paused and is not")
            if stored.update.status in OPEN:
                self._unpause_run(stored.new.workflow_id, run_id)
                about = {"workflow_id": stored.new.workflow_id, "run_id": run_id}
                unpause_all = UnpauseActivityRequest(namespace=NAMESPACE, execution=about, unpause_all=True)
                self._send(self.service.unpause_activity, unpause_all)
        self.facts.held.clear()
        self.facts.broken += found
        await self.settle()

    def look(self) -> None:
        """Read: a history, a description, a list, a count."""
        target = self._open_run()
        if target is None:
            return
        history = GetWorkflowExecutionHistoryRequest(namespace=NAMESPACE)
        history.execution.workflow_id, history.execution.run_id = target

        def told(answer: Any, status: StatusCode | None) -> None:
            if answer is not None:
                self.facts.show(target[1], list(answer.history.events))

        self._send(self.service.get_workflow_execution_history, history, told)
        describe = DescribeWorkflowExecutionRequest(namespace=NAMESPACE)
        describe.execution.workflow_id, describe.execution.run_id = target
        self._send(self.service.describe_workflow_execution, describe)
        known = len(self.facts.started)
        listed = ListWorkflowExecutionsRequest(namespace=NAMESPACE, page_size=1000)

        def told_list(answer: Any, status: StatusCode | None) -> None:
            if answer is not None and len(answer.executions) < known:
                self.facts.broke(11, f"{len(answer.executions)} runs listed, {known} were acknowledged before")

        self._send(self.service.list_workflow_executions, listed, told_list)
        self._send(self.service.count_workflow_executions, CountWorkflowExecutionsRequest(namespace=NAMESPACE))

    # ---- workers: taking ---------------------------------------------------------------------------

    def poll_workflow_task(self, queue: str = QUEUE) -> None:
        request = PollWorkflowTaskQueueRequest(namespace=NAMESPACE, identity="worker")
        request.task_queue.name = queue
        if queue != QUEUE:
            request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
        self._poll(self.service.poll_workflow_task_queue, request, self._got_workflow_task)

    def poll_sticky(self) -> None:
        self.poll_workflow_task(self._sticky)

    def poll_activity(self) -> None:
        request = PollActivityTaskQueueRequest(namespace=NAMESPACE, identity="worker")
        request.task_queue.name = QUEUE
        self._poll(self.service.poll_activity_task_queue, request, self._got_attempt)

    def _poll(self, rpc: Callable[[Any], Coroutine[Any, Any, Any]], request: Any, got: Callable[[Any], None]) -> None:
        if len(self._polls) >= POLLS_MAX:
            return
        poll = asyncio.ensure_future(rpc(request))
        self._polls.append(poll)

        def done(poll: asyncio.Task[Any]) -> None:
            if poll in self._polls:
                self._polls.remove(poll)
            if poll.cancelled():
                return
            if (error := poll.exception()) is not None:
                if not isinstance(error, ServiceError) or error.status is not StatusCode.UNAVAILABLE:
                    self.facts.broken.append(f"a poll ended with {error!r}")
            elif poll.result().task_token:
                got(poll.result())

        poll.add_done_callback(done)

    def go_away(self) -> None:
        """A worker breaks its connection while it polls."""
        if self._polls:
            self.chance.choice(self._polls).cancel()

    def _got_workflow_task(self, task: PollWorkflowTaskQueueResponse) -> None:
        self._tasks.append(task)
        self._newest_token[task.workflow_execution.run_id] = task.task_token
        events = task.history.events
        if any(second.event_id != first.event_id + 1 for first, second in pairwise(events)):
            self.facts.broke(5, f"a workflow task with events {[event.event_id for event in events]}")
        if events[-1].event_id != task.started_event_id:
            self.facts.broke(5, f"a workflow task up to {events[-1].event_id}, started by {task.started_event_id}")
        self._remember(task)

    def _remember(self, task: PollWorkflowTaskQueueResponse) -> None:
        """A worker is given what it has not seen; what it has seen must be what happened."""
        run_id, first = task.workflow_execution.run_id, task.history.events[0].event_id
        if first > 1 and run_id not in self._remembered:
            return  # it would fetch the rest
        memory = [] if first == 1 else self._remembered[run_id]
        engine = self.service._engine
        run = engine.runs.find(NAMESPACE, task.workflow_execution.workflow_id, run_id)
        _, stamp = parse_workflow_token(task.task_token)
        # It ran ahead of a commit that has failed since: then its answer is refused, and the run starts over.
        lost = run is None or run.workflow_task.stamp != stamp
        if first > 1 and run is not None and not lost:
            events = History.FromString(read_from(engine.store, run, 1)).events[: first - 1]
            if memory != [event.SerializeToString(deterministic=True) for event in events]:
                self.facts.broke(6, f"the worker of run {run_id} is to go on at event {first} from what never happened")
        memory += [event.SerializeToString(deterministic=True) for event in task.history.events]
        self._remembered[run_id] = memory

    def _got_attempt(self, task: PollActivityTaskQueueResponse) -> None:
        self._attempts.append(task)
        run_id = task.workflow_execution.run_id
        key = (run_id, task.activity_id, task.attempt)
        counted = key[:2] not in self._counted_anew
        for held_ns in (self.facts.held.get(key[:2]), self.facts.paused.get(run_id)):
            if held_ns is not None and task.started_time.ToNanoseconds() > held_ns:
                self.facts.broke(27, f"attempt {key} started while it or its run was paused")
        if task.task_token in self.facts.tokens or (counted and key in self.facts.attempts):
            self.facts.broke(27, f"attempt {key} was handed out twice")
        self.facts.attempts.add(key)
        self.facts.tokens.add(task.task_token)
        self._newest_attempt[run_id, task.activity_id] = task.task_token
        most = task.retry_policy.maximum_attempts
        changed, since_ns = self.facts.options.get(key[:2], (most, 0))
        if most != changed and task.started_time.ToNanoseconds() > since_ns:
            self.facts.broke(29, f"attempt {key} of at most {most}, though that was changed to {changed}")
        if counted and most and task.attempt > most:
            self.facts.broke(27, f"attempt {key} of at most {most}")
        if counted and task.started_time.ToNanoseconds() < self.facts.not_before.get(key, 0):
            self.facts.broke(29, f"attempt {key} started before its back-off ended")
        reached = int(task.heartbeat_details.payloads[0].data) if task.heartbeat_details.payloads else 0
        if reached < self.facts.beats.get((run_id, task.activity_id), 0):
            self.facts.broke(29, f"attempt {key} knows heartbeat {reached}, a newer one was acknowledged")
        if counted and not self._start_is_on_disk(task):
            self.facts.broke(14, f"attempt {key} was handed out before its start was durable")

    def _start_is_on_disk(self, task: PollActivityTaskQueueResponse) -> bool:
        if not self._slow_disk:
            return True  # in memory there is no telling what is committed
        execution = task.workflow_execution
        stored = self.disk.store.find_run(NAMESPACE, execution.workflow_id, execution.run_id)
        if stored is None:
            return False
        rows = self.disk.store.activities(stored.new.run_key)
        # It may be over already: then the attempt was on the disk before it was answered.
        return any(row.attempt >= task.attempt and row.started_ns is not None for row in rows) or not any(
            row.attempt <= task.attempt and row.scheduled_event_id == self._event_id(task) for row in rows
        )

    @staticmethod
    def _event_id(task: PollActivityTaskQueueResponse) -> int:
        return int(task.activity_id.rpartition("@")[2] or 0)

    def _stop_polling(self) -> None:
        for poll in self._polls:
            poll.cancel()
        self._polls.clear()

    # ---- workers: workflow tasks -------------------------------------------------------------------

    def answer_workflow_task(self) -> None:
        if not self._tasks:
            return
        # Mostly the newest; any older one is stale, or is answered twice.
        task = self._tasks[-1] if self.chance.random() < 0.7 else self.chance.choice(self._tasks)
        if self.chance.random() < 0.15:
            self._fail_workflow_task(task)
        else:
            self.complete_workflow_task(task, self._random_commands(task))

    def _fail_workflow_task(self, task: PollWorkflowTaskQueueResponse) -> None:
        request = RespondWorkflowTaskFailedRequest(
            task_token=task.task_token, cause=UNHANDLED_FAILURE, failure=Failure(message="bug")
        )
        self._send(self.service.respond_workflow_task_failed, request, self._told_stale(task))

    def _told_stale(self, task: PollWorkflowTaskQueueResponse) -> Callable[[Any, StatusCode | None], None]:
        was_stale = self._newest_token[task.workflow_execution.run_id] != task.task_token

        def told(answer: Any, status: StatusCode | None) -> None:
            if was_stale and status not in (StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE):
                self.facts.broke(15, f"a stale workflow task token of {task.workflow_execution.run_id} was taken")

        return told

    def complete_workflow_task(self, task: PollWorkflowTaskQueueResponse, commands: list[Command]) -> None:
        run_id = task.workflow_execution.run_id
        identity = self._new("answer")
        request = RespondWorkflowTaskCompletedRequest(task_token=task.task_token, identity=identity, commands=commands)
        if self.chance.random() < 0.5:
            request.sticky_attributes.worker_task_queue.name = self._sticky
            request.sticky_attributes.schedule_to_start_timeout.seconds = 5
        self._dress(request, task)
        self.facts.tasks[identity] = (run_id, None, commands)
        told_stale = self._told_stale(task)

        def told(answer: Any, status: StatusCode | None) -> None:
            told_stale(answer, status)
            if answer is None and status is not StatusCode.UNAVAILABLE:  # then it would send it again, and remember
                self._remembered.pop(run_id, None)
            if answer is not None:
                self.facts.tasks[identity] = (run_id, True, commands)
                self._answered_workflow_task(request, task, answer)
            elif status in REFUSED:
                self.facts.tasks[identity] = (run_id, False, commands)

        self._send(self.service.respond_workflow_task_completed, request, told)

    def _dress(self, request: RespondWorkflowTaskCompletedRequest, task: PollWorkflowTaskQueueResponse) -> None:
        """Add to the answer of a workflow task what is more than commands."""

    def _answered_workflow_task(
        self,
        request: RespondWorkflowTaskCompletedRequest,
        task: PollWorkflowTaskQueueResponse,
        answer: RespondWorkflowTaskCompletedResponse,
    ) -> None:
        """The answer was taken."""

    def _random_commands(self, task: PollWorkflowTaskQueueResponse) -> list[Command]:
        chance = self.chance
        run_id = task.workflow_execution.run_id
        known = self._scheduled.setdefault(run_id, [])
        known += [event.event_id for event in task.history.events if event.event_type == 10]
        commands = []
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            match chance.choice(("activity", "activity", "timer", "cancel activity", "cancel timer")):
                case "activity":
                    commands.append(self._random_activity())
                case "timer":
                    commands.append(start_timer(f"t{chance.randint(1, 9)}", timedelta(seconds=chance.randint(1, 90))))
                case "cancel activity" if known:
                    commands.append(request_cancel_activity(chance.choice(known)))
                case "cancel timer" if chance.random() < 0.5:
                    commands.append(cancel_timer(f"t{chance.randint(1, 9)}"))
        if chance.random() < 0.15:
            commands.append(chance.choice((complete_workflow, fail_workflow, cancel_workflow))())
        return commands

    def _random_activity(self) -> Command:
        chance = self.chance
        return schedule_activity(
            self._new("activity"),
            start_to_close=timedelta(seconds=chance.choice((5, 60, 36_000))),
            schedule_to_close=timedelta(seconds=chance.choice((20, 600))) if chance.random() < 0.3 else None,
            heartbeat=timedelta(seconds=chance.randint(2, 20)) if chance.random() < 0.3 else None,
            initial_interval=timedelta(seconds=chance.choice((1, 10))),
            maximum_attempts=chance.choice((0, 1, 1, 2, 4)),
        )

    # ---- workers: activities -----------------------------------------------------------------------

    def answer_activity(self) -> None:
        if not self._attempts:
            return
        task = self._attempts[-1] if self.chance.random() < 0.6 else self.chance.choice(self._attempts)
        match self.chance.choice(("complete", "complete", "fail", "fail for good", "cancel", "beat", "beat")):
            case "complete":
                self.complete_activity(task)
            case "fail" | "fail for good" as how:
                self._fail_activity(task, for_good=how == "fail for good")
            case "cancel":
                identity = self._new("outcome")
                request = RespondActivityTaskCanceledRequest(task_token=task.task_token, identity=identity)
                self._send(self.service.respond_activity_task_canceled, request, self._told_outcome(task, identity))
            case "beat":
                self._heartbeat(task)

    def complete_activity(self, task: PollActivityTaskQueueResponse) -> None:
        identity = self._new("outcome")
        request = RespondActivityTaskCompletedRequest(task_token=task.task_token, identity=identity)
        self._send(self.service.respond_activity_task_completed, request, self._told_outcome(task, identity))

    def _told_outcome(
        self, task: PollActivityTaskQueueResponse, identity: str
    ) -> Callable[[Any, StatusCode | None], None]:
        run_id = task.workflow_execution.run_id
        self.facts.outcomes[identity] = (run_id, None)
        told_old = self._told_old(task)

        def told(answer: Any, status: StatusCode | None) -> None:
            told_old(answer, status)
            if answer is not None:
                self.facts.outcomes[identity] = (run_id, True)
            elif status in REFUSED:
                self.facts.outcomes[identity] = (run_id, False)

        return told

    def _told_old(self, task: PollActivityTaskQueueResponse) -> Callable[[Any, StatusCode | None], None]:
        key = (task.workflow_execution.run_id, task.activity_id)
        was_old = self._newest_attempt[key] != task.task_token

        def told(answer: Any, status: StatusCode | None) -> None:
            if was_old and status not in (StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE):
                self.facts.broke(28, f"attempt {task.attempt} of {key} was answered, though a later one is out")

        return told

    def _fail_activity(self, task: PollActivityTaskQueueResponse, *, for_good: bool) -> None:
        failure = Failure(message="no")
        failure.application_failure_info.non_retryable = for_good
        request = RespondActivityTaskFailedRequest(
            task_token=task.task_token, failure=failure, identity=self._new("failure")
        )
        service, told_old = self.service, self._told_old(task)
        failed_ns = 0

        async def sending(request: RespondActivityTaskFailedRequest) -> Any:
            nonlocal failed_ns
            failed_ns = self.clock.now_ns()
            return await service.respond_activity_task_failed(request)

        def told(answer: Any, status: StatusCode | None) -> None:
            told_old(answer, status)
            if answer is not None:
                backoff_ns = task.retry_policy.initial_interval.ToNanoseconds()
                key = (task.workflow_execution.run_id, task.activity_id, task.attempt + 1)
                self.facts.not_before[key] = failed_ns + backoff_ns

        self._send(sending, request, told)

    def _heartbeat(self, task: PollActivityTaskQueueResponse) -> None:
        self._ids += 1
        number = self._ids
        details = Payloads()
        said = self._say(task, details) if self._operated else None
        details.payloads.add().data = b"%d" % number
        request = RecordActivityTaskHeartbeatRequest(task_token=task.task_token, details=details)
        key = (task.workflow_execution.run_id, task.activity_id)

        told_old = self._told_old(task)

        def told(answer: Any, status: StatusCode | None) -> None:
            told_old(answer, status)
            if said is not None:
                said(status)
            if answer is not None:
                self.facts.beats[key] = max(number, self.facts.beats.get(key, 0))

        self._send(self.service.record_activity_task_heartbeat, request, told)

    def speak(self) -> None:
        if self._attempts:
            self._heartbeat(self.chance.choice(self._attempts[-3:]))

    def _say(
        self, task: PollActivityTaskQueueResponse, details: Payloads
    ) -> Callable[[StatusCode | None], None] | None:
        """Let an attempt say something into the stream, what was not acknowledged again; one batch at a time."""
        speech = self._speeches.setdefault(task.task_token, Speech())
        if speech.under_way is self.service:
            return None
        if not speech.values:
            first = self._ids + 1
            self._ids += self.chance.randint(1, 3)
            speech.values = list(range(first, self._ids + 1))
        speech.under_way = self.service
        values, run_id = speech.values, task.workflow_execution.run_id
        details.payloads.append(write_frame({"seq": speech.said + 1, "kinds": "d" * len(values)}))
        details.payloads.add().data = json.dumps(values).encode()

        def told(status: StatusCode | None) -> None:
            speech.under_way = None
            if status is None:
                self.facts.heard[run_id] += values
                speech.said, speech.values = speech.said + len(values), []
            elif status is StatusCode.INVALID_ARGUMENT:
                self.facts.broke(3, f"run {run_id} takes no {values} of {task.activity_id} after {speech.said} events")

        return told

    # ---- time and disk -----------------------------------------------------------------------------

    async def pass_time(self) -> None:
        seconds = self.chance.choice((0.1, 1, 1, 5, 20, 100))
        advancing = asyncio.ensure_future(self.clock.advance(timedelta(seconds=seconds)))
        while not advancing.done():
            if self.committer is not None and self.committer.busy and self.chance.random() < 0.3:
                self.committer.land()
            await asyncio.sleep(0)

    def step_clock(self) -> None:
        by = timedelta(seconds=self.chance.choice((-7200, -60, -5, -0.5, 0.5, 60)))
        self._set_back = max(timedelta(), self._set_back - by)
        self.clock.step(by)

    def break_disk(self) -> None:
        point = self.chance.choice(list(Point))
        faults = [Fault.FAILED] if point is Point.AFTER_COMMIT else [Fault.FAILED, Fault.FULL]
        moment = Moment(point, self.store.passed[point] + self.chance.randint(1, 3))
        self.store.strike_next({moment: self.chance.choice(faults)})

    def land(self) -> None:
        if self.committer is not None and self.committer.busy:
            self.committer.land()

    # ---- the whole of it ---------------------------------------------------------------------------

    def _actions(self) -> list[tuple[Callable[[], Any], int]]:
        """What may happen, and how often."""
        actions: list[tuple[Callable[[], Any], int]] = [
            (self.start, 8),
            (self.signal, 8),
            (self.cancel, 2),
            (self.terminate, 1),
            (self.look, 3),
            (self.poll_workflow_task, 14),
            (self.poll_sticky, 8),
            (self.poll_activity, 14),
            (self.go_away, 5),
            (self.answer_workflow_task, 18),
            (self.answer_activity, 14),
            (self.pass_time, 8),
            (self.step_clock, 1),
            (self.break_disk, 2),
            (self.kill, 1),
            (self.land, 30 if self._slow_disk else 0),
        ]
        if self._operated:
            actions = [
                each for each in actions if each[0] != self.step_clock
            ]  # when an attempt started tells something
            actions += [
                (self.pause_run, 5),
                (self.unpause_run, 6),
                (self.pause_activity, 8),
                (self.unpause_activity, 5),
                (self.reset_activity, 3),
                (self.change_options, 3),
                (self.speak, 10),
            ]
        return actions

    async def live(self, steps: int) -> None:
        """Do random things."""
        acts, weights = zip(*self._actions(), strict=True)
        for act in self.chance.choices(acts, weights, k=steps):
            self.story.append(act.__name__)
            if (waiting := act()) is not None:
                await waiting
            await self.turn(self.chance.choice((0, 0, 1, 2, 5, 30)))

    async def settle(self, by: timedelta = timedelta()) -> None:
        """Let everything under way come to its end."""
        advancing = asyncio.ensure_future(self.clock.advance(by))
        while not advancing.done() or (self.committer is not None and self.committer.busy):
            self.land()
            await asyncio.sleep(0)
        await self.clock.settle()

    async def finish(self) -> list[str]:
        """The disk works, the workers are good: everything must come to its end. Returns what is wrong."""
        self.store.strike_next({})
        self.clock.step(self._set_back)
        if self.chance.random() < 0.5:
            await self.kill()
        self._stop_polling()
        await self.settle(timedelta(seconds=2))
        if self._operated:
            await self._let_all_go_on()
        await self._wind_up()
        self._tasks.clear()
        self._attempts.clear()
        found = await self._end_activities()
        found += await self._end_runs()
        found += await self._last_words()
        found += check_facts(self.facts, self.disk.store)
        found += [str(problem) for problem in check_store(self.disk.store)]
        self.store.dead = True
        await self._lose_all_answers()
        return found

    async def _wind_up(self) -> None:
        """Before everything is brought to its end."""

    async def _last_words(self) -> list[str]:
        """What is wrong after that, as far as the engine has to be asked."""
        return []

    async def _end_activities(self) -> list[str]:
        """Whatever attempt a worker may get is completed; what nobody gets must time out, or be with somebody."""
        for _ in range(30):
            self._stop_polling()
            for _ in range(3):
                self.poll_activity()
            await self.settle()
            while self._attempts:
                self.complete_activity(self._attempts.pop())
            await self.settle(timedelta(seconds=20))
        found = []
        for stored, _, _ in runs_of(self.disk.store):
            for row in self.disk.store.activities(stored.new.run_key):
                run_id = stored.new.run_id
                if row.started_ns is None and row.scheduled_ns <= self.clock.now_ns():
                    found.append(f"run {run_id}: activity {row.scheduled_event_id} waits, but nobody is given it")
                elif row.incarnation not in (None, self.store.incarnation):
                    found.append(f"run {run_id}: activity {row.scheduled_event_id} runs in a process that is dead")
                elif row.incarnation is not None and not self._somebody_has(
                    run_id, row.scheduled_event_id, row.attempt
                ):
                    found.append(f"run {run_id}: activity {row.scheduled_event_id} runs, but nobody was given it")
        return found

    def _somebody_has(self, run_id: str, scheduled_event_id: int, attempt: int) -> bool:
        for stored, events, _ in runs_of(self.disk.store):
            if stored.new.run_id == run_id:
                activity_id = events[scheduled_event_id - 1].activity_task_scheduled_event_attributes.activity_id
                return (run_id, activity_id, attempt) in self.facts.attempts
        return False

    async def _end_runs(self) -> list[str]:
        for round_number in range(60):
            open_runs = [stored for stored, _, _ in runs_of(self.disk.store) if stored.update.status in OPEN]
            if not open_runs:
                return []
            if round_number == 40:  # those that wait for input of which nobody had thought
                for stored in open_runs:
                    request = SignalWorkflowExecutionRequest(namespace=NAMESPACE, signal_name="end")
                    request.workflow_execution.workflow_id = stored.new.workflow_id
                    self.facts.asked_signals.add("end")
                    self._send(self.service.signal_workflow_execution, request)
            self._stop_polling()
            for _ in range(3):
                self.poll_workflow_task()
            await self.settle()
            while self._tasks:
                self.complete_workflow_task(self._tasks.pop(), [complete_workflow()])
            await self.settle(timedelta(seconds=15))
        return [f"run {run.new.run_id} of {run.new.workflow_id} does not come to its end" for run in open_runs]
