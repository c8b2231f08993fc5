"""Failures that the engine itself gives, and the bound on those that workers give."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from .limits import Limits, too_large

_KEPT_CHARACTERS: Final = 1000
"""How much of the message of a failure over the limit is kept."""


def final_failure(message: str) -> Failure:
    """A failure that another attempt would only meet again."""
    failure = Failure(message=message, source="Server")
    failure.server_failure_info.non_retryable = True
    return failure


def bounded(failure: Failure, what: str, limits: Limits) -> Failure:
    """The failure itself or, if it is over the limit, one that says so, with its beginning as the cause."""
    size = failure.ByteSize()
    if size <= limits.payload_bytes_max:
        return failure
    instead = final_failure(too_large(what, size, limits.payload_bytes_max))
    instead.cause.message = failure.message[:_KEPT_CHARACTERS]
    instead.cause.source = failure.source
    if failure.HasField("application_failure_info"):
        instead.cause.application_failure_info.type = failure.application_failure_info.type[:_KEPT_CHARACTERS]
    return instead


def oversized(payloads: Payloads | None, what: str, limits: Limits) -> Failure | None:
    """The failure that takes the place of payloads over the limit."""
    size = 0 if payloads is None else payloads.ByteSize()
    return final_failure(too_large(what, size, limits.payload_bytes_max)) if size > limits.payload_bytes_max else None
