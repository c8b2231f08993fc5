"""Parts of requests, and parts of answers as text, for the engine's traces."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads, RetryPolicy
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tsuzuki.service import ServiceError, StatusCode
from tsuzuki.testing import LocalServer

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MIB = 1024 * 1024


def duration(value: timedelta) -> Duration:
    result = Duration()
    result.FromTimedelta(value)
    return result


def payloads_of(size: int) -> Payloads:
    """Payloads of exactly `size` bytes once serialized."""
    result = Payloads()
    result.payloads.add().data = b"x" * (size // 2)
    filler = result.payloads.add()
    filler.data = b"x" * (size // 2 - 100)
    filler.data += b"x" * (size - result.ByteSize())
    assert result.ByteSize() == size
    return result


def failure_of(message: str = "boom", error_type: str = "Error", *, non_retryable: bool = False) -> Failure:
    failure = Failure(message=message)
    failure.application_failure_info.type = error_type
    failure.application_failure_info.non_retryable = non_retryable
    return failure


def retrying(
    initial: timedelta = SECOND, *, attempts: int = 0, coefficient: float = 0, non_retryable: Sequence[str] = ()
) -> RetryPolicy:
    policy = RetryPolicy(
        maximum_attempts=attempts, backoff_coefficient=coefficient, non_retryable_error_types=non_retryable
    )
    policy.initial_interval.FromTimedelta(initial)
    return policy


class Refused:
    """`with refused(StatusCode.NOT_FOUND, "is over"): ...`, the words of the message being regular expressions."""

    def __init__(self, status: StatusCode, match: str) -> None:
        self._status = status
        self._raises = pytest.raises(ServiceError, match=match)

    def __enter__(self) -> pytest.ExceptionInfo[ServiceError]:
        self.info = self._raises.__enter__()
        return self.info

    def __exit__(self, *raised: object) -> bool:
        caught = self._raises.__exit__(*raised)  # type: ignore[arg-type]
        assert self.info.value.status is self._status, self.info.value
        return caught


def attributes_of(event: HistoryEvent) -> Message:
    which = event.WhichOneof("attributes")
    assert which is not None
    attributes: Message = getattr(event, which)
    return attributes


def times_of(server: LocalServer, workflow_id: str = "w", run_id: str = "") -> list[float]:
    """Seconds of each event after the first."""
    events = server.history(workflow_id, run_id)
    first_ns = events[0].event_time.ToNanoseconds()
    return [(event.event_time.ToNanoseconds() - first_ns) / 1e9 for event in events]


def outcome(event: HistoryEvent) -> str:
    """How an activity or run ended: `ActivityTaskTimedOut START_TO_CLOSE, MAXIMUM_ATTEMPTS_REACHED, cause 'boom'`."""
    attributes = attributes_of(event)
    words = [type(attributes).__name__.removesuffix("EventAttributes")]
    failure = getattr(attributes, "failure", None)
    if failure is not None:
        if failure.HasField("timeout_failure_info"):
            kind = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_")
            words[0] += f" {kind}"
        else:
            words[0] += f" '{failure.message}'"
    if hasattr(attributes, "retry_state"):
        words.append(RetryState.Name(attributes.retry_state).removeprefix("RETRY_STATE_"))
    if failure is not None and failure.HasField("cause"):
        words.append(f"cause '{failure.cause.message}'")
    if failure is not None and failure.timeout_failure_info.last_heartbeat_details.payloads:
        words.append(f"heartbeat {failure.timeout_failure_info.last_heartbeat_details.payloads[0].data!r}")
    return ", ".join(words)
