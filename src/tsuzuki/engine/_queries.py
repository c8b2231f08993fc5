"""Queries: questions to a run's code. They write nothing, and see everything that was acknowledged before them.

A query rides along with the run's workflow task when one is due, since the code has yet to see what that brings; a
run with nothing to see, or a closed one, gets a task of its own. Questions live in memory only: one that dies with
the engine was never answered, and the client asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from temporalio.api.enums.v1 import (
    EventType,
    QueryRejectCondition,
    QueryResultType,
    TaskQueueKind,
    WorkflowExecutionStatus,
)
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.failure.v1 import Failure
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
)

from tsuzuki.common.log_frames import LOG_QUERY
from tsuzuki.common.stream_frames import STREAM_QUERY
from tsuzuki.core.execution import Execution
from tsuzuki.core.limits import MIB, check_id, too_large
from tsuzuki.core.refusal import InvalidInput, NotFound, Refusal, TooMuch
from tsuzuki.core.times import SECOND
from tsuzuki.core.workflow_task import WorkflowTaskState
from tsuzuki.service import ServiceError, StatusCode

from ._engine import Engine
from ._history_pages import PageToken, read_backwards, read_page
from ._lifecycle import not_found_message
from ._logs import Logs
from ._matching import Poll
from ._refusals import refusals_as_errors, service_error
from ._streams import Streams
from ._tokens import parse_query_token, query_token

PATIENCE_NS: Final = 10 * SECOND
"""How long a worker may take before another one is asked; after three times that the client is told."""
_ROUNDS_MAX: Final = 3
WAITING_MAX: Final = 1000
"""Queries of one run that wait for an answer."""
_RIDING_MAX: Final = 100
_RIDING_BYTES_MAX: Final = MIB
"""Of the queries that ride with one workflow task, so that it reaches its worker however much is asked."""
_ANSWERED: Final = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
_COMPLETED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED


@dataclass(slots=True)
class Question:
    """One query on its way.

    Attributes:
        riding: It was handed out with a workflow task, whose answer brings its own.
    """

    number: int
    run_key: int
    query: WorkflowQuery
    future: asyncio.Future[WorkflowQueryResult]
    riding: bool = False
    rounds: int = 0


@dataclass(slots=True)
class Questions:
    """The open ones, by number and by run."""

    by_number: dict[int, Question] = field(default_factory=dict)
    by_run: dict[int, dict[int, Question]] = field(default_factory=dict)

    def add(self, question: Question) -> None:
        self.by_number[question.number] = question
        self.by_run.setdefault(question.run_key, {})[question.number] = question

    def remove(self, question: Question) -> None:
        self.by_number.pop(question.number, None)
        of_run = self.by_run.get(question.run_key)
        if of_run is not None:
            of_run.pop(question.number, None)
            if not of_run:
                del self.by_run[question.run_key]


class Queries:
    def __init__(self, engine: Engine, streams: Streams, logs: Logs) -> None:
        self._engine = engine
        self._streams = streams
        self._logs = logs
        self._open = Questions()
        self._count = 0
        engine.ready_tasks.hand_query = self._hand

    # ---- asked -------------------------------------------------------------------------------------

    async def query(self, request: QueryWorkflowRequest) -> QueryWorkflowResponse:
        engine = self._engine
        engine.check_open()
        engine.check_namespace(request.namespace)
        await engine.durable_if_writable()
        with refusals_as_errors():
            check_id("the workflow id", request.execution.workflow_id, engine.limits)
            check_id("the query type", request.query.query_type, engine.limits)
            run = engine.runs.find(request.namespace, request.execution.workflow_id, request.execution.run_id)
            if run is None:
                raise NotFound(not_found_message(request.execution))
        if request.query.query_type == STREAM_QUERY:  # no code answers it, so also of a paused run
            return QueryWorkflowResponse(query_result=await self._streams.read(run, request.query.query_args))
        if request.query.query_type == LOG_QUERY:
            return QueryWorkflowResponse(query_result=await self._logs.read(run, request.query.query_args))
        if _is_rejected(run, request.query_reject_condition):
            rejected = QueryWorkflowResponse()
            rejected.query_rejected.status = run.status
            return rejected
        with refusals_as_errors():
            self._check_room(run, request.query)
        self._count += 1
        future: asyncio.Future[WorkflowQueryResult] = asyncio.get_running_loop().create_future()
        question = Question(self._count, run.key, request.query, future)
        self._open.add(question)
        try:
            self._ask(run, question)
            result = await future
        finally:
            self._open.remove(question)
        if result.result_type == _ANSWERED:
            return QueryWorkflowResponse(query_result=result.answer)
        raise _failed(result.error_message, result.failure)

    def _check_room(self, run: Execution, query: WorkflowQuery) -> None:
        limit = self._engine.limits_of(run.namespace).payload_bytes_max
        if query.ByteSize() > limit:
            raise InvalidInput(too_large(f"the query '{query.query_type}'", query.ByteSize(), limit))
        if len(self._open.by_run.get(run.key, ())) >= WAITING_MAX:
            raise TooMuch(
                f"workflow '{run.workflow_id}' (run {run.run_id}) has {WAITING_MAX:,} queries that wait for an answer, "
                "which is the limit. Its workers do not keep up, or there are none; try again later."
            )

    def _ask(self, run: Execution, question: Question) -> None:
        """Send the question on its way: with the workflow task that is due, or by itself."""
        if question.future.done():
            return
        question.rounds += 1
        if question.rounds > _ROUNDS_MAX:
            question.future.set_exception(
                ServiceError(
                    StatusCode.DEADLINE_EXCEEDED,
                    f"no worker answered query '{question.query.query_type}' of workflow '{run.workflow_id}' within "
                    f"{PATIENCE_NS * _ROUNDS_MAX // SECOND} s; is one running for task queue '{run.task_queue}'?",
                )
            )
            return
        self._engine.clock.call_at(self._engine.clock.now_ns() + PATIENCE_NS, lambda: self._ask_again(question))
        if run.is_open and run.workflow_task.state != WorkflowTaskState.NONE:
            return  # it rides with that task, or is asked when that task has ended
        queue = run.task_queue
        if run.is_open and run.sticky_queue is not None and question.rounds == 1:
            sticky = (run.namespace, run.sticky_queue, False)
            if self._engine.matching.has_workers(sticky, self._engine.clock.now_ns()):
                queue = run.sticky_queue
        self._engine.matching.offer((run.namespace, queue, False), (run.key, -question.number))

    def _ask_again(self, question: Question) -> None:
        run = self._engine.runs.get(question.run_key)
        if run is not None and question.number in self._open.by_number:
            question.riding = False
            self._ask(run, question)

    # ---- handed out and answered -------------------------------------------------------------------

    def _hand(self, run: Execution, number: int, poll: Poll) -> bool:
        """Give a question of its own to a worker. It is no workflow task: nothing starts, nothing is recorded."""
        question = self._open.by_number.get(number)
        if question is None or question.future.done():
            return False
        response = PollWorkflowTaskQueueResponse(
            task_token=query_token(number),
            attempt=1,
            query=question.query,
        )
        response.workflow_execution.workflow_id = run.workflow_id
        response.workflow_execution.run_id = run.run_id
        response.workflow_type.name = run.workflow_type
        response.workflow_execution_task_queue.name = run.task_queue
        response.workflow_execution_task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
        last_event_id = run.next_event_id - 1
        frames, next_event_id = read_page(self._engine.store, run, 1, last_event_id)
        response.history.MergeFromString(frames)
        if next_event_id <= last_event_id:
            response.next_page_token = PageToken(run.key, next_event_id, last_event_id).pack()
        response.previous_started_event_id = self._last_workflow_task(run)
        if poll.local:
            poll.future.set_result(response)
            return True

        def deliver(error: Exception | None) -> None:  # it shows events, which are on disk first
            if poll.future.done():
                self.take_back(response.task_token)
            else:
                poll.future.set_result(response if error is None else poll.empty)

        self._engine.journal.when_durable(deliver)
        return True

    def _last_workflow_task(self, run: Execution) -> int:
        """Where the last workflow task that was completed started, up to which a worker replays for a question."""
        if run.is_open or run.previous_started_event_id:
            return run.previous_started_event_id
        for event in read_backwards(self._engine.store, run, run.next_event_id - 1):  # in memory is only how it started
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                return event.workflow_task_completed_event_attributes.started_event_id
        return 0

    def take_back(self, token: bytes) -> None:
        """The worker went away in the moment in which it got a question: ask another one at once."""
        question = self._open.by_number.get(parse_query_token(token))
        run = None if question is None else self._engine.runs.get(question.run_key)
        if question is not None and run is not None:
            self._ask(run, question)

    def riding_along(self, run: Execution) -> Mapping[str, WorkflowQuery]:
        """The questions to hand out with the workflow task that starts now."""
        questions = self._open.by_run.get(run.key)
        if not questions:
            return {}
        riding: dict[str, WorkflowQuery] = {}
        room = _RIDING_BYTES_MAX
        for number, question in islice(questions.items(), _RIDING_MAX):
            room -= question.query.ByteSize()
            if room < 0:
                break  # the others are asked when the task has ended
            question.riding = True
            riding[str(number)] = question.query
        return riding

    def workflow_task_ended(self, run: Execution, results: Mapping[str, WorkflowQueryResult]) -> None:
        """Pass on the answers that came with a workflow task; ask again what it left unanswered."""
        questions = self._open.by_run.get(run.key)
        if not questions:
            return
        for number, question in list(questions.items()):
            result = results.get(str(number))
            if result is not None and not question.future.done():
                question.future.set_result(result)
            elif not question.future.done():
                question.riding = False
                self._ask(run, question)

    async def respond(self, request: RespondQueryTaskCompletedRequest) -> RespondQueryTaskCompletedResponse:
        try:
            question = self._open.by_number.get(parse_query_token(request.task_token))
            if question is None or question.future.done():
                raise NotFound("the query was answered before, or its client has gone. Drop the answer.")
            run = self._engine.runs.get(question.run_key)
            if run is not None:
                self._engine.check_token_namespace(request.namespace, run)
        except Refusal as refusal:
            raise service_error(refusal) from None
        question.future.set_result(
            WorkflowQueryResult(
                result_type=request.completed_type,
                answer=request.query_result,
                error_message=request.error_message,
                failure=request.failure if request.HasField("failure") else None,
            )
        )
        return RespondQueryTaskCompletedResponse()


def _is_rejected(run: Execution, condition: QueryRejectCondition.ValueType) -> bool:
    if run.is_open:
        return run.pause is not None  # whatever the condition: its code does not run
    if condition == QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN:
        return True
    if condition == QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY:
        return run.status != _COMPLETED
    return False


def _failed(message: str, failure: Failure) -> ServiceError:
    detail = QueryFailedFailure()
    detail.failure.CopyFrom(failure)
    return ServiceError(StatusCode.INVALID_ARGUMENT, message or failure.message, detail)
