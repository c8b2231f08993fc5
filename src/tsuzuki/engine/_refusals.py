"""Refusals of the core as service errors, in one place."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import (
    NotFoundFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)

from tsuzuki.core.refusal import (
    AlreadyStarted,
    BadCommand,
    Exhausted,
    InvalidInput,
    NotFound,
    NotOffered,
    Refusal,
    TooMuch,
    WrongState,
)
from tsuzuki.service import ServiceError, StatusCode


def service_error(refusal: Refusal) -> ServiceError:
    detail: Message | None = None
    match refusal:
        case AlreadyStarted():
            status = StatusCode.ALREADY_EXISTS
            detail = WorkflowExecutionAlreadyStartedFailure(
                start_request_id=refusal.start_request_id, run_id=refusal.run_id
            )
        case NotFound():
            status, detail = StatusCode.NOT_FOUND, NotFoundFailure()
        case TooMuch():
            status, detail = StatusCode.RESOURCE_EXHAUSTED, ResourceExhaustedFailure()
        case NotOffered():
            status = StatusCode.UNIMPLEMENTED
        case Exhausted() | WrongState():
            status = StatusCode.FAILED_PRECONDITION
        case InvalidInput() | BadCommand():
            status = StatusCode.INVALID_ARGUMENT
        case _:
            raise AssertionError(f"no status for {refusal!r}")
    return ServiceError(status, str(refusal), detail)


class RefusalsAsErrors:
    """See `refusals_as_errors`. A class and not a generator: it frames most RPCs, so its cost counts."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            raise service_error(error) from None


_FRAME: Final = RefusalsAsErrors()


def refusals_as_errors() -> RefusalsAsErrors:
    """A frame, `with refusals_as_errors(): ...`, that turns refusals into the errors that callers get."""
    return _FRAME
