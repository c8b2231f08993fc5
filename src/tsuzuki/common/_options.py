"""Options that clients, workflows and activities share, in the shapes of the `temporalio` package.

Each class is a value: it validates itself where it is turned into its protobuf message and knows nothing
of who sends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import ClassVar, Final, TypeAlias

from temporalio.api.common.v1 import Payload
from temporalio.api.common.v1 import Priority as PriorityProto
from temporalio.api.common.v1 import RetryPolicy as RetryPolicyProto

SearchAttributeValue: TypeAlias = str | int | float | bool | datetime | Sequence[str]
"""A value to find runs by; a sequence is a list of keywords."""
SearchAttributes: TypeAlias = Mapping[str, SearchAttributeValue]
"""Values to find runs by, under their registered names."""

FAIRNESS_KEY_BYTES_MAX: Final = 64


class WorkflowIDReusePolicy(IntEnum):
    """Whether a workflow id of a *closed* run may be used again."""

    ALLOW_DUPLICATE = 1
    ALLOW_DUPLICATE_FAILED_ONLY = 2
    """Only if the last run failed, timed out, was terminated or was cancelled."""
    REJECT_DUPLICATE = 3
    TERMINATE_IF_RUNNING = 4
    """Older spelling of `WorkflowIDConflictPolicy.TERMINATE_EXISTING`."""


class WorkflowIDConflictPolicy(IntEnum):
    """What a start does when a run with the same workflow id is *open*."""

    UNSPECIFIED = 0
    """The default of the call: `FAIL` for a start."""
    FAIL = 1
    USE_EXISTING = 2
    """Answer with the open run; nothing is started."""
    TERMINATE_EXISTING = 3


class QueryRejectCondition(IntEnum):
    """Which closed runs a query should not be answered for."""

    NONE = 1
    NOT_OPEN = 2
    NOT_COMPLETED_CLEANLY = 3


@dataclass
class RetryPolicy:
    """When and how often a failed activity or workflow is tried again.

    Attempt n + 1 starts `min(initial_interval * backoff_coefficient ** (n - 1), maximum_interval)` after
    attempt n failed.

    Attributes:
        initial_interval: Delay before the second attempt; more than zero.
        backoff_coefficient: Factor between one delay and the next; at least 1.
        maximum_interval: Upper bound of a delay; the default means 100 times the initial interval.
        maximum_attempts: Number of attempts in all, the first included; 0 means no bound, 1 no retry.
        non_retryable_error_types: `ApplicationError.type` names (class names, for other exceptions) that
            are not tried again.
    """

    initial_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    maximum_interval: timedelta | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: Sequence[str] | None = None

    @staticmethod
    def from_proto(proto: RetryPolicyProto) -> RetryPolicy:
        """Read the policy back from its protobuf message."""
        return RetryPolicy(
            initial_interval=proto.initial_interval.ToTimedelta(),
            backoff_coefficient=proto.backoff_coefficient,
            maximum_interval=(proto.maximum_interval.ToTimedelta() if proto.HasField("maximum_interval") else None),
            maximum_attempts=proto.maximum_attempts,
            non_retryable_error_types=list(proto.non_retryable_error_types) or None,
        )

    def apply_to_proto(self, proto: RetryPolicyProto) -> None:
        """Write the policy into an empty protobuf message.

        Raises:
            ValueError: A field is out of its bounds; the message names it, its value and the bound.
        """
        self.validate()
        proto.initial_interval.FromTimedelta(self.initial_interval)
        proto.backoff_coefficient = self.backoff_coefficient
        proto.maximum_interval.FromTimedelta(self.maximum_interval or self.initial_interval * 100)
        proto.maximum_attempts = self.maximum_attempts
        if self.non_retryable_error_types:
            proto.non_retryable_error_types.extend(self.non_retryable_error_types)

    def validate(self) -> None:
        """Check the bounds of every field.

        Raises:
            ValueError: A field is out of its bounds.
        """
        if self.maximum_attempts < 0:
            raise ValueError(
                f"RetryPolicy.maximum_attempts is {self.maximum_attempts}; it must be 0 (no bound) or more"
            )
        if isinstance(self.non_retryable_error_types, str):
            raise ValueError(
                f"RetryPolicy.non_retryable_error_types is the string {self.non_retryable_error_types!r}; "
                "it must be a list of strings"
            )
        if self.maximum_attempts == 1:
            return  # no retry: the rest has no meaning, and other clients leave it unset
        if self.initial_interval <= timedelta(0):
            raise ValueError(f"RetryPolicy.initial_interval is {self.initial_interval}; it must be more than zero")
        if not self.backoff_coefficient >= 1:  # also refuses NaN
            raise ValueError(f"RetryPolicy.backoff_coefficient is {self.backoff_coefficient}; it must be 1 or more")
        if self.maximum_interval is not None and self.maximum_interval < self.initial_interval:
            raise ValueError(
                f"RetryPolicy.maximum_interval is {self.maximum_interval}, less than initial_interval "
                f"({self.initial_interval}); raise it, or leave it out for 100 times the initial interval"
            )


@dataclass(frozen=True)
class Priority:
    """Which of the waiting tasks of a task queue goes first.

    Attributes:
        priority_key: 1 or more, lower first; the default is the middle of the engine's range (3 of 1-5).
            Activities and children inherit the key of their workflow.
        fairness_key: Name, such as a tenant, among whose holders tasks are dispatched by turns; at most 64
            bytes.
        fairness_weight: Share of that key relative to others; the default is 1.
    """

    priority_key: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None

    default: ClassVar[Priority]

    def __post_init__(self) -> None:
        if self.priority_key is not None and self.priority_key < 1:
            raise ValueError(f"Priority.priority_key is {self.priority_key}; it must be 1 or more")
        if self.fairness_key is not None and len(self.fairness_key.encode()) > FAIRNESS_KEY_BYTES_MAX:
            raise ValueError(
                f"Priority.fairness_key takes {len(self.fairness_key.encode())} bytes; "
                f"the bound is {FAIRNESS_KEY_BYTES_MAX}"
            )

    @staticmethod
    def from_proto(proto: PriorityProto) -> Priority:
        """Read it back from its protobuf message; unset fields become None."""
        return Priority(
            priority_key=proto.priority_key or None,
            fairness_key=proto.fairness_key or None,
            fairness_weight=proto.fairness_weight or None,
        )

    def to_proto(self) -> PriorityProto:
        """Write it as its protobuf message."""
        return PriorityProto(
            priority_key=self.priority_key or 0,
            fairness_key=self.fairness_key or "",
            fairness_weight=self.fairness_weight or 0.0,
        )


Priority.default = Priority()


@dataclass(frozen=True)
class RawValue:
    """A payload that passes the converter as it is, both ways.

    As a type hint of a parameter or result it asks for the payload undecoded; as a value it is sent
    unchanged. Meant for code that handles values whose types it does not know.
    """

    payload: Payload

    def __reduce__(self) -> tuple[type[RawValue], tuple[Payload]]:
        return RawValue, (self.payload,)
