"""Queries as the client sends them, and what it makes of the answers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from answering_service import AnsweringService
from temporalio.api.enums.v1 import QueryRejectCondition as Proto
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.workflowservice.v1 import QueryWorkflowResponse

from tsuzuki import workflow
from tsuzuki.client import (
    Client,
    InvalidArgumentError,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from tsuzuki.common import QueryRejectCondition
from tsuzuki.converter import DataConverter
from tsuzuki.exceptions import ApplicationError
from tsuzuki.service import ServiceError, StatusCode

CONVERTER = DataConverter.default.payload_converter


@dataclass
class State:
    count: int


@workflow.defn
class Counts:
    @workflow.run
    async def run(self) -> None: ...

    @workflow.query(name="the state")
    def state(self, factor: int) -> State:
        return State(factor)

    @workflow.signal
    def poke(self) -> None: ...


def answering(value: object) -> QueryWorkflowResponse:
    response = QueryWorkflowResponse()
    response.query_result.payloads.extend(CONVERTER.to_payloads([value]))
    return response


def handle_of(service: AnsweringService) -> WorkflowHandle[Counts, None]:
    return Client(service.service).get_workflow_handle("w", run_id="r")


async def test_the_method_says_name_and_type() -> None:
    service = AnsweringService(answering({"count": 3}), answering({"count": 3}), answering({"count": 3}))
    handle = handle_of(service)
    assert await handle.query(Counts.state, 3) == State(3)
    assert await handle.query("the state", 3) == {"count": 3}
    assert await handle.query("the state", args=[3], result_type=State) == State(3)
    for request in service.requests:
        assert (request.execution.workflow_id, request.execution.run_id) == ("w", "r")
        assert request.query.query_type == "the state"
        assert CONVERTER.from_payloads(request.query.query_args.payloads) == [3]
        assert request.query_reject_condition == 0


async def test_a_rejected_query_gives_the_status() -> None:
    rejected = QueryWorkflowResponse()
    rejected.query_rejected.status = WorkflowExecutionStatus.FAILED.value  # type: ignore[assignment]
    service = AnsweringService(rejected)
    with pytest.raises(WorkflowQueryRejectedError, match="the workflow is FAILED") as caught:
        await handle_of(service).query("state", reject_condition=QueryRejectCondition.NOT_OPEN)
    assert caught.value.status is WorkflowExecutionStatus.FAILED
    assert service.requests[0].query_reject_condition == Proto.QUERY_REJECT_CONDITION_NOT_OPEN


async def test_a_failed_query_has_the_error_of_its_handler_as_cause() -> None:
    detail = QueryFailedFailure()
    detail.failure.message = "no answer"
    detail.failure.application_failure_info.type = "Broken"
    service = AnsweringService(
        ServiceError(StatusCode.INVALID_ARGUMENT, "no answer", detail),
        ServiceError(StatusCode.INVALID_ARGUMENT, "no answer", QueryFailedFailure()),
        ServiceError(StatusCode.INVALID_ARGUMENT, "the query type is empty"),
    )
    with pytest.raises(WorkflowQueryFailedError, match="no answer") as caught:
        await handle_of(service).query("state")
    assert isinstance(caught.value.__cause__, ApplicationError)
    assert caught.value.__cause__.type == "Broken"
    with pytest.raises(WorkflowQueryFailedError, match="no answer") as caught:
        await handle_of(service).query("state")
    assert caught.value.__cause__ is None
    with pytest.raises(InvalidArgumentError):
        await handle_of(service).query("state")


async def test_what_is_no_query_is_refused_before_it_is_sent() -> None:
    handle = handle_of(AnsweringService())
    with pytest.raises(TypeError, match=r"Counts.poke is no query handler: decorate it with @workflow.query"):
        await handle.query(Counts.poke)
    with pytest.raises(TypeError, match=r"Counts.state is no signal handler"):
        await handle.signal(Counts.state)
    with pytest.raises(InvalidArgumentError, match="the query name is empty"):
        await handle.query("")
