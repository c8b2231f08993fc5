"""Exceptions to recorded failures and back.

Each failure kind has one row in a table each way; a kind without a row (those of later protocol versions)
is read as a plain `FailureError` that keeps the recorded message, so it is passed on unchanged.

Invariant: an exception that was read from a failure is written back as that failure.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from temporalio.api.enums import v1 as enums
from temporalio.api.failure.v1 import Failure

from .. import exceptions as errors
from ._errors import PayloadDecodeError
from ._payload_converter import PayloadConverter

ENCODED_MESSAGE: Final = "Encoded failure"
"""Stands for a message that is in a payload."""

CAUSES_MAX: Final = 50
"""Depth at which a cause chain is cut; one that long is a loop or has lost its meaning."""


class FailureConverter(ABC):
    """Turns exceptions into failures and back."""

    default: ClassVar[FailureConverter]

    @abstractmethod
    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Fill an empty failure from an exception, its stack and its causes.

        Args:
            exception: Any exception; one that is no `FailureError` is recorded as an application failure
                whose type is the name of its class.
            payload_converter: Encodes the details.
            failure: Filled in.
        """

    @abstractmethod
    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> errors.FailureError:
        """Make the exception that a failure describes, with its causes as `__cause__`.

        Args:
            failure: Kept by the exception; must not change afterwards.
            payload_converter: Decodes the details.
        """


class DefaultFailureConverter(FailureConverter):
    """The failure converter of `DataConverter.default`; writes what official SDKs write."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        self._to_failure(exception, payload_converter, failure, CAUSES_MAX)

    def _to_failure(
        self, exception: BaseException, converter: PayloadConverter, failure: Failure, causes_left: int
    ) -> None:
        if isinstance(exception, errors.FailureError):
            if exception.failure is not None:
                failure.CopyFrom(exception.failure)
                return
            failure.message = exception.message
            write = next((_WRITERS[cls] for cls in type(exception).__mro__ if cls in _WRITERS), None)
            if write is not None:
                write(exception, failure, converter)
        else:
            failure.message = _message_of(exception)
            failure.application_failure_info.type = type(exception).__name__
        if exception.__traceback__ is not None:
            failure.stack_trace = "\n".join(traceback.format_tb(exception.__traceback__))
        cause = exception.__cause__
        # Of other exceptions official SDKs record only the explicit cause, so histories stay the same.
        implicit = isinstance(exception, errors.FailureError) and not exception.__suppress_context__
        if cause is None and implicit:
            cause = exception.__context__
        if cause is not None and causes_left:
            self._to_failure(cause, converter, failure.cause, causes_left - 1)

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> errors.FailureError:
        if failure.HasField("encoded_attributes"):
            failure = _with_attributes(failure, payload_converter)
        kind = failure.WhichOneof("failure_info")
        read = _READERS.get(kind) if kind is not None else None
        error = (
            read(failure, payload_converter)
            if read is not None
            else errors.FailureError(failure.message or "Failure error")
        )
        error._failure = failure
        if failure.HasField("cause"):
            error.__cause__ = self.from_failure(failure.cause, payload_converter)
        return error


FailureConverter.default = DefaultFailureConverter()


class DefaultFailureConverterWithEncodedAttributes(DefaultFailureConverter):
    """Puts message and stack trace into a payload, so that a codec encrypts them too."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        _encode_attributes(failure, payload_converter, CAUSES_MAX + 1)


def _encode_attributes(failure: Failure, converter: PayloadConverter, depth_left: int) -> None:
    if not failure.HasField("encoded_attributes"):
        attributes = {"message": failure.message, "stack_trace": failure.stack_trace}
        failure.encoded_attributes.CopyFrom(converter.to_payload(attributes))
        failure.message, failure.stack_trace = ENCODED_MESSAGE, ""
    if failure.HasField("cause") and depth_left:
        _encode_attributes(failure.cause, converter, depth_left - 1)


def _with_attributes(failure: Failure, converter: PayloadConverter) -> Failure:
    """A copy with message and stack trace in their places; as it is, when they cannot be read."""
    try:
        attributes = converter.from_payload(failure.encoded_attributes, dict[str, str])
    except PayloadDecodeError:
        return failure
    plain = Failure()
    plain.CopyFrom(failure)
    plain.ClearField("encoded_attributes")
    plain.message = attributes.get("message", "")
    plain.stack_trace = attributes.get("stack_trace", "")
    return plain


