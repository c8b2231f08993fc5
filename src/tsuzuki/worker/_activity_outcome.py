"""How an attempt ended, as the request that tells the service.

The rules for a cancellation are those of the official worker: what the engine asked for is reported as
cancelled; what the worker did on its own account (shutdown, pause, reset) is a failure that is retried; and
an attempt that the engine no longer knows is not reported at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, TypeAlias

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.activity import ActivityCancellationDetails
from tsuzuki.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from ._activity_attempt import ActivityHost, Attempt

Outcome: TypeAlias = (
    RespondActivityTaskCompletedRequest | RespondActivityTaskFailedRequest | RespondActivityTaskCanceledRequest | None
)
"""The request to send; None when nothing is to be told."""


def completed(attempt: Attempt, result: object) -> RespondActivityTaskCompletedRequest:
    """Report a result.

    Raises:
        PayloadEncodeError: It has no payload form.
    """
    host = attempt.host
    request = RespondActivityTaskCompletedRequest()
    request.task_token = attempt.task.task_token
    request.identity = host.identity
    request.namespace = host.namespace
    host.converter.payload_converter.write_payloads((result,), request.result)
    return request


def completed_encoded(attempt: Attempt, result: Payloads) -> RespondActivityTaskCompletedRequest:
    """Report a result that is encoded already."""
    host = attempt.host
    return RespondActivityTaskCompletedRequest(
        task_token=attempt.task.task_token, identity=host.identity, namespace=host.namespace, result=result
    )


def failed(attempt: Attempt, failure: Failure, last_heartbeat: Payloads | None) -> RespondActivityTaskFailedRequest:
    """Report a failure, with heartbeat details that the service may not have yet."""
    host = attempt.host
    return RespondActivityTaskFailedRequest(
        task_token=attempt.task.task_token,
        identity=host.identity,
        namespace=host.namespace,
        failure=failure,
        last_heartbeat_details=last_heartbeat,
    )


def canceled(attempt: Attempt, details: Sequence[Payload]) -> RespondActivityTaskCanceledRequest:
    """Report that the attempt did what it was asked to: stop."""
    host = attempt.host
    return RespondActivityTaskCanceledRequest(
        task_token=attempt.task.task_token,
        identity=host.identity,
        namespace=host.namespace,
        details=Payloads(payloads=details) if details else None,
    )


def failure_of(host: ActivityHost, error: BaseException) -> Failure:
    """Turn an exception into a failure; if even that fails, into a failure that says so."""
    failure = Failure()
    try:
        host.converter.failure_converter.to_failure(error, host.converter.payload_converter, failure)
    except Exception as second:
        failure = Failure(message=f"{type(error).__name__}: {error} (could not be encoded: {second})")
        failure.application_failure_info.type = type(error).__name__
    if not failure.HasField("application_failure_info"):  # services take no other kind from an attempt
        cause, failure = failure, Failure(message=failure.message, source=failure.source)
        failure.application_failure_info.type = type(error).__name__
        failure.cause.CopyFrom(cause)
    return failure


_UNHANDLED: Final = "Unhandled activity cancel error produced by activity {}"
"""In the official SDK's words: histories show them."""


def error_of_cancellation(details: ActivityCancellationDetails) -> ApplicationError | None:
    """Return what a cancellation that nobody asked the engine for is reported as; None for one it did."""
    if details.paused:
        return ApplicationError(_UNHANDLED.format("pause"), type="ActivityPause")
    if details.reset:
        return ApplicationError(_UNHANDLED.format("reset"), type="ActivityReset")
    if details.worker_shutdown:
        return ApplicationError(
            "the worker is shutting down and this attempt did not end within its grace period",
            type="WorkerShutdown",
        )
    return None


def is_cancellation(error: BaseException) -> bool:
    """Tell whether the activity's code ended by the exception that stops it."""
    return isinstance(error, (asyncio.CancelledError, CancelledError))


def is_benign(error: BaseException) -> bool:
    """Tell whether the user declared this failure as expected."""
    return isinstance(error, ApplicationError) and error.category is ApplicationErrorCategory.BENIGN
