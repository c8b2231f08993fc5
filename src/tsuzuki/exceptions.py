"""What workflow and activity code may raise or catch: one tree, `TsuzukiError` at its root.

Owns the classes that cross the boundary between processes. Each `FailureError` has one counterpart among
the failure kinds of `temporal.api.failure.v1.Failure`; translation both ways lives in
`tsuzuki.converter`, so this module knows no encoding.

Invariant: an exception made from a recorded failure keeps that message in `failure`, and is written back
unchanged; passing a failure on never loses what another SDK recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any, Final

from temporalio.api.failure.v1 import Failure

__all__ = [
    "ActivityError",
    "ApplicationError",
    "ApplicationErrorCategory",
    "CancelledError",
    "ChildWorkflowError",
    "FailureError",
    "RetryState",
    "ServerError",
    "TerminatedError",
    "TimeoutError",
    "TimeoutType",
    "TsuzukiError",
    "WorkflowAlreadyStartedError",
    "is_cancelled_exception",
]


class ApplicationErrorCategory(IntEnum):
    """How loudly an `ApplicationError` is reported."""

    UNSPECIFIED = 0
    BENIGN = 1
    """Expected: logged at debug level, not counted as an error."""


class TimeoutType(IntEnum):
    """Which of the timeouts ran out."""

    START_TO_CLOSE = 1
    SCHEDULE_TO_START = 2
    SCHEDULE_TO_CLOSE = 3
    HEARTBEAT = 4


class RetryState(IntEnum):
    """Why an activity or child workflow was not tried again."""

    IN_PROGRESS = 1
    NON_RETRYABLE_FAILURE = 2
    TIMEOUT = 3
    MAXIMUM_ATTEMPTS_REACHED = 4
    RETRY_POLICY_NOT_SET = 5
    INTERNAL_SERVER_ERROR = 6
    CANCEL_REQUESTED = 7


class TsuzukiError(Exception):
    """Root of every exception that Tsuzuki raises on purpose."""

    @property
    def cause(self) -> BaseException | None:
        """What this error was raised from; the same as `__cause__`."""
        return self.__cause__


def _rebuild(cls: type[FailureError], args: tuple[Any, ...], state: dict[str, Any]) -> FailureError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class FailureError(TsuzukiError):
    """A failure of a workflow or of something that it waited for, as it is recorded in history.

    Raised by workflow code it fails the workflow; any other exception fails only the workflow task.

    Attributes:
        message: What happened, without the type name.
        failure: The recorded protobuf message, when this error was read from one.
    """

    def __init__(
        self,
        message: str,
        *,
        failure: Failure | None = None,
        exc_args: tuple[Any, ...] | None = None,
    ) -> None:
        super().__init__(*((message,) if exc_args is None else exc_args))
        self.message: Final = message
        self._failure = failure

    @property
    def failure(self) -> Failure | None:
        """The recorded failure that this error was made from, if any."""
        return self._failure

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call the class with `args` alone and fail on keyword-only parameters; errors
        # must survive the way back from an activity in a process pool.
        return _rebuild, (type(self), self.args, self.__dict__)


class ApplicationError(FailureError):
    """A failure with a meaning to the application; the one error that fails a workflow on purpose.

    Args:
        message: What happened.
        details: Values for the reader of the failure, encoded like arguments.
        type: Name that retry policies match in `non_retryable_error_types`; any exception that is not a
            `FailureError` is recorded under the name of its class.
        non_retryable: True to end retries whatever the policy says.
        next_retry_delay: Delay before the next attempt, instead of the one computed by the policy.
        category: `BENIGN` for an expected failure.
    """

    def __init__(
        self,
        message: str,
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
        category: ApplicationErrorCategory = ApplicationErrorCategory.UNSPECIFIED,
    ) -> None:
        super().__init__(message, exc_args=(f"{type}: {message}" if type else message,))
        self.details: Final[Sequence[Any]] = details
        self.type: Final = type
        self.non_retryable: Final = non_retryable
        self.next_retry_delay: Final = next_retry_delay
        self.category: Final = category


class CancelledError(FailureError):
    """The workflow or activity ended because its cancellation was asked for.

    Not `asyncio.CancelledError`: that one is raised at the point of waiting inside the code that is being
    cancelled; this one is what others see. `is_cancelled_exception` recognizes both.
    """

    def __init__(self, message: str = "Cancelled", *details: Any) -> None:
        super().__init__(message)
        self.details: Final[Sequence[Any]] = details


class TerminatedError(FailureError):
    """The workflow was terminated: its code was not told and did not run again."""

    def __init__(self, message: str, *details: Any) -> None:
        super().__init__(message)
        self.details: Final[Sequence[Any]] = details


class TimeoutError(FailureError):
    """A workflow or activity ran out of one of its timeouts.

    Attributes:
        type: The timeout that ran out, when known.
        last_heartbeat_details: What the last attempt reported before it went silent.
    """

    def __init__(self, message: str, *, type: TimeoutType | None, last_heartbeat_details: Sequence[Any]) -> None:
        super().__init__(message)
        self.type: Final = type
        self.last_heartbeat_details: Final = last_heartbeat_details


class ServerError(FailureError):
    """The engine itself failed the operation."""

    def __init__(self, message: str, *, non_retryable: bool = False) -> None:
        super().__init__(message)
        self.non_retryable: Final = non_retryable


class ActivityError(FailureError):
    """An activity ended without a result, seen from the workflow; the reason is in `cause`.

    Attributes:
        scheduled_event_id: Event that scheduled it.
        started_event_id: Event of its last start; 0 when it never started.
        identity: Worker that ran the last attempt.
        activity_type: Name of the activity.
        activity_id: Id of this use of it, unique within the run.
        retry_state: Why it was not tried again.
    """

    def __init__(
        self,
        message: str,
        *,
        scheduled_event_id: int,
        started_event_id: int,
        identity: str,
        activity_type: str,
        activity_id: str,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self.scheduled_event_id: Final = scheduled_event_id
        self.started_event_id: Final = started_event_id
        self.identity: Final = identity
        self.activity_type: Final = activity_type
        self.activity_id: Final = activity_id
        self.retry_state: Final = retry_state


class ChildWorkflowError(FailureError):
    """A child workflow ended without a result, seen from its parent; the reason is in `cause`.

    Attributes:
        namespace: Namespace of the child.
        workflow_id: Workflow id of the child.
        run_id: Its run; empty when it never started.
        workflow_type: Name of its workflow.
        initiated_event_id: Event of the parent that asked for it.
        started_event_id: Event of the parent that recorded its start.
        retry_state: Why it was not tried again.
    """

    def __init__(
        self,
        message: str,
        *,
        namespace: str,
        workflow_id: str,
        run_id: str,
        workflow_type: str,
        initiated_event_id: int,
        started_event_id: int,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self.namespace: Final = namespace
        self.workflow_id: Final = workflow_id
        self.run_id: Final = run_id
        self.workflow_type: Final = workflow_type
        self.initiated_event_id: Final = initiated_event_id
        self.started_event_id: Final = started_event_id
        self.retry_state: Final = retry_state


class WorkflowAlreadyStartedError(FailureError):
    """A start was refused because the workflow id is taken, by an open or (by policy) a closed run.

    Attributes:
        workflow_id: The id that is taken.
        workflow_type: Name of the workflow whose start was asked for.
        run_id: The run that holds the id, when a client asked.
        first_run_id: The first run of that run's chain, when the engine said so.
    """

    def __init__(
        self,
        workflow_id: str,
        workflow_type: str,
        *,
        run_id: str | None = None,
        first_run_id: str | None = None,
    ) -> None:
        text = "Workflow execution already started"  # the official words, which histories have too
        if run_id is not None:
            text += (
                f": workflow id {workflow_id!r} is held by run {run_id}. Take that one (get_workflow_handle), or "
                "choose another id; with the request_id of the start that made it, a start gives it again"
            )
        super().__init__(text)
        self.workflow_id: Final = workflow_id
        self.workflow_type: Final = workflow_type
        self.run_id: Final = run_id
        self.first_run_id: Final = first_run_id


def is_cancelled_exception(exception: BaseException) -> bool:
    """Tell whether an exception means "cancelled", in any of the shapes that a workflow can meet.

    Args:
        exception: Typically the one just caught.

    Returns:
        True for `asyncio.CancelledError`, `CancelledError`, and an `ActivityError` or
        `ChildWorkflowError` caused by the latter.
    """
    if isinstance(exception, (ActivityError, ChildWorkflowError)):
        return isinstance(exception.cause, CancelledError)
    return isinstance(exception, (asyncio.CancelledError, CancelledError))