def _message_of(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception:  # a __str__ that fails must not hide the failure itself
        return f"<{type(exception).__name__}.__str__ failed>"


# ---- exceptions to failures --------------------------------------------------------------------------


def _write_application(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    info = failure.application_failure_info
    info.type = error.type or ""
    info.non_retryable = error.non_retryable
    if error.details:
        info.details.payloads.extend(converter.to_payloads(error.details))
    if error.next_retry_delay:
        info.next_retry_delay.FromTimedelta(error.next_retry_delay)
    if error.category:
        info.category = error.category
    info.SetInParent()


def _write_timeout(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    info = failure.timeout_failure_info
    info.timeout_type = enums.TimeoutType.ValueType(error.type or 0)
    if error.last_heartbeat_details:
        info.last_heartbeat_details.payloads.extend(converter.to_payloads(error.last_heartbeat_details))
    info.SetInParent()


def _write_cancelled(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    info = failure.canceled_failure_info
    if error.details:
        info.details.payloads.extend(converter.to_payloads(error.details))
    info.SetInParent()


def _write_terminated(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    failure.terminated_failure_info.SetInParent()


def _write_server(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    failure.server_failure_info.non_retryable = error.non_retryable
    failure.server_failure_info.SetInParent()


def _write_activity(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    info = failure.activity_failure_info
    info.scheduled_event_id = error.scheduled_event_id
    info.started_event_id = error.started_event_id
    info.identity = error.identity
    info.activity_type.name = error.activity_type
    info.activity_id = error.activity_id
    info.retry_state = enums.RetryState.ValueType(error.retry_state or 0)


def _write_child(error: Any, failure: Failure, converter: PayloadConverter) -> None:
    info = failure.child_workflow_execution_failure_info
    info.namespace = error.namespace
    info.workflow_execution.workflow_id = error.workflow_id
    info.workflow_execution.run_id = error.run_id
    info.workflow_type.name = error.workflow_type
    info.initiated_event_id = error.initiated_event_id
    info.started_event_id = error.started_event_id
    info.retry_state = enums.RetryState.ValueType(error.retry_state or 0)


_WRITERS: Final[Mapping[type, Callable[[Any, Failure, PayloadConverter], None]]] = {
    errors.ApplicationError: _write_application,
    errors.TimeoutError: _write_timeout,
    errors.CancelledError: _write_cancelled,
    errors.TerminatedError: _write_terminated,
    errors.ServerError: _write_server,
    errors.ActivityError: _write_activity,
    errors.ChildWorkflowError: _write_child,
}


# ---- failures to exceptions --------------------------------------------------------------------------


def _read_application(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    info = failure.application_failure_info
    return errors.ApplicationError(
        failure.message or "Application error",
        *converter.from_payloads_wrapper(info.details),
        type=info.type or None,
        non_retryable=info.non_retryable,
        next_retry_delay=info.next_retry_delay.ToTimedelta() if info.HasField("next_retry_delay") else None,
        category=errors.ApplicationErrorCategory(info.category),
    )


def _read_timeout(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    info = failure.timeout_failure_info
    return errors.TimeoutError(
        failure.message or "Timeout",
        type=errors.TimeoutType(info.timeout_type) if info.timeout_type else None,
        last_heartbeat_details=converter.from_payloads_wrapper(info.last_heartbeat_details),
    )


def _read_cancelled(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    details = converter.from_payloads_wrapper(failure.canceled_failure_info.details)
    return errors.CancelledError(failure.message or "Cancelled", *details)


def _read_terminated(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    return errors.TerminatedError(failure.message or "Terminated")


def _read_server(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    return errors.ServerError(
        failure.message or "Server error", non_retryable=failure.server_failure_info.non_retryable
    )


def _read_reset(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    return errors.FailureError(failure.message or "Workflow reset")


def _read_activity(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    info = failure.activity_failure_info
    return errors.ActivityError(
        failure.message or "Activity error",
        scheduled_event_id=info.scheduled_event_id,
        started_event_id=info.started_event_id,
        identity=info.identity,
        activity_type=info.activity_type.name,
        activity_id=info.activity_id,
        retry_state=errors.RetryState(info.retry_state) if info.retry_state else None,
    )


def _read_child(failure: Failure, converter: PayloadConverter) -> errors.FailureError:
    info = failure.child_workflow_execution_failure_info
    return errors.ChildWorkflowError(
        failure.message or "Child workflow error",
        namespace=info.namespace,
        workflow_id=info.workflow_execution.workflow_id,
        run_id=info.workflow_execution.run_id,
        workflow_type=info.workflow_type.name,
        initiated_event_id=info.initiated_event_id,
        started_event_id=info.started_event_id,
        retry_state=errors.RetryState(info.retry_state) if info.retry_state else None,
    )


_READERS: Final[Mapping[str, Callable[[Failure, PayloadConverter], errors.FailureError]]] = {
    "application_failure_info": _read_application,
    "timeout_failure_info": _read_timeout,
    "canceled_failure_info": _read_cancelled,
    "terminated_failure_info": _read_terminated,
    "server_failure_info": _read_server,
    "reset_workflow_failure_info": _read_reset,
    "activity_failure_info": _read_activity,
    "child_workflow_execution_failure_info": _read_child,
}
