"""The exceptions that cross process boundaries: their facts, their text, their way through pickle."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from datetime import timedelta

import pytest
import temporalio.exceptions

from tsuzuki import exceptions
from tsuzuki.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    RetryState,
    ServerError,
    TerminatedError,
    TimeoutError,
    TimeoutType,
    TsuzukiError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)


def activity_error() -> ActivityError:
    return ActivityError(
        "activity failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="worker@host",
        activity_type="search",
        activity_id="1",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )


def child_error() -> ChildWorkflowError:
    return ChildWorkflowError(
        "child failed",
        namespace="default",
        workflow_id="child",
        run_id="run",
        workflow_type="Child",
        initiated_event_id=5,
        started_event_id=6,
        retry_state=RetryState.TIMEOUT,
    )


EACH_KIND = [
    FailureError("plain"),
    ApplicationError(
        "no such topic",
        {"topic": "x"},
        3,
        type="NotFound",
        non_retryable=True,
        next_retry_delay=timedelta(seconds=7),
        category=ApplicationErrorCategory.BENIGN,
    ),
    CancelledError("stop", 1),
    TerminatedError("ended", 2),
    TimeoutError("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[{"done": 3}]),
    ServerError("broken", non_retryable=True),
    activity_error(),
    child_error(),
    WorkflowAlreadyStartedError("id", "Research", run_id="r", first_run_id="f"),
]


@pytest.mark.parametrize("error", EACH_KIND, ids=lambda error: type(error).__name__)
def test_each_error_survives_pickle_with_its_facts(error: FailureError) -> None:
    back = pickle.loads(pickle.dumps(error))

    assert type(back) is type(error)
    assert back.args == error.args
    assert vars(back) == vars(error)


@pytest.mark.parametrize("name", [name for name in exceptions.__all__ if hasattr(temporalio.exceptions, name)])
def test_constructors_take_what_the_ecosystem_passes(name: str) -> None:
    ours, theirs = getattr(exceptions, name), getattr(temporalio.exceptions, name)
    if inspect.isclass(ours) and issubclass(ours, Exception):
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


@pytest.mark.parametrize("name", ["ApplicationErrorCategory", "RetryState", "TimeoutType"])
def test_enums_have_the_numbers_of_the_protocol(name: str) -> None:
    ours, theirs = getattr(exceptions, name), getattr(temporalio.exceptions, name)
    assert {member.name: member.value for member in ours} == {member.name: member.value for member in theirs}


def test_an_application_error_shows_its_type_but_keeps_its_message_plain() -> None:
    error = ApplicationError("no such topic", type="NotFound")
    assert str(error) == "NotFound: no such topic"
    assert error.message == "no such topic"


def test_the_cause_is_what_the_error_was_raised_from() -> None:
    cause = ValueError("x")
    with pytest.raises(TsuzukiError) as caught:
        raise ApplicationError("y") from cause
    assert caught.value.cause is cause


def caused_by(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cancelled"),
    [
        (asyncio.CancelledError(), True),
        (CancelledError(), True),
        (caused_by(activity_error(), CancelledError()), True),
        (caused_by(child_error(), CancelledError()), True),
        (caused_by(activity_error(), ApplicationError("x")), False),
        (activity_error(), False),
        (ApplicationError("x"), False),
        (caused_by(ApplicationError("x"), CancelledError()), False),
        (ValueError("x"), False),
    ],
)
def test_cancellation_is_recognized_in_each_of_its_shapes(error: BaseException, cancelled: bool) -> None:
    assert is_cancelled_exception(error) is cancelled


def test_a_start_that_is_refused_names_the_run_that_holds_the_id() -> None:
    error = WorkflowAlreadyStartedError("w1", "Research", run_id="r1")
    assert str(error).startswith("Workflow execution already started: workflow id 'w1' is held by run r1. ")
    assert str(WorkflowAlreadyStartedError("w1", "Research")) == "Workflow execution already started"
