"""The RPCs by which workers take and answer workflow tasks."""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn

from temporalio.api.enums.v1 import TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)

from tsuzuki.core import close, update, workflow_task
from tsuzuki.core.completion import complete_workflow_task
from tsuzuki.core.execution import Execution
from tsuzuki.core.failure import bounded
from tsuzuki.core.limits import check_id, check_text
from tsuzuki.core.refusal import NotFound, Refusal
from tsuzuki.core.times import SECOND, set_time
from tsuzuki.core.workflow_task import ENGINE_IDENTITY, NORMAL, WorkflowTaskState
from tsuzuki.service import ServiceError, StatusCode

from ._activity_tasks import ActivityTasks
from ._eager import EagerTasks
from ._engine import Engine
from ._history_pages import PageToken, read_from, read_page
from ._long_poll import wait_for_task
from ._matching import Poll
from ._queries import Queries
from ._refusals import refusals_as_errors, service_error
from ._tokens import parse_workflow_token, workflow_token
from ._updates import Updates

_CAUSE_PREFIX: Final = "WORKFLOW_TASK_FAILED_CAUSE_"
_MESSAGE_TOO_LARGE: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE
_MESSAGE_TOO_LARGE_REASON: Final = "GrpcMessageTooLarge"
"""The word of the real server."""


