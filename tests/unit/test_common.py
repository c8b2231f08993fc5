"""Options shared by all sides: their bounds, and their protobuf form compared with the official package."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import pytest
import temporalio.common
from temporalio.api.common.v1 import Payload
from temporalio.api.common.v1 import RetryPolicy as RetryPolicyProto

from tsuzuki import common
from tsuzuki.common import Priority, RawValue, RetryPolicy

POLICIES: list[dict[str, Any]] = [
    {},
    {"maximum_attempts": 3},
    {"maximum_attempts": 1, "initial_interval": timedelta(0)},
    {"initial_interval": timedelta(milliseconds=1), "backoff_coefficient": 1.0},
    {"maximum_interval": timedelta(seconds=5)},
    {"maximum_interval": timedelta(seconds=1), "initial_interval": timedelta(seconds=1)},
    {"non_retryable_error_types": ["ValueError", "NotFound"]},
]


@pytest.mark.parametrize("fields", POLICIES, ids=str)
def test_a_retry_policy_is_written_as_the_official_package_writes_it(fields: dict[str, Any]) -> None:
    ours, theirs = RetryPolicyProto(), RetryPolicyProto()
    RetryPolicy(**fields).apply_to_proto(ours)
    temporalio.common.RetryPolicy(**fields).apply_to_proto(theirs)
    assert ours == theirs


@pytest.mark.parametrize("fields", POLICIES, ids=str)
def test_a_retry_policy_reads_back_with_the_default_interval_filled_in(fields: dict[str, Any]) -> None:
    policy = RetryPolicy(**fields)
    proto = RetryPolicyProto()
    policy.apply_to_proto(proto)
    back = RetryPolicy.from_proto(proto)
    policy.maximum_interval = policy.maximum_interval or policy.initial_interval * 100
    assert back == policy


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"maximum_attempts": -1}, r"maximum_attempts is -1; it must be 0 \(no bound\) or more"),
        ({"initial_interval": timedelta(0)}, "initial_interval is 0:00:00; it must be more than zero"),
        ({"initial_interval": timedelta(seconds=-1)}, "initial_interval is .*; it must be more than zero"),
        ({"backoff_coefficient": 0.99}, "backoff_coefficient is 0.99; it must be 1 or more"),
        ({"backoff_coefficient": float("nan")}, "backoff_coefficient is nan; it must be 1 or more"),
        (
            {"maximum_interval": timedelta(milliseconds=999)},
            "maximum_interval is .*, less than initial_interval",
        ),
        ({"maximum_interval": timedelta(seconds=-1)}, "maximum_interval is .*, less than initial_interval"),
        ({"non_retryable_error_types": "ValueError"}, "the string 'ValueError'; it must be a list"),
    ],
)
def test_a_retry_policy_out_of_bounds_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**fields).apply_to_proto(RetryPolicyProto())


@pytest.mark.parametrize(
    "priority", [Priority(), Priority(1), Priority(5, "tenant", 2.5), Priority(fairness_key="ä" * 32)]
)
def test_a_priority_reads_back(priority: Priority) -> None:
    assert Priority.from_proto(priority.to_proto()) == priority


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"priority_key": 0}, "priority_key is 0; it must be 1 or more"),
        ({"fairness_key": "ä" * 33}, "fairness_key takes 66 bytes; the bound is 64"),
    ],
)
def test_a_priority_out_of_bounds_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Priority(**fields)


@pytest.mark.parametrize("name", ["WorkflowIDReusePolicy", "WorkflowIDConflictPolicy", "QueryRejectCondition"])
def test_enums_have_the_numbers_of_the_protocol(name: str) -> None:
    ours, theirs = getattr(common, name), getattr(temporalio.common, name)
    assert {member.name: member.value for member in ours} == {member.name: member.value for member in theirs}


def test_a_raw_value_survives_pickle() -> None:
    value = RawValue(Payload(metadata={"encoding": b"x"}, data=b"y"))
    assert pickle.loads(pickle.dumps(value)) == value
