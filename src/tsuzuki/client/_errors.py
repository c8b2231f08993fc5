"""What a client call may raise, and the one place where a `ServiceError` becomes it.

A class for each thing that a caller would handle differently; facts as attributes. Refusals that the client
finds before it sends anything are the same classes as those that the service answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure

from ..activity import ActivityCancellationDetails
from ..exceptions import TsuzukiError
from ..service import ServiceError, StatusCode

if TYPE_CHECKING:
    from ._execution import WorkflowExecutionStatus


class RPCError(TsuzukiError):
    """A call was refused, or got no answer. Raised itself where no subclass says it better.

    Attributes:
        status: The gRPC status.
        message: What happened, what was expected, what to do.
        detail: The `temporal.api.errordetails.v1` message that came with it, if any.
    """

    def __init__(self, message: str, status: StatusCode, detail: Message | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.detail = detail


class InvalidArgumentError(RPCError, ValueError):
    """An argument is out of its bounds; nothing happened. Sending it again cannot help."""

    def __init__(
        self,
        message: str,
        status: StatusCode = StatusCode.INVALID_ARGUMENT,
        detail: Message | None = None,
    ) -> None:
        super().__init__(message, status, detail)


class WorkflowNotFoundError(RPCError):
    """No run matches: never started, past its retention, or closed where an open one is needed."""


class ActivityNotFoundError(RPCError):
    """No such attempt is running: finished, timed out, superseded by a later one, or its run closed."""


class NamespaceNotFoundError(RPCError):
    """The namespace does not exist on this engine."""


class PermissionDeniedError(RPCError):
    """Who calls is not known, or may not do this."""


class ResourceExhaustedError(RPCError):
    """A limit was reached; nothing happened. The same call may pass later if the limit is one of rate."""


class ServiceUnavailableError(RPCError):
    """No answer, after retries where they are safe. The call was applied once or not at all."""


class WorkflowFailureError(TsuzukiError):
    """The workflow ended without a result.

    Attributes:
        cause: Why: an `ApplicationError`, `CancelledError`, `TerminatedError`, `TimeoutError`, or an
            `ActivityError` or `ChildWorkflowError` that the workflow did not handle.
        new_execution_run_id: The run that goes on nevertheless, a retry or the next of a cron schedule; empty for none,
            and where runs are followed.
    """

    def __init__(self, *, cause: BaseException, workflow_id: str | None = None, new_execution_run_id: str = "") -> None:
        super().__init__(
            f"workflow {workflow_id!r} ended without a result: {type(cause).__name__}: {cause}"
            if workflow_id is not None
            else "workflow execution failed"
        )
        self.workflow_id = workflow_id
        self.new_execution_run_id = new_execution_run_id
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException:
        """Why the workflow ended without a result."""
        assert self.__cause__ is not None
        return self.__cause__


class WorkflowContinuedAsNewError(TsuzukiError):
    """The run has no result of its own: the workflow goes on in another run.

    Attributes:
        new_execution_run_id: That run.
    """

    def __init__(self, new_execution_run_id: str) -> None:
        super().__init__(f"the workflow continued as new, in run {new_execution_run_id}")
        self.new_execution_run_id = new_execution_run_id


class WorkflowQueryFailedError(TsuzukiError):
    """The query was asked, and failed: the workflow has no such query, or its handler raised.

    Attributes:
        message: What happened; the exception of the handler is the `__cause__`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WorkflowQueryRejectedError(TsuzukiError):
    """The query was not asked, for the run's status met the condition that came with it.

    Attributes:
        status: The status of the run.
    """

    def __init__(self, status: WorkflowExecutionStatus | None) -> None:
        super().__init__(f"query rejected, the workflow is {status.name if status is not None else 'not open'}")
        self.status = status


class WorkflowUpdateFailedError(TsuzukiError):
    """The update was rejected by its validator, or its handler failed, or its run closed before it was done.

    Attributes:
        cause: Why.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the update failed: {type(cause).__name__}: {cause}")
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException:
        """Why the update failed."""
        assert self.__cause__ is not None
        return self.__cause__


class AsyncActivityCancelledError(TsuzukiError):
    """The activity should stop: its heartbeat was answered with a cancellation, pause or reset.

    Attributes:
        details: Which of these it was.
    """

    def __init__(self, details: ActivityCancellationDetails | None = None) -> None:
        super().__init__("activity cancelled")
        self.details = details


_BY_STATUS: Final[Mapping[StatusCode, type[RPCError]]] = {
    StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    StatusCode.UNAVAILABLE: ServiceUnavailableError,
    StatusCode.DEADLINE_EXCEEDED: ServiceUnavailableError,
    StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    StatusCode.UNAUTHENTICATED: PermissionDeniedError,
    StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
}


def client_error(error: ServiceError, not_found: type[RPCError]) -> RPCError:
    """Translate a refusal of the service.

    Args:
        error: As raised by a `WorkflowService`.
        not_found: What is missing when the status is NOT_FOUND.
    """
    if error.status is StatusCode.NOT_FOUND:
        missing_namespace = isinstance(error.detail, NamespaceNotFoundFailure)
        cls = NamespaceNotFoundError if missing_namespace else not_found
    else:
        cls = _BY_STATUS.get(error.status, RPCError)
    return cls(error.message, error.status, error.detail)
