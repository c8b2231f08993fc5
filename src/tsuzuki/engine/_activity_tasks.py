"""The RPCs by which workers take activity attempts, report on them and answer them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledByIdResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedByIdResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedByIdResponse,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskFailedResponse,
)

from tsuzuki.common.log_frames import LOG_ACTIVITY_ID
from tsuzuki.common.stream_frames import has_frame
from tsuzuki.core import activity as activities
from tsuzuki.core.activity import Activity, ActivityState, Mark
from tsuzuki.core.execution import Execution
from tsuzuki.core.failure import bounded, oversized
from tsuzuki.core.limits import check_id, check_text
from tsuzuki.core.priority import of_task
from tsuzuki.core.refusal import NotFound, Refusal
from tsuzuki.core.times import set_time
from tsuzuki.service import ServiceError, StatusCode

from ._engine import Engine
from ._logs import Logs
from ._long_poll import wait_for_task
from ._matching import Poll
from ._refusals import service_error
from ._streams import Streams
from ._tokens import Attempt, activity_token, parse_activity_token


class ByToken(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def task_token(self) -> bytes: ...


class ById(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def workflow_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def activity_id(self) -> str: ...


class ActivityTasks:
    def __init__(self, engine: Engine, streams: Streams, logs: Logs, *, local: bool) -> None:
        self._engine = engine
        self._streams = streams
        self._logs = logs
        self._local = local
        engine.ready_tasks.hand_activity = self._hand

    # ---- taking ------------------------------------------------------------------------------------

    async def poll(
        self, request: PollActivityTaskQueueRequest, *, wait_ns: int | None = None
    ) -> PollActivityTaskQueueResponse:
        """Wait for an attempt, or for `wait_ns` (None: any time); an empty answer is none."""
        engine, namespace, queue_name = self._engine, request.namespace, request.task_queue.name
        identity, worker_key = request.identity, request.worker_instance_key
        engine.check_open()
        engine.check_namespace(namespace)
        try:
            check_id("the task queue", queue_name, engine.limits)
            check_text("the identity", identity, engine.limits)
            check_text("the worker's instance key", worker_key, engine.limits)
        except Refusal as refusal:
            raise service_error(refusal) from None
        key = (namespace, queue_name, True)
        future: asyncio.Future[object] = engine.loop.create_future()
        poll = Poll(future, identity, self._local, PollActivityTaskQueueResponse(), worker_key)
        poll.queue_name = queue_name
        return await wait_for_task(engine, key, poll, wait_ns=wait_ns, take_back=self.take_back)

    def _hand(self, run: Execution, scheduled_event_id: int, poll: Poll) -> bool:
        """Start the attempt, if it is there to be started, and deliver it once the start is durable."""
        engine = self._engine
        activity = run.activities.get(scheduled_event_id)
        if activity is None:
            return False
        now_ns = engine.clock.now_ns()
        if activity.state == ActivityState.SCHEDULED:
            if not activities.may_start(run, activity, now_ns):
                with engine.changing(run):
                    activities.watch_deadline(run, activity)  # it will be offered again, also if the clock was set back
                return False
            if activity.options is not None and poll.queue_name != activity.task_queue:
                return False  # it has moved to another queue, and waits there too
            with engine.changing(run):
                activities.start(
                    run,
                    scheduled_event_id,
                    now_ns,
                    identity=poll.identity,
                    request_id=engine.new_request_id(),
                    incarnation=engine.incarnation if poll.local else None,
                )
        elif activity.handed_out or activities.is_held(run, activity):
            return False
        # From here on and not from its delivery: another offer of this attempt may come before the commit.
        activity.handed_out = True
        start = activity.request_id

        def deliver(error: Exception | None) -> None:
            engine.ready_tasks.undelivered.discard(start)
            if error is not None:
                engine.ready_tasks.undelivered.add(start)  # its start may be on the disk all the same
                if not poll.future.done():
                    poll.future.set_result(PollActivityTaskQueueResponse())
            elif not (_is_started(run, activity) and activity.request_id == start):
                engine.matching.attach_again((run.namespace, activity.task_queue, True), poll)
            elif poll.future.done():
                engine.ready_tasks.offer_again(run, activity)
            else:
                poll.future.set_result(self._response(run, activity))

        engine.journal.when_durable(deliver)
        return True

    def take_back(self, task: PollActivityTaskQueueResponse) -> None:
        """The worker went away in the moment in which it got the attempt, unseen: let another one have it."""
        if not task.task_token:
            return
        named = parse_activity_token(task.task_token)
        run = self._engine.runs.get(named.run_key)
        activity = None if run is None else run.activities.get(named.scheduled_event_id)
        if run is None or activity is None:
            return
        if (activity.attempt, activity.request_id) == (named.attempt, named.start):
            self._engine.ready_tasks.offer_again(run, activity)

    def _response(self, run: Execution, activity: Activity) -> PollActivityTaskQueueResponse:
        asked = activity.asked
        response = PollActivityTaskQueueResponse()
        named = Attempt(run.key, activity.scheduled_event_id, activity.attempt, activity.request_id)
        response.task_token = activity_token(named)
        response.workflow_namespace = run.namespace
        response.activity_id = asked.activity_id
        response.attempt = activity.attempt
        response.workflow_type.name = run.workflow_type
        execution = response.workflow_execution
        execution.workflow_id = run.workflow_id
        execution.run_id = run.run_id
        response.activity_type.name = asked.activity_type.name
        if asked.HasField("input"):
            response.input.CopyFrom(asked.input)
        if asked.HasField("header"):
            response.header.CopyFrom(asked.header)
        priority = of_task(run, activity.scheduled_event_id)
        if priority is not None:
            response.priority.CopyFrom(priority)
        if activity.heartbeat_details is not None:
            response.heartbeat_details.CopyFrom(activity.heartbeat_details)
        assert activity.started_ns is not None
        set_time(response.scheduled_time, activity.first_scheduled_ns)
        set_time(response.current_attempt_scheduled_time, activity.attempt_scheduled_ns)
        set_time(response.started_time, activity.started_ns)
        terms = asked if activity.options is None else activity.options
        response.schedule_to_close_timeout.CopyFrom(terms.schedule_to_close_timeout)
        response.start_to_close_timeout.CopyFrom(terms.start_to_close_timeout)
        response.heartbeat_timeout.CopyFrom(terms.heartbeat_timeout)
        response.retry_policy.CopyFrom(terms.retry_policy)
        return response

    # ---- finding -----------------------------------------------------------------------------------

    def _by_token(self, request: ByToken) -> tuple[Execution, Activity]:
        self._engine.check_writable()
        try:
            named = parse_activity_token(request.task_token)
            run = self._engine.runs.get(named.run_key)
            if run is None:
                raise NotFound("the task token names a run that does not exist (any more). Drop the result.")
            self._engine.check_token_namespace(request.namespace, run)
            return run, activities.find_started(run, named.scheduled_event_id, named.attempt, named.start)
        except Refusal as refusal:
            raise service_error(refusal) from None

    def _by_id(self, request: ById, *, started: bool = True) -> tuple[Execution, Activity]:
        engine = self._engine
        engine.check_writable()
        engine.check_namespace(request.namespace)
        try:
            check_id("the workflow id", request.workflow_id, engine.limits)
            check_id("the activity id", request.activity_id, engine.limits)
            run = engine.runs.find(request.namespace, request.workflow_id, request.run_id)
            scheduled_event_id = None if run is None else run.activity_ids.get(request.activity_id)
            if run is None or scheduled_event_id is None:
                raise NotFound(
                    f"workflow '{request.workflow_id}' has no pending activity '{request.activity_id}': it completed, "
                    "or neither ever existed."
                )
            if not started:
                return run, run.activities[scheduled_event_id]
            return run, activities.find_started(run, scheduled_event_id, None)
        except Refusal as refusal:
            raise service_error(refusal) from None

    # ---- completed ---------------------------------------------------------------------------------

    async def respond_completed(
        self, request: RespondActivityTaskCompletedRequest
    ) -> RespondActivityTaskCompletedResponse:
        run, activity = self._by_token(request)
        self._complete(run, activity, request.result if request.HasField("result") else None, request.identity)
        await self._engine.durable()
        return RespondActivityTaskCompletedResponse()

    async def respond_completed_by_id(
        self, request: RespondActivityTaskCompletedByIdRequest
    ) -> RespondActivityTaskCompletedByIdResponse:
        run, activity = self._by_id(request, started=False)
        self._complete(run, activity, request.result if request.HasField("result") else None, request.identity)
        await self._engine.durable()
        return RespondActivityTaskCompletedByIdResponse()

    def _complete(self, run: Execution, activity: Activity, result: Payloads | None, identity: str) -> None:
        """A result over the limit fails the activity for good: another attempt would only make it again."""
        engine = self._engine
        failure = None
        if result is not None and result.ByteSize() > engine.limits_of(run.namespace).payload_bytes_max:
            failure = oversized(result, f"the result of {_name(activity)}", engine.limits_of(run.namespace))
        now_ns = engine.clock.now_ns()
        with engine.changing(run):
            if failure is None:
                activities.complete(run, activity, result, identity, now_ns)
            else:
                activities.fail(run, activity, failure, identity, now_ns)

    # ---- failed ------------------------------------------------------------------------------------

    async def respond_failed(self, request: RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse:
        run, activity = self._by_token(request)
        details = request.last_heartbeat_details if request.HasField("last_heartbeat_details") else None
        self._fail(run, activity, request.failure, details, request.identity)
        await self._engine.durable()
        return RespondActivityTaskFailedResponse()

    async def respond_failed_by_id(
        self, request: RespondActivityTaskFailedByIdRequest
    ) -> RespondActivityTaskFailedByIdResponse:
        run, activity = self._by_id(request)
        details = request.last_heartbeat_details if request.HasField("last_heartbeat_details") else None
        self._fail(run, activity, request.failure, details, request.identity)
        await self._engine.durable()
        return RespondActivityTaskFailedByIdResponse()

    def _fail(
        self, run: Execution, activity: Activity, failure: Failure, details: Payloads | None, identity: str
    ) -> None:
        engine = self._engine
        if failure.ByteSize() and not failure.HasField("application_failure_info"):
            raise ServiceError(
                StatusCode.INVALID_ARGUMENT,
                f"the failure of {_name(activity)} has no ApplicationFailureInfo; an attempt fails with an "
                "application failure, or reports that it was cancelled.",
            )
        failure = bounded(failure, f"the failure of {_name(activity)}", engine.limits_of(run.namespace))
        now_ns = engine.clock.now_ns()
        too_much = oversized(details, f"the heartbeat details of {_name(activity)}", engine.limits_of(run.namespace))
        with engine.changing(run):
            if details is not None and too_much is None:
                activities.heartbeat(run, activity, details, now_ns)
            activities.fail(run, activity, too_much or failure, identity, now_ns)

    # ---- cancelled ---------------------------------------------------------------------------------

    async def respond_canceled(
        self, request: RespondActivityTaskCanceledRequest
    ) -> RespondActivityTaskCanceledResponse:
        run, activity = self._by_token(request)
        self._cancel(run, activity, request.details if request.HasField("details") else None, request.identity)
        await self._engine.durable()
        return RespondActivityTaskCanceledResponse()

    async def respond_canceled_by_id(
        self, request: RespondActivityTaskCanceledByIdRequest
    ) -> RespondActivityTaskCanceledByIdResponse:
        run, activity = self._by_id(request)
        self._cancel(run, activity, request.details if request.HasField("details") else None, request.identity)
        await self._engine.durable()
        return RespondActivityTaskCanceledByIdResponse()

    def _cancel(self, run: Execution, activity: Activity, details: Payloads | None, identity: str) -> None:
        if not activity.cancel_requested_event_id:
            raise ServiceError(
                StatusCode.INVALID_ARGUMENT,
                f"activity '{activity.asked.activity_id}' of workflow '{run.workflow_id}' was not asked to cancel; "
                "report a failure instead.",
            )
        too_much = oversized(details, f"the details of {_name(activity)}", self._engine.limits_of(run.namespace))
        now_ns = self._engine.clock.now_ns()
        with self._engine.changing(run):
            if too_much is None:
                activities.report_cancelled(run, activity, details, identity, now_ns)
            else:
                activities.fail(run, activity, too_much, identity, now_ns)

    # ---- heartbeats --------------------------------------------------------------------------------

    async def heartbeat(self, request: RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse:
        run, activity = self._by_token(request)
        return await self._heartbeat(run, activity, request.details if request.HasField("details") else None)

    async def heartbeat_by_id(
        self, request: RecordActivityTaskHeartbeatByIdRequest
    ) -> RecordActivityTaskHeartbeatByIdResponse:
        if request.activity_id == LOG_ACTIVITY_ID:
            return await self._logs.take(request)
        run, activity = self._by_id(request)
        answer = await self._heartbeat(run, activity, request.details if request.HasField("details") else None)
        return RecordActivityTaskHeartbeatByIdResponse(
            cancel_requested=answer.cancel_requested,
            activity_paused=answer.activity_paused,
            activity_reset=answer.activity_reset,
        )

    async def _heartbeat(
        self, run: Execution, activity: Activity, details: Payloads | None
    ) -> RecordActivityTaskHeartbeatResponse:
        """Details over the limit fail the activity for good, and the attempt is told to stop."""
        engine = self._engine
        too_much = oversized(details, f"the heartbeat details of {_name(activity)}", engine.limits_of(run.namespace))
        now_ns = engine.clock.now_ns()
        stream, streamed = None, True
        if too_much is None and details is not None and has_frame(details.payloads):
            stream = self._streams.load(run)
        with engine.changing(run):
            if too_much is not None:
                activities.fail(run, activity, too_much, activity.identity, now_ns)
                answer = RecordActivityTaskHeartbeatResponse(cancel_requested=True)
            else:
                if stream is not None and details is not None:
                    streamed, details = self._streams.take(run, stream, activity, details, now_ns)
                answer = RecordActivityTaskHeartbeatResponse(
                    cancel_requested=activities.heartbeat(run, activity, details, now_ns),
                    activity_paused=activity.pause is not None,
                    activity_reset=Mark.RESET in activity.marks,
                )
        await engine.durable()
        if not streamed:
            raise self._streams.full(run)
        return answer


def _name(activity: Activity) -> str:
    return f"activity '{activity.asked.activity_type.name}' (id '{activity.asked.activity_id}')"


def _is_started(run: Execution, activity: Activity) -> bool:
    """Whether it is pending (it may be over, its state as it was) and an attempt of it is under way."""
    return run.activities.get(activity.scheduled_event_id) is activity and activity.state == ActivityState.STARTED
