"""What a `WorkflowService` call may raise: one class, told apart by its gRPC status."""

from __future__ import annotations

from enum import IntEnum

from google.protobuf.message import Message


class StatusCode(IntEnum):
    """gRPC status codes, by their numbers on the wire."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServiceError(Exception):
    """A call was refused, or got no answer.

    Attributes:
        status: What kind of refusal; `UNAVAILABLE` means that the outcome is unknown and that sending the
            same request (with the same request id) again is safe.
        message: What happened, where, what was expected, what to do.
        detail: The message of `temporal.api.errordetails.v1` that came with it, if any, such as
            `WorkflowExecutionAlreadyStartedFailure`.
    """

    def __init__(self, status: StatusCode, message: str, detail: Message | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail

    def __repr__(self) -> str:
        return f"ServiceError({self.status.name}, {self.message!r})"
