"""Telling the service how an attempt ended, through outages and refusals.

Invariant: what is sent again is the same request; it stops when the attempt's own timeout has passed, since
the engine has then recorded another outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from google.protobuf.message import Message
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)

from tsuzuki.service import ServiceError, StatusCode

from ._activity_attempt import Attempt
from ._activity_info import seconds_left
from ._activity_outcome import failed
from ._pace import is_about_size, send_until

FAILURE_CHARACTERS_MAX: Final = 2_000

_logger = logging.getLogger("tsuzuki.worker")


async def respond(attempt: Attempt, outcome: Message) -> None:
    """Send the outcome; never raises `ServiceError`."""
    if isinstance(outcome, RespondActivityTaskCompletedRequest):
        try:
            await attempt.host.service.respond_activity_task_completed(outcome)
        except ServiceError as error:
            await _respond_again(attempt, outcome, error)
    else:
        await _respond_again(attempt, outcome, None)


async def _respond_again(attempt: Attempt, outcome: Message, refused: ServiceError | None) -> None:
    host = attempt.host
    deadline_s = attempt.started_s + seconds_left(attempt.task)
    try:
        await send_until(deadline_s, _sender(attempt, outcome), outcome, host.pace, refused)
    except ServiceError as error:
        if error.status is StatusCode.NOT_FOUND:
            _logger.debug("%s: the attempt is over; its outcome was dropped (%s)", _name(attempt), error)
        elif smaller := _smaller(attempt, outcome, error):
            _logger.warning("%s: %s", _name(attempt), smaller.failure.message)
            await _respond_again(attempt, smaller, None)
        else:
            _logger.error(
                "%s: its outcome could not be recorded (%s: %s); it will time out",
                _name(attempt),
                error.status.name,
                error.message,
            )


def _sender(attempt: Attempt, outcome: Message) -> Callable[[Any], Awaitable[object]]:
    service = attempt.host.service
    if isinstance(outcome, RespondActivityTaskCompletedRequest):
        return service.respond_activity_task_completed
    if isinstance(outcome, RespondActivityTaskCanceledRequest):
        return service.respond_activity_task_canceled
    return service.respond_activity_task_failed


def _smaller(attempt: Attempt, outcome: Message, error: ServiceError) -> RespondActivityTaskFailedRequest | None:
    """Return the failure to report in place of an outcome that the service does not take."""
    if not _refuses_content(error):
        return None
    failure = Failure()
    failure.application_failure_info.non_retryable = True
    if isinstance(outcome, RespondActivityTaskFailedRequest):
        if len(outcome.failure.message) + len(outcome.failure.stack_trace) > 2 * FAILURE_CHARACTERS_MAX or (
            outcome.failure.HasField("cause") or outcome.HasField("last_heartbeat_details")
        ):
            failure.message = outcome.failure.message[:FAILURE_CHARACTERS_MAX]
            failure.stack_trace = outcome.failure.stack_trace[:FAILURE_CHARACTERS_MAX]
            info = outcome.failure.application_failure_info
            failure.application_failure_info.type = info.type[:FAILURE_CHARACTERS_MAX]
            failure.application_failure_info.non_retryable = info.non_retryable
            return failed(attempt, failure, None)
        return None
    failure.application_failure_info.type = "PayloadsTooLarge" if is_about_size(error) else "InvalidOutcome"
    failure.message = (
        f"the engine refused the outcome of activity {attempt.task.activity_type.name!r} "
        f"({outcome.ByteSize()} bytes): {error.message}. "
        "Store large results elsewhere and return a reference, or turn on offloading"
    )
    return failed(attempt, failure, None)


def _refuses_content(error: ServiceError) -> bool:
    return error.status is StatusCode.INVALID_ARGUMENT or is_about_size(error)


def _name(attempt: Attempt) -> str:
    task = attempt.task
    return (
        f"Activity {task.activity_type.name!r} ({task.activity_id}, attempt {task.attempt}) "
        f"of workflow {task.workflow_execution.workflow_id!r}"
    )
