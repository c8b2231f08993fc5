"""Waiting for a result: every way to close, the chain of runs, and answers that end empty."""

from __future__ import annotations

from typing import Any

import pytest
from answering_service import AnsweringService, ManualTime, refusal
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryResponse

from tsuzuki.client import Calls, Client, WorkflowContinuedAsNewError, WorkflowFailureError
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError
from tsuzuki.service import StatusCode

converter = DataConverter.default.payload_converter

COMPLETED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
FAILED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT
CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


def closed(event_type: Any, field: str, **attributes: Any) -> GetWorkflowExecutionHistoryResponse:
    event = HistoryEvent(event_id=9, event_type=event_type)
    target = getattr(event, f"workflow_execution_{field}_event_attributes")
    target.SetInParent()
    for name, value in attributes.items():
        if isinstance(value, str):
            setattr(target, name, value)
        else:
            getattr(target, name).CopyFrom(value)
    return GetWorkflowExecutionHistoryResponse(history=History(events=[event]))


def completed(value: Any, **attributes: Any) -> GetWorkflowExecutionHistoryResponse:
    return closed(COMPLETED, "completed", result=converter.to_payloads_wrapper([value]), **attributes)


def failure(error: Exception) -> Any:
    from temporalio.api.failure.v1 import Failure

    message = Failure()
    DataConverter.default.failure_converter.to_failure(error, converter, message)
    return message


def handle_of(*answers: Any, result_type: Any = None) -> tuple[Any, AnsweringService]:
    service = AnsweringService(*answers)
    time = ManualTime()
    client = Client(service.service, calls=Calls(clock=time.clock, sleep=time.sleep))
    return client.get_workflow_handle("w", run_id="run-1", result_type=result_type), service


async def test_a_result_comes_back_by_its_type() -> None:
    handle, service = handle_of(completed([1, 2]), result_type=tuple[int, int])
    assert await handle.result() == (1, 2)
    (request,) = service.requests
    assert request.wait_new_event
    assert request.execution.workflow_id == "w"
    assert request.execution.run_id == "run-1"


async def test_no_result_is_none() -> None:
    handle, _ = handle_of(closed(COMPLETED, "completed"))
    assert await handle.result() is None


async def test_an_empty_answer_is_asked_again_from_where_it_was() -> None:
    empty = GetWorkflowExecutionHistoryResponse(next_page_token=b"here")
    handle, service = handle_of(empty, GetWorkflowExecutionHistoryResponse(), completed("x"))
    assert await handle.result() == "x"
    assert [request.next_page_token for request in service.requests] == [b"", b"here", b"here"]


async def test_a_lost_answer_does_not_end_the_wait() -> None:
    handle, service = handle_of(refusal(StatusCode.UNAVAILABLE), completed("x"))
    assert await handle.result() == "x"
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "taken_over",
    [
        closed(CONTINUED, "continued_as_new", new_execution_run_id="run-2"),
        closed(FAILED, "failed", failure=failure(ValueError("x")), new_execution_run_id="run-2"),
        closed(TIMED_OUT, "timed_out", new_execution_run_id="run-2"),
        completed("one of a cron schedule", new_execution_run_id="run-2"),
    ],
)
async def test_the_run_that_takes_over_is_followed_by_its_id(
    taken_over: GetWorkflowExecutionHistoryResponse,
) -> None:
    handle, service = handle_of(taken_over, completed("last"))
    assert await handle.result() == "last"
    assert [request.execution.run_id for request in service.requests] == ["run-1", "run-2"]


async def test_without_following_continue_as_new_has_no_result() -> None:
    handle, _ = handle_of(closed(CONTINUED, "continued_as_new", new_execution_run_id="run-2"))
    with pytest.raises(WorkflowContinuedAsNewError) as caught:
        await handle.result(follow_runs=False)
    assert caught.value.new_execution_run_id == "run-2"


async def test_without_following_a_cron_run_has_its_own_result() -> None:
    handle, _ = handle_of(completed("first", new_execution_run_id="run-2"))
    assert await handle.result(follow_runs=False) == "first"


@pytest.mark.parametrize(
    ("answer", "cause", "text"),
    [
        (
            closed(FAILED, "failed", failure=failure(ApplicationError("no topic", type="NotFound"))),
            ApplicationError,
            "NotFound: no topic",
        ),
        (
            closed(
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
                "canceled",
                details=converter.to_payloads_wrapper(["half done"]),
            ),
            CancelledError,
            "Workflow cancelled",
        ),
        (
            closed(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, "terminated", reason="too slow"),
            TerminatedError,
            "too slow",
        ),
        (closed(TIMED_OUT, "timed_out"), TimeoutError, "Workflow timed out"),
    ],
)
async def test_each_end_without_a_result_has_its_cause(
    answer: GetWorkflowExecutionHistoryResponse, cause: type[Exception], text: str
) -> None:
    handle, _ = handle_of(answer)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert type(caught.value.cause) is cause
    assert str(caught.value.cause) == text
    assert str(caught.value) == f"workflow 'w' ended without a result: {cause.__name__}: {text}"


async def test_details_of_a_cancelled_workflow_are_decoded() -> None:
    details = converter.to_payloads_wrapper(["half done", 3])
    handle, _ = handle_of(closed(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, "canceled", details=details))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert caught.value.cause.details == ("half done", 3)  # type: ignore[attr-defined]