class WorkflowTasks:
    def __init__(
        self, engine: Engine, activities: ActivityTasks, queries: Queries, updates: Updates, *, local: bool
    ) -> None:
        self._engine = engine
        self._activities = activities
        self._queries = queries
        self._updates = updates
        self._local = local
        engine.ready_tasks.hand_workflow_task = self._hand

    async def poll(
        self, request: PollWorkflowTaskQueueRequest, *, wait_ns: int | None = None
    ) -> PollWorkflowTaskQueueResponse:
        """Wait for a task, or for `wait_ns` (None: any time); an empty answer is none."""
        engine, namespace, queue = self._engine, request.namespace, request.task_queue
        queue_name, identity, worker_key = queue.name, request.identity, request.worker_instance_key
        engine.check_open()
        engine.check_namespace(namespace)
        try:
            check_id("the task queue", queue_name, engine.limits)
            check_text("the identity", identity, engine.limits)
            check_text("the worker's instance key", worker_key, engine.limits)
        except Refusal as refusal:
            raise service_error(refusal) from None
        key = (namespace, queue_name, False)
        if queue.kind == _STICKY:
            engine.matching.queue(key).sticky = True
        future: asyncio.Future[object] = engine.loop.create_future()
        poll = Poll(future, identity, self._local, PollWorkflowTaskQueueResponse(), worker_key)
        return await wait_for_task(engine, key, poll, wait_ns=wait_ns, take_back=self.take_back)

    def take_back(self, task: PollWorkflowTaskQueueResponse) -> None:
        """The worker went away in the moment in which it got the task: let another one have it at once."""
        engine = self._engine
        if not task.task_token:
            return
        if task.HasField("query"):
            self._queries.take_back(task.task_token)
            return
        run_key, stamp = parse_workflow_token(task.task_token)
        engine.journal.ahead.discard(stamp)
        run = engine.runs.get(run_key)
        if run is not None and run.workflow_task.stamp == stamp and run.workflow_task.state == _STARTED:
            with engine.changing(run):
                workflow_task.time_out(run, engine.clock.now_ns(), engine.limits_of(run.namespace))

    def _hand(self, run: Execution, poll: Poll, *, follows: bool = False) -> None:
        """As `HandWorkflowTask`. A worker in this process may have it ahead of the commit."""
        engine = self._engine
        task = run.workflow_task
        now_ns = engine.clock.now_ns()
        stamp = engine.new_stamp()
        knows_the_past = task.on_sticky_queue or follows
        with engine.changing(run):
            workflow_task.start(
                run,
                now_ns,
                limits=engine.limits_of(run.namespace),
                identity=poll.identity,
                request_id=f"{stamp:x}",
                incarnation=engine.incarnation if poll.local else None,
                stamp=stamp,
            )
        response = self._response(run, knows_the_past)
        if poll.local:
            engine.journal.ahead.add(stamp)
            poll.future.set_result(response)
            return

        def deliver(error: Exception | None) -> None:
            if poll.future.done():
                self.take_back(response)
            elif error is None:
                poll.future.set_result(response)
            else:
                poll.future.set_result(PollWorkflowTaskQueueResponse())

        engine.journal.when_durable(deliver)

    def _response(self, run: Execution, knows_the_past: bool) -> PollWorkflowTaskQueueResponse:
        task = run.workflow_task
        response = PollWorkflowTaskQueueResponse()
        response.task_token = workflow_token(run.key, task.stamp)
        response.previous_started_event_id = run.previous_started_event_id
        response.started_event_id = task.started_event_id
        response.attempt = task.attempt
        execution = response.workflow_execution
        execution.workflow_id = run.workflow_id
        execution.run_id = run.run_id
        response.workflow_type.name = run.workflow_type
        queue = response.workflow_execution_task_queue
        queue.name = run.task_queue
        queue.kind = NORMAL
        set_time(response.scheduled_time, task.scheduled_ns)
        set_time(response.started_time, task.started_ns)
        self._show_history(response, run, run.previous_started_event_id + 1 if knows_the_past else 1)
        for number, query in self._queries.riding_along(run).items():
            response.queries[number].CopyFrom(query)
        if run.updates:
            response.messages.extend(update.send(run))
        return response

    def _show_history(self, response: PollWorkflowTaskQueueResponse, run: Execution, first_event_id: int) -> None:
        """In this process all of it; elsewhere a page, and a token for more, as messages are bounded there."""
        engine, task = self._engine, run.workflow_task
        if self._local:
            frames, next_event_id = read_from(engine.store, run, first_event_id), run.next_event_id
        else:
            frames, next_event_id = read_page(engine.store, run, first_event_id, run.next_event_id - 1)
        if next_event_id < run.next_event_id:
            response.next_page_token = PageToken(run.key, next_event_id, task.started_event_id, task.stamp).pack()
        elif task.transient_at:
            frames += b"".join(workflow_task.transient_frames(run))
        response.history.MergeFromString(frames)

    def _started_run(self, token_bytes: bytes, namespace: str) -> Execution:
        run_key, stamp = parse_workflow_token(token_bytes)
        run = self._engine.runs.get(run_key)
        if run is not None:
            self._engine.check_token_namespace(namespace, run)
        if run is None or run.workflow_task.state != _STARTED or run.workflow_task.stamp != stamp:
            where = "" if run is None else f" (workflow '{run.workflow_id}', run {run.run_id})"
            raise NotFound(
                f"the workflow task is over{where}: it timed out, was answered before, or its run closed. "
                "Drop the answer; the current attempt will be handed out anew."
            )
        return run

    async def respond_completed(
        self, request: RespondWorkflowTaskCompletedRequest
    ) -> RespondWorkflowTaskCompletedResponse:
        engine = self._engine
        engine.check_writable()
        try:
            run = self._started_run(request.task_token, request.namespace)
        except Refusal as refusal:
            raise service_error(refusal) from None
        if workflow_task.is_heartbeat(request) and workflow_task.has_taken_too_long(
            run, engine.clock.now_ns(), engine.limits_of(run.namespace)
        ):
            await self._end_heartbeats(run)
        stamp = run.workflow_task.stamp
        first_event_id = run.next_event_id
        eager = None
        engine.journal.ahead.discard(stamp)
        with refusals_as_errors(), engine.changing(run):
            bad = complete_workflow_task(run, request, engine.moment(run.namespace))
            if bad is None and (run.eager_activities or request.return_new_workflow_task):
                eager = EagerTasks(engine, run, request)
        self._queries.workflow_task_ended(run, request.query_results)
        self._updates.workflow_task_ended(run)
        response = RespondWorkflowTaskCompletedResponse()
        if run.next_event_id == first_event_id:  # history shows no trace of this task
            response.reset_history_event_id = run.previous_started_event_id
        if eager is None:
            await engine.durable()
        else:
            await self._with_eager(eager, response)
        if bad is not None:
            cause = WorkflowTaskFailedCause.Name(bad.cause).removeprefix(_CAUSE_PREFIX)
            raise ServiceError(StatusCode.INVALID_ARGUMENT, f"{cause}: {bad}")
        return response

    async def _end_heartbeats(self, run: Execution) -> NoReturn:
        """What the worker keeps alive is lost, and another attempt begins."""
        engine = self._engine
        engine.journal.ahead.discard(run.workflow_task.stamp)
        with engine.changing(run):
            workflow_task.time_out(run, engine.clock.now_ns(), engine.limits_of(run.namespace))
        self._queries.workflow_task_ended(run, {})
        await engine.durable()
        longest_s = engine.limits_of(run.namespace).workflow_task_heartbeats_max_ns // SECOND
        raise service_error(
            NotFound(
                f"workflow task heartbeat timeout: local activities kept a workflow task of '{run.workflow_id}' alive "
                f"for more than {longest_s} s. Let activities do what takes that long."
            )
        )

    async def _with_eager(self, eager: EagerTasks, response: RespondWorkflowTaskCompletedResponse) -> None:
        eager.start(local=self._local)
        try:
            await self._engine.durable()
            await eager.put_into(response)
        except BaseException:
            eager.take_back(self._activities.take_back, self.take_back)
            raise

    async def respond_failed(self, request: RespondWorkflowTaskFailedRequest) -> RespondWorkflowTaskFailedResponse:
        engine = self._engine
        engine.check_writable()
        try:
            run = self._started_run(request.task_token, request.namespace)
        except Refusal as refusal:
            raise service_error(refusal) from None
        stamp = run.workflow_task.stamp
        told = request.HasField("failure")
        failure = (
            bounded(request.failure, "the failure of a workflow task", engine.limits_of(run.namespace))
            if told
            else None
        )
        with engine.changing(run):
            if request.cause == _MESSAGE_TOO_LARGE:  # and so it would be every time
                close.terminate(run, _MESSAGE_TOO_LARGE_REASON, None, ENGINE_IDENTITY, engine.moment(run.namespace))
            else:
                workflow_task.fail(
                    run,
                    engine.clock.now_ns(),
                    cause=request.cause,
                    failure=failure,
                    identity=request.identity,
                    limits=engine.limits_of(run.namespace),
                )
        engine.journal.ahead.discard(stamp)
        self._queries.workflow_task_ended(run, {})
        await engine.durable()
        return RespondWorkflowTaskFailedResponse()


_STARTED: Final = WorkflowTaskState.STARTED
_STICKY: Final = TaskQueueKind.TASK_QUEUE_KIND_STICKY
