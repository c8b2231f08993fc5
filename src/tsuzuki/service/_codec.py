"""A service behind a payload codec: requests are encoded on their way, answers decoded on theirs.

One place for all RPCs, found by their messages' descriptors; without a codec there is no such service, and
nothing is paid. Messages are copied before they are changed, for in one process they belong to whoever made
them. What the codec raises reaches the caller, but for `OSError`: UNAVAILABLE, since the same request may be
sent again.

A worker has nobody who would see an error, so behind its codec a task that cannot be decoded, or whose outcome
cannot be encoded, is failed visibly and comes again as tasks that fail do.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar, cast

from google.protobuf.message import Message
from temporalio.api.enums.v1 import QueryResultType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskFailedResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)

from tsuzuki.converter import PayloadCodec, has_payloads, transform_payloads

from ._errors import ServiceError, StatusCode
from ._protocol import WorkflowService

AnyMessage = TypeVar("AnyMessage", bound=Message)

_HISTORY: Final = "get_workflow_execution_history"

_logger: Final = logging.getLogger("tsuzuki.worker")


def behind_codec(service: WorkflowService, codec: PayloadCodec | None, *, worker: bool = False) -> WorkflowService:
    """Put a service behind a codec; without one it is the service itself.

    Args:
        service: Which speaks encoded payloads.
        codec: Of the data converter.
        worker: True for a worker: fetched histories are decoded too, where a client leaves them as they are
            recorded, and tasks that the codec cannot handle are failed.
    """
    if codec is None:
        return service
    return cast("WorkflowService", (_WorkerCodecService if worker else _CodecService)(service, codec))


async def decoded(codec: PayloadCodec, message: AnyMessage) -> AnyMessage:
    """Return a copy of a message with its payloads decoded.

    Raises:
        Exception: What the codec raises.
    """
    copied = _copy(message)
    await transform_payloads((copied,), codec.decode)
    return copied


class _CodecService:
    """Its RPCs are those of the service behind it."""

    undecoded: frozenset[str] = frozenset((_HISTORY,))

    def __init__(self, service: WorkflowService, codec: PayloadCodec) -> None:
        self._service = service
        self._codec = codec
        self.local = service.local
        self.watch_activity = service.watch_activity

    def __getattr__(self, rpc: str) -> Callable[[Message], Awaitable[Message]]:
        method = getattr(self._service, rpc)
        call = partial(self._call, rpc, method)
        setattr(self, rpc, call)
        return call

    async def _call(self, rpc: str, method: Callable[[Message], Awaitable[Message]], request: Message) -> Message:
        encoded = request
        if has_payloads(type(request)):
            try:
                encoded = await self._encoded(request)
            except Exception as error:
                return await self._unencodable(request, error)
        response = await method(encoded)
        if rpc in self.undecoded or not has_payloads(type(response)):
            return response
        try:
            return await decoded(self._codec, response)
        except Exception as error:
            return await self._undecodable(request, response, error)

    async def _encoded(self, request: AnyMessage) -> AnyMessage:
        copied = _copy(request)
        await transform_payloads((copied,), self._codec.encode)
        return copied

    async def _unencodable(self, request: Message, error: Exception) -> Message:
        if isinstance(error, OSError):  # a blob store that is out of reach
            raise ServiceError(StatusCode.UNAVAILABLE, f"the payload codec could not write: {error}") from error
        raise error

    async def _undecodable(self, request: Message, response: Message, error: Exception) -> Message:
        if isinstance(error, OSError):
            raise ServiceError(StatusCode.UNAVAILABLE, f"the payload codec could not read: {error}") from error
        raise error


class _WorkerCodecService(_CodecService):
    """Fails the tasks that the codec cannot handle."""

    undecoded = frozenset()

    async def _unencodable(self, request: Message, error: Exception) -> Message:
        if isinstance(error, OSError):
            return await super()._unencodable(request, error)
        if isinstance(request, _WORKFLOW_TASK_ANSWERS):
            await self._fail_workflow_task(request.task_token, request.namespace, error)
            if isinstance(request, RespondWorkflowTaskFailedRequest):
                return RespondWorkflowTaskFailedResponse()
        elif isinstance(request, _ACTIVITY_TASK_ANSWERS):
            await self._fail_activity_task(request.task_token, request.namespace, error)
            return _ANSWERED[type(request)]()
        elif isinstance(request, RespondQueryTaskCompletedRequest):
            await self._fail_query_task(request.task_token, request.namespace, error)
            return RespondQueryTaskCompletedResponse()
        message = f"the payload codec refused: {type(error).__name__}: {error}"
        raise ServiceError(StatusCode.INVALID_ARGUMENT, message) from error

    async def _undecodable(self, request: Message, response: Message, error: Exception) -> Message:
        namespace = getattr(request, "namespace", "")
        if isinstance(response, RespondWorkflowTaskCompletedResponse):
            if response.HasField("workflow_task"):
                await self._fail_workflow_task(response.workflow_task.task_token, namespace, error)
            for task in response.activity_tasks:
                await self._fail_activity_task(task.task_token, namespace, error)
            without = _copy(response)
            without.ClearField("workflow_task")
            del without.activity_tasks[:]
            return without
        if isinstance(response, PollWorkflowTaskQueueResponse):
            if response.HasField("query"):
                await self._fail_query_task(response.task_token, namespace, error)
            else:
                await self._fail_workflow_task(response.task_token, namespace, error)
            return PollWorkflowTaskQueueResponse()
        if isinstance(response, PollActivityTaskQueueResponse):
            await self._fail_activity_task(response.task_token, namespace, error)
            return PollActivityTaskQueueResponse()
        raise error

    async def _fail_workflow_task(self, task_token: bytes, namespace: str, error: Exception) -> None:
        failed = RespondWorkflowTaskFailedRequest(
            task_token=task_token,
            namespace=namespace,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
            failure=_failure(error),
        )
        await _tell(self._service.respond_workflow_task_failed, failed, error)

    async def _fail_activity_task(self, task_token: bytes, namespace: str, error: Exception) -> None:
        failed = RespondActivityTaskFailedRequest(task_token=task_token, namespace=namespace, failure=_failure(error))
        await _tell(self._service.respond_activity_task_failed, failed, error)

    async def _fail_query_task(self, task_token: bytes, namespace: str, error: Exception) -> None:
        failure = _failure(error)
        failed = RespondQueryTaskCompletedRequest(
            task_token=task_token,
            namespace=namespace,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
            error_message=failure.message,
            failure=failure,
        )
        await _tell(self._service.respond_query_task_completed, failed, error)


_WORKFLOW_TASK_ANSWERS: Final = (RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest)
_ANSWERED: Final[dict[type[Message], type[Message]]] = {
    RespondActivityTaskCompletedRequest: RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedRequest: RespondActivityTaskFailedResponse,
    RespondActivityTaskCanceledRequest: RespondActivityTaskCanceledResponse,
}
_ACTIVITY_TASK_ANSWERS: Final = (
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskCanceledRequest,
)


async def _tell(respond: Callable[[Any], Awaitable[Message]], failed: Message, error: Exception) -> None:
    """Send the failure of a task; where that cannot be done either, the task times out."""
    _logger.warning("a task failed, since the payload codec could not do its work: %r", error)
    try:
        await respond(failed)
    except ServiceError as refused:
        _logger.debug("its failure was not taken (%s: %s)", refused.status.name, refused.message)


def _copy(message: AnyMessage) -> AnyMessage:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _failure(error: Exception) -> Failure:
    """Not encoded: it may be the codec itself that does not work, and it holds no payloads."""
    failure = Failure(message=f"the payload codec could not do its work: {error}")
    failure.application_failure_info.type = type(error).__name__
    return failure
