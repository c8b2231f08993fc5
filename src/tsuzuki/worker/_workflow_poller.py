"""Takes workflow tasks, lets the processor answer them and hands the answers in.

Invariant: an answer that the service did not take leaves nothing behind: the run is evicted from the cache
and replays from history the next time.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol, TypeAlias

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
)

from tsuzuki.converter import DataConverter
from tsuzuki.service import ServiceError, StatusCode, WorkflowService

from ._eager_activities import EagerActivities
from ._pace import Pace, is_about_message_size, send_until
from ._queries import let_queries_fail

RESPOND_S_MAX: Final = 10.0
"""For how long a response is sent again: the default timeout of a workflow task."""

Response: TypeAlias = (
    RespondWorkflowTaskCompletedRequest | RespondWorkflowTaskFailedRequest | RespondQueryTaskCompletedRequest
)

_logger = logging.getLogger("tsuzuki.worker")


class Processor(Protocol):
    """Answers workflow tasks by running workflow code."""

    async def process(self, task: PollWorkflowTaskQueueResponse) -> Response | None: ...

    def evict(self, run_id: str) -> None: ...

    def rewind(self, task: PollWorkflowTaskQueueResponse) -> None: ...

    def close(self) -> None: ...


class WorkflowTaskHandler:
    """Processes polled workflow tasks."""

    def __init__(
        self,
        service: WorkflowService,
        processor: Processor,
        *,
        namespace: str,
        identity: str,
        converter: DataConverter,
        pace: Pace,
        eager: EagerActivities | None = None,
    ) -> None:
        self._service = service
        self._remote = not service.local  # one in this process hands tasks over ahead of the commit of the answer
        self._processor = processor
        self._namespace = namespace
        self._identity = identity
        self._converter = converter
        self._pace = pace
        self._eager = eager

    async def execute(self, task: PollWorkflowTaskQueueResponse) -> None:
        """Answer a workflow task, and those that come back with the response."""
        following: PollWorkflowTaskQueueResponse | None = task
        while following is not None:
            following = await self._answer(following)

    def close(self) -> None:
        """Forget every run; no task is in work any more."""
        self._processor.close()

    async def _answer(self, task: PollWorkflowTaskQueueResponse) -> PollWorkflowTaskQueueResponse | None:
        response: Response | None
        try:
            response = await self._processor.process(task)
        except ServiceError as error:
            # Its history could not be fetched. The task times out, and comes again.
            self._not_taken(task, "could not be worked out", error)
            return None
        except Exception as error:
            _logger.exception("%s: the worker itself failed", _name(task))
            response = self._failed(task, error)
        return None if response is None else await self._hand_in(task, response)

    async def _hand_in(
        self, task: PollWorkflowTaskQueueResponse, response: Response
    ) -> PollWorkflowTaskQueueResponse | None:
        try:
            if isinstance(response, RespondWorkflowTaskFailedRequest):
                await self._service.respond_workflow_task_failed(response)
                return None
            if isinstance(response, RespondQueryTaskCompletedRequest):
                await self._service.respond_query_task_completed(response)
                return None
            answer = await (
                self._complete(response) if self._eager is None else self._complete_with(self._eager, response)
            )
        except ServiceError as error:
            if is_about_message_size(error) and let_queries_fail(response, error.message):
                return await self._hand_in(task, response)
            self._not_taken(task, "was not taken", error)
            if isinstance(response, RespondWorkflowTaskCompletedRequest) and is_about_message_size(error):
                await self._end_for_size(task, error)
            return None
        if answer.reset_history_event_id:
            self._processor.rewind(task)
        return answer.workflow_task if answer.HasField("workflow_task") and answer.workflow_task.task_token else None

    async def _end_for_size(self, task: PollWorkflowTaskQueueResponse, error: ServiceError) -> None:
        """Tell the server that the answer to a task does not fit into a message: it ends the run, as every answer to
        that task would be as large."""
        failed = self._failed(task, error)
        failed.cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE
        try:
            await self._service.respond_workflow_task_failed(failed)
        except ServiceError as again:
            self._not_taken(task, "could not be told to be too large", again)

    def _not_taken(self, task: PollWorkflowTaskQueueResponse, what: str, error: ServiceError) -> None:
        self._processor.evict(task.workflow_execution.run_id)
        level = logging.DEBUG if error.status is StatusCode.NOT_FOUND else logging.WARNING
        _logger.log(level, "%s: its answer %s (%s: %s)", _name(task), what, error.status.name, error.message)

    async def _complete(self, response: RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse:
        complete = self._service.respond_workflow_task_completed
        if self._remote and response.HasField("sticky_attributes"):  # else it comes without what this worker forgets
            response.return_new_workflow_task = True
        try:
            return await complete(response)
        except ServiceError as error:
            deadline_s = self._pace.now() + RESPOND_S_MAX
            return await send_until(deadline_s, complete, response, self._pace, error)

    async def _complete_with(
        self, eager: EagerActivities, response: RespondWorkflowTaskCompletedRequest
    ) -> RespondWorkflowTaskCompletedResponse:
        kept = eager.ask(response)
        try:
            answer = await self._complete(response)
        except BaseException:
            eager.put_back(kept)
            raise
        eager.hand_out(kept, answer.activity_tasks)
        return answer

    def _failed(self, task: PollWorkflowTaskQueueResponse, error: Exception) -> RespondWorkflowTaskFailedRequest:
        self._processor.evict(task.workflow_execution.run_id)
        request = RespondWorkflowTaskFailedRequest(
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
            identity=self._identity,
            namespace=self._namespace,
        )
        self._converter.failure_converter.to_failure(error, self._converter.payload_converter, request.failure)
        return request


def _name(task: PollWorkflowTaskQueueResponse) -> str:
    execution = task.workflow_execution
    return f"Workflow task of {task.workflow_type.name!r} (workflow {execution.workflow_id!r}, run {execution.run_id})"
