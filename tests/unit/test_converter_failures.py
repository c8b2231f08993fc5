"""Exceptions to failures and back, against the official converter: what one writes the other reads."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
import temporalio.converter
import temporalio.exceptions
from temporalio.api.failure.v1 import Failure

from tsuzuki import exceptions
from tsuzuki.converter import DataConverter

ours = DataConverter.default
theirs = temporalio.converter.default()


def to_ours(error: BaseException) -> Failure:
    failure = Failure()
    ours.failure_converter.to_failure(error, ours.payload_converter, failure)
    return failure


def to_theirs(error: BaseException) -> Failure:
    failure = Failure()
    theirs.failure_converter.to_failure(error, theirs.payload_converter, failure)
    return failure


def from_ours(failure: Failure) -> exceptions.FailureError:
    return ours.failure_converter.from_failure(failure, ours.payload_converter)


def from_theirs(failure: Failure) -> BaseException:
    return theirs.failure_converter.from_failure(failure, theirs.payload_converter)


def kinds(package: Any) -> list[BaseException]:
    """One error of each kind, of either package."""
    activity = {
        "scheduled_event_id": 5,
        "started_event_id": 6,
        "identity": "worker@host",
        "activity_type": "search",
        "activity_id": "1",
    }
    child = {
        "namespace": "default",
        "workflow_id": "child",
        "run_id": "run",
        "workflow_type": "Child",
        "initiated_event_id": 5,
        "started_event_id": 6,
    }
    return [
        package.ApplicationError("plain"),
        package.ApplicationError(""),
        package.ApplicationError(
            "no such topic",
            {"topic": "x"},
            3,
            None,
            type="NotFound",
            non_retryable=True,
            next_retry_delay=timedelta(milliseconds=7500),
            category=package.ApplicationErrorCategory.BENIGN,
        ),
        package.TimeoutError("late", type=package.TimeoutType.HEARTBEAT, last_heartbeat_details=[{"done": 3}]),
        package.TimeoutError("late", type=None, last_heartbeat_details=[]),
        package.CancelledError("stop", 1, "two"),
        package.CancelledError(),
        package.TerminatedError("ended"),
        package.ServerError("broken", non_retryable=True),
        package.ServerError("broken"),
        package.ActivityError("failed", **activity, retry_state=package.RetryState.MAXIMUM_ATTEMPTS_REACHED),
        package.ActivityError("failed", **activity, retry_state=None),
        package.ChildWorkflowError("failed", **child, retry_state=package.RetryState.TIMEOUT),
        package.ChildWorkflowError("failed", **child, retry_state=None),
        package.FailureError("no kind"),
    ]


def chain(errors: list[BaseException]) -> BaseException:
    """Raise each from the next, so that the first is at the top with a stack."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    try:
        raise errors[0]
    except BaseException as raised:
        return raised


def facts(error: BaseException) -> dict[str, Any]:
    """What two errors of the two packages must have in common."""
    named = {name: getattr(error, name) for name in dir(type(error)) if not name.startswith("_")}
    named |= {name.removeprefix("_"): value for name, value in vars(error).items()}
    plain = {name: value for name, value in named.items() if not callable(value)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
        if name not in ("failure", "cause", "args")
    }


def assert_same(left: BaseException | None, right: BaseException | None) -> None:
    """Compare two cause chains by class name, text and facts."""
    while left is not None and right is not None:
        assert type(left).__name__ == type(right).__name__
        assert str(left) == str(right)
        assert facts(left) == facts(right)
        left, right = left.__cause__, right.__cause__
    assert left is right


EACH = range(len(kinds(exceptions)))


@pytest.mark.parametrize("index", EACH, ids=lambda index: type(kinds(exceptions)[index]).__name__)
def test_each_kind_is_written_as_the_official_converter_writes_it(index: int) -> None:
    assert to_ours(kinds(exceptions)[index]) == to_theirs(kinds(temporalio.exceptions)[index])


@pytest.mark.parametrize("index", EACH, ids=lambda index: type(kinds(exceptions)[index]).__name__)
def test_each_kind_reads_back_as_the_official_converter_reads_it(index: int) -> None:
    ours_written = to_ours(kinds(exceptions)[index])
    theirs_written = to_theirs(kinds(temporalio.exceptions)[index])
    assert_same(from_ours(theirs_written), from_theirs(ours_written))
    assert_same(from_ours(ours_written), from_theirs(theirs_written))


def test_a_cause_chain_crosses_in_both_directions() -> None:
    ours_written = to_ours(chain(kinds(exceptions)))
    theirs_written = to_theirs(chain(kinds(temporalio.exceptions)))

    assert_same(from_ours(theirs_written), from_theirs(ours_written))
    assert "raise errors[0]" in ours_written.stack_trace
    ours_written.stack_trace = theirs_written.stack_trace = ""
    assert ours_written == theirs_written


def raised_from(error: Exception, cause: Exception, *, explicitly: bool) -> Exception:
    try:
        try:
            raise cause
        except Exception:
            if explicitly:
                raise error from cause
            raise error  # noqa: B904
    except Exception as raised:
        return raised


@pytest.mark.parametrize("explicitly", [False, True])
def test_any_exception_is_an_application_failure_under_the_name_of_its_class(explicitly: bool) -> None:
    error = raised_from(RuntimeError("could not load"), KeyError("missing"), explicitly=explicitly)

    failure = to_ours(error)

    assert failure == to_theirs(error)
    assert failure.application_failure_info.type == "RuntimeError"
    assert failure.message == "could not load"
    assert "raise error" in failure.stack_trace
    assert failure.HasField("cause") is explicitly


def test_a_failure_error_has_what_was_being_handled_as_its_cause() -> None:
    error = raised_from(exceptions.ApplicationError("x"), KeyError("missing"), explicitly=False)
    back = from_ours(to_ours(error))
    assert isinstance(back.cause, exceptions.ApplicationError)
    assert (back.cause.type, back.cause.message) == ("KeyError", "'missing'")


def test_a_failure_that_was_read_is_passed_on_as_it_was_recorded() -> None:
    recorded = to_theirs(chain(kinds(temporalio.exceptions)))
    recorded.source = "GoSDK"
    recorded.encoded_attributes.data = b"kept"

    assert to_ours(from_ours(recorded)) == recorded


def test_a_kind_of_a_later_protocol_is_passed_on_too() -> None:
    recorded = Failure(message="remote")
    recorded.nexus_operation_execution_failure_info.endpoint = "e"

    error = from_ours(recorded)

    assert type(error) is exceptions.FailureError
    assert error.message == "remote"
    assert to_ours(error) == recorded


def test_a_reset_is_read() -> None:
    recorded = Failure(message="reset to event 5")
    recorded.reset_workflow_failure_info.SetInParent()
    assert from_ours(recorded).message == "reset to event 5"


def test_a_subclass_is_written_as_the_kind_that_it_extends() -> None:
    class NotFound(exceptions.ApplicationError):
        def __init__(self) -> None:
            super().__init__("no such topic", type="NotFound")

    back = from_ours(to_ours(NotFound()))
    assert type(back) is exceptions.ApplicationError
    assert back.type == "NotFound"


def test_an_exception_that_cannot_even_be_shown_is_recorded() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    failure = to_ours(Broken())
    assert failure.application_failure_info.type == "Broken"
    assert failure.message == "<Broken.__str__ failed>"


def test_an_endless_cause_chain_is_cut() -> None:
    error = ValueError("x")
    error.__cause__ = error

    failure, depth = to_ours(error), 0
    while failure.HasField("cause"):
        failure, depth = failure.cause, depth + 1
    assert depth == 50
